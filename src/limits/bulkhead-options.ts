import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import type { QueueOrder } from './wait-queue.ts'

/** Options of a {@link Bulkhead}. */
export interface BulkheadOptions {
  /** Calls at once, an integer from 1. Must be given: only you know what the other side, or this process, can take. */
  readonly maxConcurrent: number
  /** Calls that may wait for a free slot, an integer from 0. @default 0 */
  readonly maxQueue?: number
  /** Who goes first among waiters of the same priority. @default 'fifo' */
  readonly order?: QueueOrder
  /** How long a call may wait, in milliseconds from 1. @default as long as the call may take */
  readonly queueTimeoutMs?: number | undefined
  /** Reports what it would refuse, and lets everything through at once. @default false */
  readonly dryRun?: boolean
  /** Stands in errors and events. @default 'bulkhead' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** What `configure` can change. */
export type BulkheadPatch = Partial<Omit<BulkheadOptions, 'name' | 'clock'>>

/** @internal */
export interface BulkheadSettings {
  readonly maxConcurrent: number
  readonly maxQueue: number
  readonly order: QueueOrder
  readonly queueTimeoutMs: number | undefined
  readonly dryRun: boolean
  readonly name: string
  readonly clock: Clock
}

/** The defaults of {@link BulkheadOptions}. No queue, as in cockatiel and Polly: waiting is latency, and must be asked for. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ maxQueue: 0, order: 'fifo', dryRun: false, name: 'bulkhead' } as const)

const ORDERS: readonly QueueOrder[] = ['fifo', 'lifo']

/** @internal Checks and copies. */
export function readBulkheadOptions(options: BulkheadOptions): BulkheadSettings {
  const read = new OptionReader('Bulkhead', options)
  const settings: BulkheadSettings = {
    maxConcurrent:
      read.number('maxConcurrent', { default: undefined, min: 1, integer: true }) ??
      read.refuse('maxConcurrent', 'given, an integer from 1'),
    maxQueue: read.number('maxQueue', { default: DEFAULTS.maxQueue, min: 0, integer: true }),
    order: read.oneOf('order', ORDERS, DEFAULTS.order),
    queueTimeoutMs: read.duration('queueTimeoutMs', undefined, 1),
    dryRun: read.boolean('dryRun', DEFAULTS.dryRun),
    name: read.string<string>('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

/** @internal In plain words. */
export function describeBulkhead({ maxConcurrent, maxQueue, queueTimeoutMs }: BulkheadSettings): string {
  const limit = `at most ${maxConcurrent} at once`
  if (maxQueue === 0) return limit
  return `${limit}, ${maxQueue} wait${queueTimeoutMs === undefined ? '' : ` up to ${queueTimeoutMs} ms`}`
}
