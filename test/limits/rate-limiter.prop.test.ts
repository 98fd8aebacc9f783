import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type RateAlgorithm, RateLimiter } from '../../src/limits/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const step = fc.oneof(
  { weight: 5, arbitrary: fc.record({ do: fc.constant('call' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('abort' as const), which: fc.nat() }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 300 }) }) },
)

describe('a rate limiter under any schedule', () => {
  it('keeps the rate and the order, settles everybody, and leaves no timer (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<RateAlgorithm>('token-bucket', 'sliding-window'),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 5 }),
        fc.array(step, { maxLength: 60 }),
        async (algorithm, limit, intervalMs, maxQueue, steps) => {
          const clock = new FakeClock()
          const limiter = new RateLimiter({ limit, intervalMs, algorithm, maxQueue, clock })
          const through: { id: number; at: number }[] = []
          const waiting = new Map<number, AbortController>()
          let open = 0
          for (const [id, each] of steps.entries()) {
            if (each.do === 'call') {
              const controller = new AbortController()
              waiting.set(id, controller)
              open += 1
              const end = (): void => {
                open -= 1
                waiting.delete(id)
              }
              limiter.execute(() => through.push({ id, at: clock.now() }), { signal: controller.signal }).then(end, end)
            } else if (each.do === 'abort') {
              const ids = [...waiting.keys()]
              waiting.get(ids[each.which % (ids.length || 1)] as number)?.abort()
            } else await clock.advance(each.ms)
            await clock.advance(0)
            const { available, queued } = limiter.metrics
            expect(available).toBeGreaterThanOrEqual(0)
            expect(available).toBeLessThanOrEqual(limit)
            expect(queued).toBe(open)
            expect(queued).toBeLessThanOrEqual(maxQueue)
            // Nobody waits while there is something to be had.
            if (queued > 0) expect(available).toBeLessThan(1)
          }
          await clock.advance((maxQueue + 1) * intervalMs + 1)
          expect(open).toBe(0)
          expect(clock.pending).toBe(0)
          expect(through.map(({ id }) => id)).toEqual(through.map(({ id }) => id).toSorted((a, b) => a - b))
          for (const [first, { at: from }] of through.entries()) {
            const last = through.findLastIndex(({ at }) => at - from < intervalMs)
            const inInterval = last - first + 1
            const span = (through[last] as { at: number }).at - from
            const most = algorithm === 'sliding-window' ? limit : limit + (span * limit) / intervalMs
            expect(inInterval).toBeLessThanOrEqual(most)
          }
        },
      ),
    )
  })

  it('has let go by any time whoever was promised a turn by then, however late its timers are (property)', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 8_000 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 80 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 20 }),
        async (limit, burst, callers, steps) => {
          const fake = new FakeClock()
          let late = 0
          const now = (): number => fake.now() + late
          const clock = { now, setTimeout: fake.setTimeout, clearTimeout: fake.clearTimeout }
          const limiter = new RateLimiter({ limit, burst, maxQueue: 100, clock })
          let through = 0
          const began = now()
          const calls = Array.from({ length: callers }, () => limiter.execute(() => (through += 1)))
          for (const ms of steps) {
            // What passes here passes without any timer: the process was busy.
            late += ms
            await fake.advance(1)
            // In integers, as the bucket counts.
            const due = burst + Math.floor(((now() - began) * limit) / 1_000)
            const shown = limiter.metrics
            limiter.tryAcquire()
            await fake.advance(0)
            expect(through).toBe(Math.min(callers, due))
            expect(shown.available).toBeLessThanOrEqual(burst)
            if (through < callers) expect(limiter.metrics.rejected).toBeGreaterThan(0)
            else break
          }
          late += 100_000
          await fake.advance(100_000)
          await Promise.all(calls)
          expect(fake.pending).toBe(0)
        },
      ),
    )
  })
})
