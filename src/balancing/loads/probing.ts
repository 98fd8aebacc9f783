import type { ServiceInstance } from '../../core/instance.ts'
import type { Deadline, Expirable } from '../../time/deadline.ts'
import type { Deadlines } from '../../time/deadlines.ts'
import type { Member } from '../member.ts'

/** What an instance says when asked how busy it is. */
export interface ProbedLoad {
  /** Requests in flight there, from everybody. From 0. */
  readonly inFlight: number
  /** How long requests take there when so many are in flight, in milliseconds from 0. */
  readonly latencyMs: number
}

/** Asks an instance how busy it is. Whatever it throws, or no answer in time, is no answer. */
export type LoadProbe = (instance: ServiceInstance, signal: AbortSignal) => Promise<ProbedLoad>

/** Is told how a probe ended: without a load when there was no good answer. */
type ProbeListener = (member: Member, load: ProbedLoad | undefined) => void

/** Sends probes, and sees to it that each ends: one per member at a time, and a bounded number in all. */
export class Probing {
  static readonly MOST = 64

  readonly #probe: LoadProbe
  readonly #timeoutMs: number
  readonly #deadlines: Deadlines
  readonly #listener: ProbeListener
  readonly #running = new Map<Member, RunningProbe>()

  constructor(probe: LoadProbe, timeoutMs: number, deadlines: Deadlines, listener: ProbeListener) {
    this.#probe = probe
    this.#timeoutMs = timeoutMs
    this.#deadlines = deadlines
    this.#listener = listener
  }

  /** Does nothing when one is on the way there, or too many are. */
  send(member: Member, now: number): void {
    if (this.#running.size >= Probing.MOST || this.#running.has(member)) return
    const running = new RunningProbe(member, this.#end)
    this.#running.set(member, running)
    running.deadline = this.#deadlines.add(this.#timeoutMs, running, now)
    void running.run(this.#probe)
  }

  readonly #end = (member: Member, load: ProbedLoad | undefined): void => {
    this.#running.delete(member)
    this.#listener(member, load)
  }
}

class RunningProbe implements Expirable {
  deadline: Deadline | undefined
  readonly #member: Member
  readonly #controller = new AbortController()
  #onEnd: ProbeListener | undefined

  constructor(member: Member, onEnd: ProbeListener) {
    this.#member = member
    this.#onEnd = onEnd
  }

  async run(probe: LoadProbe): Promise<void> {
    let load: ProbedLoad | undefined
    try {
      load = await probe(this.#member.instance, this.#controller.signal)
    } catch {
      // An instance that cannot say how busy it is is not chosen by what it says; nobody need be told.
    }
    this.#end(load !== undefined && isSound(load) ? load : undefined)
  }

  expire(): void {
    this.#end(undefined)
    this.#controller.abort()
  }

  #end(load: ProbedLoad | undefined): void {
    const onEnd = this.#onEnd
    this.#onEnd = undefined
    this.deadline?.cancel()
    onEnd?.(this.#member, load)
  }
}

/** It comes from outside, by way of a function of the user's. */
function isSound(load: ProbedLoad): boolean {
  if (typeof load !== 'object' || load === null) return false
  const { inFlight, latencyMs } = load
  return Number.isFinite(inFlight) && inFlight >= 0 && Number.isFinite(latencyMs) && latencyMs >= 0
}
