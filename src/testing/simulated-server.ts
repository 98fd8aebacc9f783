import type { ServiceInstance } from '../core/instance.ts'
import { OptionReader } from '../core/options.ts'
import type { Random } from '../time/random.ts'
import type { Distribution } from './distributions.ts'
import { type Fault, healthy } from './faults.ts'
import { type Answer, Job, type Recipient } from './job.ts'
import { QueueStation } from './queue-station.ts'
import { SharingStation } from './sharing-station.ts'
import type { Simulation } from './simulation.ts'
import { SimulatedFailure } from './simulated-failure.ts'
import type { Station } from './station.ts'

export interface SimulatedServerOptions {
  /** The work of one request in milliseconds, at normal speed. */
  readonly serviceMs: Distribution
  /** Tells servers apart; also the id of its `instance`. @default 'server' */
  readonly name?: string
  /** Requests worked on at once; under `sharing`, cores. An integer from 1. @default 1 */
  readonly concurrency?: number
  /** `queue`: first come, first served; `sharing`: everybody at once, each the slower. @default 'queue' */
  readonly discipline?: 'queue' | 'sharing'
  /** How much faster than normal it is, above 0: 0.5 takes twice as long. @default 1 */
  readonly speed?: number
  /** Requests that may wait, an integer from 0; further ones are answered `full` at once. @default unlimited */
  readonly queueLimit?: number
  /**
   * What happens to a request whose caller has left: `serve` does the work for nobody, as servers do that never look;
   * `drop` stops at once, as one does that watches its connection. @default 'serve'
   */
  readonly abandoned?: 'serve' | 'drop'
}

/**
 * A server with a capacity, a queue and bad days.
 *
 * When to use: as the other side of {@link SimulatedClient}, or on its own through `submit` (callbacks) and `request`
 * (promises).
 *
 * Gotchas: the capacity is `concurrency × speed × 1000 / mean of serviceMs` per second, and the simulation has nothing to
 * show far below it. By default abandoned work is served all the same, which is what turns time limits into overload.
 *
 * @example
 * const server = new SimulatedServer(simulation, { serviceMs: exponential(5), concurrency: 4 })
 * server.suffer(hanging(), { fromMs: 20_000, untilMs: 30_000 })
 */
export class SimulatedServer {
  readonly name: string
  /** It, as balancers and discovery see it. */
  readonly instance: ServiceInstance
  readonly #simulation: Simulation
  readonly #random: Random
  readonly #serviceMs: Distribution
  readonly #speed: number
  /** Requests it holds at most. */
  readonly #room: number
  readonly #drops: boolean
  readonly #station: Station
  #fault: Fault = healthy()
  #requests = 0
  #served = 0
  #wasted = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(simulation: Simulation, options: SimulatedServerOptions) {
    const read = new OptionReader('SimulatedServer', options)
    this.#simulation = simulation
    const serviceMs = read.function<Distribution | undefined>('serviceMs', undefined)
    if (serviceMs === undefined) read.refuse('serviceMs', 'a distribution')
    this.#serviceMs = serviceMs as Distribution
    this.name = read.string<string>('name', 'server')
    const concurrency = read.number('concurrency', { default: 1, min: 1, integer: true })
    const discipline = read.oneOf('discipline', ['queue', 'sharing'], 'queue')
    this.#speed = read.number('speed', { default: 1, min: 0, above: true })
    this.#room = concurrency + read.number('queueLimit', { default: Number.POSITIVE_INFINITY, min: 0, integer: true })
    this.#drops = read.oneOf('abandoned', ['serve', 'drop'], 'serve') === 'drop'
    read.end()
    this.#random = simulation.stream(`server ${this.name}`)
    this.#station =
      discipline === 'queue'
        ? new QueueStation(simulation, concurrency, this.#done)
        : new SharingStation(simulation, concurrency, this.#done)
    this.#station.setSpeed(this.#speed)
    this.instance = instanceNamed(this.name)
  }

  /** What is wrong with it now. */
  get fault(): Fault {
    return this.#fault
  }

  /** Requests it has or is working on. */
  get inFlight(): number {
    return this.#station.size
  }

  /** Requests sent to it, whatever came of them. */
  get requests(): number {
    return this.#requests
  }

  /** Requests it finished. */
  get served(): number {
    return this.#served
  }

  /** Of those served, the ones for which nobody waited any more. */
  get wasted(): number {
    return this.#wasted
  }

  /** Changes what is wrong with it from now on; `healthy()` repairs it. */
  set(fault: Fault): void {
    this.#fault = fault
    this.#station.setSpeed(this.#speed * fault.speed)
    if (fault.down) for (const job of this.#station.clear()) job.finish('lost')
  }

  /** Plans a fault, in moments of the simulation; it is repaired at the end. */
  suffer(fault: Fault, when: { readonly fromMs: number; readonly untilMs?: number }): void {
    this.#simulation.at(when.fromMs, () => this.set(fault))
    if (when.untilMs !== undefined) this.#simulation.at(when.untilMs, () => this.set(healthy()))
  }

  /** Plans a fault that comes and goes: `badMs` of it, `goodMs` without, and again until `untilMs`. */
  flap(
    fault: Fault,
    when: { readonly fromMs: number; readonly untilMs: number; readonly badMs: number; readonly goodMs: number },
  ): void {
    const { untilMs, badMs, goodMs } = when
    if (!(badMs + goodMs > 0)) throw new RangeError('SimulatedServer: badMs and goodMs must add up to more than 0')
    for (let fromMs = when.fromMs; fromMs < untilMs; fromMs += badMs + goodMs) {
      this.suffer(fault, { fromMs, untilMs: Math.min(untilMs, fromMs + badMs) })
    }
  }

  /** Sends a request that has arrived. The answer never comes before this returns. */
  submit(recipient: Recipient): Job {
    this.#requests += 1
    const fault = this.#fault
    const job = new Job(recipient, this.#serviceMs(this.#random), this)
    if (fault.unreachable) return job
    if (fault.down) this.#answerLater(job, 0, 'refused')
    else if (fault.failureShare > 0 && this.#random() < fault.failureShare) {
      this.#answerLater(job, fault.failureMs, 'failed')
    } else if (this.#station.size >= this.#room) this.#answerLater(job, 0, 'full')
    else {
      job.held = true
      this.#station.add(job)
    }
    return job
  }

  /**
   * {@link submit} as a promise, for work that awaits: resolves with the server's name.
   *
   * @throws {SimulatedFailure} for any answer but `ok`, with the `code` or `status` that a real one would carry; the
   * signal's reason when it is aborted.
   */
  request(signal?: AbortSignal): Promise<string> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted()
      const onAbort = (): void => {
        job.abandon()
        reject(signal?.reason)
      }
      const answered = (answer: Answer): void => {
        signal?.removeEventListener('abort', onAbort)
        if (answer === 'ok') resolve(this.name)
        else reject(new SimulatedFailure(answer, this.name))
      }
      const job = this.submit({ answered })
      signal?.addEventListener('abort', onAbort, { once: true })
    })
  }

  /** @internal Nobody waits for this job any more. */
  abandoned(job: Job): void {
    if (job.held && this.#drops) this.#station.remove(job)
  }

  #answerLater(job: Job, delayMs: number, answer: Answer): void {
    this.#simulation.after(delayMs, () => job.finish(answer), undefined)
  }

  readonly #done = (job: Job): void => {
    this.#served += 1
    if (job.abandoned) this.#wasted += 1
    job.finish('ok')
  }
}

/** What a registry would say of it. */
function instanceNamed(id: string): ServiceInstance {
  return Object.freeze({
    id,
    serviceName: 'simulated',
    host: '127.0.0.1',
    port: 80,
    status: 'healthy',
    metadata: Object.freeze({}),
    healthCheckUrl: undefined,
    lastHeartbeat: null,
    createdAt: null,
    weight: 1,
    zone: undefined,
    version: undefined,
    secure: false,
    priority: 0,
  })
}
