import type { Member } from '../member.ts'

/**
 * The first member from `start` on, around the end, that is not excluded. Looks at one more than there are excluded
 * ids, a handful: ids are unique, so among that many neighbours one is allowed, if anybody is.
 */
export function allowedFrom(
  members: readonly Member[],
  start: number,
  exclude: ReadonlySet<string>,
): Member | undefined {
  const looks = Math.min(members.length, exclude.size + 1)
  for (let i = 0, at = start; i < looks; i += 1, at += 1) {
    if (at >= members.length) at = 0
    const member = members[at] as Member
    if (!exclude.has(member.id)) return member
  }
  return undefined
}
