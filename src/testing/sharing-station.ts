import { IndexedHeap } from '../balancing/indexed-heap.ts'
import type { Job } from './job.ts'
import type { PlannedEvent, Simulation } from './simulation.ts'
import type { Station } from './station.ts'

/**
 * Processor sharing: everybody is served at once, and the workers are divided among them (threads on the cores of one
 * machine, an event loop that interleaves). Nobody gets more than one worker.
 *
 * All jobs get on at the same pace, so each leaves when the work that every job has been given reaches its own: one heap
 * and one planned event do, instead of a new end for every job at every arrival.
 */
export class SharingStation implements Station {
  readonly #simulation: Simulation
  readonly #workers: number
  readonly #done: (job: Job) => void
  /** By the pace at which each is done. */
  readonly #jobs = new IndexedHeap<Job>()
  #speed = 1
  /** Milliseconds of work that somebody who had always been here would have been given. */
  #given = 0
  #since = 0
  #arrived = 0
  #event: PlannedEvent | undefined

  constructor(simulation: Simulation, workers: number, done: (job: Job) => void) {
    this.#simulation = simulation
    this.#workers = workers
    this.#done = done
  }

  get size(): number {
    return this.#jobs.size
  }

  add(job: Job): void {
    this.#advance()
    this.#arrived += 1
    job.key = this.#given + job.workMs
    job.tie = this.#arrived
    this.#jobs.push(job)
    this.#plan()
  }

  remove(job: Job): void {
    this.#advance()
    this.#jobs.remove(job)
    this.#plan()
  }

  setSpeed(speed: number): void {
    this.#advance()
    this.#speed = speed
    this.#plan()
  }

  clear(): Job[] {
    const jobs = this.#jobs.drain()
    this.#plan()
    return jobs
  }

  get #pace(): number {
    return this.#speed * Math.min(1, this.#workers / this.#jobs.size)
  }

  #advance(): void {
    const now = this.#simulation.now()
    this.#given += (now - this.#since) * this.#pace
    this.#since = now
  }

  #plan(): void {
    if (this.#event !== undefined) this.#simulation.cancel(this.#event)
    this.#event = undefined
    const first = this.#jobs.top
    if (first === undefined || this.#speed === 0) return
    // Never below 0: the sums above are rounded.
    const inMs = Math.max(0, first.key - this.#given) / this.#pace
    this.#event = this.#simulation.after(inMs, this.#finish, first)
  }

  readonly #finish = (job: Job): void => {
    this.#event = undefined
    this.#advance()
    this.#jobs.remove(job)
    this.#plan()
    this.#done(job)
  }
}
