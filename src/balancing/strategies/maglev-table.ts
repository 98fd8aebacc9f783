import { mix32 } from '../hash.ts'
import { type Clock, unref } from '../../time/clock.ts'
import type { Member } from '../member.ts'
import type { HashTable } from './hash-table.ts'
import { MaglevBuild } from './maglev-build.ts'

/** The table in use, and the one that is being built for the next. */
export class MaglevTable implements HashTable {
  readonly #size: number | undefined
  readonly #clock: Clock
  #members: readonly Member[] = []
  #built: MaglevBuild | undefined
  #building: MaglevBuild | undefined
  /** The list has changed since the build began. */
  #outdated = false

  /** @param size A prime; by the size of the fleet where left out. */
  constructor(size: number | undefined, clock: Clock) {
    this.#size = size
    this.#clock = clock
  }

  update(members: readonly Member[]): void {
    this.#members = members
    if (members.length === 0) return
    if (this.#building !== undefined) {
      // It finishes all the same: under steady change every build would be overtaken by the next.
      this.#outdated = true
      return
    }
    const build = this.#begin()
    // Nothing to go by until it is done: then it is better done now.
    if (this.#built === undefined || !this.#built.members.some((member) => this.#alive(member))) {
      build.advance(Number.POSITIVE_INFINITY)
      this.#built = build
    } else {
      this.#building = build
      this.#schedule()
    }
  }

  home(hash: number): Member {
    const built = this.#built as MaglevBuild
    let at = hash
    for (let look = 0; look < LOOKS; look += 1) {
      const member = built.owner(at)
      if (this.#alive(member)) return member
      at = mix32(at + 1)
    }
    return this.#members[at % this.#members.length] as Member
  }

  #alive(member: Member): boolean {
    return this.#members[member.slot] === member
  }

  #begin(): MaglevBuild {
    const count = this.#members.length
    return new MaglevBuild(this.#members, this.#size ?? SIZES.find((size) => size >= 100 * count) ?? LARGEST)
  }

  #schedule(): void {
    unref(this.#clock.setTimeout(() => this.#advance(), 0))
  }

  #advance(): void {
    const build = this.#building as MaglevBuild
    if (!build.advance(SLICE)) return this.#schedule()
    this.#built = build
    this.#building = undefined
    if (!this.#outdated) return
    this.#outdated = false
    this.update(this.#members)
  }
}

/** Primes: the default of the paper and of Envoy, its larger one, and Envoy's maximum. */
const LARGEST = 5_000_011
const SIZES: readonly number[] = [65_537, 655_373, LARGEST]

/** Steps of a build between two turns of the event loop: a fraction of a millisecond. */
const SLICE = 50_000
/** Places looked at for one whose owner is still there, while the table is older than the fleet. */
const LOOKS = 16

/** By trial division: the largest that is asked for takes a thousand. */
export function isPrime(value: number): boolean {
  for (let divisor = 2; divisor * divisor <= value; divisor += 1) if (value % divisor === 0) return false
  return true
}
