import type { ServiceClient } from 'gateless'
import type { AttemptRecord } from 'gateless/client'
import type { Recorder } from './recorder.ts'

/** Listens to everything the library decides, and writes it down in words. */

const TRANSITION_REASONS: Readonly<Record<string, string>> = { tripped: 'too many calls failed' }

export function recordDecisions(client: ServiceClient, recorder: Recorder, now: () => number, lastMs: number): void {
  client.on('call', ({ attempts, durationMs }) => {
    // The event does not know when its call was scheduled, only when it began: at most some milliseconds later.
    const beganMs = Math.min(now() - durationMs, lastMs)
    for (const record of attempts) {
      const { instanceId, durationMs: took } = record
      recorder.attempt(beganMs, instanceId, { failed: isFailed(record), durationMs: took })
    }
  })
  client.on('retry', ({ failed }) => recorder.retried(`${failed.instanceId} ${reasonOf(failed)}`))
  client.on('ejected', ({ instance, reason, forMs }) => {
    const why = reason === 'probe-failed' ? 'its probe failed' : 'too many failures in a row'
    recorder.decide('ejected', `${instance.id} ejected for ${(forMs / 1_000).toFixed(1)} s: ${why}`, {
      what: 'ejected',
      instance: instance.id,
      forMs,
    })
  })
  client.on('restored', ({ instance, reason }) => {
    const why = reason === 'probe-succeeded' ? 'its probe succeeded' : 'too many would be out'
    recorder.decide('restored', `${instance.id} restored: ${why}`, { what: 'restored', instance: instance.id })
  })
  client.on('panic', ({ service, on, eligible, inService }) => {
    const text = on ? `believes no health any more: ${eligible} of ${inService} look well` : 'believes health again'
    recorder.decide('panic', `${service} ${text}`, { what: 'panic', service, on })
  })
  client.on('breaker', ({ service, from, to, reason }) => {
    const why = TRANSITION_REASONS[reason] ?? reason
    recorder.decide('breaker', `breaker of ${service} ${from} -> ${to}: ${why}`, {
      what: 'breaker',
      service,
      state: to,
    })
  })
  recordDiscovery(client, recorder)
}

function recordDiscovery({ discovery }: ServiceClient, recorder: Recorder): void {
  // Said once: it stays stale with every further failure.
  const stale = new Set<string>()
  discovery.on('stale', ({ service, ageMs, error }) => {
    if (stale.has(service)) return
    stale.add(service)
    const age = `${(ageMs / 1_000).toFixed(1)} s old`
    recorder.decide('stale', `${service}: goes on with a list ${age} (${messageOf(error.cause ?? error)})`)
  })
  discovery.on('recovered', ({ service }) => {
    if (stale.delete(service)) recorder.decide('recovered', `${service}: the registry answers again`)
  })
  discovery.on('changed', ({ service, added, removed, updated, instances }) => {
    const changes = [
      ...added.map(({ id }) => `+${id}`),
      ...removed.map(({ id }) => `-${id}`),
      ...updated.map(({ id, status }) => `${id} ${status}`),
    ]
    recorder.decide('changed', `${service}: ${changes.join(', ')} (${instances.length} known)`, {
      what: 'listed',
      present: instances.map(({ id, status }) => ({ instance: id, status })),
      removed: removed.map(({ id }) => id),
    })
  })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'for no given reason'
}

/** All attempts of a call on one line, for a call that is lost. */
export function attemptsText(records: readonly AttemptRecord[]): string {
  return records
    .map((record) => {
      const began = `${record.startedMs.toFixed(0)}+${record.durationMs.toFixed(0)} ms`
      return `${record.attempt}: ${record.instanceId} ${began} ${record.outcome} ${reasonOf(record)}`
    })
    .join('; ')
}

function isFailed({ error, status }: AttemptRecord): boolean {
  return error !== undefined || status === undefined || status >= 400
}

function reasonOf({ outcome, error, status }: AttemptRecord): string {
  if (outcome === 'timeout') return 'timed out'
  return error ?? `status ${status}`
}
