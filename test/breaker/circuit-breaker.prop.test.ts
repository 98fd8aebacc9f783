import * as fc from 'fast-check'
import { CircuitBreaker } from 'gateless/breaker'
import { describe, expect, it } from 'vitest'
import type { Permit } from '../../src/core/outcome.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/**
 * A breaker and a model of it that is too simple to be wrong go through the same random schedule of calls, results, waits
 * and interventions. The model knows nothing of gates, generations or queues of waiters: a state, a count, a list.
 */

const OPEN_MS = 100
const PROBE_TIMEOUT_MS = 250

interface Rules {
  readonly threshold: number
  readonly probes: number
  readonly successes: number
  readonly maxQueue: number
}

interface Held {
  readonly id: number
  /** The spell of one state in which it was admitted. */
  readonly spell: number
  readonly probe: boolean
}

class Model {
  state: 'closed' | 'open' | 'half-open' = 'closed'
  failures = 0
  successes = 0
  spell = 0
  openedAt = 0
  /** Who has a slot since when, oldest first. */
  probes: { id: number; since: number }[] = []
  queue: number[] = []
  /** Waiters, by how it ended for them. */
  admitted: Held[] = []
  refused: number[] = []
  readonly #rules: Rules

  constructor(rules: Rules) {
    this.#rules = rules
  }

  move(to: Model['state'], now: number): void {
    this.state = to
    this.spell += 1
    this.probes = []
    this.successes = 0
    if (to === 'closed') this.failures = 0
    if (to === 'open') this.openedAt = now
    this.serve(now)
  }

  look(now: number): void {
    if (this.state === 'open' && now - this.openedAt >= OPEN_MS) this.move('half-open', now)
  }

  /** Undefined: no. */
  enter(id: number, now: number): Held | undefined {
    this.look(now)
    if (this.state === 'open') return undefined
    if (this.state === 'closed') return { id, spell: this.spell, probe: false }
    if (this.probes.length >= this.#rules.probes)
      this.probes = this.probes.filter(({ since }) => now - since < PROBE_TIMEOUT_MS)
    if (this.probes.length >= this.#rules.probes) return undefined
    this.probes.push({ id, since: now })
    return { id, spell: this.spell, probe: true }
  }

  serve(now: number): void {
    while (this.queue.length > 0) {
      const held = this.enter(this.queue[0] as number, now)
      if (held === undefined && this.state === 'half-open') return
      const id = this.queue.shift() as number
      if (held === undefined) this.refused.push(id)
      else this.admitted.push(held)
    }
  }

  settle({ id, spell, probe }: Held, verdict: 'success' | 'failure' | 'ignore', now: number): void {
    if (spell !== this.spell) return
    if (!probe) {
      if (verdict === 'success') this.failures = 0
      if (verdict === 'failure' && ++this.failures >= this.#rules.threshold) this.move('open', now)
      return
    }
    if (!this.probes.some((each) => each.id === id)) return
    this.probes = this.probes.filter((each) => each.id !== id)
    if (verdict === 'failure') this.move('open', now)
    else if (verdict === 'success' && ++this.successes >= this.#rules.successes) this.move('closed', now)
    this.serve(now)
  }
}

const rulesArbitrary = fc.record({
  threshold: fc.integer({ min: 1, max: 3 }),
  probes: fc.integer({ min: 1, max: 3 }),
  successes: fc.integer({ min: 1, max: 3 }),
  maxQueue: fc.integer({ min: 1, max: 4 }),
})

const stepArbitrary = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('acquire' as const) }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('execute' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 130 }) }) },
  {
    weight: 9,
    arbitrary: fc.record({
      kind: fc.constant('settle' as const),
      which: fc.nat(30),
      verdict: fc.constantFrom('success' as const, 'failure' as const, 'failure' as const, 'ignore' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('abort' as const), which: fc.nat(10) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reset' as const) }) },
)

/** How a call of `execute` is to end, once it runs. */
interface Running {
  readonly id: number
  readonly finish: (verdict: 'success' | 'failure' | 'ignore') => void
}

class Refused extends Error {
  readonly local = true
}

describe('a breaker agrees with its model', () => {
  it('on states, slots, the order of those who wait and who is refused, whatever the schedule (property)', async () => {
    await fc.assert(
      fc.asyncProperty(rulesArbitrary, fc.array(stepArbitrary, { maxLength: 120 }), async (rules, steps) => {
        const clock = new FakeClock()
        const breaker = new CircuitBreaker({
          failureThreshold: rules.threshold,
          recoveryTimeoutMs: OPEN_MS,
          successThreshold: rules.successes,
          clock,
          halfOpen: {
            probes: rules.probes,
            probeTimeoutMs: PROBE_TIMEOUT_MS,
            whenBusy: 'queue',
            maxQueue: rules.maxQueue,
          },
          classify: (outcome) => (outcome.ok ? 'success' : outcome.error instanceof Refused ? 'ignore' : 'failure'),
        })
        const model = new Model(rules)
        const permits = new Map<number, Permit>()
        const started: Running[] = []
        const refused: number[] = []
        const aborters = new Map<number, AbortController>()
        const held: Held[] = []
        let ids = 0
        const calls: Promise<unknown>[] = []
        const settled = new Set<number>()

        const execute = (id: number): void => {
          const aborter = new AbortController()
          aborters.set(id, aborter)
          const work = (): Promise<void> =>
            new Promise((resolve, reject) => {
              const finish = (verdict: 'success' | 'failure' | 'ignore'): void => {
                if (verdict === 'success') resolve()
                else reject(verdict === 'failure' ? new Error('down') : new Refused())
              }
              started.push({ id, finish })
            })
          const call = breaker.execute(work, { signal: aborter.signal })
          calls.push(
            call.catch((error: { code?: string }) => {
              if (error.code === 'ERR_GATELESS_CIRCUIT_OPEN') refused.push(id)
            }),
          )
        }

        for (const step of steps) {
          const now = clock.now()
          model.look(now)
          if (step.kind === 'acquire') {
            const id = (ids += 1)
            model.serve(now)
            const expected = model.enter(id, now)
            const permit = breaker.tryAcquire()
            expect(permit !== undefined).toBe(expected !== undefined)
            if (permit !== undefined && expected !== undefined) {
              permits.set(id, permit)
              held.push(expected)
            }
          } else if (step.kind === 'execute') {
            const id = (ids += 1)
            model.serve(now)
            const expected = model.enter(id, now)
            if (expected !== undefined) held.push(expected)
            else if (model.state === 'half-open' && model.queue.length < rules.maxQueue) model.queue.push(id)
            else model.refused.push(id)
            execute(id)
          } else if (step.kind === 'wait') {
            // In the steps in which those who wait are woken: when the slot of the oldest probe is taken for lost.
            const until = now + step.ms
            for (;;) {
              const wake =
                model.queue.length > 0 && model.probes.length > 0
                  ? (model.probes[0] as { since: number }).since + PROBE_TIMEOUT_MS
                  : Number.POSITIVE_INFINITY
              if (wake > until) break
              await clock.advance(wake - clock.now())
              model.serve(wake)
              held.push(...model.admitted.splice(0))
            }
            await clock.advance(until - clock.now())
          } else if (step.kind === 'settle') {
            const target = held[step.which]
            if (target !== undefined && !settled.has(target.id)) {
              settled.add(target.id)
              const permit = permits.get(target.id)
              if (permit !== undefined) permit[step.verdict]()
              else started.find(({ id }) => id === target.id)?.finish(step.verdict)
              // The result of an executed call is known a few microtasks later; nothing else happens meanwhile.
              await clock.advance(0)
              model.settle(target, step.verdict, now)
            }
          } else if (step.kind === 'abort') {
            const id = model.queue[step.which]
            if (id !== undefined) {
              aborters.get(id)?.abort(new Error('gone'))
              model.queue = model.queue.filter((each) => each !== id)
            }
          } else {
            breaker.reset()
            model.failures = 0
            if (model.state !== 'closed') model.move('closed', now)
          }
          await clock.advance(0)
          held.push(...model.admitted.splice(0))
          model.look(clock.now())
          held.push(...model.admitted.splice(0))
          expect(breaker.state).toBe(model.state)
          expect(breaker.metrics.waiting).toBe(model.queue.length)
          expect(breaker.metrics.probesInFlight).toBe(model.probes.length)
          expect(breaker.metrics.probesInFlight).toBeLessThanOrEqual(rules.probes)
          expect(breaker.metrics.waiting).toBeLessThanOrEqual(rules.maxQueue)
          expect(refused).toEqual(model.refused)
          // Who runs is who the model admitted, in the same order: those who wait do so first come, first served.
          expect(started.map(({ id }) => id)).toEqual(held.map(({ id }) => id).filter((id) => !permits.has(id)))
          // A timer only while somebody waits.
          expect(clock.pending).toBe(model.queue.length > 0 ? 1 : 0)
        }
        // Everybody ends; nothing is left behind.
        breaker.reset()
        await clock.advance(0)
        for (const { finish } of started) finish('ignore')
        for (const permit of permits.values()) permit.ignore()
        await Promise.all(calls)
        expect(breaker.metrics).toMatchObject({ waiting: 0, probesInFlight: 0 })
        expect([breaker.state, clock.pending]).toEqual(['closed', 0])
      }),
      { numRuns: 300 },
    )
  })
})
