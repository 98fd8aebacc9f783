import type { CallContext } from '../core/context.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { type FallbackMatcher, type ErrorTest, toErrorTest } from './fallback-matcher.ts'

/** The options of a {@link FallbackPolicy}, and how they are read. */

/** Another answer: either `value` or `run`. */
export interface FallbackAlternative<R = unknown> {
  /** The answer itself. Every caller gets the same object. */
  readonly value?: R
  /** Makes the answer, from the error of the work and the context of the call. */
  readonly run?: (error: unknown, context: CallContext) => R | PromiseLike<R>
  /**
   * The errors of the work that this answers: a function, a class, a code or name, or a list of them. A function that throws, or
   * answers anything but true and false, is reported as an `error` event and taken for a no.
   * @default every error but one with the name AbortError, and that too with `answerAborts`
   */
  readonly when?: FallbackMatcher | readonly FallbackMatcher[]
}

export interface FallbackOptions<A extends readonly FallbackAlternative[] = readonly FallbackAlternative[]> {
  /** Tried in order; at least one. */
  readonly alternatives: A
  /** Whether also a call that its own caller aborted is answered. @default false */
  readonly answerAborts?: boolean
  /** Stands in `info` and in messages. @default 'fallback' */
  readonly name?: string
  /** A source of time, for a call's `timeoutMs`. @default the system's */
  readonly clock?: Partial<Clock>
}

/** The defaults that are plain values. */
const DEFAULTS = /* @__PURE__ */ Object.freeze({ answerAborts: false, name: 'fallback' })

/** @internal */
export interface Alternative {
  readonly matches: ErrorTest
  readonly answer: (error: unknown, context: CallContext) => unknown
}

/** @internal */
export interface FallbackSettings {
  readonly alternatives: readonly Alternative[]
  readonly answerAborts: boolean
  readonly name: string
  readonly clock: Clock
}

/** @internal */
export function readFallbackOptions(options: FallbackOptions): FallbackSettings {
  const read = new OptionReader('fallback', options)
  const given = read.raw('alternatives')
  if (!Array.isArray(given) || given.length === 0) read.refuse('alternatives', 'a list of at least one alternative')
  const answerAborts = read.boolean('answerAborts', DEFAULTS.answerAborts)
  const settings = {
    alternatives: (given as unknown[]).map((each, index) => readAlternative(each, index, answerAborts)),
    answerAborts,
    name: read.string('name', DEFAULTS.name),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return settings
}

function readAlternative(given: unknown, index: number, answerAborts: boolean): Alternative {
  const owner = `fallback: alternative ${index}`
  const read = new OptionReader(owner, given)
  const value = read.raw('value')
  const run = read.function<Alternative['answer'] | undefined>('run', undefined)
  const when = read.raw('when')
  const matches = when === undefined && answerAborts ? () => true : toErrorTest(owner, when)
  read.end()
  // By presence: undefined is an answer like any other.
  const hasValue = Object.hasOwn(given as object, 'value')
  if (hasValue === (run !== undefined)) throw new TypeError(`${owner}: either value or run must be given`)
  return { matches, answer: run ?? (() => value) }
}
