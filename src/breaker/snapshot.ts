import type { Gate } from '../core/gate.ts'
import { OptionReader } from '../core/options.ts'
import type { BreakerMode, BreakerState } from './events.ts'
import { OpenTime } from './open-time.ts'
import { type BreakerSettings, MODES } from './options.ts'
import type { TripCounts } from './trip-rule.ts'

/** What a breaker knows, as JSON: to survive a restart, or to move to another process. */
export interface BreakerSnapshot {
  readonly version: 1
  readonly state: BreakerState
  readonly mode: BreakerMode
  /** When an open breaker will probe, in milliseconds since the Unix epoch; null unless open. */
  readonly probeAt: number | null
  /** For how long it was opened, in milliseconds; null unless open. */
  readonly openMs: number | null
  /** Openings in a row. */
  readonly trips: number
  readonly counts: TripCounts | null
}

/** Checks a snapshot that comes from a file or a network. @throws {TypeError | RangeError} naming what is wrong. */
export function readSnapshot(value: unknown): BreakerSnapshot {
  const read = new OptionReader('breaker snapshot', value)
  if (read.raw('version') !== 1) read.refuse('version', '1')
  const counts = read.raw('counts') ?? null
  return {
    version: 1,
    state: read.oneOf('state', STATES, 'closed'),
    mode: read.oneOf('mode', MODES, 'normal'),
    probeAt: read.raw('probeAt') === null ? null : (read.number('probeAt', { default: undefined }) ?? null),
    openMs: read.raw('openMs') === null ? null : (read.number('openMs', { default: undefined, min: 0 }) ?? null),
    trips: read.number('trips', { default: 0, min: 0, integer: true }),
    counts: counts === null ? null : readCounts(counts),
  }
}

/** Brings a new gate into the state of a snapshot. What the breaker knows of its openings, if there were any. */
export function reopen(gate: Gate, settings: BreakerSettings, snapshot: BreakerSnapshot): OpenTime | undefined {
  const { state, probeAt, openMs, trips } = snapshot
  if (trips === 0 && state === 'closed') return undefined
  const { clock, maxRetryAfterMs } = settings
  const time = new OpenTime(trips)
  const now = clock.now()
  if (state === 'closed') time.closed(now)
  else {
    // A half-open breaker's probes died with their process: it probes again at once.
    const remaining = probeAt === null ? 0 : probeAt - clock.wallNow()
    const longest = Math.max(time.longestMs(settings), Math.min(openMs ?? 0, maxRetryAfterMs))
    time.lastMs = Math.min(remaining, longest)
    gate.open(now, time.lastMs, 'restored')
  }
  return time
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half-open']

function readCounts(value: unknown): TripCounts {
  const read = new OptionReader('breaker snapshot: counts', value)
  const count = (name: string): number => read.number(name, { default: 0, min: 0, integer: true })
  return { successes: count('successes'), failures: count('failures') }
}
