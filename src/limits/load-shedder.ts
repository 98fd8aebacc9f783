import type { CallContext } from '../core/context.ts'
import type { Permit } from '../core/outcome.ts'
import type { PolicyInfo, Refusal } from '../core/policy.ts'
import { LoadShedError } from './errors.ts'
import { LimitPolicy, patched, SPENT } from './limit-policy.ts'
import {
  type LoadShedderOptions,
  type LoadShedderPatch,
  type LoadShedderSettings,
  readLoadShedderOptions,
} from './load-shedder-options.ts'
import { priorityOf } from './wait-queue.ts'

/** What a load shedder knows; read in constant time. */
export interface LoadShedderMetrics {
  /** The load when it was last asked. */
  readonly load: number
  /** How many of the priorities are shed. */
  readonly shedding: number
  /** Calls refused since it was made; in a dry run, those it would have refused. */
  readonly rejected: number
}

/** What a {@link LoadShedder} reports. */
export interface LoadShedderEvents {
  /** More priorities are shed, or fewer; both numbers count priorities, from the lowest. */
  readonly shedding: { readonly from: number; readonly to: number; readonly load: number }
  /** A call was refused, or in a dry run would have been. */
  readonly rejected: { readonly priority: number; readonly load: number; readonly dryRun: boolean }
}

/**
 * Refuses the least important calls first as the load grows, so that the important ones find room.
 *
 * When to use: around work of different importance that shares something: a limiter, a pool, this process. The load can be
 * anything that can be measured: `() => limiter.utilization`, `() => bulkhead.utilization`, the event loop's utilization.
 *
 * Gotchas: priorities come with the call (`execute(work, { priority: -1 })`), 0 unless given. The load is what it is now:
 * smooth a noisy one yourself. The shedder must stand outside of what it measures, or that refuses first, and everybody alike.
 *
 * Priority `i` of `n`, counted from 0, is shed while the load is at or above `startAt + i × (fullAt - startAt) / (n - 1)`,
 * and comes back when it is more than `hysteresis` below that; a single one is shed from `startAt` on. Sources: the criticalities of "Site Reliability Engineering",
 * chapter 21; Envoy's overload manager, whose scaled triggers rise evenly between two thresholds; DAGOR (Zhou et al.,
 * "Overload Control for Scaling WeChat Microservices", SoCC 2018), which sheds by a priority level that follows the load.
 *
 * @example
 * const limiter = new AdaptiveLimiter()
 * const shedder = new LoadShedder({ load: () => limiter.utilization })
 * const guarded = pipeline(shedder, limiter)
 * const hits = await guarded.execute(({ signal }) => prefetch(signal), { priority: -2 })
 */
export class LoadShedder extends LimitPolicy<LoadShedderEvents> {
  #options: LoadShedderOptions
  #settings: LoadShedderSettings
  #info: PolicyInfo
  #load = 0
  #shedding = 0
  #rejected = 0

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: LoadShedderOptions) {
    const settings = readLoadShedderOptions(options)
    super(settings.clock)
    this.#options = { ...options }
    this.#settings = settings
    this.#info = toInfo(settings)
  }

  get info(): PolicyInfo {
    return this.#info
  }

  get metrics(): LoadShedderMetrics {
    return { load: this.#load, shedding: this.#shedding, rejected: this.#rejected }
  }

  /** Leave for a call of this priority now, or undefined. Nothing has to be given back: the permit may be dropped. */
  tryAcquire(priority = 0): Permit | undefined {
    this.#look()
    if (this.#level(priority) >= this.#shedding) return SPENT
    this.#reject(priority)
    return this.#settings.dryRun ? SPENT : undefined
  }

  /** For `pipeline`: `tryAcquire` with a reason. */
  admit(context: CallContext): Permit | Refusal {
    const priority = priorityOf(context)
    const permit = this.tryAcquire(priority)
    if (permit !== undefined) return permit
    return new Shed(this.name, priority, this.#load)
  }

  /** For `pipeline`: how a call ended says nothing about the load. */
  judge(): void {}

  /**
   * Changes options while it runs; what is left out stays, what is undefined goes back to its default. Another list of
   * priorities is shed from the next call on, as the load then says.
   *
   * @throws {RangeError | TypeError} as the constructor; nothing has changed then.
   */
  configure(patch: LoadShedderPatch): void {
    const options = patched('LoadShedder', this.#options, patch, ['name', 'clock'])
    const settings = readLoadShedderOptions(options)
    this.#options = options
    this.#settings = settings
    this.#info = toInfo(settings)
    this.#shed(Math.min(this.#shedding, settings.priorities.length))
  }

  /** Asks for the load, and moves the line to where it belongs. */
  #look(): void {
    const { load, thresholds, hysteresis } = this.#settings
    try {
      const now = load()
      if (typeof now !== 'number' || Number.isNaN(now))
        throw new TypeError(`load must give a number, got ${String(now)}`)
      this.#load = now
    } catch (error) {
      this.reportFault('load', error)
      return
    }
    let shedding = this.#shedding
    while (shedding < thresholds.length && this.#load >= (thresholds[shedding] as number)) shedding += 1
    while (shedding > 0 && this.#load < (thresholds[shedding - 1] as number) - hysteresis) shedding -= 1
    this.#shed(shedding)
  }

  #shed(to: number): void {
    const from = this.#shedding
    if (from === to) return
    this.#shedding = to
    if (this.heard('shedding')) this.emit('shedding', { from, to, load: this.#load })
  }

  /** Which of the priorities a call belongs to; the lowest for what is below all of them. */
  #level(priority: number): number {
    const { priorities } = this.#settings
    let level = priorities.length - 1
    while (level > 0 && priority < (priorities[level] as number)) level -= 1
    return level
  }

  #reject(priority: number): void {
    this.#rejected += 1
    if (this.heard('rejected')) {
      this.emit('rejected', { priority, load: this.#load, dryRun: this.#settings.dryRun })
    }
  }
}

function toInfo({ name, priorities, thresholds }: LoadShedderSettings): PolicyInfo {
  const summary =
    `sheds priority ${priorities[0]} from a load of ${percent(thresholds[0])}` +
    (priorities.length === 1 ? '' : `, up to priority ${priorities.at(-1)} from ${percent(thresholds.at(-1))}`)
  return Object.freeze({ kind: 'shedder', name, summary })
}

/** A "no" that knows what it was said at: the load is another a moment later. */
class Shed implements Refusal {
  readonly refused = true
  readonly #details: ConstructorParameters<typeof LoadShedError>

  constructor(...details: ConstructorParameters<typeof LoadShedError>) {
    this.#details = details
  }

  error(): LoadShedError {
    return new LoadShedError(...this.#details)
  }
}

function percent(share: number | undefined): string {
  return `${Math.round((share as number) * 100)} %`
}
