import type { GateReason } from '../core/gate.ts'
import { CircuitBreaker } from './circuit-breaker.ts'
import type { BreakerEvents, BreakerMode, BreakerState } from './events.ts'
import type { BreakerSettings, ReadOptions } from './options.ts'
import type { Linked, RecencyList } from './recency-list.ts'

/** The set a breaker belongs to, as it sees it. */
export interface Family {
  /** The mode its members are made with. */
  readonly mode: BreakerMode
  heard(event: keyof BreakerEvents): boolean
  relay(event: keyof BreakerEvents, key: string, payload: object): void
  fault(event: string, key: string, error: unknown): void
  /** It may belong into another list now. */
  changed(member: KeyedBreaker): void
}

/**
 * One breaker of a set. It tells the set what it tells its own listeners by overriding how events leave, not by a listener:
 * that would be an emitter and a closure for each of a hundred thousand keys.
 */
export class KeyedBreaker extends CircuitBreaker implements Linked {
  readonly key: string
  readonly #ordinaryMode: BreakerMode
  /** Undefined once it has left: calls in flight finish with it, and nobody else hears of them. */
  #family: Family | undefined
  /** Followed, and not asked for: asking reads the clock. */
  #closed = true
  newer: this | undefined = undefined
  older: this | undefined = undefined
  list: RecencyList<KeyedBreaker> | undefined = undefined
  /** Counts uses, to compare members of different lists. */
  usedAt = 0

  constructor(options: ReadOptions, key: string, family: Family) {
    super(options)
    this.key = key
    this.#family = family
    this.#ordinaryMode = family.mode
  }

  leave(): void {
    this.#family = undefined
  }

  /** Whether there is nothing about it that a new one would not have, but for failures that did not suffice. */
  get calm(): boolean {
    return this.#closed && this.#ordinary
  }

  /** Whether forgetting it would change nothing for the next call: it would be let in as a probe anyway. */
  get due(): boolean {
    return this.#ordinary && this.state !== 'open'
  }

  get #ordinary(): boolean {
    return this.mode === this.#ordinaryMode
  }

  override adopt(settings: BreakerSettings): void {
    super.adopt(settings)
  }

  override moved(from: BreakerState, to: BreakerState, reason: GateReason): void {
    this.#closed = to === 'closed'
    super.moved(from, to, reason)
    this.#family?.changed(this)
  }

  override setMode(mode: BreakerMode): void {
    super.setMode(mode)
    this.#family?.changed(this)
  }

  protected override heard(event: keyof BreakerEvents): boolean {
    return super.heard(event) || this.#family?.heard(event) === true
  }

  protected override emit<E extends keyof BreakerEvents>(event: E, payload: BreakerEvents[E]): void {
    super.emit(event, payload)
    this.#family?.relay(event, this.key, payload)
  }

  protected override reportFault(event: string, error: unknown): void {
    if (this.#family === undefined || this.listenerCount('error') > 0) super.reportFault(event, error)
    else this.#family.fault(event, this.key, error)
  }
}
