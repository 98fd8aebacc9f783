import type { OutcomeInfo, Verdict } from '../../core/outcome.ts'
import type { Clock } from '../../time/clock.ts'
import { type Random, randomIndex } from '../../time/random.ts'
import type { LoadMeter } from '../load.ts'
import type { Member } from '../member.ts'
import type { PickedCall, Picker, PickRequest } from '../strategy.ts'
import { allowedFrom } from './allowed.ts'

/**
 * The least busy of a few random members. Weights count in the score and not in the draw: drawing by weight without
 * replacement gives a member of half weight 1.0 of a share among two and 0.6 among three (Finagle), not the half.
 */
export class SampledPicker implements Picker {
  readonly #choices: number
  readonly #meter: LoadMeter
  readonly #random: Random
  /** Only for meters that go by time: others are asked without a reading of the clock. */
  readonly #clock: Clock | undefined
  #members: readonly Member[] = []

  constructor(choices: number, meter: LoadMeter, random: Random, clock?: Clock) {
    this.#choices = choices
    this.#meter = meter
    this.#random = random
    this.#clock = clock
  }

  update(members: readonly Member[]): void {
    this.#members = members
    this.#meter.update(members)
  }

  pick({ exclude }: PickRequest, now?: number): Member | undefined {
    const members = this.#members
    const count = members.length
    if (count === 0) return undefined
    let best = this.#draw(randomIndex(this.#random, count), exclude)
    if (best < 0 || count === 1) return members[best]
    const time = this.#clock === undefined ? Number.NaN : (now ?? this.#clock.now())
    let least = this.#meter.load(best, time)
    for (let i = 1; i < this.#choices; i += 1) {
      // One of the others: drawing the best so far again would waste a choice.
      let at = randomIndex(this.#random, count - 1)
      if (at >= best) at += 1
      const rival = this.#draw(at, exclude)
      const load = this.#meter.load(rival, time)
      if (!(load < least)) continue
      best = rival
      least = load
    }
    return members[best]
  }

  /** How it rates a member, for reports. */
  score({ slot }: Member): number | undefined {
    return slot < 0 ? undefined : this.#meter.load(slot, this.#clock === undefined ? Number.NaN : this.#clock.now())
  }

  /** A slot, or -1 when everybody is excluded. */
  #draw(at: number, exclude: ReadonlySet<string> | undefined): number {
    return exclude === undefined ? at : (allowedFrom(this.#members, at, exclude)?.slot ?? -1)
  }
}

/** The same, for a meter that wants to be told what becomes of the calls. */
export class MeteredPicker extends SampledPicker {
  readonly #meter: LoadMeter

  constructor(choices: number, meter: LoadMeter, random: Random, clock?: Clock) {
    super(choices, meter, random, clock)
    this.#meter = meter
  }

  started(call: PickedCall): void {
    this.#meter.started?.(call)
  }

  responded(call: PickedCall, verdict: Verdict, latencyMs: number, info: OutcomeInfo | undefined): void {
    this.#meter.responded?.(call, verdict, latencyMs, info)
  }

  settled(call: PickedCall): void {
    this.#meter.settled?.(call)
  }
}
