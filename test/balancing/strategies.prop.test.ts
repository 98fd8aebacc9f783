import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { maglev, peakEwma, prequal, rendezvous, ringHash, serverLoad, type Strategy } from 'gateless/balancing'
import type { OutcomeInfo } from '../../src/core/outcome.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { seededRandom } from '../../src/time/random.ts'
import { SEED } from './fleet.ts'
import { bare, type BareMember, callTo, seated } from './strategies-support.ts'

/** Pickers without a balancer: any order of updates and calls, with members that come, go, return and change weight. */

const STRATEGIES: [string, Strategy][] = [
  ['peakEwma', peakEwma()],
  ['serverLoad', serverLoad({ blackoutMs: 0 })],
  ["serverLoad 'least-loaded'", serverLoad({ choose: 'least-loaded' })],
  ['prequal', prequal({ probe: async ({ id }) => ({ inFlight: id.charCodeAt(1) % 5, latencyMs: 1 }) })],
  ['rendezvous', rendezvous({ balanceFactor: 1.1 })],
  ['ringHash', ringHash({ points: 7, balanceFactor: 1.1 })],
  ['maglev', maglev({ tableSize: 101, balanceFactor: 1.1 })],
]

const someIds = fc.uniqueArray(fc.nat(9), { maxLength: 10 })
const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ act: fc.constant('update' as const), present: someIds, heavy: fc.nat(9) }) },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('call' as const),
      key: fc.option(fc.string({ maxLength: 2 }), { nil: undefined }),
      exclude: fc.option(someIds, { nil: undefined }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('end' as const),
      which: fc.nat(50),
      verdict: fc.constantFrom('success' as const, 'failure' as const, 'ignore' as const),
      load: fc.constantFrom(
        undefined,
        0,
        3,
        Number.NaN,
        -1,
        { requestsPerSecond: 10, cpuUtilization: 0.5 },
        { eps: 1 },
      ),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.constantFrom(1, 50, 900, 4_000) }) },
)

describe.each(STRATEGIES)('%s', (_name, strategy) => {
  it(`picks only members it has, not excluded while others are not, whatever happens (seed ${SEED})`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 120 }), async (steps) => {
        const clock = new FakeClock(1_000)
        const picker = strategy.create({ random: seededRandom(SEED), clock })
        const all = Array.from({ length: 10 }, (_, i) => bare(`i${i}`))
        let present: BareMember[] = []
        const open: ReturnType<typeof callTo>[] = []
        for (const action of steps) {
          if (action.act === 'update') {
            for (const member of all) member.slot = -1
            present = seated(...action.present.map((i) => all[i] as BareMember))
            for (const [i, member] of all.entries()) member.weight = i === action.heavy ? 7 : 1
            picker.update(present)
          } else if (action.act === 'wait') await clock.advance(action.ms)
          else if (action.act === 'call') {
            const exclude = action.exclude && new Set(action.exclude.map((i) => `i${i}`))
            const member = picker.pick({ key: action.key, exclude }, clock.now())
            const allowed = present.filter(({ id }) => exclude?.has(id) !== true)
            if (allowed.length === 0) expect(member).toBeUndefined()
            else expect(allowed).toContain(member)
            if (member === undefined) continue
            const call = callTo(member, clock.now())
            picker.started?.(call)
            open.push(call)
          } else {
            const [call] = open.splice(action.which % Math.max(1, open.length), 1)
            if (call === undefined) continue
            const info = { load: action.load } as OutcomeInfo
            picker.responded?.(call, action.verdict, clock.now() - call.startedAt, info)
            ;(call.member as BareMember).inFlight -= 1
            picker.settled?.(call)
          }
        }
        // Probes and builds end; nothing is left behind.
        await clock.advance(10_000)
        expect(clock.pending).toBe(0)
      }),
      { seed: SEED, numRuns: 100 },
    )
  })
})
