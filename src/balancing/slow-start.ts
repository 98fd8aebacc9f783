import { OptionReader } from '../core/options.ts'
import type { Random } from '../time/random.ts'
import { fnv1a, mix32 } from './hash.ts'
import type { MemberState, WarmUp } from './member-state.ts'

/** How an instance that is new, or back, gets its share of the calls. */
export interface SlowStartOptions {
  /** From its first moment until it has its whole share, in milliseconds from 1. @default 30_000 */
  readonly windowMs?: number
  /** 1 lets the share grow evenly; above, faster at the beginning; below, faster at the end. Above 0. @default 1 (Envoy) */
  readonly aggression?: number
  /** The part of its share it has at least, from 0 to 1. @default 0.1 (Envoy) */
  readonly minWeight?: number
}

/** @internal */
export type SlowStartRules = Required<SlowStartOptions>

export const SLOW_START_DEFAULTS: SlowStartRules = /* @__PURE__ */ Object.freeze({
  windowMs: 30_000,
  aggression: 1,
  minWeight: 0.1,
})

/** @internal Off unless asked for. */
export function readSlowStartOptions(options: unknown): SlowStartRules | undefined {
  if (options === undefined || options === false) return undefined
  const read = new OptionReader('LoadBalancer: slowStart', options)
  const { windowMs, aggression, minWeight } = SLOW_START_DEFAULTS
  const rules: SlowStartRules = {
    windowMs: read.duration('windowMs', windowMs, 1),
    aggression: read.number('aggression', { default: aggression, min: 0, above: true }),
    minWeight: read.number('minWeight', { default: minWeight, min: 0, max: 1 }),
  }
  read.end()
  return rules
}

/** The part of its share that a member has after `elapsedMs`. Source: Envoy, "Slow start mode". */
export function slowStartFactor({ windowMs, aggression, minWeight }: SlowStartRules, elapsedMs: number): number {
  if (elapsedMs >= windowMs) return 1
  return Math.max(minWeight, (Math.max(0, elapsedMs) / windowMs) ** (1 / aggression))
}

/**
 * Keeps members that have just come from getting more than a growing part of their share. By leave and not by weight: some
 * strategies know no weights, the sampling ones would starve a light member as long as the others are idle, and each step
 * would be an O(n) update of the picker. So the picker chooses as always; whether a beginner keeps the call is decided
 * here, by an account that earns its part of a share at each pick and pays one per call. O(1), and only calls that a
 * beginner would get read the clock.
 *
 * Calls with a key are decided by the key instead, so that each moves to the newcomer once, in every client alike.
 */
export class SlowStart {
  #rules: SlowStartRules | undefined
  readonly #random: Random
  /** In the order in which they came, so that those whose window is over are the first. */
  readonly #beginners = new Set<MemberState>()

  constructor(rules: SlowStartRules | undefined, random: Random) {
    this.#rules = rules
    this.#random = random
  }

  /** Other rules from now on, for who is on the way as well; without any, everybody has the whole share. */
  configure(rules: SlowStartRules | undefined): void {
    this.#rules = rules
    if (rules === undefined) for (const member of this.#beginners) this.end(member)
  }

  get size(): number {
    return this.#beginners.size
  }

  /** @param picks How many picks there have been. */
  begin(member: MemberState, now: number, picks: number): void {
    if (this.#rules === undefined) return
    this.end(member)
    // Anything between nothing and a call: a hundred clients with empty accounts would all send their first call together.
    member.warmUp = { since: now, seenPicks: picks, credit: this.#random() }
    this.#beginners.add(member)
  }

  end(member: MemberState): void {
    member.warmUp = undefined
    this.#beginners.delete(member)
  }

  /** Whether a member the picker chose may have the call. */
  admits(member: MemberState, pick: PickInfo): boolean {
    const rules = this.#rules
    const { warmUp } = member
    if (rules === undefined || warmUp === undefined) return true
    this.#dismiss(pick.now, rules.windowMs)
    const factor = this.factor(member, pick.now)
    if (member.warmUp === undefined) return true
    const fair = member.weight / pick.totalWeight
    warmUp.credit = Math.min(MAX_CREDIT, warmUp.credit + (pick.picks - warmUp.seenPicks) * factor * fair)
    warmUp.seenPicks = pick.picks
    // A fleet that is new as a whole has nobody to spare the newcomers for.
    if (2 * this.#beginners.size > pick.members) return true
    if (pick.key !== undefined) return mix32(fnv1a(pick.key) ^ KEY_SALT) < factor * 2 ** 32
    if (warmUp.credit < 1) return false
    warmUp.credit -= 1
    return true
  }

  /** The part of its share that a member has now: 1 unless it is a beginner. */
  factor(member: MemberState, now: number): number {
    const rules = this.#rules
    const { warmUp } = member
    if (rules === undefined || warmUp === undefined) return 1
    // The clock went backwards: begin again rather than wait for it to catch up.
    if (now < warmUp.since) warmUp.since = now
    return slowStartFactor(rules, now - warmUp.since)
  }

  #dismiss(now: number, windowMs: number): void {
    for (const member of this.#beginners) {
      if (now - (member.warmUp as WarmUp).since < windowMs) return
      this.end(member)
    }
  }
}

/** What is known of the pick a beginner would get. */
export interface PickInfo {
  readonly now: number
  readonly key: string | undefined
  /** Picks so far. */
  readonly picks: number
  /** Members that are picked from, and their weight. */
  readonly members: number
  readonly totalWeight: number
}

/** Random choices come in clumps; an account of one call would lose what falls between. */
const MAX_CREDIT = 4
/** The strategy hashes the key too; the answer here must not depend on where the key lands there. */
const KEY_SALT = 0x510e527f
