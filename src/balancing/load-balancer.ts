import { classifyByAttribution } from '../core/attribution.ts'
import { type CallContext, type CallOptions, CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { type Pass, REFUSED } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { OutcomeInfo, Verdict } from '../core/outcome.ts'
import { race } from '../core/race.ts'
import { Ejector } from './ejection.ts'
import { NoInstanceError } from './errors.ts'
import type { BalancerEvents } from './events.ts'
import { BalancerLease, type Lease } from './lease.ts'
import type { MemberState } from './member.ts'
import { type BalancerSettings, type LoadBalancerOptions, readBalancerOptions } from './options.ts'
import { type MemberReport, reportOn } from './report.ts'
import { Roster } from './roster.ts'
import type { Picker, PickRequest } from './strategy.ts'

/** What may be said about one pick. */
export interface AcquireRequest extends PickRequest {
  /**
   * `false` keeps this call, which had better not be risked, off ejected instances whose probe is due: others may probe.
   * When none has for another `baseEjectionMs`, it probes all the same. @default true
   */
  readonly probe?: boolean | undefined
}

/** What may be said about one balanced call. */
export interface BalancedCallOptions extends CallOptions, Pick<AcquireRequest, 'exclude' | 'probe'> {}

/** Work that is told where to go. */
export type BalancedOperation<T> = (instance: ServiceInstance, context: CallContext) => T | PromiseLike<T>

/**
 * Chooses an instance for each call, counts the calls in flight, and leaves out for a while what keeps failing.
 *
 * When to use: wherever a service has more than one instance. `acquire` decides alone, for callers that settle the
 * lease themselves; `execute` runs the work and settles by what came of it.
 *
 * Who is picked from: instances that are healthy, not drained (weight 0) and not ejected. When too few are
 * (`panicThreshold`), all that are in service. An ejected instance comes back by one probe: the first call after its
 * time is over is sent there, unless it says `probe: false`, so recovery does not depend on chance.
 *
 * Gotchas: a lease that is never settled counts as in flight for ever. It holds no timer: an ejection ends when the
 * next call looks. Only what the instance did may be reported as `failure`; a caller's abort or a refusal of this
 * process is `ignore`.
 *
 * @example
 * const balancer = new LoadBalancer({ strategy: roundRobin() })
 * balancer.update(await discovery.discover('orders'))
 * const order = await balancer.execute(({ host, port }, { signal }) => fetchOrder(host, port, signal))
 */
export class LoadBalancer extends TypedEmitter<BalancerEvents> {
  readonly #settings: BalancerSettings
  readonly #needsLatency: boolean
  readonly #picker: Picker
  readonly #roster = new Roster()
  readonly #ejector: Ejector
  #panic = false

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: LoadBalancerOptions) {
    super()
    this.#settings = readBalancerOptions(options)
    const { strategy, ejection, random, clock } = this.#settings
    this.#needsLatency = strategy.needsLatency === true
    this.#picker = strategy.create({ random, clock })
    this.#ejector = new Ejector(ejection, random)
  }

  /** Instances known, eligible or not. */
  get size(): number {
    return this.#roster.size
  }

  /** Whether health and ejection are being ignored because too few instances are left. */
  get panic(): boolean {
    return this.#panic
  }

  /**
   * Takes the current list over. Instances are told apart by id and address: what was learned of one stays as long as
   * both do. Those no longer named finish their calls. The same list again changes nothing; of two entries with the
   * same id the first counts.
   *
   * @throws {TypeError | RangeError} for no array, or a weight that is no finite number from 0; nothing changed then.
   */
  update(instances: readonly ServiceInstance[]): void {
    const change = this.#roster.update(instances)
    if (change === undefined) return
    const now = this.#settings.clock.now()
    const restored = this.#ejector.follow(this.#roster.members(), change.removed, this.#roster.healthy, now)
    this.#rotate()
    const ejectedCount = this.#ejector.size
    for (const { instance, inFlight } of change.removed) this.emit('removed', { instance, inFlight })
    for (const { instance } of change.added) this.emit('added', { instance })
    for (const { instance } of restored) this.emit('restored', { instance, reason: 'over-cap', ejectedCount })
  }

  /**
   * An instance for one call, or undefined when there is none (`refusal()` says why). The lease must be settled.
   * An excluded instance is taken only when no other is eligible.
   */
  acquire(request: AcquireRequest = ANY): Lease | undefined {
    let now = Number.NaN
    if (this.#ejector.size > 0) {
      now = this.#settings.clock.now()
      // Where no call wants to be a probe, one has to be in the end, or the instance never comes back.
      const patience = request.probe === false ? this.#settings.ejection.baseEjectionMs : 0
      const due = this.#ejector.due(now - patience)
      if (due !== undefined && request.exclude?.has(due.member.id) !== true) {
        const pass = this.#ejector.probe(due, now)
        if (pass !== REFUSED) return this.#lease(due.member, pass, now, request)
      }
    }
    let member = this.#picker.pick(request)
    if (member === undefined && request.exclude !== undefined) member = this.#picker.pick({ key: request.key })
    return member === undefined ? undefined : this.#lease(member as MemberState, 0, now, request)
  }

  /**
   * Runs the work on an instance, and settles the lease by what came of it: every result is a success, every error a
   * failure, unless this process made it itself (`local`) or the caller left.
   *
   * @throws {NoInstanceError} when there is no instance; otherwise whatever the work throws.
   */
  async execute<T>(operation: BalancedOperation<T>, options?: BalancedCallOptions): Promise<T> {
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      const lease = this.acquire({ key: scope.key, exclude: options?.exclude, probe: options?.probe })
      if (lease === undefined) throw this.refusal()
      return await this.#run(lease, (context) => operation(lease.instance, context), scope)
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Why `acquire` found nothing, as an error to throw. */
  refusal(): NoInstanceError {
    const { size: known, healthy } = this.#roster
    const ejected = this.#ejector.size
    const retryAfterMs = ejected === 0 ? undefined : this.#ejector.dueInMs(this.#settings.clock.now())
    return new NoInstanceError({ known, ejected, unhealthy: known - healthy }, retryAfterMs)
  }

  /** What it knows of each instance, and why each is picked from or not. */
  explain(): MemberReport[] {
    const now = this.#settings.clock.now()
    return Array.from(this.#roster.members(), (member) => reportOn(member, now))
  }

  async #run<T>(lease: Lease, operation: (context: CallContext) => T | PromiseLike<T>, scope: CallScope): Promise<T> {
    try {
      const value = await (scope.interruptible ? race(scope, operation) : operation(scope))
      lease.success()
      return value
    } catch (error) {
      if (scope.abandonedByCaller || classifyByAttribution({ ok: false, error }) === 'ignore') lease.ignore()
      else lease.failure({ error })
      throw error
    }
  }

  #lease(member: MemberState, pass: Pass, now: number, request: AcquireRequest): Lease {
    let startedAt = Number.NaN
    if (this.#needsLatency) startedAt = Number.isNaN(now) ? this.#settings.clock.now() : now
    const lease = new BalancerLease(this, member, pass, startedAt)
    member.inFlight += 1
    this.#tellPicker('started', lease)
    if (this.heard('picked')) {
      const { instance, inFlight } = member
      this.emit('picked', { instance, key: request.key, probe: pass > 0, inFlight })
    }
    return lease
  }

  /** @internal */
  verdict(lease: BalancerLease, verdict: Verdict, info: OutcomeInfo | undefined): void {
    this.#tellVerdict(lease, verdict, info)
    const { member } = lease
    if (lease.pass > 0) this.#probed(lease, verdict)
    else if (verdict !== 'ignore' && this.#counts(lease)) {
      lease.failuresBefore = member.consecutiveFailures
      this.#record(member, verdict === 'failure')
      lease.successesAfter = member.successes
    }
  }

  /** @internal A body that broke takes the success of its headers back, unless others have confirmed it since. */
  broke(lease: BalancerLease, info: OutcomeInfo | undefined): void {
    this.#tellVerdict(lease, 'failure', info)
    if (!this.#counts(lease)) return
    const { member } = lease
    if (member.successes === lease.successesAfter) member.consecutiveFailures += lease.failuresBefore
    this.#record(member, true)
  }

  /** @internal */
  release(lease: BalancerLease): void {
    lease.member.inFlight -= 1
    this.#tellPicker('settled', lease)
  }

  /** A strategy may be a user's: what its hooks throw is reported, and changes nothing for the call. */
  #tellPicker(hook: 'started' | 'settled', lease: BalancerLease): void {
    if (this.#picker[hook] === undefined) return
    try {
      this.#picker[hook](lease)
    } catch (error) {
      this.reportFault('strategy', error)
    }
  }

  #tellVerdict(lease: BalancerLease, verdict: Verdict, info: OutcomeInfo | undefined): void {
    if (this.#picker.responded === undefined) return
    const latencyMs = this.#needsLatency ? Math.max(0, this.#settings.clock.now() - lease.startedAt) : Number.NaN
    try {
      this.#picker.responded(lease, verdict, latencyMs, info)
    } catch (error) {
      this.reportFault('strategy', error)
    }
  }

  /** Fenced: a member that was ejected, restored or removed meanwhile is not judged by what began before that. */
  #counts({ member, generation }: BalancerLease): boolean {
    // Panic sends calls to members that are out; only their probe may bring them back.
    return member.generation === generation && !member.ejected && member.known
  }

  #record(member: MemberState, failed: boolean): void {
    if (!this.#ejector.record(member, failed)) return
    const forMs = this.#ejector.eject(member, this.#settings.clock.now())
    this.#rotate()
    this.#emitEjected(member, 'consecutive-failures', forMs)
  }

  #probed(lease: BalancerLease, verdict: Verdict): void {
    const { member, pass } = lease
    const { ejection } = member
    if (ejection === undefined || !member.known || !ejection.gate.isCurrent(pass, lease.generation)) return
    const forMs = this.#ejector.probed(ejection, pass, verdict, this.#settings.clock.now())
    if (forMs === undefined) return
    if (forMs > 0) {
      this.#emitEjected(member, 'probe-failed', forMs)
      return
    }
    // From here on it is an ordinary call of the restored member: its body may still break.
    lease.generation = member.generation
    lease.successesAfter = member.successes
    this.#rotate()
    this.emit('restored', { instance: member.instance, reason: 'probe-succeeded', ejectedCount: this.#ejector.size })
  }

  #emitEjected(member: MemberState, reason: BalancerEvents['ejected']['reason'], forMs: number): void {
    this.emit('ejected', { instance: member.instance, reason, forMs, ejectedCount: this.#ejector.size })
  }

  /** Works out anew who is picked from. O(n), and called only when that changed. */
  #rotate(): void {
    const eligible: MemberState[] = []
    const inService: MemberState[] = []
    for (const member of this.#roster.members()) {
      member.slot = -1
      if (member.inService) inService.push(member)
      if (member.healthy && !member.ejected) eligible.push(member)
    }
    const panic = eligible.length < this.#settings.panicThreshold * inService.length
    const pool = panic ? inService : eligible
    for (const [slot, member] of pool.entries()) member.slot = slot
    this.#picker.update(pool)
    if (panic === this.#panic) return
    this.#panic = panic
    this.emit('panic', { on: panic, eligible: eligible.length, inService: inService.length })
  }
}

/** Made once: a pick without wishes allocates nothing for them. */
const ANY: AcquireRequest = /* @__PURE__ */ Object.freeze({})
