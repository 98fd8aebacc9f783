import type { ServiceInstance } from '../core/instance.ts'

/**
 * Compares a new list with the one before, and keeps the old objects where nothing changed: whoever holds state per
 * instance then sees at a glance, by identity, what to keep. When nothing changed at all, the old array itself comes
 * back, whatever the order of the answer: registries shuffle, and an order nobody promised is no news.
 */

export interface MergedInstances {
  readonly instances: readonly ServiceInstance[]
  readonly added: readonly ServiceInstance[]
  readonly removed: readonly ServiceInstance[]
  readonly updated: readonly ServiceInstance[]
  readonly changed: boolean
}

export function mergeInstances(
  previous: readonly ServiceInstance[],
  next: readonly ServiceInstance[],
): MergedInstances {
  // Most answers come in the order of the one before, and then no index of ten thousand ids has to be built.
  const inOrder = inSameOrder(previous, next)
  const before = inOrder ? undefined : new Map(previous.map((instance) => [instance.id, instance]))
  const merged = inOrder ? next : withoutDuplicates(next)
  const added: ServiceInstance[] = []
  const updated: ServiceInstance[] = []
  const kept = merged.map((instance, index) => {
    const old = before === undefined ? previous[index] : before.get(instance.id)
    before?.delete(instance.id)
    if (old !== undefined && sameInstance(old, instance)) return old
    if (old === undefined) added.push(instance)
    else updated.push(instance)
    return instance
  })
  const removed = before === undefined ? [] : [...before.values()]
  const changed = added.length + updated.length + removed.length > 0
  return { instances: changed ? Object.freeze(kept) : previous, added, removed, updated, changed }
}

function inSameOrder(previous: readonly ServiceInstance[], next: readonly ServiceInstance[]): boolean {
  return previous.length === next.length && next.every((instance, index) => instance.id === previous[index]?.id)
}

/** Providers promise each id once; a second one of a provider that does not would be counted twice by every balancer. */
function withoutDuplicates(listed: readonly ServiceInstance[]): readonly ServiceInstance[] {
  const byId = new Map(listed.map((instance) => [instance.id, instance]))
  return byId.size === listed.length ? listed : [...byId.values()]
}

/**
 * `lastHeartbeat` is left out on purpose: it moves with every beat of every instance, by the registry's clock, and
 * nothing on this side may be decided by it. Compared, it would make each refresh a change of everything.
 */
function sameInstance(a: ServiceInstance, b: ServiceInstance): boolean {
  return (
    a === b ||
    (a.host === b.host &&
      a.port === b.port &&
      a.status === b.status &&
      a.weight === b.weight &&
      a.zone === b.zone &&
      a.version === b.version &&
      a.secure === b.secure &&
      a.priority === b.priority &&
      a.serviceName === b.serviceName &&
      a.healthCheckUrl === b.healthCheckUrl &&
      a.createdAt === b.createdAt &&
      sameMetadata(a.metadata, b.metadata))
  )
}

/** Without lists of keys: this runs for each instance of each answer. */
function sameMetadata(a: ServiceInstance['metadata'], b: ServiceInstance['metadata']): boolean {
  let surplus = 0
  for (const key in a) {
    if (!Object.hasOwn(a, key)) continue
    if (!Object.hasOwn(b, key) || a[key] !== b[key]) return false
    surplus += 1
  }
  for (const key in b) if (Object.hasOwn(b, key)) surplus -= 1
  return surplus === 0
}
