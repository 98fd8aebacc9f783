/**
 * The state machine a circuit breaker and an instance's ejection share: closed, open for a while, half-open with a
 * fixed number of probes (and after them, when asked, with a growing share of the calls), closed again. Pure: `now` and
 * chance are passed in, nothing here waits.
 *
 * Two things that other breakers get wrong live here. **Fencing**: whoever passed before the state changed holds an old
 * generation, and what he reports is dropped. **Probe leases**: a probe is a slot with an owner; it comes back when the
 * probe ends in any way, and also when it hangs longer than `probeTimeoutMs`.
 */

type GateState =
  | { readonly phase: 'closed' }
  | { readonly phase: 'open'; since: number; readonly durationMs: number }
  | Probing
  | { readonly phase: 'readmitting'; since: number }

interface Probing {
  readonly phase: 'probing'
  since: number
  /** Who holds a slot, since when. */
  readonly probes: Map<number, number>
  successes: number
  failures: number
  /** Whether a probe was taken for lost. */
  hung: boolean
}

/** To the world, probing and readmitting are both half-open. */
export type GateKind = 'closed' | 'open' | 'half-open'

export interface GateRules {
  /** Probes in flight at once while half-open. */
  readonly probes: number
  /** Successful probes that close the gate; any failure opens it. Not asked when there is a `sample`. */
  readonly successThreshold: number
  /** A probe older than this is taken for lost, and its slot given to the next caller. */
  readonly probeTimeoutMs: number
  /** Judges by this many probes together instead: at this share of failures it opens, below it closes. */
  readonly sample?: { readonly size: number; readonly failureRatio: number } | undefined
  /** Probing for longer than this ends by what is known then. */
  readonly maxHalfOpenMs?: number | undefined
  /** After the probes, how to let the others in again; at once unless given. */
  readonly readmission?: Readmission | undefined
}

export interface Readmission {
  /** From the last probe until everybody may pass. */
  readonly durationMs: number
  /** The share of callers that may pass at the beginning. */
  readonly initialShare: number
  /** The share grows in so many steps; steadily when undefined. */
  readonly steps: number | undefined
}

/** Why the gate moved. */
export type GateReason =
  | 'tripped'
  | 'waited'
  | 'probe-succeeded'
  | 'probe-failed'
  | 'half-open-expired'
  | 'readmitted'
  | 'readmission-failed'
  | 'reset'
  | 'restored'

/** Whoever has a gate. An object and not two closures: there may be a hundred thousand gates. */
export interface GateOwner {
  moved(from: GateKind, to: GateKind, reason: GateReason): void
  /** For how long to open after a half-open spell that came to nothing. Asked only when there is a `maxHalfOpenMs`. */
  reopenMs(now: number): number
}

/** The pass of a call that was let through: 0 in normal times, the number of its slot for a probe. */
export type Pass = number

/** `enter` said no. */
export const REFUSED = -1

const CLOSED: GateState = { phase: 'closed' }

export class Gate {
  #rules: GateRules
  readonly #owner: GateOwner | undefined
  #state: GateState = CLOSED
  #generation = 0
  #probeNumber = 0

  constructor(rules: GateRules, owner?: GateOwner) {
    this.#rules = rules
    this.#owner = owner
  }

  /** Other rules from now on. What began under the old ones stays: an open gate its time, a probe its slot. */
  configure(rules: GateRules): void {
    this.#rules = rules
  }

  /** Grows at every transition; a pass is worth something only while its generation lasts. */
  get generation(): number {
    return this.#generation
  }

  /** Whether everybody may pass; true without looking at the clock. */
  get closed(): boolean {
    return this.#state.phase === 'closed'
  }

  /** Whether probes decide what comes next, so that waiting for them makes sense. */
  get probing(): boolean {
    return this.#state.phase === 'probing'
  }

  /** Whether only a share of the callers may pass, so that `enter` wants a draw. */
  get readmitting(): boolean {
    return this.#state.phase === 'readmitting'
  }

  get probesInFlight(): number {
    return this.#state.phase === 'probing' ? this.#state.probes.size : 0
  }

  /** The kind of state at `now`: an open gate whose time is over is half-open, looked at or not. */
  kind(now: number): GateKind {
    return kindOf(this.#poll(now))
  }

  /** The share of callers that may pass at `now`; probes are not counted. */
  share(now: number): number {
    const state = this.#poll(now)
    if (state.phase === 'closed') return 1
    return state.phase === 'readmitting' ? this.#share(now - state.since) : 0
  }

  /** Milliseconds until an open gate lets a probe through; 0 unless open. */
  remainingMs(now: number): number {
    const state = this.#poll(now)
    return state.phase === 'open' ? state.since + state.durationMs - now : 0
  }

  /** Milliseconds until a probing gate may do something on its own: a probe counts as lost, or the spell is over. */
  nextMs(now: number): number {
    const state = this.#poll(now)
    if (state.phase !== 'probing') return 0
    const { probeTimeoutMs, maxHalfOpenMs = Number.POSITIVE_INFINITY } = this.#rules
    const [oldest = now] = state.probes.values()
    // The clock may have gone back since the probe began: then it is late by that much, and not for ever.
    return Math.max(0, Math.min(Math.min(oldest, now) + probeTimeoutMs, state.since + maxHalfOpenMs) - now)
  }

  /** Asks to pass. The answer is a {@link Pass} or {@link REFUSED}. `draw`: a number in [0, 1) while `readmitting`. */
  enter(now: number, draw = 0): Pass {
    const state = this.#poll(now)
    if (state.phase === 'closed') return 0
    if (state.phase === 'open') return REFUSED
    if (state.phase === 'readmitting') return draw < this.#share(now - state.since) ? 0 : REFUSED
    if (state.probes.size >= this.#rules.probes && !this.#reclaim(state, now)) return REFUSED
    state.probes.set(++this.#probeNumber, now)
    return this.#probeNumber
  }

  /** Whether a pass from `generation` still has a say. */
  isCurrent(pass: Pass, generation: number): boolean {
    if (generation !== this.#generation) return false
    return pass === 0 || (this.#state.phase === 'probing' && this.#state.probes.has(pass))
  }

  /** Gives a probe's slot back without a verdict. */
  release(pass: Pass): void {
    if (this.#state.phase === 'probing') this.#state.probes.delete(pass)
  }

  /** A probe succeeded: enough of them close the gate, or begin the readmission. `now` is needed for the latter alone. */
  probeSucceeded(pass: Pass, now = 0): void {
    const state = this.#state
    if (state.phase !== 'probing' || !state.probes.delete(pass)) return
    state.successes += 1
    const { sample, successThreshold } = this.#rules
    const enough =
      sample === undefined
        ? state.successes >= successThreshold
        : // Also before the sample is complete, when not even failures alone could change the verdict.
          sample.size - state.successes < sample.failureRatio * sample.size
    if (enough) this.#recovered(now, 'probe-succeeded')
  }

  /** A probe failed. Says whether the gate has to open: how long for is its owner's to say. */
  probeFailed(pass: Pass): boolean {
    const state = this.#state
    if (state.phase !== 'probing' || !state.probes.delete(pass)) return false
    state.failures += 1
    const { sample } = this.#rules
    return sample === undefined || state.failures >= sample.failureRatio * sample.size
  }

  /** Opens the gate. */
  open(now: number, durationMs: number, reason: GateReason): void {
    this.#move({ phase: 'open', since: now, durationMs }, reason)
  }

  close(reason: GateReason): void {
    this.#move(CLOSED, reason)
  }

  #poll(now: number): GateState {
    const state = this.#state
    if (state.phase === 'closed') return state
    // Fake timers installed late take the clock back to zero: wait again rather than for ever.
    if (now < state.since) state.since = now
    const elapsed = now - state.since
    if (state.phase === 'open') {
      if (elapsed >= state.durationMs) this.#move(probingSince(now), 'waited')
    } else if (state.phase === 'probing') {
      if (elapsed >= (this.#rules.maxHalfOpenMs ?? Number.POSITIVE_INFINITY)) this.#expire(state, now)
    } else if (elapsed >= (this.#rules.readmission?.durationMs ?? 0)) this.#move(CLOSED, 'readmitted')
    return this.#state
  }

  /**
   * The probes had their time. What they said decides, and where they only hung, that is an answer too. If nobody asked,
   * nothing was learned: opening would turn away the next caller, who might be the first in an hour.
   */
  #expire(state: Probing, now: number): void {
    const judged = state.successes + state.failures
    if (judged === 0 && state.probes.size === 0 && !state.hung) state.since = now
    else if (judged > 0 && state.failures < (this.#rules.sample?.failureRatio ?? 1) * judged)
      this.#recovered(now, 'half-open-expired')
    else this.open(now, this.#owner?.reopenMs(now) ?? 0, 'half-open-expired')
  }

  /** Frees the slots of probes that hang; a map keeps insertion order, so the oldest comes first. */
  #reclaim(state: Probing, now: number): boolean {
    const { probes } = state
    for (const [pass, since] of probes) {
      if (now < since) probes.set(pass, now)
      else if (now - since >= this.#rules.probeTimeoutMs) {
        probes.delete(pass)
        state.hung = true
      }
    }
    return probes.size < this.#rules.probes
  }

  #share(elapsed: number): number {
    const { readmission } = this.#rules
    if (readmission === undefined) return 1
    const { durationMs, initialShare, steps } = readmission
    const progress = elapsed / durationMs
    return initialShare + (1 - initialShare) * (steps === undefined ? progress : Math.floor(progress * steps) / steps)
  }

  #recovered(now: number, reason: GateReason): void {
    if (this.#rules.readmission === undefined) this.#move(CLOSED, reason)
    else this.#move({ phase: 'readmitting', since: now }, reason)
  }

  /** The one place where the state changes. */
  #move(to: GateState, reason: GateReason): void {
    const from = this.#state
    if (from.phase === 'closed' && to.phase === 'closed') return
    this.#state = to
    this.#generation += 1
    this.#owner?.moved(kindOf(from), kindOf(to), reason)
  }
}

function kindOf({ phase }: GateState): GateKind {
  return phase === 'closed' || phase === 'open' ? phase : 'half-open'
}

function probingSince(now: number): Probing {
  return { phase: 'probing', since: now, probes: new Map(), successes: 0, failures: 0, hung: false }
}
