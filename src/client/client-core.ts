import { LRUCache } from 'lru-cache'
import type { Agent, Dispatcher } from 'undici'
import { ClosedError } from '../core/errors.ts'
import { instanceOrigin } from '../core/instance.ts'
import { OptionReader, show } from '../core/options.ts'
import { isText } from '../core/parse-instance.ts'
import { DiscoveryClient } from '../discovery/discovery-client.ts'
import { type Clock, toClock } from '../time/clock.ts'
import { deadlinesOf } from '../time/deadlines.ts'
import { systemRandom } from '../time/random.ts'
import { InvalidRequestError } from './errors.ts'
import { InFlight, type InFlightCall } from './in-flight.ts'
import { InstancePools, outsideAgent } from './instance-pools.ts'
import type { ServiceClientOptions } from './options.ts'
import { type Reporter, ServiceRuntime, type SharedParts } from './service-runtime.ts'
import { type CallSettings, defaultCallSettings, readCallPolicy } from './settings.ts'

/** What `ServiceClient` and its dispatchers share: configuration, the live state of each service, and the way out. */

/** Names may come from data (a URL somebody typed): only so many services are kept alive. */
const MAX_SERVICES = 1_000

export class ClientCore {
  readonly discovery: DiscoveryClient
  readonly #clock: Clock
  /** What sends the attempts: pools of our own, or what the user gave. */
  readonly #transport: Dispatcher
  readonly #ownPools: InstancePools | undefined
  /** For hosts that are no services; made when there is one. */
  #outside: Agent | undefined
  readonly #shared: SharedParts
  readonly #ownsDiscovery: boolean
  readonly #defaults: CallSettings
  readonly #configured: ReadonlyMap<string, CallSettings>
  readonly #suffix: string | undefined
  readonly #runtimes = new LRUCache<string, ServiceRuntime>({
    max: MAX_SERVICES,
    // Forgotten for others, or closed: its connections go with it.
    dispose: (runtime) => runtime.retire(),
  })
  readonly #origins = new LRUCache<string, { readonly service: string | undefined }>({ max: MAX_SERVICES })
  readonly #calls = new InFlight()
  #closing: Promise<void> | undefined

  constructor(options: ServiceClientOptions, reporter: Reporter) {
    const read = new OptionReader('ServiceClient', options)
    this.#clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
    const random = read.function('random', systemRandom)
    this.#defaults = readCallPolicy('ServiceClient', read, defaultCallSettings())
    this.#configured = readServices(read.raw('services'), this.#defaults)
    this.#suffix = read.string('suffix', undefined)?.toLowerCase().replace(/^\./, '')
    const connections = read.number('connections', { default: 64, min: 1, integer: true })
    const connectTimeoutMs = read.duration('connectTimeoutMs', 5_000, 1)
    const transport = read.implementing<Dispatcher | undefined>('transport', ['dispatch'], undefined)
    const discovery = read.raw('discovery')
    if (typeof discovery !== 'object' || discovery === null) {
      read.refuse('discovery', 'a DiscoveryClient or the options of one')
    }
    read.end()
    this.#ownsDiscovery = !isDiscoveryClient(discovery)
    this.discovery = isDiscoveryClient(discovery)
      ? discovery
      : new DiscoveryClient({
          clock: this.#clock,
          random,
          ...(discovery as ConstructorParameters<typeof DiscoveryClient>[0]),
        })
    this.#ownPools = transport === undefined ? new InstancePools({ connections, connectTimeoutMs }) : undefined
    this.#transport = transport ?? (this.#ownPools as InstancePools)
    this.#shared = {
      discovery: this.discovery,
      transport: this.#transport,
      ownsPools: this.#ownPools !== undefined,
      forget: (instance) => this.#ownPools?.forget(instanceOrigin(instance)),
      clock: this.#clock,
      random,
      deadlines: deadlinesOf(this.#clock),
      reporter,
      calls: this.#calls,
    }
    // Made now and not at the first call: wrong options are the constructor's to report.
    this.#check('ServiceClient', this.#defaults)
    for (const [name, settings] of this.#configured) this.#check(`ServiceClient: services['${name}']`, settings)
  }

  /** The live state of a service, made when it is first called. @throws {ClosedError} */
  runtime(name: string): ServiceRuntime {
    if (this.#closing !== undefined) throw new ClosedError('ServiceClient')
    let runtime = this.#runtimes.get(name)
    if (runtime === undefined) {
      if (!isText(name)) {
        throw new InvalidRequestError(`service must be text of 1 to 256 printable characters, got ${show(name)}`)
      }
      runtime = new ServiceRuntime(name, this.#configured.get(name) ?? this.#defaults, this.#shared)
      this.#runtimes.set(name, runtime)
    }
    return runtime
  }

  /** Lets every policy read its options; the complaint names the place where they were given. */
  #check(owner: string, settings: CallSettings): void {
    try {
      void new ServiceRuntime('checked', settings, this.#shared)
    } catch (error) {
      if (error instanceof Error) error.message = `${owner}: ${error.message}`
      throw error
    }
  }

  /** Which service an origin means; undefined for a host that is none of ours. */
  serviceOf(origin: string | URL | undefined, everyHost: boolean): string | undefined {
    if (origin === undefined) return undefined
    const key = `${everyHost ? '*' : ''}${String(origin)}`
    let known = this.#origins.get(key)
    if (known === undefined) {
      known = { service: this.#serviceOfHost(new URL(origin).hostname, everyHost) }
      this.#origins.set(key, known)
    }
    return known.service
  }

  #serviceOfHost(hostname: string, everyHost: boolean): string | undefined {
    // URLs are lower-cased on the way here; the names in the configuration need not be.
    const ending = this.#suffix === undefined ? '' : `.${this.#suffix}`
    const suffixed = ending !== '' && hostname.endsWith(ending)
    const bare = suffixed ? hostname.slice(0, -ending.length) : hostname
    for (const name of this.#configured.keys()) if (name.toLowerCase() === bare) return name
    return everyHost || suffixed ? bare : undefined
  }

  /** Sends what is for no service of ours straight on. */
  passThrough(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    if (this.#closing !== undefined) throw new ClosedError('ServiceClient')
    const { dispatcher: _dispatcher, ...rest } = options as Dispatcher.DispatchOptions & { dispatcher?: unknown }
    if (this.#ownPools === undefined) return this.#transport.dispatch(rest, handler)
    this.#outside ??= outsideAgent()
    return this.#outside.dispatch(rest, handler)
  }

  /** Refuses new calls, waits up to `drainMs` for those in flight, ends the rest, and lets every connection go. */
  close(drainMs = 5_000): Promise<void> {
    // In a later turn, so that whoever is told of the end by it finds the client closed.
    this.#closing ??= Promise.resolve().then(() => this.#close(drainMs))
    return this.#closing
  }

  async #close(drainMs: number): Promise<void> {
    if (drainMs > 0) await this.#drained(drainMs)
    for (const call of this.#calls.all()) this.#end(call)
    this.#runtimes.clear()
    await this.#ownPools?.destroy()
    await this.#outside?.destroy()
    if (this.#ownsDiscovery) await this.discovery.close()
  }

  /** Resolves when no call is in flight any more, or after `drainMs`. */
  #drained(drainMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#clock.setTimeout(resolve, drainMs)
      this.#calls.whenEmpty(() => {
        this.#clock.clearTimeout(timer)
        resolve()
      })
    })
  }

  /** Also when the handler throws that is told so: the others have to be ended too. */
  #end(call: InFlightCall): void {
    try {
      call.close()
    } catch (error) {
      this.#shared.reporter.fault('close', error)
    }
  }
}

/** By what it can do and not by class: the client may come from another copy of the package. */
function isDiscoveryClient(value: unknown): value is DiscoveryClient {
  const { discover, peek } = value as Partial<DiscoveryClient>
  return typeof discover === 'function' && typeof peek === 'function'
}

function readServices(given: unknown, defaults: CallSettings): ReadonlyMap<string, CallSettings> {
  const services = new Map<string, CallSettings>()
  if (given === undefined) return services
  const all = new OptionReader('ServiceClient: services', given)
  for (const name of Object.keys(given as object)) {
    const owner = `ServiceClient: services['${name}']`
    if (!isText(name)) throw new TypeError(`${owner}: a name must have 1 to 256 printable characters`)
    const read = new OptionReader(owner, all.raw(name))
    services.set(name, readCallPolicy(owner, read, defaults))
    read.end()
  }
  return services
}
