import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { CallContext } from 'gateless'
import { type Budget, Hedge, isTransient, SupersededError } from 'gateless/retry'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { decorated } from './decorated.ts'

/** Counts what is taken out, and fails whoever takes out more than there is. */
class Purse implements Budget {
  suppressed = 0
  taken = 0
  deposits = 0
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  get available(): number {
    return this.#size - this.taken
  }

  deposit(): void {
    this.deposits += 1
  }

  tryWithdraw(): boolean {
    if (this.available <= 0) {
      this.suppressed += 1
      return false
    }
    this.taken += 1
    return true
  }
}

const tryEnd = fc.record({
  ms: fc.integer({ min: 0, max: 200 }),
  end: fc.constantFrom('answer', 'answer', 'transient', 'fatal', 'local'),
  /** Whether it ends at once when its signal aborts. */
  heeds: fc.boolean(),
})

const call = fc.record({
  atMs: fc.integer({ min: 0, max: 300 }),
  tries: fc.array(tryEnd, { minLength: 5, maxLength: 5 }),
  timeoutMs: fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
  abortAtMs: fc.option(fc.integer({ min: 0, max: 300 }), { nil: undefined }),
  idempotent: fc.constantFrom(true, undefined, undefined, false),
})

const schedule = fc.record({
  calls: fc.array(call, { minLength: 1, maxLength: 8 }),
  maxHedges: fc.integer({ min: 1, max: 4 }),
  delayMs: fc.integer({ min: 0, max: 80 }),
  purse: fc.integer({ min: 0, max: 12 }),
})

/** What happened to one try. */
interface Seen {
  readonly signal: AbortSignal
  aborts: number
  ended: boolean
  readonly startedAt: number
}

describe('a hedge, whatever happens', () => {
  it('keeps its counts, its budget and its promises', async () => {
    await fc.assert(
      fc.asyncProperty(schedule, async ({ calls, maxHedges, delayMs, purse }) => {
        const clock = new FakeClock()
        const budget = new Purse(purse)
        const discarded: unknown[] = []
        const policy = new Hedge({
          clock,
          maxHedges,
          delayMs,
          budget,
          retryable: (error) => isTransient(error),
          discard: (value) => discarded.push(value),
        })
        let answered = 0
        let hedges = 0
        const runs = calls.map(async ({ atMs, tries, timeoutMs, abortAtMs, idempotent }) => {
          await new Promise<void>((resolve) => {
            clock.setTimeout(resolve, atMs)
          })
          const controller = new AbortController()
          if (abortAtMs !== undefined) clock.setTimeout(() => controller.abort('left'), abortAtMs)
          const seen: Seen[] = []
          let settlements = 0
          const startedAt = clock.now()
          const work = ({ signal, attempt }: CallContext): Promise<string> => {
            const { ms, end, heeds } = tries[seen.length] as (typeof tries)[number]
            const one: Seen = { signal, aborts: 0, ended: false, startedAt: clock.now() }
            seen.push(one)
            expect(attempt).toBe(seen.length)
            return new Promise((resolve, reject) => {
              const timer = clock.setTimeout(() => {
                one.ended = true
                if (end === 'answer') {
                  answered += 1
                  resolve(`answer of ${attempt}`)
                } else if (end === 'transient') reject(decorated(new Error('reset'), { code: 'ECONNRESET' }))
                else if (end === 'fatal') reject(new TypeError('a bug'))
                else reject(new SupersededError('local'))
              }, ms)
              signal.addEventListener('abort', () => {
                one.aborts += 1
                if (!heeds || one.ended) return
                clock.clearTimeout(timer)
                one.ended = true
                reject(signal.reason as Error)
              })
            })
          }
          const { signal } = controller
          const outcome = await policy.execute(work, { signal, timeoutMs, idempotent }).then(
            (value) => ({ value, error: undefined }),
            (error: unknown) => ({ value: undefined, error }),
          )
          settlements += 1
          const settledAt = clock.now()
          hedges += Math.max(0, seen.length - 1)
          expect(seen.length).toBeLessThanOrEqual(idempotent === false ? 1 : 1 + maxHedges)
          for (const { startedAt: begun } of seen)
            if (timeoutMs !== undefined) expect(begun).toBeLessThan(startedAt + timeoutMs)
          // Settles in time, and by nothing that is over.
          const limit = Math.min(timeoutMs ?? Infinity, Math.max(1, abortAtMs ?? Infinity))
          expect(settledAt - startedAt).toBeLessThanOrEqual(limit)
          if (outcome.value !== undefined) {
            const winner = seen[Number(outcome.value.at(-1)) - 1] as Seen
            expect(winner.ended).toBe(true)
            expect(winner.aborts).toBe(0)
          }
          const triesThen = seen.length
          return {
            check: (): void => {
              // Nothing began after the end, every loser was told once, and the call settled once.
              expect(seen.length).toBe(triesThen)
              expect(settlements).toBe(1)
              for (const { aborts } of seen) expect(aborts).toBeLessThanOrEqual(1)
              for (const { ended } of seen) expect(ended).toBe(true)
            },
            answered: outcome.value === undefined ? 0 : 1,
          }
        })
        await clock.advance(2_000)
        const results = await Promise.all(runs)
        for (const { check } of results) check()
        const { metrics } = policy
        expect(metrics.inFlight).toBe(0)
        expect(metrics.hedges).toBe(hedges)
        expect(budget.taken).toBe(hedges)
        expect(budget.taken).toBeLessThanOrEqual(purse)
        expect(metrics.suppressed).toBe(budget.suppressed)
        expect(budget.deposits).toBe(metrics.calls)
        expect(clock.pending).toBe(0)
        // Each answer went to a caller or to discard, but for those of calls that may not be repeated.
        const delivered = results.reduce((sum, { answered: one }) => sum + one, 0)
        const raced = calls.filter(({ idempotent }) => idempotent === false).length
        expect(discarded.length + delivered).toBeLessThanOrEqual(answered)
        expect(discarded.length + delivered).toBeGreaterThanOrEqual(answered - raced)
      }),
      { numRuns: 300 },
    )
  })

  it('tells every loser of a decided call, once', async () => {
    const losers = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 2, maxLength: 5 })
    await fc.assert(
      fc.asyncProperty(losers, async (latencies) => {
        const clock = new FakeClock()
        const policy = new Hedge({ clock, maxHedges: 4, delayMs: 5, budget: false })
        const reasons: unknown[] = []
        let begun = 0
        const answer = policy.execute(({ signal }) => {
          begun += 1
          signal.addEventListener('abort', () => reasons.push(signal.reason))
          return new Promise((resolve) => {
            clock.setTimeout(() => resolve(begun), latencies[(begun - 1) % latencies.length] as number)
          })
        })
        await clock.advance(1_000)
        await answer
        expect(reasons).toHaveLength(begun - 1)
        expect(reasons.every((reason) => reason instanceof SupersededError)).toBe(true)
        expect(policy.metrics).toMatchObject({ superseded: begun - 1, inFlight: 0, hedges: begun - 1 })
      }),
    )
  })
})
