import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'

/** Options of a {@link LoadShedder}. */
export interface LoadShedderOptions {
  /**
   * How loaded whatever is to be protected is: 0 idle, 1 full. Asked at every call. One that throws, or gives no number, is
   * reported as an `error` event, and the call is let through as if the load had not changed. Must be given.
   */
  readonly load: () => number
  /** The load from which the lowest priority is shed, above 0 and up to `fullAt`. @default 0.7 */
  readonly startAt?: number
  /** The load from which the highest priority is shed too; without meaning where there is only one. @default 1 */
  readonly fullAt?: number
  /** How far the load must fall below what shed a priority before that comes back, from 0 to below `startAt`. @default 0.05 */
  readonly hysteresis?: number
  /** The priorities that are told apart, in ascending order; a call belongs to the highest that it reaches. @default [-2, -1, 0, 1] */
  readonly priorities?: readonly number[]
  /** Reports what it would refuse, and lets everything through. @default false */
  readonly dryRun?: boolean
  /** Stands in errors and events. @default 'load shedder' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** What `configure` can change. */
export type LoadShedderPatch = Partial<Omit<LoadShedderOptions, 'name' | 'clock'>>

/** @internal */
export interface LoadShedderSettings {
  readonly load: () => number
  readonly hysteresis: number
  readonly priorities: readonly number[]
  /** The load that sheds each of `priorities`. */
  readonly thresholds: readonly number[]
  readonly dryRun: boolean
  readonly name: string
  readonly clock: Clock
}

/**
 * The defaults of {@link LoadShedderOptions}. Four priorities, and calls about which nobody said anything in the second
 * highest: the SRE book's criticalities (sheddable, sheddable-plus, critical, critical-plus).
 */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  startAt: 0.7,
  fullAt: 1,
  hysteresis: 0.05,
  priorities: Object.freeze([-2, -1, 0, 1]),
  dryRun: false,
  name: 'load shedder',
})

/** @internal Checks and copies. */
export function readLoadShedderOptions(options: LoadShedderOptions): LoadShedderSettings {
  const read = new OptionReader('LoadShedder', options)
  const load = read.function<(() => number) | undefined>('load', undefined) ?? read.refuse('load', 'given, a function')
  const startAt = read.number('startAt', { default: DEFAULTS.startAt, min: 0, above: true })
  const fullAt = read.number('fullAt', { default: DEFAULTS.fullAt, min: 0, above: true })
  if (startAt > fullAt) read.refuse('startAt', `up to fullAt, which is ${fullAt}`)
  const hysteresis = read.number('hysteresis', { default: DEFAULTS.hysteresis, min: 0 })
  if (hysteresis >= startAt) read.refuse('hysteresis', `below startAt, which is ${startAt}`)
  const given = read.raw('priorities') ?? DEFAULTS.priorities
  if (!isAscending(given)) return read.refuse('priorities', 'a list of finite numbers in ascending order, at least one')
  const priorities = Object.freeze([...given])
  const step = priorities.length === 1 ? 0 : (fullAt - startAt) / (priorities.length - 1)
  const settings: LoadShedderSettings = {
    load,
    hysteresis,
    priorities,
    thresholds: priorities.map((_, level) => startAt + level * step),
    dryRun: read.boolean('dryRun', DEFAULTS.dryRun),
    name: read.string<string>('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

function isAscending(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each, index) => Number.isFinite(each) && (index === 0 || each > value[index - 1]))
  )
}
