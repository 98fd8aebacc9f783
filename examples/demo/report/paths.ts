import { coordinate } from './html.ts'

/** The d attribute of what is drawn. Steps and not slopes: a value holds for its whole second. */

export interface Step {
  readonly from: number
  readonly to: number
  /** Undefined where nothing was measured: a gap, and not a zero. */
  readonly at: number | undefined
}

export function stepLine(steps: readonly Step[]): string {
  let d = ''
  let last: number | undefined
  for (const { from, to, at } of steps) {
    if (at !== undefined) {
      if (last === undefined) d += `M${coordinate(from)},${coordinate(at)}`
      else if (coordinate(last) !== coordinate(at)) d += `V${coordinate(at)}`
      d += `H${coordinate(to)}`
    }
    last = at
  }
  return d
}

export interface Slab {
  readonly from: number
  readonly to: number
  readonly top: number
  readonly bottom: number
}

/** A closed area: along the tops and back along the bottoms. */
export function stepArea(slabs: readonly Slab[]): string {
  const [first] = slabs
  if (first === undefined) return ''
  const forth = slabs.map(({ to, top }) => `V${coordinate(top)}H${coordinate(to)}`)
  const back = slabs.toReversed().map(({ from, bottom }) => `V${coordinate(bottom)}H${coordinate(from)}`)
  return `M${coordinate(first.from)},${coordinate(first.bottom)}${forth.join('')}${back.join('')}Z`
}

/**
 * Moves labels apart that would overlap: each stays as close to its place as the others allow, in the same order, and
 * within the edges where there is room.
 */
export function spread(places: readonly number[], gap: number, [low, high]: readonly [number, number]): number[] {
  const order = places.map((_, index) => index).toSorted((a, b) => (places[a] ?? 0) - (places[b] ?? 0))
  const moved = [...places]
  let least = low
  for (const index of order) {
    moved[index] = Math.max(least, places[index] ?? 0)
    least = (moved[index] ?? 0) + gap
  }
  let most = high
  for (const index of order.toReversed()) {
    moved[index] = Math.min(most, moved[index] ?? 0)
    most = (moved[index] ?? 0) - gap
  }
  return moved
}
