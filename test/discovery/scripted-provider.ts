import type { ServiceInstance } from '../../src/core/instance.ts'
import { parseInstance } from '../../src/core/parse-instance.ts'
import type { DiscoveryProvider, ListAnswer } from '../../src/discovery/provider.ts'

/** One answer: given, computed (may throw), or `'hang'` until aborted by nobody. */
export type Script = ListAnswer | Error | 'hang' | ((signal: AbortSignal) => Promise<ListAnswer>)

/** A provider that answers what it is told; the last script line repeats. */
export class ScriptedProvider implements DiscoveryProvider {
  readonly name = 'scripted'
  readonly calls: string[] = []
  readonly signals: AbortSignal[] = []
  closed = 0
  #script: Script[]

  constructor(...script: Script[]) {
    this.#script = script
  }

  get loads(): number {
    return this.calls.length
  }

  /** What comes from now on. */
  script(...script: Script[]): void {
    this.#script = script
  }

  list(service: string, { signal }: { signal: AbortSignal }): Promise<ListAnswer> {
    this.calls.push(service)
    this.signals.push(signal)
    const line = (this.#script.length > 1 ? this.#script.shift() : this.#script[0]) as Script
    if (line === 'hang') return new Promise(() => {})
    if (line instanceof Error) return Promise.reject(line)
    return typeof line === 'function' ? line(signal) : Promise.resolve(line)
  }

  close(): void {
    this.closed += 1
  }
}

export function instance(id: string, more: Record<string, unknown> = {}): ServiceInstance {
  const port = 1_000 + id.charCodeAt(0)
  return parseInstance({ id, host: '10.0.0.1', port, ...more }, 's') as ServiceInstance
}

export function ok(...names: string[]): ListAnswer {
  return { kind: 'ok', instances: names.map((id) => instance(id)) }
}

export const NOT_FOUND: ListAnswer = { kind: 'not-found' }

export function ids(instances?: readonly ServiceInstance[]): string[] | undefined {
  return instances?.map((one) => one.id)
}
