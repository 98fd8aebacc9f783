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
  const before = new Map(previous.map((instance) => [instance.id, instance]))
  const merged = new Map<string, ServiceInstance>()
  // Providers promise each id once; a second one of a provider that does not would be counted twice by every balancer.
  for (const instance of next) {
    const old = before.get(instance.id)
    merged.set(instance.id, old !== undefined && sameInstance(old, instance) ? old : instance)
  }
  const added: ServiceInstance[] = []
  const updated: ServiceInstance[] = []
  for (const [id, instance] of merged) {
    const old = before.get(id)
    if (old === undefined) added.push(instance)
    else if (old !== instance) updated.push(instance)
  }
  const removed = previous.filter((instance) => !merged.has(instance.id))
  const changed = added.length + updated.length + removed.length > 0
  return { instances: changed ? Object.freeze([...merged.values()]) : previous, added, removed, updated, changed }
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

function sameMetadata(a: ServiceInstance['metadata'], b: ServiceInstance['metadata']): boolean {
  const keys = Object.keys(a)
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && a[key] === b[key])
}
