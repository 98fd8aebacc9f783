import { CallScope, type Operation } from '../core/context.ts'
import { race } from '../core/race.ts'

/**
 * A run of the work that belongs to nobody: not to who began it, whose deadline or abort must not end it for the others.
 * So it has no deadline, which policies inside would plan by; its limit is that somebody waits for it.
 */
export class SharedRun<T> {
  /** Calls that wait for the answer. Owned by who shares the run. */
  callers = 0
  readonly #scope: RunScope
  readonly #settled = Promise.withResolvers<T>()
  #ended = false

  /** @param origin The call that began it: its key, priority and idempotency are those of the run. */
  constructor(origin: CallScope) {
    const { key, priority, idempotent } = origin
    this.#scope = new RunScope({ key, priority, idempotent })
  }

  get ended(): boolean {
    return this.#ended
  }

  get answer(): Promise<T> {
    return this.#settled.promise
  }

  /** @param onEnded Called once, before anybody learns of the answer. */
  begin(operation: Operation<T>, onEnded: () => void): void {
    const ended = (): void => {
      this.#ended = true
      onEnded()
    }
    this.answer.then(ended, ended)
    this.#settled.resolve(race(this.#scope, operation))
  }

  abort(reason: unknown): void {
    this.#scope.abort(reason)
  }
}

/** It can be ended early, which policies inside must know, or deaf work would keep their permits for ever. */
class RunScope extends CallScope {
  override get interruptible(): boolean {
    return true
  }
}
