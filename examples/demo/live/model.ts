import { faultsOf, type State, stateAfter } from '../faults.ts'
import { instancesOf } from '../instances.ts'
import type { Decision, SecondOfLane } from '../measurements.ts'
import { LANE_NAMES, type LaneName, SERVICE_NAMES } from '../scene.ts'
import { scriptFor } from '../script.ts'
import type { InstanceLoad, InstancePicture, LanePicture, Picture } from './picture.ts'
import { Standings } from './standings.ts'

/** Takes in what happens during the run, and makes a picture of it whenever asked. */

const EVENTS_KEPT = 40

export class LiveModel {
  readonly #seconds: number
  readonly #lanes: Readonly<
    Record<LaneName, { last?: SecondOfLane; calls: number; successes: number; attempts: number }>
  >
  readonly #states = new Map<string, State>()
  readonly #standings = new Standings()
  readonly #breakers = new Map<string, string>()
  readonly #panic = new Set<string>()
  readonly #events: Decision[] = []

  constructor(seconds: number) {
    this.#seconds = seconds
    const none = { calls: 0, successes: 0, attempts: 0 }
    this.#lanes = { plain: { ...none }, gateless: { ...none } }
  }

  second(lane: LaneName, second: SecondOfLane): void {
    const sums = this.#lanes[lane]
    sums.last = second
    sums.calls += second.calls
    sums.successes += second.successes
    sums.attempts += second.attempts
  }

  decision(decision: Decision): void {
    const { atMs, source, change } = decision
    // Plain undici decides nothing: what it loses each second is in its numbers.
    if (source !== 'plain') this.#events.push(decision)
    if (this.#events.length > EVENTS_KEPT) this.#events.shift()
    if (change === undefined) return
    if (change.what === 'fault') this.#states.set(change.target, stateAfter(change.action))
    else if (change.what === 'breaker') this.#breakers.set(change.service, change.state)
    else if (change.what === 'panic' && change.on) this.#panic.add(change.service)
    else if (change.what === 'panic') this.#panic.delete(change.service)
    else this.#standings.change(change, atMs)
  }

  picture(atMs: number | undefined): Picture {
    const lasts = LANE_NAMES.flatMap((lane) => this.#lanes[lane].last ?? [])
    return {
      seconds: this.#seconds,
      atMs,
      faults: faultsOf(scriptFor(this.#seconds), this.#seconds * 1_000),
      lanes: LANE_NAMES.map((lane): LanePicture => ({ lane, last: undefined, ...this.#lanes[lane] })),
      instances: instancesOf(lasts).map((id) => this.#instance(id, atMs ?? 0)),
      registry: this.#states.get('registry') ?? 'up',
      services: SERVICE_NAMES.map((service) => ({
        service,
        breaker: this.#breakers.get(service) ?? 'closed',
        panic: this.#panic.has(service),
      })),
      events: [...this.#events],
    }
  }

  #instance(id: string, atMs: number): InstancePicture {
    return {
      id,
      state: this.#states.get(id) ?? 'up',
      standing: this.#standings.standing(id, atMs),
      lanes: { plain: loadOf(this.#lanes.plain.last, id), gateless: loadOf(this.#lanes.gateless.last, id) },
    }
  }
}

function loadOf(second: SecondOfLane | undefined, id: string): InstanceLoad | undefined {
  if (second === undefined) return undefined
  const counts = second.instances[id] ?? { attempts: 0, failures: 0, p50Ms: 0 }
  return { ...counts, share: second.attempts === 0 ? 0 : counts.attempts / second.attempts }
}
