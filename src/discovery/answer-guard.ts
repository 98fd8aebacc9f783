import { instanceOrigin, type ServiceInstance } from '../core/instance.ts'
import type { ListAnswer } from './provider.ts'

/**
 * Which answers are not believed at once. A registry that lost its memory, one that is still gathering and one that
 * looks at an old copy of itself all answer in good faith, and each would take living instances away. Every doubt ends:
 * a guard that doubts for ever keeps the dead for ever (light-4j#376).
 */

/** The numbers of the guards, see `DiscoveryClientOptions`. */
export interface GuardRules {
  readonly emptyHoldMs: number
  readonly shrinkHoldMs: number
  readonly shrinkHoldRatio: number
  readonly shrinkHoldMinimum: number
}

/**
 * - `believe`: `instances` are what there is.
 * - `hold`: `instances` are what is served until `believedAt`, when the same answer would be believed.
 * - `ignore`: old news. Nothing changes, and a newer answer is to be asked for.
 */
export type Judgement =
  | { readonly kind: 'believe'; readonly instances: readonly ServiceInstance[] }
  | {
      readonly kind: 'hold'
      readonly instances: readonly ServiceInstance[]
      readonly believedAt: number
      readonly said: string
    }
  | { readonly kind: 'ignore'; readonly believedAt: number }

type Doubt = 'empty' | 'shrunk' | 'older' | 'partial'

interface Position {
  readonly version: number | bigint
  readonly epoch: string | undefined
}

/** Pure: `now` is passed in. */
export class AnswerGuard {
  readonly #rules: GuardRules
  /** Since when each doubt stands. Timestamps are null when unset: 0 is a time like any other. */
  readonly #since: Record<Doubt, number | null> = { empty: null, shrunk: null, older: null, partial: null }
  #position: Position | undefined

  constructor(rules: GuardRules) {
    this.#rules = rules
  }

  /** Whether the last answer is held. */
  get holding(): boolean {
    return this.#since.empty !== null || this.#since.shrunk !== null
  }

  /**
   * @param listed The usable instances of the answer.
   * @param known What is believed now.
   */
  judge(
    answer: ListAnswer,
    listed: readonly ServiceInstance[],
    known: readonly ServiceInstance[],
    now: number,
  ): Judgement {
    const position = positionOf(answer)
    if (this.#isOlder(position)) {
      const believedAt = this.#doubt('older', this.#rules.emptyHoldMs, now)
      if (now < believedAt) return { kind: 'ignore', believedAt }
    }
    this.#since.older = null
    const judgement = this.#doubtSize(answer, this.#withMissing(answer, listed, known, now), known, now)
    this.#position = position
    return judgement
  }

  /** The clock jumped. */
  shift(byMs: number): void {
    const since = this.#since
    for (const doubt of Object.keys(since) as Doubt[]) {
      const at = since[doubt]
      if (at !== null) since[doubt] = at + byMs
    }
  }

  #doubtSize(
    answer: ListAnswer,
    incoming: readonly ServiceInstance[],
    known: readonly ServiceInstance[],
    now: number,
  ): Judgement {
    const { emptyHoldMs, shrinkHoldMs, shrinkHoldRatio, shrinkHoldMinimum } = this.#rules
    const certain = answer.authoritative === true
    // Instances that said they would leave are expected to be gone.
    const expected = certain ? 0 : known.reduce((count, { status }) => count + (status === 'stopping' ? 0 : 1), 0)
    const isEmpty = incoming.length === 0 && expected > 0
    const isShrunk = !isEmpty && expected >= shrinkHoldMinimum && incoming.length < expected * (1 - shrinkHoldRatio)
    if (!isEmpty) this.#since.empty = null
    if (!isShrunk) this.#since.shrunk = null
    if (isEmpty) {
      const believedAt = this.#doubt('empty', emptyHoldMs, now)
      const said = answer.kind === 'ok' ? 'an empty list' : 'that there is no such service'
      if (now < believedAt) return { kind: 'hold', instances: known, believedAt, said }
      this.#since.empty = null
    } else if (isShrunk) {
      const believedAt = this.#doubt('shrunk', shrinkHoldMs, now)
      const said = `${incoming.length} instances where there were ${expected}`
      // What it lists is there; what it leaves out may be.
      if (now < believedAt) return { kind: 'hold', instances: union(incoming, known), believedAt, said }
      this.#since.shrunk = null
    }
    return { kind: 'believe', instances: incoming }
  }

  /** What a partial answer leaves out stays for a while. */
  #withMissing(
    answer: ListAnswer,
    listed: readonly ServiceInstance[],
    known: readonly ServiceInstance[],
    now: number,
  ): readonly ServiceInstance[] {
    if (answer.kind !== 'ok' || answer.partial !== true) {
      this.#since.partial = null
      return listed
    }
    // A source that never becomes whole would otherwise fill this list with everything it ever named.
    return now > this.#doubt('partial', this.#rules.emptyHoldMs, now) ? listed : union(listed, known)
  }

  #isOlder(position: Position | undefined): boolean {
    const last = this.#position
    return (
      position !== undefined && last !== undefined && position.epoch === last.epoch && position.version < last.version
    )
  }

  /** When a doubt that stands now will have stood long enough. */
  #doubt(doubt: Doubt, holdMs: number, now: number): number {
    this.#since[doubt] ??= now
    return (this.#since[doubt] ?? now) + holdMs
  }
}

/** Both lists, without those known ones whose id or address somebody else has now. */
function union(listed: readonly ServiceInstance[], known: readonly ServiceInstance[]): readonly ServiceInstance[] {
  const taken = new Set(listed.flatMap((instance) => [instance.id, instanceOrigin(instance)]))
  return [...listed, ...known.filter((instance) => !taken.has(instance.id) && !taken.has(instanceOrigin(instance)))]
}

/** Versions of user-written providers may be anything; what cannot be compared is no version. */
function positionOf(answer: ListAnswer): Position | undefined {
  if (answer.kind !== 'ok') return undefined
  const { version, epoch } = answer
  const comparable = typeof version === 'bigint' || (typeof version === 'number' && Number.isFinite(version))
  return comparable ? { version, epoch } : undefined
}
