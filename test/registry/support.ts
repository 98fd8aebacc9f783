import type { ServiceRegistry } from '../../src/registry/index.ts'

/** Every event of a registry in one list of words. */
export function recordEvents(registry: ServiceRegistry): string[] {
  const events: string[] = []
  for (const name of ['registered', 'replaced', 'deregistered', 'expired'] as const) {
    registry.on(name, ({ instance }) => events.push(`${name} ${instance.id}`))
  }
  registry.on('status', ({ instance, from, to }) => events.push(`status ${instance.id} ${from}>${to}`))
  return events
}
