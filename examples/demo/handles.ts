import { setTimeout as sleep } from 'node:timers/promises'

/** What keeps this process alive, by Node's own account: sockets, timers that were not unref'd, requests in the air. */

/** A closed socket is gone a turn or two later, not at once. */
const SETTLE_MS = 1_000

export function activeHandles(): string[] {
  return process.getActiveResourcesInfo()
}

/** What is there beyond `before` (IPC and stdio, mostly), after giving it a moment to go. */
export async function handlesSince(before: readonly string[]): Promise<string[]> {
  const giveUpAt = performance.now() + SETTLE_MS
  for (;;) {
    const left = without(activeHandles(), before)
    if (left.length === 0 || performance.now() > giveUpAt) return left
    await sleep(10)
  }
}

/** Takes each of `taken` out once: two sockets, less one, are one. */
export function without(all: readonly string[], taken: readonly string[]): string[] {
  const left = [...all]
  for (const each of taken) {
    const index = left.indexOf(each)
    if (index >= 0) left.splice(index, 1)
  }
  return left
}
