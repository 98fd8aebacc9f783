import type { Member } from './member.ts'

/**
 * How busy is it? Kept apart from who picks: a picker compares loads without knowing what they measure, so each
 * measure works with the best of two, of some, and of all.
 */
export type Load = (member: Member) => number

/** Calls in flight, for its weight, as one more call would make it. */
export const inFlightLoad: Load = (member) => (member.inFlight + 1) / member.weight
