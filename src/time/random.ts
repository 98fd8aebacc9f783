/** The one place that touches chance. Everything else is handed a {@link Random}. */

/** A number in [0, 1), like `Math.random`. */
export type Random = () => number

/** The process's own randomness, looked up when used so that a test's `Math.random` stub is honoured. */
export const systemRandom: Random = () => Math.random()

/**
 * A reproducible {@link Random}: the same seed gives the same numbers on every machine.
 *
 * Mulberry32 (Tommy Ettinger, public domain): 32 bits of state are plenty for tests and simulations, and useless for
 * secrets.
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}

/** An integer in [0, bound); a `random` that wrongly returns 1 still stays inside. */
export function randomIndex(random: Random, bound: number): number {
  return Math.min(bound - 1, Math.floor(random() * bound))
}
