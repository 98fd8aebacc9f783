/**
 * The state machine a circuit breaker and an instance's ejection share: closed, open for a while, half-open with a
 * fixed number of probes, closed again. Pure: `now` is passed in, nothing here waits.
 *
 * Two things that other breakers get wrong live here. **Fencing**: whoever passed before the state changed holds an old
 * generation, and what he reports is dropped. **Probe leases**: a probe is a slot with an owner; it comes back when the
 * probe ends in any way, and also when it hangs longer than `probeTimeoutMs`.
 */

export type GateState =
  | { readonly kind: 'closed' }
  | { readonly kind: 'open'; since: number; readonly durationMs: number }
  | { readonly kind: 'half-open'; readonly probes: Map<number, number>; successes: number }

export type GateKind = GateState['kind']

export interface GateRules {
  /** Probes in flight at once while half-open. */
  readonly probes: number
  /** Successful probes that close the gate. */
  readonly successThreshold: number
  /** A probe older than this is taken for lost, and its slot given to the next caller. */
  readonly probeTimeoutMs: number
}

/** Why the gate moved. */
export type GateReason = 'tripped' | 'waited' | 'probe-succeeded' | 'probe-failed' | 'reset' | 'restored'

export type OnMove = (from: GateKind, to: GateKind, reason: GateReason) => void

/** The pass of a call that was let through: 0 in normal times, the number of its slot for a probe. */
export type Pass = number

/** `enter` said no. */
export const REFUSED = -1

const CLOSED: GateState = { kind: 'closed' }

export class Gate {
  readonly #rules: GateRules
  readonly #onMove: OnMove | undefined
  #state: GateState = CLOSED
  #generation = 0
  #probeNumber = 0

  constructor(rules: GateRules, onMove?: OnMove) {
    this.#rules = rules
    this.#onMove = onMove
  }

  /** Grows at every transition; a pass is worth something only while its generation lasts. */
  get generation(): number {
    return this.#generation
  }

  /** Whether everybody may pass; true without looking at the clock. */
  get closed(): boolean {
    return this.#state.kind === 'closed'
  }

  /** The kind of state at `now`: an open gate whose time is over is half-open, looked at or not. */
  kind(now: number): GateKind {
    return this.#poll(now).kind
  }

  /** Milliseconds until an open gate lets a probe through; 0 unless open. */
  remainingMs(now: number): number {
    const state = this.#poll(now)
    return state.kind === 'open' ? state.since + state.durationMs - now : 0
  }

  /** Asks to pass. The answer is a {@link Pass} or {@link REFUSED}. */
  enter(now: number): Pass {
    const state = this.#poll(now)
    if (state.kind === 'closed') return 0
    if (state.kind === 'open') return REFUSED
    if (state.probes.size >= this.#rules.probes && !this.#reclaim(state.probes, now)) return REFUSED
    state.probes.set(++this.#probeNumber, now)
    return this.#probeNumber
  }

  /** Whether a pass from `generation` still has a say. */
  isCurrent(pass: Pass, generation: number): boolean {
    if (generation !== this.#generation) return false
    return pass === 0 || (this.#state.kind === 'half-open' && this.#state.probes.has(pass))
  }

  /** Gives a probe's slot back without a verdict. */
  release(pass: Pass): void {
    if (pass > 0 && this.#state.kind === 'half-open') this.#state.probes.delete(pass)
  }

  /** A probe succeeded: enough of them close the gate. */
  probeSucceeded(pass: Pass): void {
    if (this.#state.kind !== 'half-open' || !this.#state.probes.delete(pass)) return
    this.#state.successes += 1
    if (this.#state.successes >= this.#rules.successThreshold) this.#move(CLOSED, 'probe-succeeded')
  }

  /** Opens the gate. */
  open(now: number, durationMs: number, reason: GateReason): void {
    this.#move({ kind: 'open', since: now, durationMs }, reason)
  }

  close(reason: GateReason): void {
    this.#move(CLOSED, reason)
  }

  #poll(now: number): GateState {
    const state = this.#state
    if (state.kind !== 'open') return state
    // Fake timers installed late take the clock back to zero: wait again rather than for ever.
    if (now < state.since) state.since = now
    if (now - state.since < state.durationMs) return state
    this.#move({ kind: 'half-open', probes: new Map(), successes: 0 }, 'waited')
    return this.#state
  }

  /** Frees the slots of probes that hang; a map keeps insertion order, so the oldest comes first. */
  #reclaim(probes: Map<number, number>, now: number): boolean {
    for (const [pass, since] of probes) {
      if (now < since) probes.set(pass, now)
      else if (now - since >= this.#rules.probeTimeoutMs) probes.delete(pass)
    }
    return probes.size < this.#rules.probes
  }

  /** The one place where the state changes. */
  #move(to: GateState, reason: GateReason): void {
    const from = this.#state
    if (from.kind === 'closed' && to.kind === 'closed') return
    this.#state = to
    this.#generation += 1
    this.#onMove?.(from.kind, to.kind, reason)
  }
}
