import { TypedEmitter } from '../../core/emitter.ts'
import { ClosedError, isGatelessError } from '../../core/errors.ts'
import { type Backoff, exponentialBackoff } from '../../time/backoff.ts'
import { type Timer, unref } from '../../time/clock.ts'
import { heartbeatPath, instancePath, type StatusBody, statusPath } from './api.ts'
import type { RegistrarEvents } from './registrar-events.ts'
import { type RegistrarOptions, type RegistrarSettings, readRegistrarOptions } from './registrar-options.ts'
import { type RegistryAnswer, RegistryConnection, type RegistryRequest } from './registry-connection.ts'

const SIGNALS = ['SIGTERM', 'SIGINT'] as const

/** Full jitter may draw nearly 0; a registry that is down must not be asked in a loop. */
const MIN_RETRY_MS = 100

/**
 * Tells an HTTP registry that this instance is here: registers it, says regularly that it lives, registers it again
 * when the registry forgot it, and takes it out at the end.
 *
 * When to use: in a service that others discover. `start()` when it listens, `stop()` before it closes its server.
 *
 * Gotchas: by default a registry that is down neither fails nor delays the service; listen for `registration-failed`.
 * Heartbeats do not keep the process alive. A stopped registrar stays stopped.
 *
 * @example
 * const registrar = new Registrar({
 *   url: 'http://127.0.0.1:8500',
 *   instance: { serviceName: 'device-service', host: '10.0.0.7', port: 8081, healthCheckPath: '/health' },
 * })
 * await registrar.start()
 */
export class Registrar extends TypedEmitter<RegistrarEvents> {
  readonly #settings: RegistrarSettings
  readonly #connection: RegistryConnection
  readonly #backoff: Backoff
  readonly #abort = new AbortController()
  #registered = false
  #wasRegistered = false
  /** A registration was sent, whatever came of it: the registry may have the instance. */
  #announced = false
  #failures = 0
  #timer: Timer | undefined
  #beating: Promise<unknown> | undefined
  #starting: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  constructor(options: RegistrarOptions) {
    super()
    this.#settings = readRegistrarOptions(options)
    this.#connection = new RegistryConnection(this.#settings.connection)
    const { heartbeatMs } = this.#settings
    // Never slower than the beat itself: while the registry is away the lease runs.
    this.#backoff = exponentialBackoff({ baseMs: Math.min(500, heartbeatMs), maxMs: heartbeatMs, jitter: 'full' })
  }

  /** The id under which the registry knows the instance. */
  get id(): string {
    return this.#settings.id
  }

  /** Whether the registry has the instance, as far as its last answer says. */
  get registered(): boolean {
    return this.#registered
  }

  /**
   * Registers. Resolves after the first try, whatever came of it; with `required`, rejects and stops when that failed.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start()
    return this.#starting
  }

  /** Says `stopping`, then takes the instance out: best effort, each within `stopTimeoutMs`. Never rejects. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop()
    return this.#stopping
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  async #start(): Promise<void> {
    if (this.#stopping !== undefined) throw new ClosedError('Registrar')
    if (this.#settings.handleSignals) for (const signal of SIGNALS) process.on(signal, this.#onSignal)
    const failure = await this.#beat()
    if (failure === undefined || !this.#settings.required) return
    await this.stop()
    throw failure
  }

  async #stop(): Promise<void> {
    if (this.#timer !== undefined) this.#settings.connection.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    this.#abort.abort(new ClosedError('Registrar'))
    await this.#beating
    if (this.#announced) await this.#leave()
    this.#registered = false
    for (const signal of SIGNALS) process.off(signal, this.#onSignal)
    await this.#connection.close()
  }

  async #leave(): Promise<void> {
    const { serviceName, id, stopTimeoutMs: timeoutMs } = this.#settings
    const body: StatusBody = { status: 'stopping' }
    try {
      if (this.#registered) {
        await this.#ask({ method: 'PUT', path: statusPath(serviceName, id), body, timeoutMs }, [200, 204, 404])
      }
    } catch {
      // The entry goes in the next step, or with its lease.
    }
    try {
      await this.#ask({ method: 'DELETE', path: instancePath(serviceName, id), timeoutMs }, [200, 204, 404])
      this.emit('deregistered', { id })
    } catch (error) {
      this.emit('deregistered', { id, error })
    }
  }

  /** One step: a heartbeat, or a registration where there is none. Plans the next one; returns what failed. */
  #beat(): Promise<unknown> {
    this.#beating = this.#step().finally(() => {
      this.#beating = undefined
    })
    return this.#beating
  }

  async #step(): Promise<unknown> {
    const { id, heartbeatMs, random } = this.#settings
    try {
      if (!this.#registered || !(await this.#renew())) await this.#register()
      this.#failures = 0
      this.#plan(heartbeatMs * (0.9 + 0.2 * random()))
      return undefined
    } catch (error) {
      if (this.#stopping !== undefined) return error
      const retryInMs = this.#retryInMs(error)
      this.emit(this.#registered ? 'heartbeat-failed' : 'registration-failed', { id, error, retryInMs })
      this.#plan(retryInMs)
      return error
    }
  }

  /** False when the registry does not know the instance. */
  async #renew(): Promise<boolean> {
    const { serviceName, id } = this.#settings
    const request: RegistryRequest = { method: 'PUT', path: heartbeatPath(serviceName, id) }
    const answer = await this.#ask({ ...request, signal: this.#abort.signal }, [200, 204, 404])
    if (answer.status !== 404) return true
    this.#registered = false
    this.emit('lost', { id })
    return false
  }

  async #register(): Promise<void> {
    const { serviceName, id, body } = this.#settings
    this.#announced = true
    const request: RegistryRequest = { method: 'PUT', path: instancePath(serviceName, id), body }
    await this.#ask({ ...request, signal: this.#abort.signal }, [200, 201, 204])
    const again = this.#wasRegistered
    this.#registered = true
    this.#wasRegistered = true
    this.emit('registered', { id, again })
  }

  async #ask(request: RegistryRequest, expected: readonly number[]): Promise<RegistryAnswer> {
    const answer = await this.#connection.send(request)
    if (!expected.includes(answer.status)) throw this.#connection.refuseStatus(request, answer)
    return answer
  }

  #retryInMs(error: unknown): number {
    this.#failures += 1
    const delay = this.#backoff.delayMs({ attempt: this.#failures, random: this.#settings.random })
    const asked = isGatelessError(error) ? (error.retryAfterMs ?? 0) : 0
    // A registry may ask for patience, but not for so much that it forgets us meanwhile.
    return Math.max(MIN_RETRY_MS, delay, Math.min(asked, this.#settings.leaseMs / 2))
  }

  #plan(delayMs: number): void {
    if (this.#stopping !== undefined) return
    const { clock } = this.#settings.connection
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined
      void this.#beat()
    }, Math.ceil(delayMs))
    unref(this.#timer)
  }

  readonly #onSignal = (signal: NodeJS.Signals): void => {
    void this.stop().then(() => {
      // Listening took the default away; with nobody left to decide, it is what the sender wants.
      if (process.listenerCount(signal) === 0) process.kill(process.pid, signal)
    })
  }
}
