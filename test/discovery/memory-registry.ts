import type { ServiceInstance } from '../../src/core/instance.ts'
import { parseInstance } from '../../src/core/parse-instance.ts'
import type { DiscoveryProvider, ListAnswer, ListContext, WatchContext } from '../../src/discovery/provider.ts'

export interface Entry {
  readonly id?: string
  readonly host: string
  readonly port: number
  readonly weight?: number
  readonly status?: string
}

export function toInstance(entry: Entry, service = 's'): ServiceInstance {
  return parseInstance(entry, service) as ServiceInstance
}

/** A registry in memory with a watch that pushes, and everything that can be wrong with one. */
export class MemoryRegistry implements DiscoveryProvider {
  readonly name = 'memory registry'
  readonly lists = new Map<string, readonly Entry[]>()
  readonly watches = new Set<WatchContext>()
  version: number | undefined = 1
  epoch: string | undefined
  loads = 0
  watchesBegun = 0
  closed = 0
  /** What it does instead of answering. */
  fault: Error | 'hang' | 'garbage' | undefined
  /** Watches stand, and say nothing. */
  silent = false

  set(service: string, entries: readonly Entry[] | undefined): void {
    if (entries === undefined) this.lists.delete(service)
    else this.lists.set(service, entries)
    if (this.version !== undefined) this.version += 1
    this.pushAll(service)
  }

  pushAll(service: string): void {
    if (!this.silent) for (const watch of this.watches) watch.push(this.answer(service))
  }

  answer(service: string): ListAnswer {
    const entries = this.lists.get(service)
    if (entries === undefined) return { kind: 'not-found' }
    const instances = entries.map((entry) => toInstance(entry, service))
    return { kind: 'ok', instances, version: this.version, epoch: this.epoch }
  }

  list(service: string, _context: ListContext): Promise<ListAnswer> {
    this.loads += 1
    if (this.fault === 'hang') return new Promise(() => {})
    if (this.fault === 'garbage') return Promise.resolve({ kind: 'ok', instances: 'garbage' } as never)
    if (this.fault !== undefined) return Promise.reject(this.fault)
    return Promise.resolve(this.answer(service))
  }

  async watch(service: string, context: WatchContext): Promise<void> {
    this.watchesBegun += 1
    if (this.fault instanceof Error) throw this.fault
    this.watches.add(context)
    try {
      if (this.fault === undefined && !this.silent) context.push(this.answer(service))
      await new Promise<void>((resolve, reject) => {
        this.#ends.set(context, { resolve, reject })
        context.signal.addEventListener('abort', () => resolve())
      })
    } finally {
      this.watches.delete(context)
      this.#ends.delete(context)
    }
  }

  /** Ends all watches: in good order, or broken. */
  endWatches(error?: Error): void {
    for (const { resolve, reject } of this.#ends.values()) {
      if (error === undefined) resolve()
      else reject(error)
    }
  }

  readonly #ends = new Map<WatchContext, { resolve(): void; reject(error: Error): void }>()

  close(): void {
    this.closed += 1
  }
}
