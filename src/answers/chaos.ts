import { type CallOptions, CallScope, type Operation } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import type { Policy, PolicyInfo } from '../core/policy.ts'
import { race } from '../core/race.ts'
import { sleep } from '../time/sleep.ts'
import { ChaosError } from './chaos-error.ts'
import { type ChaosOptions, type ChaosSettings, type Injection, readChaosOptions } from './chaos-options.ts'

/** What is injected. */
export type ChaosKind = 'latency' | 'fault' | 'outcome'

/** What a {@link ChaosPolicy} reports. */
export interface ChaosEvents {
  /** Something was injected; `latencyMs` for a latency, `error` for a fault. */
  readonly injected: {
    readonly kind: ChaosKind
    readonly latencyMs?: number
    readonly error?: unknown
  }
}

/** What a {@link ChaosPolicy} injected since it was made. */
export interface ChaosMetrics {
  readonly latency: number
  readonly fault: number
  readonly outcome: number
}

/** Made by {@link chaos}. */
export class ChaosPolicy<R = never> extends TypedEmitter<ChaosEvents> implements Policy<R> {
  /** For types only: what a `pipeline` may answer because of this policy. */
  declare readonly answers: R
  readonly info: PolicyInfo
  readonly #settings: ChaosSettings
  readonly #counts = { latency: 0, fault: 0, outcome: 0 }

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: ChaosOptions<R>) {
    super()
    this.#settings = readChaosOptions(options, () => new ChaosError(this.#settings.name))
    const kinds = (['latency', 'fault', 'outcome'] as const).filter((kind) => this.#settings[kind] !== undefined)
    const summary = `injects ${kinds.length === 0 ? 'nothing' : kinds.join(', ')} where enabled`
    this.info = Object.freeze({ kind: 'chaos', name: this.#settings.name, summary })
  }

  get metrics(): ChaosMetrics {
    return { ...this.#counts }
  }

  /** Runs `operation`, unless chaos answers or fails in its place; maybe later. */
  async execute<T>(operation: Operation<T>, options?: CallOptions): Promise<T | R> {
    const scope = CallScope.enter(options, this.#settings.clock)
    const own = scope !== options
    try {
      if (scope.aborted) throw scope.reason
      if (this.#isEnabled(scope)) {
        const { latency, fault, outcome } = this.#settings
        if (this.#hits(latency)) await this.#delay(latency, scope)
        if (this.#hits(fault)) this.#fail(fault, scope)
        if (this.#hits(outcome)) {
          this.#injected('outcome')
          const make = outcome.make as Operation<R>
          return await (scope.interruptible ? race(scope, make) : make(scope))
        }
      }
      return await (own && scope.interruptible ? race(scope, operation) : operation(scope))
    } finally {
      if (own) scope.dispose()
    }
  }

  /** Same arguments; the result may also be an injected one. */
  wrap<A extends unknown[], T>(work: (...args: A) => T | PromiseLike<T>): (...args: A) => Promise<T | R> {
    return (...args) => this.execute(() => work(...args))
  }

  #isEnabled(scope: CallScope): boolean {
    try {
      const answer: unknown = this.#settings.enabled(scope)
      if (typeof answer === 'boolean') return answer
      // A promise is truthy: an async function would enable it everywhere.
      throw new TypeError(`enabled must answer true or false, got ${typeof answer}`)
    } catch (fault) {
      this.reportFault('enabled', fault)
      return false
    }
  }

  #hits<T>(injection: Injection<T> | undefined): injection is Injection<T> {
    return injection !== undefined && this.#settings.random() < injection.rate
  }

  async #delay(latency: Injection<number>, scope: CallScope): Promise<void> {
    const latencyMs = this.#latencyMs(latency, scope)
    if (latencyMs === undefined) return
    this.#injected('latency', { latencyMs })
    await sleep(latencyMs, this.#settings.clock, scope)
  }

  #latencyMs(latency: Injection<number>, scope: CallScope): number | undefined {
    try {
      const latencyMs = latency.make(scope)
      if (Number.isFinite(latencyMs) && latencyMs >= 0) return latencyMs
      throw new RangeError(`latencyMs must answer milliseconds from 0, got ${String(latencyMs)}`)
    } catch (fault) {
      this.reportFault('latencyMs', fault)
      return undefined
    }
  }

  #fail(fault: Injection<unknown>, scope: CallScope): never {
    const error = fault.make(scope)
    this.#injected('fault', { error })
    throw error
  }

  #injected(kind: ChaosKind, details?: { latencyMs: number } | { error: unknown }): void {
    this.#counts[kind] += 1
    if (this.heard('injected')) this.emit('injected', { kind, ...details })
  }
}

/**
 * Injects latency, faults and results, to see whether what is around it copes.
 *
 * When to use: in tests, and in production for a small share of calls, to learn how a service degrades before it does.
 * Innermost in a `pipeline`, so that every other policy sees what it does. Source: Polly's chaos strategies (Simmy).
 *
 * Gotchas: off unless `enabled` says otherwise; it reads no environment by itself. Each kind rolls for itself, in the order
 * latency, fault, outcome, so a delayed call may fail as well.
 *
 * @example
 * const unrest = chaos({ enabled: () => process.env['CHAOS'] === 'on', fault: { rate: 0.05 }, latency: { latencyMs: 2_000 } })
 * const guarded = pipeline(new RetryPolicy(), new CircuitBreaker(), unrest)
 */
export function chaos<R = never>(options?: ChaosOptions<R>): ChaosPolicy<R> {
  return new ChaosPolicy(options)
}
