import type { Verdict } from '../../core/outcome.ts'
import type { LoadMeter } from '../load.ts'
import type { Member } from '../member.ts'
import { MemberRows } from '../member-rows.ts'
import type { PickedCall } from '../strategy.ts'
import { nextFailureShare, remaining } from './failure-share.ts'

/**
 * Latency × calls in flight, where latency is a peak-sensitive average, or the age of a call that is still out.
 *
 * Of the calls a member has in flight one is watched until it is answered, then the next that begins. That costs one
 * reference instead of a list per member, and sees as much: where everything hangs the watched call hangs too, and where
 * some calls hang, sooner or later one of them is watched, and stays so.
 *
 * What is known of a member fades into what is known of all (the median), in both directions: who has not been asked for
 * long is neither as bad nor as good as it was.
 */

/** @internal */
export interface PeakEwmaRules {
  readonly decayMs: number
  readonly failurePenalty: number
  readonly reprobeMs: number
}

/** The numbers of a member, in this order. */
const LATENCY = 0
const FAILURES = 1
const SEEN_AT = 2
const PICKED_AT = 3
/** When the call that is watched began; NaN while none is. */
const WATCHED_SINCE = 4
const IN_FLIGHT = 5
const PER_WEIGHT = 6
/** One more than there are, for a row to be as long as a cache line. */
const WIDTH = 8
/** Not measured yet; never picked. */
const BLANK = /* @__PURE__ */ Object.freeze([Number.NaN, 0, Number.NaN, Number.NaN, Number.NaN, 0, 1, 0])

/** Milliseconds: where answers take no time at all, calls in flight must still count. */
const SHORTEST = 0.01
/** Members looked at for the median, and answers until it is looked for again. */
const SAMPLES = 31
const MEDIAN_EVERY = 256
/** Of so many calls one may be sent to who would have lost: a quiet client with many instances would else only do that. */
const REPROBE_EVERY = 50

export class PeakEwmaMeter implements LoadMeter {
  readonly #rules: PeakEwmaRules
  #rows = new MemberRows(BLANK)
  #members: readonly Member[] = []
  #watched: (PickedCall | undefined)[] = []
  /** The median latency, in milliseconds. Before anything was measured the unit does not matter. */
  #typical = 1
  #untilMedian = 1
  #medianEvery = 1
  #inFlight = 0
  #weight = 0
  #sinceReprobe = 0

  constructor(rules: PeakEwmaRules) {
    this.#rules = rules
  }

  update(members: readonly Member[]): void {
    const watched = Array.from<PickedCall | undefined>({ length: members.length })
    for (const [i, member] of this.#members.entries()) {
      if (members[member.slot] === member) watched[member.slot] = this.#watched[i]
    }
    this.#watched = watched
    this.#members = members
    this.#rows.update(members)
    const { values } = this.#rows
    this.#inFlight = 0
    this.#weight = 0
    for (const [slot, { inFlight, weight }] of members.entries()) {
      const row = slot * WIDTH
      values[row + WATCHED_SINCE] = watched[slot]?.startedAt ?? Number.NaN
      values[row + IN_FLIGHT] = inFlight
      values[row + PER_WEIGHT] = 1 / weight
      this.#inFlight += inFlight
      this.#weight += weight
    }
    this.#findMedian()
  }

  /** What was learned under other rules. The calls it watched go on reporting to it, and not here. `update` follows. */
  inherit(former: PeakEwmaMeter): void {
    this.#rows = former.#rows
  }

  /** The average as it stands, in milliseconds, that of the others where it has none. */
  latencyMs(slot: number, now: number): number {
    const { values } = this.#rows
    const kept = remaining((now - (values[slot * WIDTH + SEEN_AT] as number)) / this.#rules.decayMs)
    return this.#faded(values[slot * WIDTH + LATENCY] as number, kept)
  }

  load(slot: number, now: number): number {
    const { values } = this.#rows
    const row = slot * WIDTH
    const inFlight = values[row + IN_FLIGHT] as number
    if (inFlight === 0 && this.#sinceReprobe >= REPROBE_EVERY) {
      const unasked = now - (values[row + PICKED_AT] as number)
      // Below 0 the clock went backwards, and nothing is known of how long it has been.
      if (unasked > this.#rules.reprobeMs || unasked < 0) return 0
    }
    const kept = remaining((now - (values[row + SEEN_AT] as number)) / this.#rules.decayMs)
    let latency = this.#faded(values[row + LATENCY] as number, kept)
    const age = now - (values[row + WATCHED_SINCE] as number)
    if (age > latency) latency = age
    const load = Math.max(latency, SHORTEST) * (inFlight + 1) * (values[row + PER_WEIGHT] as number)
    const failures = values[row + FAILURES] as number
    return failures === 0 ? load : load + failures * kept * this.#penalty()
  }

  started(call: PickedCall): void {
    const { slot } = call.member
    if (slot < 0) return
    const { values } = this.#rows
    const row = slot * WIDTH
    this.#inFlight += 1
    values[row + IN_FLIGHT] = (values[row + IN_FLIGHT] as number) + 1
    if (this.#watched[slot] === undefined) {
      this.#watched[slot] = call
      values[row + WATCHED_SINCE] = call.startedAt
    }
    const unasked = call.startedAt - (values[row + PICKED_AT] as number)
    this.#sinceReprobe = unasked > this.#rules.reprobeMs ? 0 : this.#sinceReprobe + 1
    values[row + PICKED_AT] = call.startedAt
  }

  responded(call: PickedCall, verdict: Verdict, latencyMs: number): void {
    const { slot } = call.member
    if (slot < 0) return
    const { values } = this.#rows
    const row = slot * WIDTH
    if (this.#watched[slot] === call) {
      this.#watched[slot] = undefined
      values[row + WATCHED_SINCE] = Number.NaN
    }
    const now = call.startedAt + latencyMs
    const kept = remaining((now - (values[row + SEEN_AT] as number)) / this.#rules.decayMs)
    const known = values[row + LATENCY] as number
    const former = this.#faded(known, kept)
    // A call that was given up took at least so long; whether it would have been answered nobody knows.
    if (verdict === 'ignore' && latencyMs <= former) return
    const peak = latencyMs >= former || Number.isNaN(known)
    // The time an error took says nothing about how soon an answer comes.
    if (verdict === 'failure') values[row + LATENCY] = Number.isNaN(known) ? known : former
    else values[row + LATENCY] = peak ? latencyMs : latencyMs + (former - latencyMs) * kept
    const failures = (values[row + FAILURES] as number) * kept
    values[row + FAILURES] = verdict === 'ignore' ? failures : nextFailureShare(failures, verdict === 'failure')
    values[row + SEEN_AT] = now
    this.#untilMedian -= 1
    if (this.#untilMedian <= 0) this.#findMedian()
  }

  settled({ member: { slot } }: PickedCall): void {
    if (slot < 0) return
    const at = slot * WIDTH + IN_FLIGHT
    this.#inFlight -= 1
    this.#rows.values[at] = (this.#rows.values[at] as number) - 1
  }

  /** The latency that is left of what was seen; that of the others for who was never measured. */
  #faded(latency: number, kept: number): number {
    return Number.isNaN(latency) ? this.#typical : this.#typical + (latency - this.#typical) * kept
  }

  /** What failing every call counts: so many times the load of an average member. */
  #penalty(): number {
    const average = (Math.max(this.#typical, SHORTEST) * (this.#inFlight + this.#members.length)) / this.#weight
    return this.#rules.failurePenalty * average
  }

  /** Of a sample that is spread over all: O(1), whatever their number. */
  #findMedian(): void {
    this.#medianEvery = Math.min(MEDIAN_EVERY, 2 * this.#medianEvery)
    this.#untilMedian = this.#medianEvery
    const { values } = this.#rows
    const count = this.#members.length
    const step = Math.max(1, Math.floor(count / SAMPLES))
    const sample: number[] = []
    for (let slot = this.#sinceReprobe % step; slot < count; slot += step) {
      const latency = values[slot * WIDTH + LATENCY] as number
      if (!Number.isNaN(latency)) sample.push(latency)
    }
    sample.sort((a, b) => a - b)
    // The lower of the two in the middle: of two members one may be unwell.
    this.#typical = sample[(sample.length - 1) >> 1] ?? this.#typical
  }
}
