import type { CallContext } from '../core/context.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { callKey, type KeyOf } from './key.ts'

/** The options of a {@link CachePolicy}, and how they are read. */

export interface CacheOptions {
  /** How long an answer is served without asking again, in milliseconds from 1. */
  readonly ttlMs: number
  /** Answers remembered; beyond it the one not asked for longest is forgotten. An integer from 1 to 1_000_000. @default 1_000 */
  readonly maxEntries?: number
  /**
   * Which calls are the same; undefined is not cached. One that throws, or answers anything but a string, is reported as
   * an `error` event, and the call is not cached. @default the `key` of the call's options
   */
  readonly key?: (context: CallContext) => string | undefined
  /**
   * How long after `ttlMs` an answer is served when the work fails, in milliseconds from 0. Source: RFC 5861, section 4.
   * @default 0
   */
  readonly staleIfErrorMs?: number
  /**
   * How long after `ttlMs` an answer is served at once while a new one is fetched, in milliseconds from 0. Source: RFC
   * 5861, section 3. @default 0
   */
  readonly staleWhileRevalidateMs?: number
  /**
   * Whether an answer is worth remembering. One that throws, or answers anything but true and false, is reported as an
   * `error` event and taken for a no. @default every answer but undefined and null
   */
  readonly cacheable?: (value: unknown) => boolean
  /** Stands in `info`. @default 'cache' */
  readonly name?: string
  /** A source of time. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults that are plain values. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({
  maxEntries: 1_000,
  staleIfErrorMs: 0,
  staleWhileRevalidateMs: 0,
  name: 'cache',
})

/** @internal */
export interface CacheSettings {
  readonly ttlMs: number
  readonly maxEntries: number
  readonly keyOf: KeyOf
  readonly staleIfErrorMs: number
  readonly staleWhileRevalidateMs: number
  readonly cacheable: (value: unknown) => boolean
  readonly name: string
  readonly clock: Clock
}

/** @internal */
export function readCacheOptions(options: CacheOptions): CacheSettings {
  const read = new OptionReader('cache', options)
  const settings = {
    ttlMs: read.duration('ttlMs', undefined, 1) ?? read.refuse('ttlMs', 'given, in milliseconds'),
    // lru-cache makes room for all of them at once.
    maxEntries: read.number('maxEntries', { default: DEFAULTS.maxEntries, min: 1, max: 1_000_000, integer: true }),
    keyOf: read.function<KeyOf>('key', callKey),
    staleIfErrorMs: read.duration('staleIfErrorMs', DEFAULTS.staleIfErrorMs),
    staleWhileRevalidateMs: read.duration('staleWhileRevalidateMs', DEFAULTS.staleWhileRevalidateMs),
    cacheable: read.function('cacheable', isSomething),
    name: read.string('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

/** "There is none" is remembered only by who asks for it: it is what a moment later is most often wrong. */
function isSomething(value: unknown): boolean {
  return value !== undefined && value !== null
}
