import { isAttributable } from '../core/attribution.ts'
import { CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { ClosedError, TimeoutError } from '../core/errors.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { race } from '../core/race.ts'
import { MAX_DELAY_MS, type Timer, unref } from '../time/clock.ts'
import { proportional } from '../time/jitter.ts'
import {
  type ActiveHealthCheckOptions,
  type HealthCheckSettings,
  readHealthCheckOptions,
} from './health-check-options.ts'
import { type HeapNode, IndexedHeap } from './indexed-heap.ts'

/** What an {@link ActiveHealthCheck} reports. */
export type HealthCheckEvents = {
  /** An instance was taken out of the rotation, or brought back; `error` is what its last check came to. */
  readonly changed: { readonly instance: ServiceInstance; readonly healthy: boolean; readonly error: unknown }
}

/**
 * Asks every instance of a balancer regularly how it is, and takes out those that do not answer.
 *
 * When to use: where calls are too few to find out by themselves (ejection needs failures, and each is somebody's call), or
 * where the registry does not check. It is this client's view: what a firewall hides from it, no registry can know.
 *
 * Gotchas: every client asks every instance, so mind `clients × instances / intervalMs`. It only takes out: an instance that
 * the registry calls unhealthy stays so. It holds one timer from `start` to `close`, which keeps no process alive. A check
 * that this process refused itself (`local` errors) says nothing. Panic disbelieves checks, too.
 *
 * @example
 * const checks = new ActiveHealthCheck({ balancer, check: ({ host, port }, { signal }) => ping(host, port, signal) })
 * checks.start()
 */
export class ActiveHealthCheck extends TypedEmitter<HealthCheckEvents> implements Disposable {
  readonly #settings: HealthCheckSettings
  readonly #targets = new Map<string, Target>()
  readonly #due = new IndexedHeap<Target>()
  readonly #running = new Set<CallScope>()
  #stops: readonly (() => void)[] | undefined
  #closed = false
  #timer: Timer | undefined
  #lastNow = Number.NEGATIVE_INFINITY

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: ActiveHealthCheckOptions) {
    super()
    this.#settings = readHealthCheckOptions(options)
  }

  /**
   * Begins: each instance is asked for the first time at some moment of the first interval. Again does nothing.
   *
   * @throws {ClosedError} after `close`.
   */
  start(): void {
    if (this.#closed) throw new ClosedError('ActiveHealthCheck')
    if (this.#stops !== undefined) return
    const { balancer } = this.#settings
    this.#stops = [
      balancer.on('added', ({ instance }) => this.#add(instance)),
      balancer.on('removed', ({ instance }) => this.#remove(instance)),
    ]
    for (const instance of balancer.instances()) this.#add(instance)
  }

  /** Ends all checks, also those under way, and takes back what they said: nobody would correct it any more. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const stop of this.#stops ?? []) stop()
    for (const scope of this.#running) scope.abort(new ClosedError('ActiveHealthCheck'))
    for (const { instance, healthy } of this.#targets.values()) {
      if (!healthy) this.#settings.balancer.setHealth(instance.id, true)
    }
    this.#targets.clear()
    this.#due.drain()
    this.#arm()
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #add(instance: ServiceInstance): void {
    const { clock, random, intervalMs } = this.#settings
    // Not at once: all clients learn of a new instance in the same moment.
    const target = new Target(instance, clock.now() + intervalMs * random())
    this.#targets.set(instance.id, target)
    this.#due.push(target)
    this.#arm()
  }

  #remove({ id }: ServiceInstance): void {
    const target = this.#targets.get(id)
    if (target === undefined) return
    this.#targets.delete(id)
    if (target.at >= 0) this.#due.remove(target)
    this.#arm()
  }

  /** One timer, for whoever is asked next. */
  #arm(): void {
    const { clock, concurrency } = this.#settings
    if (this.#timer !== undefined) clock.clearTimeout(this.#timer)
    this.#timer = undefined
    const first = this.#due.top
    // With all places taken, the end of a check arms again.
    if (first === undefined || this.#running.size >= concurrency) return
    const delayMs = Math.min(Math.max(0, Math.ceil(first.key - clock.now())), MAX_DELAY_MS)
    this.#timer = clock.setTimeout(() => this.#fire(), delayMs)
    unref(this.#timer)
  }

  #fire(): void {
    this.#timer = undefined
    const { clock, concurrency } = this.#settings
    const now = clock.now()
    if (now < this.#lastNow) this.#startOver(now)
    this.#lastNow = now
    for (let first = this.#due.top; first !== undefined && first.key <= now; first = this.#due.top) {
      if (this.#running.size >= concurrency) break
      this.#due.remove(first)
      this.#check(first)
    }
    this.#arm()
  }

  /** The clock went backwards: everybody is asked within one interval from now, instead of in a distant future. */
  #startOver(now: number): void {
    const { random, intervalMs } = this.#settings
    for (const target of this.#due.drain()) {
      target.key = now + intervalMs * random()
      this.#due.push(target)
    }
  }

  #check(target: Target): void {
    const { balancer, check, clock, timeoutMs } = this.#settings
    // News about it may have come since the last time.
    const instance = balancer.instance(target.instance.id) ?? target.instance
    const scope = CallScope.idle.fork(clock.now() + timeoutMs)
    const expire = (): void => scope.abort(new TimeoutError(timeoutMs, 'attempt', { by: 'health check' }))
    const timer = clock.setTimeout(expire, timeoutMs)
    unref(timer)
    this.#running.add(scope)
    const done = (passed: boolean | undefined, error: unknown): void => {
      clock.clearTimeout(timer)
      scope.dispose()
      this.#running.delete(scope)
      this.#answered(target, passed, error)
    }
    race(scope, (context) => check(instance, context)).then(
      (answer) => done(answer !== false, undefined),
      (error: unknown) => done(isAttributable(error) ? false : undefined, error),
    )
  }

  #answered(target: Target, passed: boolean | undefined, error: unknown): void {
    // It may have left, or all be over, while it was asked.
    if (this.#targets.get(target.instance.id) === target) {
      const { clock, random, intervalMs } = this.#settings
      if (passed !== undefined) this.#count(target, passed, error)
      target.key = clock.now() + proportional(this.#settings.jitter)(intervalMs, random)
      this.#due.push(target)
    }
    this.#arm()
  }

  #count(target: Target, passed: boolean, error: unknown): void {
    const { balancer, healthyThreshold, unhealthyThreshold } = this.#settings
    if (passed === target.healthy) {
      target.contrary = 0
      return
    }
    target.contrary += 1
    if (target.contrary < (passed ? healthyThreshold : unhealthyThreshold)) return
    target.healthy = passed
    target.contrary = 0
    const instance = balancer.instance(target.instance.id) ?? target.instance
    balancer.setHealth(instance.id, passed)
    this.emit('changed', { instance, healthy: passed, error })
  }
}

/** One instance, as long as it is known. */
class Target implements HeapNode {
  readonly instance: ServiceInstance
  healthy = true
  /** Answers in a row that speak against `healthy`. */
  contrary = 0
  /** When it is asked next. */
  key: number
  tie = 0
  at = -1

  constructor(instance: ServiceInstance, key: number) {
    this.instance = instance
    this.key = key
  }
}
