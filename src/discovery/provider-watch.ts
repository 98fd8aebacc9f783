import { CallScope } from '../core/context.ts'
import { ClosedError, TimeoutError } from '../core/errors.ts'
import { race } from '../core/race.ts'
import { type Clock, type Timer, unref } from '../time/clock.ts'
import type { DiscoveryProvider, ListAnswer, WatchContext } from './provider.ts'

/**
 * Keeps a provider's `watch` of one service going: begins it again when it ends, waits when it broke, and takes one
 * that says nothing for dead. Streams die silently (kubernetes-client/javascript#596), so silence is never trusted.
 */

export interface ProviderWatchSettings {
  readonly provider: DiscoveryProvider
  readonly clock: Clock
  readonly watchIdleMs: number
  readonly pushIntervalMs: number
  readonly minRefreshIntervalMs: number
}

export interface ProviderWatchHooks {
  /** An answer to believe in; what this throws breaks the watch. */
  onAnswer(answer: ListAnswer): void
  /** It broke. Returns how long to wait before it is begun again, in milliseconds. */
  onBroken(error: unknown, failures: number): number
}

/** Comparing two lists takes about 1 µs per instance: ten times that between two of them leaves the event loop free. */
const MS_PER_INSTANCE = 0.01

/** Times configured to 0 must not make it spin. */
const MIN_RESTART_MS = 100

export class ProviderWatch {
  readonly #service: string
  readonly #settings: ProviderWatchSettings
  readonly #hooks: ProviderWatchHooks
  /** The run whose word counts: what an earlier one still says is dropped. */
  #scope: CallScope | undefined
  #isStopped = false
  #failures = 0
  #heardAt = 0
  #deliveredAt: number | null = null
  #lastSize = 0
  #pending: ListAnswer | undefined
  #pushTimer: Timer | undefined
  /** The watchdog while a run is on, the wait between two runs. */
  #timer: Timer | undefined

  constructor(service: string, settings: ProviderWatchSettings, hooks: ProviderWatchHooks) {
    this.#service = service
    this.#settings = settings
    this.#hooks = hooks
  }

  start(): void {
    const { provider, clock } = this.#settings
    const scope = new CallScope(undefined, clock)
    this.#scope = scope
    const startedAt = clock.now()
    this.#heardAt = startedAt
    this.#armWatchdog()
    const context = watchContext(
      scope,
      (answer) => this.#push(scope, answer),
      () => this.#hear(scope),
    )
    race(scope, () => (provider.watch as NonNullable<DiscoveryProvider['watch']>)(this.#service, context)).then(
      () => this.#ended(scope, startedAt),
      (error: unknown) => this.#broke(scope, error),
    )
  }

  stop(reason: unknown): void {
    const scope = this.#scope
    this.#isStopped = true
    this.#scope = undefined
    this.#clearTimers()
    scope?.abort(reason)
    scope?.dispose()
  }

  #hear(scope: CallScope): void {
    if (scope === this.#scope) this.#heardAt = this.#settings.clock.now()
  }

  #push(scope: CallScope, answer: ListAnswer): void {
    // An earlier run, or one that broke a moment ago.
    if (scope.aborted) return
    this.#hear(scope)
    this.#pending = answer
    if (this.#pushTimer !== undefined) return
    const window = Math.max(this.#settings.pushIntervalMs, this.#lastSize * MS_PER_INSTANCE)
    const since = this.#deliveredAt === null ? window : this.#heardAt - this.#deliveredAt
    // Negative: the clock was set back.
    if (since >= window || since < 0) this.#deliver()
    else this.#pushTimer = this.#wait(window - since, () => this.#deliver())
  }

  #deliver(): void {
    this.#pushTimer = undefined
    const answer = this.#pending as ListAnswer
    this.#pending = undefined
    this.#deliveredAt = this.#settings.clock.now()
    try {
      this.#hooks.onAnswer(answer)
      this.#lastSize = answer.kind === 'ok' ? answer.instances.length : 0
      this.#failures = 0
    } catch (error) {
      this.#scope?.abort(error)
    }
  }

  #armWatchdog(): void {
    const { clock, watchIdleMs } = this.#settings
    const idleMs = Math.max(0, clock.now() - this.#heardAt)
    if (idleMs >= watchIdleMs) {
      this.#scope?.abort(new TimeoutError(watchIdleMs, 'attempt', { by: 'a silent watch' }))
      return
    }
    this.#timer = this.#wait(watchIdleMs - idleMs, () => this.#armWatchdog())
  }

  /** In good order: begun again at once, but no watch that ends as soon as it begins may spin. */
  #ended(scope: CallScope, startedAt: number): void {
    const { clock, minRefreshIntervalMs } = this.#settings
    const ranMs = Math.max(0, clock.now() - startedAt)
    this.#restartAfter(scope, () => Math.max(minRefreshIntervalMs, MIN_RESTART_MS) - ranMs)
  }

  #broke(scope: CallScope, error: unknown): void {
    this.#restartAfter(scope, () => {
      this.#failures += 1
      return Math.max(this.#settings.minRefreshIntervalMs, MIN_RESTART_MS, this.#hooks.onBroken(error, this.#failures))
    })
  }

  #restartAfter(scope: CallScope, delayMs: () => number): void {
    if (scope !== this.#scope) return
    this.#scope = undefined
    // So that what the provider still has in hand for this run is let go.
    scope.abort(new ClosedError('the watch'))
    scope.dispose()
    // The last word of a watch that ended is as good as any other.
    if (this.#pushTimer !== undefined) this.#deliver()
    this.#clearTimers()
    const wait = Math.max(0, delayMs())
    // Listeners were told, and one of them may have stopped this.
    if (!this.#isStopped) this.#timer = this.#wait(wait, () => this.start())
  }

  #clearTimers(): void {
    for (const timer of [this.#timer, this.#pushTimer]) {
      if (timer !== undefined) this.#settings.clock.clearTimeout(timer)
    }
    this.#timer = undefined
    this.#pushTimer = undefined
    this.#pending = undefined
  }

  #wait(delayMs: number, then: () => void): Timer {
    const timer = this.#settings.clock.setTimeout(then, Math.ceil(delayMs))
    unref(timer)
    return timer
  }
}

/** `signal` is made when it is read. */
function watchContext(scope: CallScope, push: WatchContext['push'], alive: WatchContext['alive']): WatchContext {
  return {
    get signal() {
      return scope.signal
    },
    push,
    alive,
  }
}
