import { classifyByAttribution } from '../core/attribution.ts'
import { type CallContext, type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { Gate, type GateReason, type Pass, REFUSED } from '../core/gate.ts'
import type { Outcome, Permit, Verdict } from '../core/outcome.ts'
import type { Guard, PolicyInfo, Refusal } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { CircuitOpenError } from './errors.ts'
import type { BreakerEvents, BreakerMetrics, BreakerMode, BreakerState } from './events.ts'
import { type BreakerSettings, type CircuitBreakerOptions, readBreakerOptions } from './options.ts'
import { type BreakerSnapshot, readSnapshot } from './snapshot.ts'
import type { TripMemory } from './trip-rule.ts'

/**
 * Stops calling what keeps failing, and finds out by single probes when it works again.
 *
 * When to use: around every dependency that can be down, so that callers fail at once instead of waiting, and the
 * dependency gets room to recover. `execute` is the comfortable way; `tryAcquire` decides alone, for callers that
 * settle the permit themselves.
 *
 * Gotchas: it holds no timer, so an open breaker becomes half-open when it is next asked (a call, or reading `state`),
 * and that is when the event is emitted. A caller's own abort never counts against the remote; a `timeoutMs` does.
 *
 * @example
 * const breaker = new CircuitBreaker({ name: 'orders', failureThreshold: 5, recoveryTimeoutMs: 60_000 })
 * const order = await breaker.execute(({ signal }) => fetchOrder(7, signal))
 */
export class CircuitBreaker extends TypedEmitter<BreakerEvents> implements Guard {
  readonly name: string
  readonly info: PolicyInfo
  readonly #settings: BreakerSettings
  readonly #gate: Gate
  readonly #memory: TripMemory
  #mode: BreakerMode = 'normal'
  #rejected = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: CircuitBreakerOptions) {
    super()
    this.#settings = readBreakerOptions(options)
    this.name = this.#settings.name
    this.info = { kind: 'breaker', name: this.name }
    this.#memory = this.#settings.trip.create()
    this.#gate = new Gate(this.#settings.gate, (from, to, reason) => this.#moved(from, to, reason))
  }

  /** Continues where a snapshot left off; what remained of the open time still has to pass. @throws {TypeError} */
  static restore(snapshot: BreakerSnapshot, options?: CircuitBreakerOptions): CircuitBreaker {
    const { state, mode, probeAt, counts } = readSnapshot(snapshot)
    const breaker = new CircuitBreaker(options)
    const { clock, recoveryTimeoutMs } = breaker.#settings
    if (counts !== null) breaker.#memory.restore(counts)
    if (state !== 'closed') {
      // A half-open breaker's probes died with their process: it probes again at once.
      const remaining = probeAt === null ? 0 : probeAt - clock.wallNow()
      breaker.#gate.open(clock.now(), Math.min(Math.max(0, remaining), recoveryTimeoutMs), 'restored')
    }
    breaker.#mode = mode
    return breaker
  }

  get state(): BreakerState {
    return this.#gate.kind(this.#settings.clock.now())
  }

  get mode(): BreakerMode {
    return this.#mode
  }

  get metrics(): BreakerMetrics {
    return { ...this.#memory.counts(this.#settings.clock.now()), rejected: this.#rejected }
  }

  /** Whole milliseconds until the breaker lets a probe through: 0 unless open, undefined while isolated. */
  get retryAfterMs(): number | undefined {
    return this.#mode === 'isolated' ? undefined : Math.ceil(this.#gate.remainingMs(this.#settings.clock.now()))
  }

  /** Leave for one call, or undefined. The permit must be settled, or a probe's slot stays taken for `probeTimeoutMs`. */
  tryAcquire(): Permit | undefined {
    const pass = this.#enter()
    return pass === REFUSED ? undefined : new BreakerPermit(this, pass, this.#gate.generation)
  }

  /**
   * Runs the work if the breaker admits it, and records how it ended.
   *
   * @throws {CircuitOpenError} when the call was refused; otherwise whatever the work throws.
   */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    // Before the permit: options that are refused must not cost a probe its slot.
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    // A pass and its generation are all a permit is made of: as long as it stays in here, it need not be made.
    const pass = this.#enter()
    const generation = this.#gate.generation
    if (pass === REFUSED) {
      if (own) scope.dispose()
      throw this.#refusal()
    }
    try {
      // Also in somebody else's scope: work that ignores its signal must not keep a probe's slot for the caller who left.
      const value = await (scope.interruptible ? race(scope, operation) : operation(scope))
      const plain = this.#settings.classify === classifyByAttribution
      this.settle(pass, generation, plain ? 'success' : this.#classify({ ok: true, value }, scope))
      return value
    } catch (error) {
      this.settle(pass, generation, this.#classify({ ok: false, error }, scope))
      throw error
    } finally {
      if (own) scope.dispose()
    }
  }

  /** The same function under the breaker: same arguments, same result type. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  /** For `pipeline`: `tryAcquire` with a reason. */
  admit(): Permit | Refusal {
    return this.tryAcquire() ?? { refused: true, error: () => this.#refusal() }
  }

  /** For `pipeline`: settles the permit by `classify`. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void {
    const verdict = this.#classify(outcome, context)
    if (verdict === 'success') permit.success()
    else if (verdict === 'failure') permit.failure()
    else permit.ignore()
  }

  /** Rejects every call until `reset()`: for maintenance, or when a human knows better. */
  isolate(): void {
    this.#setMode('isolated')
  }

  /** Back to closed and normal, with nothing remembered. */
  reset(): void {
    this.#setMode('normal')
    this.#gate.close('reset')
    this.#memory.reset()
  }

  /** What it knows, as JSON. */
  snapshot(): BreakerSnapshot {
    const { clock } = this.#settings
    const state = this.state
    return {
      version: 1,
      state,
      mode: this.#mode,
      probeAt: state === 'open' ? clock.wallNow() + this.#gate.remainingMs(clock.now()) : null,
      counts: this.#memory.save() ?? null,
    }
  }

  /** @internal One permit's verdict. */
  settle(pass: number, generation: number, verdict: Verdict): void {
    const gate = this.#gate
    // Fenced: the state changed since this call was admitted, so its result is about a time that is over.
    if (!gate.isCurrent(pass, generation)) return
    const isProbe = pass > 0
    if (verdict === 'ignore') {
      gate.release(pass)
      return
    }
    const failed = verdict === 'failure'
    const { clock, recoveryTimeoutMs } = this.#settings
    if (isProbe) {
      if (failed) gate.open(clock.now(), recoveryTimeoutMs, 'probe-failed')
      else gate.probeSucceeded(pass)
    } else if (this.#record(failed)) gate.open(clock.now(), recoveryTimeoutMs, 'tripped')
  }

  /** A rule may be a user's: one that throws trips nothing, and is reported. */
  #record(failed: boolean): boolean {
    try {
      return this.#memory.record(failed, this.#memory.timed ? this.#settings.clock.now() : 0)
    } catch (error) {
      this.reportFault('trip', error)
      return false
    }
  }

  #enter(): Pass {
    if (this.#mode === 'normal') {
      if (this.#gate.closed) return 0
      const pass = this.#gate.enter(this.#settings.clock.now())
      if (pass !== REFUSED) return pass
    }
    this.#rejected += 1
    if (this.heard('rejected')) {
      this.emit('rejected', { state: this.state, mode: this.#mode, retryAfterMs: this.retryAfterMs })
    }
    return REFUSED
  }

  #classify(outcome: Outcome, context: CallContext): Verdict {
    // Whatever error the work made of it: the caller left, and that is nobody's failure.
    if (!outcome.ok && context instanceof CallScope && context.abandonedByCaller) return 'ignore'
    try {
      return this.#settings.classify(outcome)
    } catch (error) {
      this.reportFault('classify', error)
      return classifyByAttribution(outcome)
    }
  }

  #refusal(): CircuitOpenError {
    if (this.#mode === 'isolated') return new CircuitOpenError(this.name, undefined, 'is isolated')
    return this.state === 'half-open'
      ? new CircuitOpenError(this.name, undefined, 'is half-open, and all its probes are taken')
      : new CircuitOpenError(this.name, this.retryAfterMs)
  }

  #setMode(mode: BreakerMode): void {
    const from = this.#mode
    if (from === mode) return
    this.#mode = mode
    this.emit('mode', { from, to: mode })
  }

  #moved(from: BreakerState, to: BreakerState, reason: GateReason): void {
    const metrics = this.heard('transition') ? this.metrics : undefined
    if (to === 'closed') this.#memory.reset()
    if (metrics !== undefined) this.emit('transition', { from, to, reason, metrics })
  }
}

class BreakerPermit implements Permit {
  readonly #pass: number
  readonly #generation: number
  #breaker: CircuitBreaker | undefined

  constructor(breaker: CircuitBreaker, pass: number, generation: number) {
    this.#breaker = breaker
    this.#pass = pass
    this.#generation = generation
  }

  success(): void {
    this.#settle('success')
  }

  failure(): void {
    this.#settle('failure')
  }

  ignore(): void {
    this.#settle('ignore')
  }

  #settle(verdict: Verdict): void {
    const breaker = this.#breaker
    this.#breaker = undefined
    breaker?.settle(this.#pass, this.#generation, verdict)
  }
}
