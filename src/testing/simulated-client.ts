import type { LoadBalancer } from '../balancing/load-balancer.ts'
import { TimeoutError } from '../core/errors.ts'
import { OptionReader } from '../core/options.ts'
import type { Guard } from '../core/policy.ts'
import type { Hedge } from '../retry/hedge.ts'
import type { RetryPolicy } from '../retry/retry-policy.ts'
import { CallMeter } from './call-meter.ts'
import type { ClientParts } from './client-parts.ts'
import type { Distribution } from './distributions.ts'
import { SimulatedCall } from './simulated-call.ts'
import type { SimulatedServer } from './simulated-server.ts'
import type { Simulation } from './simulation.ts'

export interface SimulatedClientOptions {
  /** Whom it calls. More than one needs a `balancer`. */
  readonly servers: readonly SimulatedServer[]
  /** Chooses among the servers, which it is told of; made with the simulation's clock. @default none */
  readonly balancer?: LoadBalancer
  /** The time for one attempt, in milliseconds. @default unlimited */
  readonly attemptTimeoutMs?: number
  /** The time for a whole call, in milliseconds: no retry is begun that would end later. @default unlimited */
  readonly timeoutMs?: number
  /** Decides on further attempts; made with the simulation's clock. @default none */
  readonly retry?: RetryPolicy
  /** Begins another attempt when one is late; made with the simulation's clock. @default none */
  readonly hedge?: Hedge
  /** Asked before each attempt, outermost first (a breaker, a throttle); made with the simulation's clock. @default [] */
  readonly guards?: readonly Guard[]
  /** One way through the network, in milliseconds; drawn for each request and each answer. @default none */
  readonly networkMs?: Distribution
  /** Where the calls are counted. @default an own one */
  readonly meter?: CallMeter
  /** Tells the chance of clients apart. @default 'client' */
  readonly name?: string
}

/**
 * Makes calls with the real policies, through their decision cores and without a promise: hundreds of thousands of calls
 * per second of real time.
 *
 * When to use: to try retries, budgets, breakers and balancers against servers in trouble. The order is that of
 * `ServiceClient`: retry, hedge, guards, balancer, the attempt's time limit.
 *
 * Gotchas: `retry`, `hedge`, `guards` and `balancer` must have been made with `clock: simulation`, and with `random:
 * simulation.random` where they take one. A guard that makes calls wait is for `execute` and `Simulation.runAsync`.
 *
 * @example
 * const retry = new RetryPolicy({ maxAttempts: 2, clock: simulation, random: simulation.random })
 * const breaker = new CircuitBreaker({ trip: failureRate(), clock: simulation })
 * const client = new SimulatedClient(simulation, { servers: [server], retry, guards: [breaker], attemptTimeoutMs: 1_000 })
 * client.call()
 */
export class SimulatedClient {
  readonly meter: CallMeter
  readonly #parts: ClientParts

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(simulation: Simulation, options: SimulatedClientOptions) {
    const read = new OptionReader('SimulatedClient', options)
    const servers = read.raw('servers')
    if (!Array.isArray(servers) || servers.length === 0) read.refuse('servers', 'an array of at least one server')
    const list = servers as readonly SimulatedServer[]
    const byId = new Map(list.map((server) => [server.name, server]))
    if (byId.size < list.length) read.refuse('servers', 'servers of different names')
    const balancer = read.implementing<LoadBalancer | undefined>('balancer', ['acquire', 'update'], undefined)
    if (balancer === undefined && list.length > 1) read.refuse('servers', 'one server when there is no balancer')
    this.meter = read.implementing<CallMeter>('meter', ['begin', 'attempt', 'end'], new CallMeter())
    const attemptTimeoutMs = read.duration('attemptTimeoutMs', undefined, 1)
    this.#parts = {
      simulation,
      random: simulation.stream(`client ${read.string('name', 'client')}`),
      server: balancer === undefined ? list[0] : undefined,
      byId,
      balancer,
      attemptTimeoutMs: attemptTimeoutMs ?? Number.POSITIVE_INFINITY,
      timedOut: { ok: false, error: new TimeoutError(attemptTimeoutMs ?? 0, 'attempt') },
      timeoutMs: read.duration('timeoutMs', undefined, 1) ?? Number.POSITIVE_INFINITY,
      retry: read.implementing<RetryPolicy | undefined>('retry', ['decide'], undefined),
      hedge: read.implementing<Hedge | undefined>('hedge', ['decide', 'delayMs', 'record'], undefined),
      guards: readGuards(read),
      networkMs: read.function<Distribution | undefined>('networkMs', undefined),
      meter: this.meter,
    }
    read.end()
    balancer?.update(list.map((server) => server.instance))
  }

  /**
   * Makes one call. `done`, when given, learns how it ended, at that moment.
   *
   * @param key For balancers that hash.
   */
  call(done?: (succeeded: boolean) => void, key?: string): void {
    new SimulatedCall(this.#parts, done, key).begin()
  }
}

function readGuards(read: OptionReader): readonly Guard[] {
  const guards = read.raw('guards') ?? []
  const fits =
    Array.isArray(guards) && guards.every((guard: Partial<Guard> | undefined) => typeof guard?.admit === 'function')
  if (!fits) read.refuse('guards', 'an array of guards')
  return [...(guards as Guard[])]
}
