import type { CallerInput, Health, Origin } from './messages.ts'
import type { Process, Processes } from './processes.ts'
import { LANE_NAMES, SERVICE_NAMES, SERVICES, type ServiceName } from './scene.ts'
import type { Step } from './script.ts'

/** Everybody on the scene, and what the script does to them. */

interface Actor {
  process: Process
  /** Whoever comes back comes back here. */
  readonly port: number
}

export class Fleet {
  readonly #processes: Processes
  readonly #instances = new Map<string, Actor & { readonly service: ServiceName }>()
  readonly #callers: Process[] = []
  #registry: Actor | undefined

  constructor(processes: Processes) {
    this.#processes = processes
  }

  async start(seconds: number): Promise<void> {
    this.#registry = await this.#processes.start('registry', 'registry.ts', { port: 0 })
    const all = SERVICE_NAMES.flatMap((service) => SERVICES[service].instances.map((id) => ({ service, id })))
    await Promise.all(
      all.map(async ({ service, id }) => {
        this.#instances.set(id, { service, ...(await this.#startInstance(service, id, 0)) })
      }),
    )
    const origins = {
      'device-service': this.#origins('device-service'),
      'sensor-service': this.#origins('sensor-service'),
    }
    const callers = LANE_NAMES.map(async (lane) => {
      const input: CallerInput = { lane, seconds, registryUrl: this.#registryUrl, origins }
      const { process } = await this.#processes.start(`caller ${lane}`, 'caller.ts', input)
      this.#callers.push(process)
    })
    await Promise.all(callers)
  }

  /** Tells the callers when to begin, in milliseconds since the epoch. */
  begin(startAt: number): void {
    for (const caller of this.#callers) caller.tell({ type: 'start', startAt })
  }

  async apply({ action, target }: Step): Promise<void> {
    switch (action) {
      case 'slow':
        return this.#infect(target, 'slow')
      case 'fail':
        return this.#infect(target, 'failing')
      case 'heal':
        return this.#infect(target, 'well')
      case 'kill':
        return this.#actor(target).process.kill()
      case 'revive':
        return this.#revive(target)
      case 'freeze':
        this.#guard(this.#actor(target).process.pid)
        return this.#actor(target).process.signal('SIGSTOP')
      case 'thaw':
        this.#guard(undefined)
        return this.#actor(target).process.signal('SIGCONT')
      case 'kill-registry':
        return this.#registry?.process.kill()
      case 'revive-registry':
        this.#registry = await this.#processes.start('registry', 'registry.ts', { port: this.#registry?.port ?? 0 })
        return
      default:
        return action satisfies never
    }
  }

  /** When the callers have reported, their processes end by themselves. */
  async finish(): Promise<void> {
    await this.#processes.finish(this.#callers)
    await this.#processes.finish([...this.#instances.values()].map(({ process }) => process))
    if (this.#registry !== undefined) await this.#processes.finish([this.#registry.process])
  }

  get #registryUrl(): string {
    return `http://127.0.0.1:${this.#registry?.port ?? 0}`
  }

  #origins(service: ServiceName): Origin[] {
    return SERVICES[service].instances.map((id) => ({ id, origin: `http://127.0.0.1:${this.#actor(id).port}` }))
  }

  #startInstance(service: ServiceName, id: string, port: number): Promise<Actor> {
    return this.#processes.start(id, 'service.ts', { service, id, port, registryUrl: this.#registryUrl })
  }

  async #revive(id: string): Promise<void> {
    const former = this.#actor(id)
    former.process = (await this.#startInstance(former.service, id, former.port)).process
  }

  #infect(id: string, health: Health): void {
    this.#actor(id).process.tell({ type: 'health', health })
  }

  #guard(pid: number | undefined): void {
    for (const caller of this.#callers) caller.tell({ type: 'guard', pid })
  }

  #actor(id: string): Actor & { readonly service: ServiceName } {
    const actor = this.#instances.get(id)
    if (actor === undefined) throw new Error(`the script names '${id}', which is not on the scene`)
    return actor
  }
}
