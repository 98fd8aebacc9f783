import type { ServiceInstance } from '../core/instance.ts'
import type { ServiceDefinition } from './definition.ts'

/**
 * Where a registry keeps what it knows. A store only remembers: leases, checks and events are the registry's. That is
 * why a lease is stored as its length and not as its end, which would be an instant on a clock that a restart resets.
 */

/** One instance as it is stored. */
export interface InstanceRecord {
  readonly instance: ServiceInstance
  /** How long it may be silent, in milliseconds. */
  readonly leaseMs: number
}

/** Synchronous, so that a registration is atomic without locks. Records are frozen; a store hands out what it was given. */
export interface RegistryStore {
  /** Every service ever registered or defined, in any order. */
  services(): readonly string[]
  /** The records of a service in order of arrival; empty when all are gone; undefined when it was never known. */
  records(service: string): readonly InstanceRecord[] | undefined
  record(service: string, id: string): InstanceRecord | undefined
  /** The record at this address, under whatever id. */
  recordAt(service: string, host: string, port: number): InstanceRecord | undefined
  /** Adds it, or replaces the one with the same id; makes the service known. */
  put(record: InstanceRecord): void
  /** The service stays known. */
  remove(service: string, id: string): void
  definition(service: string): ServiceDefinition | undefined
  /** Makes the service known. */
  putDefinition(definition: ServiceDefinition): void
  close(): void
}

interface Entry {
  readonly records: Map<string, InstanceRecord>
  readonly idByAddress: Map<string, string>
  definition: ServiceDefinition | undefined
}

/** Keeps everything in this process's memory: a restart begins empty, and its instances register again. */
export class MemoryStore implements RegistryStore {
  readonly #services = new Map<string, Entry>()

  services(): readonly string[] {
    return [...this.#services.keys()]
  }

  records(service: string): readonly InstanceRecord[] | undefined {
    const entry = this.#services.get(service)
    return entry && [...entry.records.values()]
  }

  record(service: string, id: string): InstanceRecord | undefined {
    return this.#services.get(service)?.records.get(id)
  }

  recordAt(service: string, host: string, port: number): InstanceRecord | undefined {
    const entry = this.#services.get(service)
    const id = entry?.idByAddress.get(`${host} ${port}`)
    return id === undefined ? undefined : entry?.records.get(id)
  }

  put(record: InstanceRecord): void {
    const { id, serviceName, host, port } = record.instance
    const entry = this.#entry(serviceName)
    this.#forgetAddress(entry, entry.records.get(id))
    entry.records.set(id, record)
    entry.idByAddress.set(`${host} ${port}`, id)
  }

  remove(service: string, id: string): void {
    const entry = this.#services.get(service)
    if (entry === undefined) return
    this.#forgetAddress(entry, entry.records.get(id))
    entry.records.delete(id)
  }

  definition(service: string): ServiceDefinition | undefined {
    return this.#services.get(service)?.definition
  }

  putDefinition(definition: ServiceDefinition): void {
    this.#entry(definition.name).definition = definition
  }

  close(): void {
    this.#services.clear()
  }

  #entry(service: string): Entry {
    let entry = this.#services.get(service)
    if (entry === undefined) {
      entry = { records: new Map(), idByAddress: new Map(), definition: undefined }
      this.#services.set(service, entry)
    }
    return entry
  }

  #forgetAddress(entry: Entry, record: InstanceRecord | undefined): void {
    if (record !== undefined) entry.idByAddress.delete(`${record.instance.host} ${record.instance.port}`)
  }
}
