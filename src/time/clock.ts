/**
 * The one place that touches time. Everything else is handed a {@link Clock}.
 *
 * The globals are looked up at each call, never captured: that is what lets plain `vi.useFakeTimers()` drive every
 * primitive, although it replaces `setTimeout` and the whole `performance` object after this module was loaded.
 */

/** What `setTimeout` returned: a Node timer, or the number of a fake one. Only good for `clearTimeout`. */
export type Timer = object | number

/** A source of time. `now` measures durations, `wallNow` is only for dates that leave the process. */
export interface Clock {
  /** Milliseconds on a monotonic scale with an arbitrary origin. */
  now(): number
  /** Milliseconds since the Unix epoch; jumps when somebody sets the clock. */
  wallNow(): number
  setTimeout<A extends unknown[]>(callback: (...args: A) => void, delayMs: number, ...args: A): Timer
  clearTimeout(timer: Timer): void
}

/** The longest delay a Node timer can hold; anything longer would fire after one millisecond. */
export const MAX_DELAY_MS: number = 2 ** 31 - 1

/** The process's own clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  wallNow: () => Date.now(),
  setTimeout: (callback, delayMs, ...args) => setTimeout(callback, Math.min(delayMs, MAX_DELAY_MS), ...args),
  clearTimeout: (timer) => {
    clearTimeout(timer as NodeJS.Timeout)
  },
}

/** Fills what a user left out of `clock` with the system's own. */
export function toClock(partial: Partial<Clock> = systemClock): Clock {
  if (typeof partial !== 'object' || partial === null)
    throw new TypeError(`clock must be an object, got ${String(partial)}`)
  const clock = { ...systemClock }
  let whole = true
  for (const part of Object.keys(systemClock) as (keyof Clock)[]) {
    const method: unknown = partial[part]
    if (typeof method === 'function') clock[part] = method.bind(partial)
    else if (method === undefined) whole = false
    else throw new TypeError(`clock: ${part} must be a function, got ${typeof method}`)
  }
  // Itself, so that everybody who was handed this clock shares its deadlines; and it may be an instance of a class.
  return whole ? (partial as Clock) : clock
}

/**
 * Changes whenever somebody swaps the global timers (fake ones installed or removed). A timer armed before the swap
 * may never fire after it, so whoever keeps one timer for many waiters compares this and arms again.
 */
export function timerEpoch(): unknown {
  return globalThis.setTimeout
}

/**
 * Whether somebody fakes the global timers now (vitest, jest and sinon mark them with their clock). Tests count timers and
 * clear them all, so what is a saving on real timers, keeping one for later, would be a surprise there.
 */
export function timersAreFake(): boolean {
  return 'clock' in globalThis.setTimeout
}

/** Lets the process end while this timer is pending. Fake and browser timers may lack the method. */
export function unref(timer: Timer): void {
  ;(timer as { unref?: () => unknown })?.unref?.()
}

/** Makes the process wait for this timer again. */
export function ref(timer: Timer): void {
  ;(timer as { ref?: () => unknown })?.ref?.()
}

/** Milliseconds since the Unix epoch for a date in text; NaN where it is none. Reads no clock. */
export function parseDate(text: string): number {
  return Date.parse(text)
}

/** RFC 3339 in UTC for an instant in milliseconds since the Unix epoch. Reads no clock. */
export function formatDate(epochMs: number): string {
  return new Date(epochMs).toISOString()
}
