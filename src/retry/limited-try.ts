import { CallScope, type Operation } from '../core/context.ts'
import { TimeoutError } from '../core/errors.ts'
import { race } from '../core/race.ts'
import type { Deadline, Expirable } from '../time/deadline.ts'
import type { Deadlines } from '../time/deadlines.ts'

/** The scope of one try that may not take longer than its limit. */
class LimitedTry extends CallScope implements Expirable {
  readonly #timeoutMs: number
  readonly #deadline: Deadline

  constructor(outer: CallScope, attempt: number, timeoutMs: number, now: number, deadlines: Deadlines) {
    super(undefined, undefined, outer, now + timeoutMs)
    this.attempt = attempt
    this.#timeoutMs = timeoutMs
    this.#deadline = deadlines.add(timeoutMs, this, now)
  }

  expire(): void {
    this.abort(new TimeoutError(this.#timeoutMs, 'attempt'))
  }

  override dispose(): void {
    this.#deadline.cancel()
    super.dispose()
  }
}

/** @internal Runs one try under its limit. What remains of the call, where that is less, is enforced by whoever gave it. */
export async function runLimited<T>(
  operation: Operation<T>,
  outer: CallScope,
  attempt: number,
  timeoutMs: number,
  now: number,
  deadlines: Deadlines,
): Promise<T> {
  const scope = new LimitedTry(outer, attempt, timeoutMs, now, deadlines)
  try {
    return await race(scope, operation)
  } finally {
    // Not aborted: what the work returned (a response's body, say) may still be using the signal.
    scope.dispose()
  }
}
