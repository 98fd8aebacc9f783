import { CallScope } from '../core/context.ts'
import { describeThrown, GatelessError, isGatelessError } from '../core/errors.ts'
import { OptionReader } from '../core/options.ts'
import { race } from '../core/race.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type Random, randomIndex, systemRandom } from '../time/random.ts'

/** Options of a {@link Failover}. */
export interface FailoverOptions {
  /**
   * `sticky`: whoever worked last is asked first, and the first time any of them, so that the load of many processes is
   * spread. `given`: the first one that did not fail lately. @default 'sticky'
   */
  readonly order?: FailoverOrder
  /** Limit of one try, in milliseconds, from 1: one address that hangs must not use up the time of all. @default 2_000 */
  readonly timeoutMs?: number
  /** How long one that failed is asked last, in milliseconds, from 0. @default 30_000 */
  readonly restMs?: number
  readonly clock?: Partial<Clock>
  readonly random?: Random
}

export type FailoverOrder = 'sticky' | 'given'

/**
 * Everybody who could be asked failed. `ERR_GATELESS_FAILOVER`; `cause` is an AggregateError with each one's error,
 * `retryAfterMs` the shortest time one of them asked for.
 */
export class FailoverError extends GatelessError {
  override readonly name = 'FailoverError'

  constructor(errors: readonly unknown[]) {
    const told = errors.map(describeThrown).join('; ')
    const waits = errors.flatMap((error) => (isGatelessError(error) ? (error.retryAfterMs ?? []) : []))
    super('ERR_GATELESS_FAILOVER', `all ${errors.length} failed: ${told}`, {
      cause: new AggregateError(errors, told),
      retryAfterMs: waits.length === 0 ? undefined : Math.min(...waits),
    })
  }
}

/**
 * Several of a kind that answer the same question (the addresses of a registry), of which one is enough: asks one, and
 * the next one when it fails.
 *
 * When to use: in a provider whose registry has several addresses. Registries that know different things are for `multi`.
 *
 * @example
 * const urls = new Failover(['http://10.0.0.1:8500', 'http://10.0.0.2:8500'])
 * const answer = await urls.run((url, signal) => ask(url, signal), signal)
 */
export class Failover<T> {
  readonly #targets: readonly T[]
  readonly #sticky: boolean
  readonly #timeoutMs: number
  readonly #restMs: number
  readonly #clock: Clock
  readonly #restUntil = new Map<T, number>()
  #first = 0

  /** @throws {TypeError | RangeError} without targets, and for options that make no sense. */
  constructor(targets: readonly T[], options?: FailoverOptions) {
    const read = new OptionReader('Failover', options)
    this.#sticky = read.oneOf<FailoverOrder>('order', ['sticky', 'given'], 'sticky') === 'sticky'
    this.#timeoutMs = read.duration('timeoutMs', 2_000, 1)
    this.#restMs = read.duration('restMs', 30_000)
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    const random = read.function('random', systemRandom)
    read.end()
    if (targets.length === 0) throw new RangeError('Failover: targets must not be empty')
    this.#targets = [...targets]
    if (this.#sticky) this.#first = randomIndex(random, targets.length)
  }

  /** All of them, in the order in which to ask them now. */
  order(): readonly T[] {
    const turned = [...this.#targets.slice(this.#first), ...this.#targets.slice(0, this.#first)]
    const now = this.#clock.now()
    const isResting = (target: T): boolean => {
      const until = this.#restUntil.get(target)
      // Further away than a rest is long: the clock was set back.
      return until !== undefined && now < until && until - now <= this.#restMs
    }
    return [...turned.filter((target) => !isResting(target)), ...turned.filter(isResting)]
  }

  /**
   * Asks them one after the other until one answers.
   *
   * @throws {FailoverError} when none did; the signal's reason as soon as it aborts.
   */
  async run<R>(attempt: (target: T, signal: AbortSignal) => Promise<R>, signal?: AbortSignal): Promise<R> {
    const errors: unknown[] = []
    for (const target of this.order()) {
      try {
        return await this.ask(target, attempt, signal)
      } catch (error) {
        signal?.throwIfAborted()
        errors.push(error)
      }
    }
    throw new FailoverError(errors)
  }

  /** Asks one of them, within the limit of a try, and remembers how that went. */
  async ask<R>(
    target: T,
    attempt: (target: T, signal: AbortSignal) => Promise<R>,
    signal: AbortSignal | undefined,
  ): Promise<R> {
    const scope = new CallScope({ signal, timeoutMs: this.#timeoutMs }, this.#clock)
    try {
      const result = await race(scope, (context) => attempt(target, context.signal))
      this.#restUntil.delete(target)
      if (this.#sticky) this.#first = this.#targets.indexOf(target)
      return result
    } catch (error) {
      // The caller's abort says nothing about whom he asked.
      if (signal?.aborted !== true) this.#restUntil.set(target, this.#clock.now() + this.#restMs)
      throw error
    } finally {
      scope.dispose()
    }
  }
}
