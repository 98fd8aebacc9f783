/**
 * How much of what a member is asked fails, from 0 to 1. Each call moves it a tenth of the way: one failure among many
 * successes must not send everybody elsewhere (at fifty calls a second, one in five thousand would keep an instance out
 * a fifth of its time), and a few in a row must.
 */
const FAILURE_WEIGHT = 0.1

/** The share after one more call. */
export function nextFailureShare(share: number, failed: boolean): number {
  return share + FAILURE_WEIGHT * ((failed ? 1 : 0) - share)
}

/** How much of an exponential average is left after so many time constants; all of it where that is no number. */
export function remaining(constants: number): number {
  // exp is what this costs, and at a thousand calls a second it says 1 anyway. Below 0 the clock went backwards.
  return constants > 0.001 ? Math.exp(-constants) : 1
}
