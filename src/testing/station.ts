import type { Job } from './job.ts'

/** Where the work of a server is done: a discipline. Knows no faults, no limits and no callers. */
export interface Station {
  /** Jobs here, being served or waiting. */
  readonly size: number
  add(job: Job): void
  /** Takes a job out that is not done; there must be such a job. */
  remove(job: Job): void
  /** A share of the normal speed, 0 stands still. Reaches what is being served, too. */
  setSpeed(speed: number): void
  /** Takes everything out. */
  clear(): Job[]
}
