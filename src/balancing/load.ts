import type { OutcomeInfo, Verdict } from '../core/outcome.ts'
import type { Member } from './member.ts'
import type { PickedCall } from './strategy.ts'

/**
 * How busy is it? Kept apart from who picks: a picker compares loads without knowing what they measure, so each
 * measure works with the best of two, of some, and of all.
 */

export interface LoadMeter {
  /** The members that are picked from now; as for pickers. */
  update(members: readonly Member[]): void
  /**
   * How busy the member at this slot would be with one call more, in any unit: only compared, and the smaller wins.
   * Asked by slot, so that whoever is not chosen need not be looked at: in a large fleet each look is a cache miss.
   *
   * @param now The monotonic time in milliseconds; NaN for a meter that reads no clock.
   */
  load(slot: number, now: number): number
  started?(call: PickedCall): void
  responded?(call: PickedCall, verdict: Verdict, latencyMs: number, info: OutcomeInfo | undefined): void
  settled?(call: PickedCall): void
}

/** Calls in flight, for its weight, as one more call would make it. */
export class InFlightMeter implements LoadMeter {
  #members: readonly Member[] = []

  update(members: readonly Member[]): void {
    this.#members = members
  }

  load(slot: number): number {
    const { inFlight, weight } = this.#members[slot] as Member
    return (inFlight + 1) / weight
  }
}
/**
 * The same from an own count, for pickers that tell it of every call: in a large fleet looking at two members is four cache
 * misses, and at two numbers of a packed array two.
 */
export class CountedMeter implements LoadMeter {
  #loads = new Float64Array(0)

  update(members: readonly Member[]): void {
    this.#loads = Float64Array.from(members, ({ inFlight, weight }) => (inFlight + 1) / weight)
  }

  load(slot: number): number {
    return this.#loads[slot] as number
  }

  started({ member: { slot, inFlight, weight } }: PickedCall): void {
    if (slot >= 0) this.#loads[slot] = (inFlight + 1) / weight
  }

  settled(call: PickedCall): void {
    this.started(call)
  }
}
