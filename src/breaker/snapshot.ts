import type { Gate } from '../core/gate.ts'
import { OptionReader } from '../core/options.ts'
import type { BreakerMode, BreakerState } from './events.ts'
import { MAX_OPEN_MS, OpenTime } from './open-time.ts'
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
  const nullable = (name: string, min: number): number | null =>
    read.raw(name) === null ? null : (read.number(name, { default: undefined, min }) ?? null)
  return {
    version: 1,
    state: read.oneOf('state', STATES, 'closed'),
    mode: read.oneOf('mode', MODES, 'normal'),
    probeAt: nullable('probeAt', Number.NEGATIVE_INFINITY),
    openMs: nullable('openMs', 0),
    trips: read.number('trips', { default: 0, min: 0, integer: true }),
    counts: counts === null ? null : readCounts(counts),
  }
}

/** Brings a new gate into the state of a snapshot. What the breaker knows of its openings. */
export function reopen(gate: Gate, settings: BreakerSettings, snapshot: BreakerSnapshot): OpenTime {
  const { state, probeAt, openMs, trips } = snapshot
  const { clock } = settings
  const time = new OpenTime(trips)
  const now = clock.now()
  if (state === 'closed') time.closed(now)
  else {
    // A half-open breaker's probes died with their process: it probes again at once.
    const remaining = (probeAt ?? 0) - clock.wallNow()
    // Its own open time bounds what a wall clock that was set back makes of it. The options are for the next opening:
    // they cannot say what a backoff that remembers, or a remote, once asked for.
    time.lastMs = Math.min(remaining, openMs ?? time.longestMs(settings), MAX_OPEN_MS)
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
