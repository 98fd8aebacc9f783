import { Agent, request } from 'undici'
import { CallScope } from '../core/context.ts'
import { TypedEmitter } from '../core/emitter.ts'
import { ClosedError, isGatelessError } from '../core/errors.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { race } from '../core/race.ts'
import { CheckSchedule, type Planned } from './check-schedule.ts'
import { judge } from './health-judgement.ts'
import {
  type HealthCheckerOptions,
  type HealthProbe,
  type HealthSettings,
  readHealthOptions,
} from './health-options.ts'
import { healthTarget } from './health-target.ts'

export type HealthCheckerEvents = {
  /** A check ended. `error` says why it failed. */
  readonly checked: {
    readonly instance: ServiceInstance
    readonly ok: boolean
    readonly durationMs: number
    readonly error: unknown
  }
}

/** What is known about one registration; a new registration of the same id begins anew. */
interface Check {
  readonly planned: Planned
  failures: number
  scope: CallScope | undefined
}

/**
 * Asks every instance that has a `healthCheckUrl` how it is, and sets it `healthy` or `unhealthy`.
 *
 * When to use: beside a registry whose instances may hang while their heartbeats go on. Instances without a
 * `healthCheckUrl` are left to their leases.
 *
 * Gotchas: it never renews a lease and never touches `stopping`; between healthy and unhealthy its word is the last
 * one. With the defaults a hanging instance is out after at most about 75 s: outlier ejection in the callers is faster.
 * TLS certificates are verified against the system's authorities.
 *
 * @example
 * const checker = new HealthChecker({ registry, intervalMs: 30_000 })
 * checker.on('checked', ({ instance, ok }) => {})
 * await checker.close()
 */
export class HealthChecker extends TypedEmitter<HealthCheckerEvents> implements AsyncDisposable {
  readonly #settings: HealthSettings
  readonly #agent: Agent | undefined
  readonly #probe: HealthProbe
  readonly #schedule: CheckSchedule
  readonly #checks = new Map<string, Check>()
  readonly #unsubscribe: readonly (() => void)[]
  #closed = false

  /** Begins to check at once. @throws {RangeError | TypeError} naming the option, what it may be and what it was. */
  constructor(options: HealthCheckerOptions) {
    super()
    this.#settings = readHealthOptions(options)
    const { registry, probe, timeoutMs } = this.#settings
    this.#schedule = new CheckSchedule(this.#settings)
    if (probe === undefined) {
      // The scope's deadline covers connecting, headers and body alike; only a connect in the air needs undici's own.
      this.#agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connect: { timeout: timeoutMs } })
      this.#probe = httpProbe(this.#agent)
    } else this.#probe = probe
    const forget = ({ instance }: { instance: ServiceInstance }): void => this.#forget(instance)
    this.#unsubscribe = [
      registry.on('registered', ({ instance }) => this.#watch(instance)),
      registry.on('replaced', forget),
      registry.on('deregistered', forget),
      registry.on('expired', forget),
    ]
    for (const service of registry.services()) {
      for (const instance of registry.instances(service) ?? []) this.#watch(instance)
    }
  }

  /** Stops checking, abandons what is in flight and closes every connection. The registry stays open. */
  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      for (const stop of this.#unsubscribe) stop()
      for (const key of this.#checks.keys()) this.#drop(key)
    }
    await this.#agent?.destroy()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  #watch(instance: ServiceInstance): void {
    this.#forget(instance)
    if (instance.healthCheckUrl === undefined) return
    const { serviceName, id } = instance
    const planned = this.#schedule.add(() =>
      this.#run(check, serviceName, id).catch((error: unknown) => this.#failed(error)),
    )
    const check: Check = { planned, failures: 0, scope: undefined }
    this.#checks.set(keyOf(instance), check)
  }

  #forget(instance: ServiceInstance): void {
    this.#drop(keyOf(instance))
  }

  #drop(key: string): void {
    const check = this.#checks.get(key)
    if (check === undefined) return
    this.#checks.delete(key)
    check.planned.cancel()
    check.scope?.abort(new ClosedError('the health check'))
  }

  async #run(check: Check, service: string, id: string): Promise<void> {
    const { registry, clock, timeoutMs } = this.#settings
    const instance = registry.instance(service, id)
    const url = instance?.healthCheckUrl === undefined ? undefined : healthTarget(instance, instance.healthCheckUrl)
    if (instance === undefined || url === undefined) {
      // A listener removed it between two events about it.
      if (this.#checks.get(keyOf({ serviceName: service, id })) === check)
        this.#drop(keyOf({ serviceName: service, id }))
      return
    }
    const startedAt = clock.now()
    const scope = new CallScope({ timeoutMs }, clock)
    check.scope = scope
    let ok = false
    let error: unknown
    try {
      await race(scope, ({ signal }) => this.#probe(url, signal))
      ok = true
    } catch (cause) {
      error = cause
    } finally {
      check.scope = undefined
      scope.dispose()
    }
    // Forgotten meanwhile: whatever came back is about a registration that is over.
    if (this.#checks.get(keyOf(instance)) !== check) return
    this.#judge(check, instance, ok)
    this.emit('checked', { instance, ok, durationMs: clock.now() - startedAt, error })
  }

  /** Not the instance's failure but ours: the registry was closed first, or its store failed. */
  #failed(error: unknown): void {
    if (isGatelessError(error, 'ERR_GATELESS_CLOSED')) void this.close()
    else this.reportFault('checked', error)
  }

  #judge(check: Check, checked: ServiceInstance, ok: boolean): void {
    const { registry, unhealthyThreshold } = this.#settings
    check.failures = ok ? 0 : check.failures + 1
    // Asked again: it may have begun to stop while the check was on its way.
    const now = registry.instance(checked.serviceName, checked.id)
    const verdict = now && judge(now.status, check.failures, unhealthyThreshold)
    if (verdict !== undefined) registry.setStatus(checked.serviceName, checked.id, verdict)
  }
}

/** One GET on a connection of its own: whether the instance still accepts connections is half of the question. */
function httpProbe(agent: Agent): HealthProbe {
  return async (url, signal) => {
    // undici follows no redirect by itself, and a 3xx is no 2xx: nobody can point the registry elsewhere.
    const headers = { 'user-agent': 'gateless-health-check', accept: '*/*' }
    const { statusCode, body } = await request(url, { dispatcher: agent, signal, headers, reset: true })
    // The status is the whole answer. Left unread, the body would hold the connection; read, it might never end.
    body.on('error', () => {}).destroy()
    if (statusCode < 200 || statusCode > 299) throw new Error(`the health check was answered with ${statusCode}`)
  }
}

function keyOf({ serviceName, id }: Pick<ServiceInstance, 'serviceName' | 'id'>): string {
  return `${serviceName}\n${id}`
}
