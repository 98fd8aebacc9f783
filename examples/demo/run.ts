import { setTimeout as sleep } from 'node:timers/promises'
import { Fleet } from './fleet.ts'
import type { Change, Decision, LaneReport, RunRecord, SecondOfLane } from './measurements.ts'
import type { FromChild } from './messages.ts'
import { Processes } from './processes.ts'
import type { LaneName } from './scene.ts'
import { type Step, scriptFor } from './script.ts'

/** One run from curtain to curtain: the fleet, the script, and everything the callers report, gathered in one record. */

/** Both callers get the word well before the clock starts. */
const COUNTDOWN_MS = 300
/** After the last arrival a caller waits for its answers, closes, and reports. */
const REPORT_MS = 10_000

/** Told as it happens: what a live view needs, and no more. */
export interface RunListener {
  /** Everybody is on the scene; the load begins at `startAt`, in milliseconds since the epoch. */
  began?(startAt: number): void
  decision?(decision: Decision): void
  second?(lane: LaneName, second: SecondOfLane): void
}

export class DemoRun {
  readonly #seconds: number
  readonly #listener: RunListener
  readonly #timeline: Decision[] = []
  readonly #perSecond: Record<LaneName, SecondOfLane[]> = { plain: [], gateless: [] }
  readonly #reports: Partial<Record<LaneName, LaneReport>> = {}
  readonly #processes: Processes
  readonly #fleet: Fleet
  readonly #stopped = new AbortController()
  readonly #reported = Promise.withResolvers<void>()
  #startAt = Number.NaN
  #finishing = false

  constructor(seconds: number, listener: RunListener) {
    this.#seconds = seconds
    this.#listener = listener
    this.#processes = new Processes(
      (message) => this.#hear(message),
      (error) => this.stop(error),
    )
    this.#fleet = new Fleet(this.#processes)
  }

  /** @throws when a process dies that should not, or with the reason given to `stop`. Nobody is left behind then. */
  async run(): Promise<RunRecord> {
    try {
      return await unlessAborted(this.#stopped.signal, this.#run())
    } finally {
      // Also where the script was in the middle of something: nobody can be started any more.
      this.#processes.close()
    }
  }

  stop(reason: Error): void {
    this.#stopped.abort(reason)
  }

  async #run(): Promise<RunRecord> {
    await this.#fleet.start(this.#seconds)
    this.#startAt = epochNow() + COUNTDOWN_MS
    this.#fleet.begin(this.#startAt)
    this.#listener.began?.(this.#startAt)
    for (const step of scriptFor(this.#seconds)) {
      await this.#sleepUntil(step.atMs)
      await this.#perform(step)
    }
    await this.#sleepUntil(this.#seconds * 1_000)
    const late = setTimeout(() => this.stop(new Error('a caller did not report')), REPORT_MS).unref()
    await this.#reported.promise
    clearTimeout(late)
    this.#finishing = true
    await this.#fleet.finish()
    const { plain, gateless } = this.#reports as Record<LaneName, LaneReport>
    const left = [...this.#processes.alive.map(({ name }) => `process ${name}`), ...gateless.handles]
    for (const each of left) this.#decide(`left over: ${each}`)
    return {
      seconds: this.#seconds,
      timeline: this.#timeline.toSorted((a, b) => a.atMs - b.atMs),
      perSecond: this.#perSecond,
      lanes: { plain, gateless },
      leftovers: left.length + gateless.inFlight,
    }
  }

  async #perform(step: Step): Promise<void> {
    const { action, target, text } = step
    this.#decide(text, { what: 'fault', action, target })
    await this.#fleet.apply(step)
  }

  #decide(text: string, change?: Change): void {
    this.#note({ atMs: this.#now(), source: 'script', kind: 'script', text, ...(change && { change }) })
  }

  #hear(message: FromChild): void {
    if (message.type === 'decision') {
      // The registry has no clock of the run: what it says happens now.
      const { decision } = message
      this.#note(Number.isFinite(decision.atMs) ? decision : { ...decision, atMs: this.#now() })
    } else if (message.type === 'second') {
      this.#perSecond[message.lane].push(message.second)
      this.#listener.second?.(message.lane, message.second)
    } else if (message.type === 'report') {
      this.#reports[message.lane] = message.report
      if (this.#reports.plain !== undefined && this.#reports.gateless !== undefined) this.#reported.resolve()
    }
  }

  #note(decision: Decision): void {
    // While the scene is being set or struck, who comes and goes is no news.
    if (!(decision.atMs >= 0) || (this.#finishing && decision.source === 'registry')) return
    this.#timeline.push(decision)
    this.#listener.decision?.(decision)
  }

  #now(): number {
    return epochNow() - this.#startAt
  }

  async #sleepUntil(atMs: number): Promise<void> {
    await sleep(Math.max(0, atMs - this.#now()), undefined, { signal: this.#stopped.signal })
  }
}

/** Monotonic within each process, and the same in all of them to a millisecond. */
function epochNow(): number {
  return performance.timeOrigin + performance.now()
}

async function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
  })
  return Promise.race([aborted, work])
}
