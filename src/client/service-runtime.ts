import type { Dispatcher } from 'undici'
import { LoadBalancer } from '../balancing/load-balancer.ts'
import { CircuitBreaker } from '../breaker/circuit-breaker.ts'
import type { ListenerFault } from '../core/emitter.ts'
import type { ServiceInstance } from '../core/instance.ts'
import type { DiscoveryClient } from '../discovery/discovery-client.ts'
import { RetryBudget } from '../retry/budget.ts'
import { RetryPolicy } from '../retry/retry-policy.ts'
import { type Clock, systemClock, timersAreFake } from '../time/clock.ts'
import type { Deadlines } from '../time/deadlines.ts'
import type { Random } from '../time/random.ts'
import type { ClientEvents } from './events.ts'
import type { InFlight } from './in-flight.ts'
import type { CallSettings } from './settings.ts'

/** Where events go. `heard` first: a payload that nobody wants is not built. */
export interface Reporter {
  heard(event: keyof ClientEvents): boolean
  emit<E extends keyof ClientEvents>(event: E, payload: ClientEvents[E]): void
  /** Something of the user's that is no listener threw (a provider's list, a handler): told as an `error` event. */
  fault(where: string, error: unknown): void
}

/** What all services of one client share. */
export interface SharedParts {
  readonly discovery: DiscoveryClient
  /** What sends the attempts. */
  readonly transport: Dispatcher
  /** Whether that is our own pools, where an attempt without a connection is known to wait for one. */
  readonly ownsPools: boolean
  /** The instance is gone, and its connections may be. */
  readonly forget: (instance: ServiceInstance) => void
  readonly clock: Clock
  readonly random: Random
  readonly deadlines: Deadlines
  readonly reporter: Reporter
  readonly calls: InFlight
}

/** Everything alive that belongs to one service: its balancer, its breaker, its retry budget. */
export class ServiceRuntime {
  readonly name: string
  readonly settings: CallSettings
  readonly balancer: LoadBalancer
  readonly breaker: CircuitBreaker | undefined
  readonly retry: RetryPolicy | undefined
  /** Whether the user said what is worth a try: without that, what `RetryPlan` allows is worth a try. */
  readonly asksRetryable: boolean
  readonly transport: Dispatcher
  readonly ownsPools: boolean
  readonly clock: Clock
  readonly deadlines: Deadlines
  readonly reporter: Reporter
  readonly calls: InFlight
  readonly #discovery: DiscoveryClient
  /** A discovery client of the user's may count from another zero. */
  readonly #sameClock: boolean
  readonly #forget: SharedParts['forget']
  #instances: readonly ServiceInstance[] | undefined

  constructor(name: string, settings: CallSettings, shared: SharedParts) {
    const { clock, random } = shared
    this.name = name
    this.settings = settings
    this.transport = shared.transport
    this.ownsPools = shared.ownsPools
    this.#forget = shared.forget
    this.clock = clock
    this.deadlines = shared.deadlines
    this.reporter = shared.reporter
    this.calls = shared.calls
    this.#discovery = shared.discovery
    this.#sameClock = shared.discovery.clock === clock
    this.balancer = balancerOf(settings, clock, random)
    const { serviceBreaker, retry } = settings
    // One budget per service and process: with one each, ten clients would retry ten times as much. Time of one's own (a
    // simulation, a test) makes a world of one's own.
    const budget = clock === systemClock && !timersAreFake() ? RetryBudget.shared(name) : { clock }
    this.breaker = serviceBreaker === false ? undefined : new CircuitBreaker({ ...serviceBreaker, name, clock, random })
    this.retry = retry === false ? undefined : new RetryPolicy({ budget, ...retry, name, clock, random })
    this.asksRetryable = retry !== false && (retry.retryable ?? retry.retryOn) !== undefined
    this.#forwardEvents()
    this.balancer.on('removed', ({ instance }) => this.#forget(instance))
  }

  /** Forgotten for other services: its idle connections go. Calls in flight finish, and may still try again. */
  retire(): void {
    for (const instance of this.#instances ?? []) this.#forget(instance)
  }

  /**
   * Takes over what discovery knows by now. False when it knows nothing yet, and `load` has to be awaited.
   *
   * @param now The time, from a caller who has just read it: each reading costs a call about 40 ns.
   */
  ready(now?: number): boolean {
    const instances = this.#discovery.peek(this.name, this.#sameClock ? now : undefined)
    if (instances === undefined) return false
    // Discovery keeps the array while nothing changes, so this costs one comparison per call.
    if (instances !== this.#instances) this.#take(instances)
    return true
  }

  /** Waits for the first answer of discovery. Rejects with discovery's own errors. */
  async load(): Promise<void> {
    const instances = await this.#discovery.discover(this.name)
    if (!this.ready()) this.#take(instances)
  }

  /** A list that makes no sense to the balancer changes nothing: providers are written by users too. */
  #take(instances: readonly ServiceInstance[]): void {
    this.#instances = instances
    try {
      this.balancer.update(instances)
    } catch (error) {
      this.reporter.fault('discovery', error)
    }
  }

  #forwardEvents(): void {
    const { name: service, reporter } = this
    this.breaker?.on('transition', (event) => reporter.emit('breaker', { service, ...event }))
    this.balancer.on('ejected', (event) => reporter.emit('ejected', { service, ...event }))
    this.balancer.on('restored', (event) => reporter.emit('restored', { service, ...event }))
    this.balancer.on('panic', (event) => reporter.emit('panic', { service, ...event }))
    const onFault = ({ event, error }: ListenerFault): void => reporter.fault(event, error)
    this.breaker?.on('error', onFault)
    this.balancer.on('error', onFault)
    this.retry?.on('error', onFault)
  }
}

function balancerOf(settings: CallSettings, clock: Clock, random: Random): LoadBalancer {
  const { strategy, panicThreshold, instanceBreaker } = settings
  const ejection =
    instanceBreaker === false
      ? false
      : {
          consecutiveFailures: instanceBreaker.failureThreshold,
          baseEjectionMs: instanceBreaker.recoveryTimeoutMs,
          maxEjectionMs: instanceBreaker.maxRecoveryTimeoutMs,
          maxEjectedShare: instanceBreaker.maxEjectedShare,
        }
  return new LoadBalancer({
    strategy,
    ejection,
    clock,
    random,
    ...(panicThreshold === undefined ? {} : { panicThreshold }),
  })
}
