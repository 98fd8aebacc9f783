import type { Job } from './job.ts'
import type { Simulation } from './simulation.ts'
import type { Station } from './station.ts'

/** First come, first served, by a number of workers. */
export class QueueStation implements Station {
  readonly #simulation: Simulation
  readonly #workers: number
  readonly #done: (job: Job) => void
  /** Those being served; `at` is a job's place, `key` when its present spell of work began. */
  readonly #serving: Job[] = []
  #head: Job | undefined
  #tail: Job | undefined
  #waiting = 0
  #speed = 1

  constructor(simulation: Simulation, workers: number, done: (job: Job) => void) {
    this.#simulation = simulation
    this.#workers = workers
    this.#done = done
  }

  get size(): number {
    return this.#serving.length + this.#waiting
  }

  add(job: Job): void {
    if (this.#serving.length < this.#workers) {
      this.#serve(job)
      return
    }
    job.previous = this.#tail
    if (this.#tail === undefined) this.#head = job
    else this.#tail.next = job
    this.#tail = job
    this.#waiting += 1
  }

  remove(job: Job): void {
    if (job.at < 0) {
      this.#unlink(job)
      return
    }
    this.#pause(job)
    this.#leave(job)
  }

  setSpeed(speed: number): void {
    for (const job of this.#serving) this.#pause(job)
    this.#speed = speed
    for (const job of this.#serving) this.#resume(job)
  }

  clear(): Job[] {
    const jobs = this.#serving.splice(0)
    for (const job of jobs) {
      this.#pause(job)
      job.at = -1
    }
    for (let job = this.#head; job !== undefined; job = this.#head) {
      this.#unlink(job)
      jobs.push(job)
    }
    return jobs
  }

  #serve(job: Job): void {
    job.at = this.#serving.length
    this.#serving.push(job)
    this.#resume(job)
  }

  #resume(job: Job): void {
    job.key = this.#simulation.now()
    if (this.#speed > 0) job.event = this.#simulation.after(job.workMs / this.#speed, this.#finish, job)
  }

  #pause(job: Job): void {
    if (job.event === undefined) return
    this.#simulation.cancel(job.event)
    job.event = undefined
    job.workMs = Math.max(0, job.workMs - (this.#simulation.now() - job.key) * this.#speed)
  }

  readonly #finish = (job: Job): void => {
    job.event = undefined
    this.#leave(job)
    this.#done(job)
  }

  /** Gives the place to the next. */
  #leave(job: Job): void {
    const last = this.#serving.pop() as Job
    if (last !== job) {
      this.#serving[job.at] = last
      last.at = job.at
    }
    job.at = -1
    const next = this.#head
    if (next === undefined) return
    this.#unlink(next)
    this.#serve(next)
  }

  #unlink(job: Job): void {
    if (job.previous === undefined) this.#head = job.next
    else job.previous.next = job.next
    if (job.next === undefined) this.#tail = job.previous
    else job.next.previous = job.previous
    job.previous = undefined
    job.next = undefined
    this.#waiting -= 1
  }
}
