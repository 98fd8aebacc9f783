import type { Contender } from './harness.ts'
import { protectedCalls } from './policies.ts'

/** A successful call of a trivial async function: what a policy costs when there is nothing for it to do. */
export function successContenders(): Contender[] {
  return protectedCalls(async () => 1).map(({ name, call }) => ({
    name,
    // Nobody makes the next call before he has the answer of the last.
    run: async (times) => {
      for (let i = 0; i < times; i += 1) await call()
    },
  }))
}
