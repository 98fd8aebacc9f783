import { classifyByAttribution, judgeBy } from '../core/attribution.ts'
import { type CallContext, type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { Gate, type GateReason, type Pass, REFUSED } from '../core/gate.ts'
import type { Outcome, OutcomeInfo, Permit, Verdict } from '../core/outcome.ts'
import type { Admission, Guard, PolicyInfo, Refusal } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { type CircuitOpenError, knownWaitMs, toCircuitOpen, whyRefused } from './errors.ts'
import type { BreakerEvents, BreakerMetrics, BreakerMode, BreakerState } from './events.ts'
import { inherit, makeMemory, NO_COUNTS, tooSlow, trips } from './judgement.ts'
import { OpenTime } from './open-time.ts'
import { checkMode, patchBreakerOptions, readBreakerOptions } from './options.ts'
import type { BreakerSettings, CircuitBreakerOptions, CircuitBreakerPatch } from './options.ts'
import { BreakerPermit, runUnder, settleBy } from './permit.ts'
import { type Door, ProbeQueue } from './probe-queue.ts'
import { type BreakerSnapshot, readSnapshot, reopen } from './snapshot.ts'
import { breakerInfo } from './summary.ts'
import type { TripMemory } from './trip-rule.ts'

/** The pass of a call that a mode let through: no gate knows it, so what comes of the call counts for nothing. */
const UNCOUNTED: Pass = -2

/**
 * Stops calling what keeps failing, and finds out by single probes when it works again.
 *
 * When to use: around every dependency that can be down, so that callers fail at once instead of waiting, and the
 * dependency gets room to recover. `execute` is the comfortable way; `tryAcquire` decides alone, for callers that
 * settle the permit themselves.
 *
 * Gotchas: it holds no timer unless somebody waits for a probe, so an open breaker becomes half-open when it is next
 * asked (a call, or reading `state`), and that is when the event is emitted. A caller's own abort never counts against
 * the remote; a `timeoutMs` does.
 *
 * @example
 * const breaker = new CircuitBreaker({ name: 'orders', failureThreshold: 5, recoveryTimeoutMs: 60_000 })
 * const order = await breaker.execute(({ signal }) => fetchOrder(7, signal))
 */
export class CircuitBreaker extends TypedEmitter<BreakerEvents> implements Guard {
  readonly name: string
  readonly #gate: Gate
  #settings: BreakerSettings
  #memory: TripMemory
  #mode: BreakerMode
  #rejected = 0
  #wouldReject = 0
  /** When the gate was last asked for leave, for the refusal that may come of it. */
  #askedAt = 0
  /** Made at the first opening, and the queue for the first who waits: most breakers need neither. */
  #openTime: OpenTime | undefined
  #queue: ProbeQueue | undefined
  #info: PolicyInfo | undefined

  /** @throws {RangeError | TypeError} naming the option. */
  constructor(options?: CircuitBreakerOptions) {
    super()
    const { name, settings } = readBreakerOptions(options)
    this.name = name
    this.#settings = settings
    this.#mode = settings.mode
    this.#memory = makeMemory(settings.trip)
    this.#gate = new Gate(settings.gate, this)
  }

  /** Continues where a snapshot left off; what remained of the open time still has to pass. @throws {TypeError | RangeError} */
  static restore(snapshot: BreakerSnapshot, options?: CircuitBreakerOptions): CircuitBreaker {
    const saved = readSnapshot(snapshot)
    const breaker = new CircuitBreaker(options)
    if (saved.counts !== null) breaker.#memory.restore(saved.counts)
    breaker.#openTime = reopen(breaker.#gate, breaker.#settings, saved)
    breaker.#mode = saved.mode
    return breaker
  }

  get info(): PolicyInfo {
    return (this.#info ??= breakerInfo(this.name, this.#settings))
  }

  get state(): BreakerState {
    return this.#gate.kind(this.#settings.clock.now())
  }

  get mode(): BreakerMode {
    return this.#mode
  }

  get metrics(): BreakerMetrics {
    const now = this.#settings.clock.now()
    return this.#measure(this.#gate.share(now), now)
  }

  /** The metrics, without a look at what time has made of the gate. */
  #measure(share: number, now: number): BreakerMetrics {
    const { successes, failures, slow = 0 } = this.#ask('trip', () => this.#memory.counts(now), NO_COUNTS)
    return {
      successes,
      failures,
      slow,
      rejected: this.#rejected,
      wouldReject: this.#wouldReject,
      trips: this.#openTime?.trips ?? 0,
      probesInFlight: this.#gate.probesInFlight,
      waiting: this.#queue?.size ?? 0,
      admittedShare: this.#mode === 'normal' ? share : this.#mode === 'isolated' ? 0 : 1,
    }
  }

  /**
   * Whole milliseconds until the breaker lets a probe through, 0 when it would let one through now; undefined where nobody
   * knows: isolated, all probes taken, or only a share of the calls let in.
   */
  get retryAfterMs(): number | undefined {
    const { clock, gate } = this.#settings
    return this.#mode === 'isolated' ? undefined : knownWaitMs(this.#gate, gate.probes, clock.now())
  }

  /**
   * Leave for one call, or undefined; it never waits. The permit must be settled, or a probe's slot stays taken for
   * `probeTimeoutMs`.
   */
  tryAcquire(): Permit | undefined {
    const pass = this.#enter()
    if (pass !== REFUSED) return this.#permit(pass, this.#gate.generation)
    this.#noteRefusal()
    return undefined
  }

  /**
   * Runs the work if the breaker admits it, and records how it ended.
   *
   * @throws {CircuitOpenError} when the call was refused; otherwise whatever the work throws, or why the call was ended.
   */
  execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T> {
    // Not async: what throws inside an async function pays for the trace of everything that awaits it, a third more.
    let scope: CallScope
    let pass: Pass
    try {
      // The pass comes last: options that are refused, or a call that is over, must not cost a probe its slot.
      scope = CallScope.enter(options, this.#settings.clock)
      pass = scope.aborted ? REFUSED : this.#enter()
    } catch (error) {
      return Promise.reject(error)
    }
    const own = scope !== options
    if (pass !== REFUSED) {
      return this.#memory.measured === true
        ? runUnder(this.#permit(pass, this.#gate.generation), operation, scope, own)
        : this.#run(pass, operation, scope, own)
    }
    if (this.#mayWait()) return runUnder(this.#wait(scope), operation, scope, own)
    if (own) scope.dispose()
    if (scope.aborted) return Promise.reject(scope.reason)
    this.#noteRefusal()
    // Made in here, with a time that was read already: each further function on the stack costs a tenth.
    const isolated = this.#mode === 'isolated'
    const error = new Error(whyRefused(this.name, isolated, this.#gate))
    return Promise.reject(toCircuitOpen(error, this.name, isolated, this.#gate, this.#askedAt))
  }

  /** A pass and its generation are all a permit is made of: as long as they stay in here, it need not be made. */
  async #run<T>(pass: Pass, operation: Operation<T>, scope: CallScope, own: boolean): Promise<T> {
    const { generation } = this.#gate
    try {
      // Also in somebody else's scope: work that ignores its signal must not keep a probe's slot for the caller who left.
      const value = await (scope.interruptible ? race(scope, operation) : operation(scope))
      const plain = this.#settings.classify === classifyByAttribution
      this.settle(pass, generation, plain ? 'success' : this.classify({ ok: true, value }, scope))
      return value
    } catch (error) {
      this.settle(pass, generation, this.classify({ ok: false, error }, scope), { error })
      throw error
    } finally {
      if (own) scope.dispose()
    }
  }

  /** The same function under the breaker: same arguments, same result type. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T> {
    return (...args) => this.execute(() => work(...args))
  }

  /** For `pipeline`: `tryAcquire` with a reason. Waits, where `halfOpen.whenBusy` says so, if there is a context. */
  admit(): Permit | Refusal
  admit(context: CallContext): Admission
  admit(context?: CallContext): Admission {
    const pass = this.#enter()
    if (pass !== REFUSED) return this.#permit(pass, this.#gate.generation)
    if (context instanceof CallScope && this.#mayWait()) return this.#wait(context)
    this.#noteRefusal()
    return { refused: true, error: () => this.#refusal() }
  }

  /** For `pipeline`: settles the permit by `classify`. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void {
    settleBy(permit, this.classify(outcome, context), outcome)
  }

  /** Rejects every call until `reset()` or another mode: for maintenance, or when a human knows better. */
  isolate(): void {
    this.setMode('isolated')
  }

  /** Changes the mode and nothing else: what is known stays, and the time of an open breaker goes on. @throws {TypeError} */
  setMode(mode: BreakerMode): void {
    const from = this.#mode
    if (from === checkMode(mode)) return
    this.#mode = mode
    this.emit('mode', { from, to: mode })
    this.expire()
  }

  /** Back to closed and to the mode it was made with, with nothing remembered. */
  reset(): void {
    this.setMode(this.#settings.mode)
    this.#gate.close('reset')
    this.#forget()
    this.#openTime = undefined
  }

  /**
   * Changes options while it runs; what is left out stays, and so does all that was learned: state, trips in a row,
   * failures so far, and the window of a rule whose successor looks back equally far. An open breaker stays open as long
   * as it was to.
   *
   * @throws {RangeError | TypeError} naming the option, and then nothing was changed.
   */
  configure(patch: CircuitBreakerPatch): void {
    this.adopt(patchBreakerOptions(patch, this.#settings))
  }

  /** @internal Settings that were read already. */
  protected adopt(settings: BreakerSettings): void {
    if (settings.trip !== this.#settings.trip) this.#memory = inherit(makeMemory(settings.trip), this.#memory)
    this.#settings = settings
    this.#info = undefined
    this.#gate.configure(settings.gate)
    // There may be more slots, or nothing to wait for.
    this.expire()
  }

  /** What it knows, as JSON. */
  snapshot(): BreakerSnapshot {
    const { clock } = this.#settings
    const state = this.state
    const open = state === 'open'
    return {
      version: 1,
      state,
      mode: this.#mode,
      probeAt: open ? clock.wallNow() + this.#gate.remainingMs(clock.now()) : null,
      openMs: open ? (this.#openTime?.lastMs ?? null) : null,
      trips: this.#openTime?.trips ?? 0,
      counts: this.#memory.save() ?? null,
    }
  }

  /** @internal One permit's verdict. */
  settle(pass: Pass, generation: number, verdict: Verdict, info?: OutcomeInfo, startedAt?: number): void {
    const gate = this.#gate
    // Fenced: the state changed since this call was admitted, so its result is about a time that is over.
    if (!gate.isCurrent(pass, generation)) return
    if (verdict === 'ignore' || this.#mode === 'disabled') gate.release(pass)
    else if (pass === 0) {
      if (this.#isBad(pass, verdict, startedAt)) this.#open(gate.closed ? 'tripped' : 'readmission-failed', info)
      return
    } else if (!this.#isBad(pass, verdict, startedAt)) gate.probeSucceeded(pass, this.#settings.clock.now())
    else if (gate.probeFailed(pass)) this.#open('probe-failed', info)
    this.expire()
  }

  /** @internal */
  classify(outcome: Outcome, context: CallContext): Verdict {
    // Whatever error the work made of it: the caller left, and that is nobody's failure.
    if (!outcome.ok && context instanceof CallScope && context.abandonedByCaller) return 'ignore'
    return judgeBy(this.#settings.classify, outcome, (fault) => this.reportFault('classify', fault))
  }

  /** @internal The gate moved. */
  moved(from: BreakerState, to: BreakerState, reason: GateReason): void {
    // From probes to readmission it stays half-open, and there is nothing to tell.
    const told = from !== to && this.heard('transition')
    // To ask the gate for its share could move it on (an open time of 0), and that would be told before this.
    const metrics = told ? this.#measure(to === 'closed' ? 1 : 0, this.#settings.clock.now()) : undefined
    // What happened during a readmission is recent, and worth keeping; what led to the opening is not.
    if (to !== 'open' && reason !== 'waited' && reason !== 'readmitted') this.#forget()
    if (to === 'closed') this.#openTime?.closed(this.#settings.clock.now())
    if (metrics !== undefined) this.emit('transition', { from, to, reason, metrics })
    this.expire()
  }

  /** @internal For how long to open this time. */
  reopenMs(now: number, info?: OutcomeInfo): number {
    this.#openTime ??= new OpenTime()
    return this.#openTime.next(this.#settings, now, info, (error) => this.reportFault('recoveryBackoff', error))
  }

  /** @internal Looks what has become of the gate on behalf of those who wait. */
  expire(): void {
    this.#queue?.serve()
  }

  /** Whether this call may go; those who wait come first. */
  #enter(): Pass {
    this.#queue?.serve()
    return this.#decide()
  }

  #decide(): Pass {
    const mode = this.#mode
    if (mode === 'isolated') return REFUSED
    if (mode === 'disabled') return UNCOUNTED
    const gate = this.#gate
    if (gate.closed) return 0
    const { clock, random } = this.#settings
    this.#askedAt = clock.now()
    const pass = gate.enter(this.#askedAt, gate.readmitting ? this.#ask('random', random, 1) : 0)
    if (pass !== REFUSED || mode === 'normal') return pass
    this.#wouldReject += 1
    if (this.heard('would-reject')) this.emit('would-reject', this.#circumstances())
    return UNCOUNTED
  }

  #permit(pass: Pass, generation: number): BreakerPermit {
    const startedAt = this.#memory.measured === true ? this.#settings.clock.now() : undefined
    return new BreakerPermit(this, pass, generation, startedAt)
  }

  #mayWait(): boolean {
    return this.#mode === 'normal' && this.#gate.probing && (this.#queue?.size ?? 0) < this.#settings.maxQueue
  }

  #wait(scope: CallScope): Promise<BreakerPermit> {
    this.#queue ??= new ProbeQueue(this.#settings.clock, this.#gate, this.#door())
    const ticket = this.#queue.wait(scope)
    this.expire()
    return ticket.then(({ pass, generation }) => this.#permit(pass, generation))
  }

  /** Made for the first who waits: as methods of every breaker, this would be its public face. */
  #door(): Door {
    return {
      ask: () => this.#decide(),
      open: () => this.#mode !== 'isolated',
      refuse: () => {
        this.#noteRefusal()
        return this.#refusal()
      },
      expire: () => this.expire(),
    }
  }

  /** Whether the result opens the breaker, or a probe failed. */
  #isBad(pass: Pass, verdict: Verdict, startedAt: number | undefined): boolean {
    const failed = verdict === 'failure'
    const { clock } = this.#settings
    try {
      return pass === 0
        ? trips(this.#memory, clock, failed, startedAt)
        : failed || tooSlow(this.#memory, clock, startedAt)
    } catch (error) {
      this.reportFault('trip', error)
      return false
    }
  }

  #forget(): void {
    this.#ask('trip', () => this.#memory.reset(), undefined)
  }

  /** A rule, or a source of chance, may be a user's: one that throws is reported, and changes no outcome. */
  #ask<A>(whom: 'trip' | 'random', question: () => A, otherwise: A): A {
    try {
      return question()
    } catch (error) {
      this.reportFault(whom, error)
      return otherwise
    }
  }

  #open(reason: GateReason, info: OutcomeInfo | undefined): void {
    const now = this.#settings.clock.now()
    this.#gate.open(now, this.reopenMs(now, info), reason)
  }

  #noteRefusal(): void {
    this.#rejected += 1
    if (this.heard('rejected')) this.emit('rejected', this.#circumstances())
  }

  #circumstances(): BreakerEvents['rejected'] {
    return { state: this.state, mode: this.#mode, retryAfterMs: this.retryAfterMs }
  }

  #refusal(): CircuitOpenError {
    const isolated = this.#mode === 'isolated'
    const now = this.#settings.clock.now()
    return toCircuitOpen(new Error(whyRefused(this.name, isolated, this.#gate)), this.name, isolated, this.#gate, now)
  }
}
