import { TypedEmitter } from '../core/emitter.ts'
import { ClosedError } from '../core/errors.ts'
import type { InstanceStatus, ServiceInstance } from '../core/instance.ts'
import { type ServiceDefinition, type ServiceDefinitionInput, readDefinition } from './definition.ts'
import { RegistryFullError } from './errors.ts'
import type { RegistryEvents } from './events.ts'
import { Fields } from './fields.ts'
import { type ServiceHealth, summarizeHealth } from './health-summary.ts'
import { Leases } from './leases.ts'
import { type RegistrySettings, type ServiceRegistryOptions, readRegistryOptions } from './options.ts'
import { type InstanceRegistration, readLease, readRegistration, readStatus } from './registration.ts'
import type { InstanceRecord } from './store.ts'
import { formatDate } from '../time/clock.ts'

/**
 * Knows which instances of which services there are, for as long as they keep saying so.
 *
 * When to use: in tests and single machines in process; behind a `RegistryServer` as the registry of a fleet that has
 * no other one.
 *
 * Gotchas: an instance whose lease lapses is gone, not unhealthy, and its next heartbeat returns false: register again.
 * A registration without a `status` counts as healthy at once. Known services are never forgotten.
 *
 * @example
 * const registry = new ServiceRegistry({ leaseMs: 30_000 })
 * registry.register({ serviceName: 'orders', id: 'o1', host: '10.0.0.7', port: 8080 })
 * registry.heartbeat('orders', 'o1') // every 10 s
 * registry.instances('orders', { healthyOnly: true })
 */
export class ServiceRegistry extends TypedEmitter<RegistryEvents> implements AsyncDisposable {
  readonly #settings: RegistrySettings
  readonly #leases: Leases
  #startedAt: number
  #closed = false

  /** @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options?: ServiceRegistryOptions) {
    super()
    this.#settings = readRegistryOptions(options)
    const { clock, store } = this.#settings
    this.#startedAt = clock.now()
    this.#leases = new Leases(clock, (key) => this.#lapsed(key))
    // What a store remembers from before gets one whole lease to speak up: how long it was silent, nobody knows.
    for (const service of store.services()) {
      for (const { instance, leaseMs } of store.records(service) ?? []) this.#leases.grant(keyOf(instance), leaseMs)
    }
  }

  /** How long unknown services must still be taken for late ones, in milliseconds; 0 once warmed up. */
  get warmupRemainingMs(): number {
    const { clock, warmupMs } = this.#settings
    const now = clock.now()
    // The clock went backwards: the wait starts again, and does end.
    if (now < this.#startedAt) this.#startedAt = now
    return Math.max(0, this.#startedAt + warmupMs - now)
  }

  /**
   * Adds an instance, or replaces the one with the same id, or with the same host and port.
   *
   * @param options `leaseMs`: how long it may be silent, brought into 1 second to 1 day; the registry's own by default.
   * @returns the instance as stored, with its defaults and dates.
   * @throws {InvalidRegistrationError} naming the field; {RegistryFullError} when a bound is reached.
   */
  register(instance: InstanceRegistration, options?: { readonly leaseMs?: number | undefined }): ServiceInstance {
    const { store, leaseMs } = this.#open()
    const read = readRegistration(instance)
    const lease = readLease(options?.leaseMs, 'leaseMs', leaseMs)
    const now = this.#timestamp()
    const stored = Object.freeze({ ...read, lastHeartbeat: now, createdAt: now })
    const { serviceName, id, host, port } = stored
    const former = store.record(serviceName, id)
    const squatter = store.recordAt(serviceName, host, port)
    if (former === undefined && squatter === undefined) this.#makeRoom(serviceName)
    if (squatter !== undefined && squatter.instance.id !== id) {
      store.remove(serviceName, squatter.instance.id)
      this.#leases.end(keyOf(squatter.instance))
    }
    this.#put({ instance: stored, leaseMs: lease })
    this.#leases.grant(keyOf(stored), lease)
    for (const gone of new Set([former, squatter])) {
      if (gone !== undefined) this.emit('replaced', { instance: gone.instance, by: stored })
    }
    this.emit('registered', { instance: stored })
    return stored
  }

  /** A sign of life: renews the lease. False for an id the registry does not have, which must register again. */
  heartbeat(service: string, id: string): boolean {
    const record = this.#open().store.record(service, id)
    if (record === undefined) return false
    this.#put({ ...record, instance: Object.freeze({ ...record.instance, lastHeartbeat: this.#timestamp() }) })
    this.#leases.renew(keyOf(record.instance))
    return true
  }

  /** Sets the status, and renews nothing: a health check is no sign of life. False for an unknown id. */
  setStatus(service: string, id: string, status: InstanceStatus): boolean {
    const record = this.#open().store.record(service, id)
    const fields = new Fields({ status }, 'a status')
    const to = readStatus(fields) ?? fields.refuse(['status'], 'given')
    if (record === undefined) return false
    const from = record.instance.status
    if (from === to) return true
    const instance = Object.freeze({ ...record.instance, status: to })
    this.#put({ ...record, instance })
    this.emit('status', { instance, from, to })
    return true
  }

  /** Removes an instance. False for an unknown id. */
  deregister(service: string, id: string): boolean {
    const { store } = this.#open()
    const record = store.record(service, id)
    if (record === undefined) return false
    store.remove(service, id)
    this.#leases.end(keyOf(record.instance))
    this.emit('deregistered', { instance: record.instance })
    return true
  }

  /** The instances in order of arrival: empty for a service whose instances are gone, undefined for one never known. */
  instances(
    service: string,
    { healthyOnly = false }: { readonly healthyOnly?: boolean } = {},
  ): readonly ServiceInstance[] | undefined {
    const instances = this.#open()
      .store.records(service)
      ?.map(({ instance }) => instance)
    return healthyOnly ? instances?.filter(({ status }) => status === 'healthy') : instances
  }

  instance(service: string, id: string): ServiceInstance | undefined {
    return this.#open().store.record(service, id)?.instance
  }

  /** Names of all services ever registered or defined, sorted; with a prefix, only those that start with it. */
  services({ prefix = '' }: { readonly prefix?: string } = {}): readonly string[] {
    const names = this.#open().store.services()
    return names.filter((name) => name.startsWith(prefix)).toSorted()
  }

  /**
   * Says what a service is; replaces what was said before, but keeps when that was first.
   *
   * @throws {InvalidRegistrationError} naming the field; {RegistryFullError} when a bound is reached.
   */
  define(definition: ServiceDefinitionInput): ServiceDefinition {
    const { store } = this.#open()
    const read = readDefinition(definition)
    this.#makeServiceRoom(read.name)
    const now = this.#timestamp()
    const createdAt = store.definition(read.name)?.createdAt ?? now
    const stored = Object.freeze({ ...read, createdAt, updatedAt: now })
    store.putDefinition(stored)
    return stored
  }

  definition(service: string): ServiceDefinition | undefined {
    return this.#open().store.definition(service)
  }

  /** How the instances of a service are, in sum; undefined for one never known. */
  health(service: string): ServiceHealth | undefined {
    const instances = this.instances(service)
    return instances && summarizeHealth(service, instances)
  }

  /** Ends all leases without a word and closes the store. Whatever is asked afterwards throws `ClosedError`. */
  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#leases.close()
      this.#settings.store.close()
    }
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #open(): RegistrySettings {
    if (this.#closed) throw new ClosedError('the service registry')
    return this.#settings
  }

  #put(record: InstanceRecord): void {
    this.#settings.store.put(Object.freeze(record))
  }

  #makeRoom(service: string): void {
    const { maxInstances } = this.#settings
    if (this.#leases.size >= maxInstances) throw new RegistryFullError('maxInstances', maxInstances)
    this.#makeServiceRoom(service)
  }

  #makeServiceRoom(service: string): void {
    const { store, maxServices } = this.#settings
    if (store.records(service) !== undefined || store.services().length < maxServices) return
    throw new RegistryFullError('maxServices', maxServices)
  }

  #lapsed(key: string): void {
    const [service, id] = key.split('\n') as [string, string]
    const { store } = this.#settings
    try {
      const record = store.record(service, id)
      if (record === undefined) return
      store.remove(service, id)
      this.emit('expired', { instance: record.instance })
    } catch (error) {
      // A store that fails here fails in a timer, where nobody could catch it.
      this.reportFault('expired', error)
    }
  }

  #timestamp(): string {
    return formatDate(this.#settings.clock.wallNow())
  }
}

/** Neither name nor id can hold a line break: they passed `isText`. */
function keyOf({ serviceName, id }: ServiceInstance): string {
  return `${serviceName}\n${id}`
}
