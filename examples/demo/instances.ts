import type { SecondOfLane } from './measurements.ts'
import { SERVICES } from './scene.ts'

/** All instances in the order of the scene; who is not on the scene and got calls nevertheless comes after. */
export function instancesOf(seconds: readonly SecondOfLane[]): string[] {
  const known = Object.values(SERVICES).flatMap(({ instances }) => instances)
  const strangers = new Set(seconds.flatMap(({ instances }) => Object.keys(instances)))
  return [...known, ...[...strangers].filter((id) => !known.includes(id)).toSorted()]
}
