import { classifyByAttribution } from '../core/attribution.ts'
import { type CallContext, type CallOptions, CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { type Pass, REFUSED } from '../core/gate.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import type { Verdict } from '../core/outcome.ts'
import { race } from '../core/race.ts'
import type { Clock } from '../time/clock.ts'
import { NoInstanceError } from './errors.ts'
import type { BalancerEvents } from './events.ts'
import { Fleet } from './fleet.ts'
import { BalancerLease, type Lease, type LeaseInfo } from './lease.ts'
import type { MemberState } from './member-state.ts'
import type { BalancerMetrics } from './metrics.ts'
import {
  changedBalancerSettings,
  type LoadBalancerChanges,
  type LoadBalancerOptions,
  readBalancerOptions,
} from './options.ts'
import { type MemberReport, reportOn } from './report.ts'
import type { PickRequest, Strategy } from './strategy.ts'

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
 * Who is picked from: instances that are healthy, not drained (weight 0), not ejected and not resting. When too few are
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
  readonly #fleet: Fleet
  readonly #clock: Clock
  /** Connections whose loss has been counted; whoever holds the connection decides how long it is remembered. */
  readonly #lost = new WeakSet<object>()
  /** What a pick that is asked again is asked with: made once, for nothing keeps it. */
  readonly #passedOver = new Set<string>()
  readonly #again: { key: string | undefined; readonly exclude: ReadonlySet<string> }
  #needsLatency: boolean

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: LoadBalancerOptions) {
    super()
    const settings = readBalancerOptions(options)
    this.#clock = settings.clock
    this.#needsLatency = settings.strategy.needsLatency === true
    this.#again = { key: undefined, exclude: this.#passedOver }
    this.#fleet = new Fleet(settings, (event, payload) => this.emit(event, payload))
  }

  /** Instances known, eligible or not. */
  get size(): number {
    return this.#fleet.roster.size
  }

  /** Whether health and ejection are being ignored, at some priority, because too few instances are left. */
  get panic(): boolean {
    return this.#fleet.counts.panic
  }

  /** The fleet as a whole, in numbers. */
  get metrics(): BalancerMetrics {
    const { roster, rotation, ejector, rests, slowStart, counts, inFlight, picks, ejections } = this.#fleet
    return {
      known: roster.size,
      healthy: roster.healthy,
      pickedFrom: rotation.size,
      ejected: ejector.size,
      resting: rests.size,
      starting: slowStart.size,
      panic: counts.panic,
      inFlight,
      picks,
      ejections,
    }
  }

  /** The instance of this id, as last given to `update`. */
  instance(id: string): ServiceInstance | undefined {
    return this.#fleet.roster.get(id)?.instance
  }

  /** The instances known, as last given to `update`. */
  instances(): ServiceInstance[] {
    return Array.from(this.#fleet.roster.members(), ({ instance }) => instance)
  }

  /**
   * Takes the current list over. Instances are told apart by id and address: what was learned of one stays as long as
   * both do. Those no longer named finish their calls. The same list again changes nothing; of two entries with the
   * same id the first counts.
   *
   * @throws {TypeError | RangeError} for no array, or a weight that is no finite number from 0; nothing changed then.
   */
  update(instances: readonly ServiceInstance[]): void {
    this.#fleet.update(instances)
  }

  /**
   * Says from outside how an instance is, for whoever asks it regularly ({@link ActiveHealthCheck}). `false` takes it out of
   * the rotation until `true` takes that back; what the registry says of it counts as well. Forgotten with the instance.
   *
   * @returns Whether the instance is known.
   * @throws {TypeError} unless `healthy` is a boolean.
   */
  setHealth(id: string, healthy: boolean): boolean {
    if (typeof healthy !== 'boolean') throw new TypeError(`setHealth: healthy must be a boolean, got ${show(healthy)}`)
    return this.#fleet.setHealth(id, healthy)
  }

  /**
   * Changes options while it works. What is not named stays; what is named is replaced as a whole. Instances keep their
   * calls in flight, their ejections and their rests; an ejection that runs keeps its end.
   *
   * @throws {RangeError | TypeError} naming the option; nothing changed then.
   */
  configure(changes: LoadBalancerChanges): void {
    const settings = changedBalancerSettings(changes, this.#fleet.settings)
    this.#fleet.configure(settings)
    this.#needsLatency = settings.strategy.needsLatency === true
  }

  /** `configure({ strategy })`: the new one knows the calls in flight, and what it can take over from the old one. */
  setStrategy(strategy: Strategy): void {
    this.configure({ strategy })
  }

  /**
   * An instance for one call, or undefined when there is none (`refusal()` says why). The lease must be settled.
   * An excluded instance is taken only when no other is eligible.
   */
  acquire(request: AcquireRequest = ANY): Lease | undefined {
    const fleet = this.#fleet
    const { rotation } = fleet
    let now: number | undefined
    if (fleet.timed) {
      now = this.#clock.now()
      if (fleet.rests.size > 0) fleet.wake(now)
      const probe = fleet.ejector.size > 0 ? this.#probe(request, now) : undefined
      if (probe !== undefined) return probe
    }
    let member = rotation.pick(request, now)
    if (member === undefined) {
      if (request.exclude === undefined) return undefined
      member = rotation.pick({ key: request.key }, now)
      if (member === undefined) return undefined
    } else if (member.warmUp !== undefined) member = this.#sparing(member, request, now)
    return this.#lease(member, 0, now, request)
  }

  /**
   * Runs the work on an instance, and settles the lease by what came of it: every result is a success, every error a
   * failure, unless this process made it itself (`local`) or the caller left.
   *
   * @throws {NoInstanceError} when there is no instance; otherwise whatever the work throws.
   */
  async execute<T>(operation: BalancedOperation<T>, options?: BalancedCallOptions): Promise<T> {
    const scope = CallScope.enter(options, this.#clock)
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
    const { roster, ejector } = this.#fleet
    const { size: known, healthy } = roster
    const ejected = ejector.size
    const retryAfterMs = ejected === 0 ? undefined : ejector.dueInMs(this.#clock.now())
    return new NoInstanceError({ known, ejected, unhealthy: known - healthy }, retryAfterMs)
  }

  /** What it knows of each instance, and why each is picked from or not. */
  explain(): MemberReport[] {
    const { roster, slowStart } = this.#fleet
    const now = this.#clock.now()
    // No call may have looked since a rest was over.
    this.#fleet.wake(now)
    return Array.from(roster.members(), (member) => reportOn(member, slowStart.factor(member, now), now))
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

  /** The probe of an ejected instance that is due, unless this call must not be it. */
  #probe(request: AcquireRequest, now: number): Lease | undefined {
    const { ejector, settings } = this.#fleet
    // Where no call wants to be a probe, one has to be in the end, or the instance never comes back.
    const due = ejector.due(now, request.probe === false ? settings.ejection.baseEjectionMs : 0)
    if (due === undefined || request.exclude?.has(due.member.id) === true) return undefined
    const pass = ejector.probe(due, now)
    return pass === REFUSED ? undefined : this.#lease(due.member, pass, now, request)
  }

  /** The choice, or where a beginner must not have the call, somebody else. */
  #sparing(choice: MemberState, { key, exclude }: AcquireRequest, readNow: number | undefined): MemberState {
    const { slowStart, rotation, picks } = this.#fleet
    const now = readNow ?? this.#clock.now()
    const pick = { now, key, picks, members: rotation.size, totalWeight: rotation.weight }
    this.#passedOver.clear()
    if (exclude !== undefined) for (const id of exclude) this.#passedOver.add(id)
    this.#again.key = key
    let member = choice
    for (let draws = 1; draws < DRAWS && !slowStart.admits(member, pick); draws += 1) {
      this.#passedOver.add(member.id)
      const next = rotation.pick(this.#again, now)
      if (next === undefined) return choice
      member = next
    }
    return member
  }

  #lease(member: MemberState, pass: Pass, now: number | undefined, request: AcquireRequest): Lease {
    const startedAt = this.#needsLatency && now !== undefined ? now : Number.NaN
    const lease = new BalancerLease(this, member, pass, startedAt)
    member.inFlight += 1
    this.#fleet.inFlight += 1
    this.#fleet.picks += 1
    if (member.listener !== undefined) this.#tellStarted(lease)
    if (this.heard('picked')) {
      const { instance, inFlight } = member
      this.emit('picked', { instance, key: request.key, probe: pass > 0, inFlight })
    }
    return lease
  }

  /** @internal */
  verdict(lease: BalancerLease, given: Verdict, info: LeaseInfo | undefined): void {
    const { member } = lease
    const counts = lease.pass === 0 && isCurrent(lease)
    const verdict = counts && given === 'failure' && this.#alreadyLost(info) ? 'ignore' : given
    if (member.listener !== undefined) this.#tellVerdict(lease, verdict, info)
    if (lease.pass > 0) this.#fleet.probed(lease, verdict)
    if (!counts) return
    if (verdict === 'success') {
      lease.failuresBefore = member.consecutiveFailures
      this.#fleet.ejector.succeeded(member)
      lease.successesAfter = member.successes
      return
    }
    if (verdict === 'failure') this.#fleet.failed(member)
    // An ejection is rest enough.
    if (info?.retryAfterMs !== undefined && !member.ejected) this.#fleet.rest(member, info.retryAfterMs)
  }

  /** @internal A body that broke takes the success of its headers back, unless others have confirmed it since. */
  broke(lease: BalancerLease, info: LeaseInfo | undefined): void {
    const counts = isCurrent(lease)
    if (counts && this.#alreadyLost(info)) return
    this.#tellVerdict(lease, 'failure', info)
    if (!counts) return
    const { member } = lease
    if (member.successes === lease.successesAfter) member.consecutiveFailures += lease.failuresBefore
    this.#fleet.failed(member)
  }

  /** @internal */
  release(lease: BalancerLease): void {
    lease.member.inFlight -= 1
    this.#fleet.inFlight -= 1
    if (lease.member.listener !== undefined) this.#tellSettled(lease)
  }

  /** A strategy may be a user's: what its hooks throw is reported, and changes nothing for the call. */
  #tellStarted(lease: BalancerLease): void {
    try {
      lease.member.listener?.started?.(lease)
    } catch (error) {
      this.reportFault('strategy', error)
    }
  }

  #tellVerdict(lease: BalancerLease, verdict: Verdict, info: LeaseInfo | undefined): void {
    const { listener } = lease.member
    // One that has taken over since knows nothing of when this call began.
    if (listener?.responded === undefined || listener !== lease.listener) return
    const latencyMs = this.#needsLatency ? Math.max(0, this.#clock.now() - lease.startedAt) : Number.NaN
    try {
      listener.responded(lease, verdict, latencyMs, info)
    } catch (error) {
      this.reportFault('strategy', error)
    }
  }

  #tellSettled(lease: BalancerLease): void {
    try {
      lease.member.listener?.settled?.(lease)
    } catch (error) {
      this.reportFault('strategy', error)
    }
  }

  #alreadyLost(info: LeaseInfo | undefined): boolean {
    const connection = info?.lostConnection
    if (typeof connection !== 'object' || connection === null) return false
    if (this.#lost.has(connection)) return true
    this.#lost.add(connection)
    return false
  }
}

/** Fenced: a member that was ejected, restored or removed meanwhile is not judged by what began before that. */
function isCurrent({ member, generation }: BalancerLease): boolean {
  // Panic sends calls to members that are out; only their probe may bring them back.
  return member.generation === generation && !member.ejected && member.known
}

/** Made once: a pick without wishes allocates nothing for them. */
const ANY: AcquireRequest = /* @__PURE__ */ Object.freeze({})

/** So often somebody is looked for who is no beginner; then the last choice stands, so that a pick stays O(1). */
const DRAWS = 4
