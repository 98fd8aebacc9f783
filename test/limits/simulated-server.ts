import { AdaptiveLimiter, type LimitAlgorithm } from '../../src/limits/index.ts'
import { type Random, seededRandom } from '../../src/time/random.ts'

/** A server with so many workers and a queue in front of them, and clients who always want more than it can do. */
export interface ServerModel {
  readonly workers: number
  /** Mean time one call takes a worker, in milliseconds. */
  readonly serviceMs: number
  /** Calls that wait for a worker; a further one is refused at once, which the caller sees as a drop. */
  readonly maxQueue: number
  /** Calls that arrive per second, evenly spread by chance. */
  readonly perSecond: number
}

export interface RunResult {
  readonly limiter: AdaptiveLimiter
  /** The limit once a simulated second, over the second half of the run. */
  readonly limits: readonly number[]
  /** Answers per second over the second half, as a share of what the workers can do. */
  readonly goodput: number
  /** Mean latency of the answers of the second half, in units of `serviceMs`. */
  readonly slowdown: number
}

type Happening = { readonly at: number; readonly run: () => void }

/** Plays `seconds` of virtual time. Nothing awaits: the limiter's decisions alone are under test. */
export function simulate(
  algorithm: LimitAlgorithm,
  model: ServerModel,
  options: {
    seed: number
    seconds: number
    initialLimit?: number
    maxLimit?: number
    change?: (at: number) => ServerModel
  },
): RunResult {
  const random = seededRandom(options.seed)
  let now = 0
  const clock = { now: () => now }
  const { initialLimit, maxLimit } = options
  const limiter = new AdaptiveLimiter({ algorithm, clock, random, initialLimit, ...(maxLimit && { maxLimit }) })
  const events: Happening[] = []
  const at = (delay: number, run: () => void): void => push(events, { at: now + delay, run })
  const half = options.seconds * 500
  let busy = 0
  const queue: (() => void)[] = []
  let answers = 0
  let latency = 0
  const limits: number[] = []
  const current = (): ServerModel => options.change?.(now) ?? model

  const serve = (done: () => void): void => {
    busy += 1
    // Half fixed, half by chance: real work is neither.
    const { serviceMs } = current()
    at(serviceMs / 2 + exponential(random, serviceMs / 2), () => {
      busy -= 1
      done()
      if (busy < current().workers) queue.shift()?.()
    })
  }
  const arrive = (): void => {
    at(exponential(random, 1_000 / model.perSecond), arrive)
    const permit = limiter.tryAcquire()
    if (permit === undefined) return
    const began = now
    const done = (): void => {
      permit.success()
      if (now < half) return
      answers += 1
      latency += now - began
    }
    if (busy < current().workers) serve(done)
    else if (queue.length < model.maxQueue) queue.push(() => serve(done))
    else at(0.1, () => permit.failure())
  }
  const watch = (): void => {
    at(1_000, watch)
    if (now >= half) limits.push(limiter.limit)
  }
  arrive()
  watch()
  for (let next = pop(events); next !== undefined && next.at <= options.seconds * 1_000; next = pop(events)) {
    now = next.at
    next.run()
  }
  const capacity = (current().workers / current().serviceMs) * half
  return { limiter, limits, goodput: answers / capacity, slowdown: latency / answers / current().serviceMs }
}

function exponential(random: Random, mean: number): number {
  return -Math.log(1 - random()) * mean
}

// A binary heap: a sorted list would make minutes of a simulation of seconds.
function push(heap: Happening[], item: Happening): void {
  let index = heap.length
  while (index > 0) {
    const parent = (index - 1) >> 1
    if ((heap[parent] as Happening).at <= item.at) break
    heap[index] = heap[parent] as Happening
    index = parent
  }
  heap[index] = item
}

function pop(heap: Happening[]): Happening | undefined {
  const top = heap[0]
  const last = heap.pop()
  if (top === undefined || last === undefined || heap.length === 0) return top
  let index = 0
  for (let child = 1; child < heap.length; child = 2 * index + 1) {
    if (child + 1 < heap.length && (heap[child + 1] as Happening).at < (heap[child] as Happening).at) child += 1
    if (last.at <= (heap[child] as Happening).at) break
    heap[index] = heap[child] as Happening
    index = child
  }
  heap[index] = last
  return top
}
