/** What may be wrong with a server for a while. Frozen descriptions without state: one may befall many servers. */
export interface Fault {
  readonly name: string
  /** How fast it works, as a share of its normal speed; 0 stands still. */
  readonly speed: number
  /** The share of requests that are answered with an error instead of being served. */
  readonly failureShare: number
  /** How long such an answer takes, in milliseconds. */
  readonly failureMs: number
  /** Nothing listens: what it had is lost, and connections are refused at once. */
  readonly down: boolean
  /** Requests vanish on the way, and nobody is told. */
  readonly unreachable: boolean
}

const HEALTHY: Fault = /* @__PURE__ */ Object.freeze({
  name: 'healthy',
  speed: 1,
  failureShare: 0,
  failureMs: 0,
  down: false,
  unreachable: false,
})

/** Nothing is wrong. */
export function healthy(): Fault {
  return HEALTHY
}

/** Takes `factor` times as long, for what it is doing already, too. */
export function slow(factor: number): Fault {
  if (!(factor >= 1)) throw new RangeError(`slow: factor must be a number from 1, got ${String(factor)}`)
  return Object.freeze({ ...HEALTHY, name: `slow ×${factor}`, speed: 1 / factor })
}

/** Accepts everything and gets on with nothing; afterwards it goes on where it stopped (a stopped process, a long pause). */
export function hanging(): Fault {
  return Object.freeze({ ...HEALTHY, name: 'hanging', speed: 0 })
}

/**
 * Answers with an error without doing the work.
 *
 * @param share The share of requests, from 0 to 1. @default 1
 * @param afterMs How long that takes, in milliseconds. @default 0
 */
export function failing(share = 1, afterMs = 0): Fault {
  if (!(share >= 0 && share <= 1)) throw new RangeError(`failing: share must be from 0 to 1, got ${String(share)}`)
  if (!(afterMs >= 0)) throw new RangeError(`failing: afterMs must be a number from 0, got ${String(afterMs)}`)
  return Object.freeze({ ...HEALTHY, name: `failing ${share * 100} %`, failureShare: share, failureMs: afterMs })
}

/** Not running: connections are refused, and whoever was being served loses his. */
export function dead(): Fault {
  return Object.freeze({ ...HEALTHY, name: 'dead', down: true })
}

/** The network swallows every request: callers find out by their own time limits. */
export function unreachable(): Fault {
  return Object.freeze({ ...HEALTHY, name: 'unreachable', unreachable: true })
}
