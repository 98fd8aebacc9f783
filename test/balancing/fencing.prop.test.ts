import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Lease, LoadBalancer, roundRobin } from 'gateless/balancing'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fail, fleet, SEED, take, takeFrom } from './fleet.ts'

const how = fc.constantFrom<(lease: Lease) => void>(
  (lease) => lease.success(),
  (lease) => lease.failure(),
  (lease) => lease.ignore(),
  (lease) => lease.responded('failure'),
  (lease) => {
    lease.responded('success')
    lease.failure()
  },
)

function ejectedFleet(): { balancer: LoadBalancer; clock: FakeClock; old: Lease[] } {
  const clock = new FakeClock(1_000)
  const balancer = new LoadBalancer({ strategy: roundRobin(), clock, random: () => 0 })
  balancer.update(fleet('abcd'))
  const old = Array.from({ length: 12 }, () => takeFrom(balancer, 'b'))
  fail(balancer, 'b')
  return { balancer, clock, old }
}

describe('calls admitted before an ejection', () => {
  it(`change nothing, in whatever way and phase they end (seed ${SEED})`, async () => {
    const phases = fc.constantFrom('ejected', 'probing', 'restored')
    await fc.assert(
      fc.asyncProperty(phases, fc.array(how, { minLength: 1, maxLength: 12, size: 'max' }), async (phase, endings) => {
        const { balancer, clock, old } = ejectedFleet()
        if (phase !== 'ejected') await clock.advance(30_000)
        const probe = phase === 'ejected' ? undefined : take(balancer)
        if (phase === 'restored') probe?.success()
        const view = (): unknown => ({ ...balancer.explain()[1], inFlight: 0 })
        const before = view()
        for (const end of endings) end(old.pop() as Lease)
        expect(view()).toEqual(before)
        if (phase !== 'probing') return
        probe?.success()
        expect(balancer.explain()[1]?.why).toBe('in-rotation')
      }),
      { seed: SEED, numRuns: 200 },
    )
  })

  it(`leave room for exactly one probe at a time (seed ${SEED})`, async () => {
    const step = fc.record({
      end: fc.constantFrom('none', 'ignore', 'failure', 'success'),
      waitMs: fc.constantFrom(0, 1_000, 31_000),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
        const clock = new FakeClock(1_000)
        const rules = { probeTimeoutMs: 86_400_000 }
        const balancer = new LoadBalancer({ strategy: roundRobin(), clock, random: () => 0, ejection: rules })
        balancer.update(fleet('abcdef'))
        for (const id of 'bd') fail(balancer, id)
        const probes = new Map<string, Lease>()
        for (const { end, waitMs } of steps) {
          await clock.advance(waitMs)
          const lease = take(balancer)
          if (lease.probe) {
            expect(probes.has(lease.instance.id)).toBe(false)
            probes.set(lease.instance.id, lease)
          } else lease.success()
          const [id, probe] = [...probes][0] ?? []
          if (end === 'none' || id === undefined || probe === undefined) continue
          probes.delete(id)
          if (end === 'ignore') probe.ignore()
          else if (end === 'failure') probe.failure()
          else probe.success()
        }
      }),
      { seed: SEED, numRuns: 200 },
    )
  })
})
