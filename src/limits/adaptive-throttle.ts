import { judgeBy } from '../core/attribution.ts'
import { type CallContext, CallScope } from '../core/context.ts'
import type { Outcome, Permit, Verdict } from '../core/outcome.ts'
import type { PolicyInfo, Refusal } from '../core/policy.ts'
import { RollingCounts } from '../stats/rolling-counts.ts'
import {
  type AdaptiveThrottleOptions,
  type AdaptiveThrottlePatch,
  type AdaptiveThrottleSettings,
  readAdaptiveThrottleOptions,
} from './adaptive-throttle-options.ts'
import { ThrottledError } from './errors.ts'
import { LimitPolicy, patched } from './limit-policy.ts'

/** What a throttle knows; read in constant time. */
export interface AdaptiveThrottleMetrics {
  /** Calls in the window, those refused here among them. */
  readonly requests: number
  /** Calls of the window that the service accepted. */
  readonly accepts: number
  /** How likely the next call is refused, from 0 to 1. */
  readonly probability: number
  /** Calls refused since it was made; in a dry run, those it would have refused. */
  readonly rejected: number
}

/** What an {@link AdaptiveThrottle} reports. */
export interface AdaptiveThrottleEvents {
  /** A call was refused, or in a dry run would have been. */
  readonly rejected: { readonly probability: number; readonly dryRun: boolean }
}

const REQUESTS = 0
const ACCEPTS = 1
/** Calls that turned out to say nothing: taken from the requests again. */
const IGNORED = 2

/**
 * Refuses a share of the calls, at random, as fewer of them are accepted: many clients spare an overloaded service the
 * work of refusing them, without talking to each other.
 *
 * When to use: in front of a service that many clients overload together. A breaker is all or nothing; this is a dimmer.
 *
 * Gotchas: the window is long, so it comes back slowly: minutes after an outage it may still refuse some. Inside a retry
 * the retry does not repeat what it refused; around one, a call that succeeded at the third try is one accepted request.
 *
 * `p = max(0, (requests - k × accepts) / (requests + 1))`, at most `maxRejection`; calls refused here count as requests,
 * which keeps the share up while the overload lasts. Source: "Site Reliability Engineering", chapter 21, "Client-Side
 * Throttling" (`k` 2, two minutes), which has no cap and no minimum.
 *
 * @example
 * const throttle = new AdaptiveThrottle({ name: 'search' })
 * const hits = await throttle.execute(({ signal }) => search('pumps', signal))
 */
export class AdaptiveThrottle extends LimitPolicy<AdaptiveThrottleEvents> {
  readonly #refusal: Refusal = { refused: true, error: () => new ThrottledError(this.name, this.#refusedAt) }
  readonly #report = (fault: unknown): void => this.reportFault('classify', fault)
  #options: AdaptiveThrottleOptions
  #settings: AdaptiveThrottleSettings
  #info: PolicyInfo
  #window: RollingCounts
  #rejected = 0
  /** The probability of the last refusal. */
  #refusedAt = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: AdaptiveThrottleOptions) {
    const settings = readAdaptiveThrottleOptions(options)
    super(settings.clock)
    this.#options = { ...options }
    this.#settings = settings
    this.#info = toInfo(settings)
    this.#window = new RollingCounts(settings.windowMs, 3)
  }

  get info(): PolicyInfo {
    return this.#info
  }

  get metrics(): AdaptiveThrottleMetrics {
    const now = this.#settings.clock.now()
    const accepts = this.#window.total(ACCEPTS, now)
    return { requests: this.#requests(now), accepts, probability: this.#probability(now), rejected: this.#rejected }
  }

  /** How likely the next call is refused, from 0 to 1. */
  get probability(): number {
    return this.#probability(this.#settings.clock.now())
  }

  /** Leave for one call, or undefined. The permit should be settled: one that is not looks like a call not accepted. */
  tryAcquire(): Permit | undefined {
    const now = this.#settings.clock.now()
    const probability = this.#probability(now)
    this.#window.add(REQUESTS, now)
    if (probability > 0 && this.#settings.random() < probability) {
      this.#reject(probability)
      if (!this.#settings.dryRun) return undefined
    }
    return new Counted(this)
  }

  /** For `pipeline`: `tryAcquire` with a reason. */
  admit(): Permit | Refusal {
    return this.tryAcquire() ?? this.#refusal
  }

  /** For `pipeline`: settles the permit by `classify`. */
  judge(permit: Permit, outcome: Outcome, context: CallContext): void {
    const verdict = this.#classify(outcome, context)
    if (verdict === 'success') permit.success()
    else if (verdict === 'failure') permit.failure()
    else permit.ignore()
  }

  /**
   * Changes options while it runs; what is left out stays, what is undefined goes back to its default. Another window
   * begins empty, everything else keeps what was counted.
   *
   * @throws {RangeError | TypeError} as the constructor; nothing has changed then.
   */
  configure(patch: AdaptiveThrottlePatch): void {
    const options = patched('AdaptiveThrottle', this.#options, patch, ['name', 'clock', 'random'])
    const settings = readAdaptiveThrottleOptions(options)
    if (settings.windowMs !== this.#settings.windowMs) this.#window = new RollingCounts(settings.windowMs, 3)
    this.#options = options
    this.#settings = settings
    this.#info = toInfo(settings)
  }

  /** @internal One permit's verdict. */
  settle(verdict: Verdict): void {
    if (verdict === 'failure') return
    this.#window.add(verdict === 'success' ? ACCEPTS : IGNORED, this.#settings.clock.now())
  }

  /** What was ignored may outlive its own request in the window. */
  #requests(now: number): number {
    return Math.max(0, this.#window.total(REQUESTS, now) - this.#window.total(IGNORED, now))
  }

  #probability(now: number): number {
    const { k, minimumCalls, maxRejection } = this.#settings
    const requests = this.#requests(now)
    if (requests < minimumCalls) return 0
    const share = (requests - k * this.#window.total(ACCEPTS, now)) / (requests + 1)
    return Math.min(maxRejection, Math.max(0, share))
  }

  #classify(outcome: Outcome, context: CallContext): Verdict {
    // Whatever error the work made of it: the caller left, and that is nobody's refusal.
    if (!outcome.ok && context instanceof CallScope && context.abandonedByCaller) return 'ignore'
    return judgeBy(this.#settings.classify, outcome, this.#report)
  }

  #reject(probability: number): void {
    this.#rejected += 1
    this.#refusedAt = probability
    if (this.heard('rejected')) this.emit('rejected', { probability, dryRun: this.#settings.dryRun })
  }
}

function toInfo({ name, k, windowMs }: AdaptiveThrottleSettings): PolicyInfo {
  const summary = `refuses a share of the calls when fewer than 1 in ${k} were accepted over ${windowMs} ms`
  return Object.freeze({ kind: 'throttle', name, summary, windowMs })
}

/** One call of the window. */
class Counted implements Permit {
  #throttle: AdaptiveThrottle | undefined

  constructor(throttle: AdaptiveThrottle) {
    this.#throttle = throttle
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
    const throttle = this.#throttle
    this.#throttle = undefined
    throttle?.settle(verdict)
  }
}
