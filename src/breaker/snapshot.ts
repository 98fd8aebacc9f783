import { OptionReader } from '../core/options.ts'
import type { BreakerMode, BreakerState } from './events.ts'
import type { TripCounts } from './trip-rule.ts'

/** What a breaker knows, as JSON: to survive a restart, or to move to another process. */
export interface BreakerSnapshot {
  readonly version: 1
  readonly state: BreakerState
  readonly mode: BreakerMode
  /** When an open breaker will probe, in milliseconds since the Unix epoch; null unless open. */
  readonly probeAt: number | null
  readonly counts: TripCounts | null
}

/** Checks a snapshot that comes from a file or a network. @throws {TypeError} naming what is wrong. */
export function readSnapshot(value: unknown): BreakerSnapshot {
  const read = new OptionReader('breaker snapshot', value)
  if (read.raw('version') !== 1) read.refuse('version', '1')
  const counts = read.raw('counts') ?? null
  return {
    version: 1,
    state: read.oneOf('state', STATES, 'closed'),
    mode: read.oneOf('mode', MODES, 'normal'),
    probeAt: read.raw('probeAt') === null ? null : (read.number('probeAt', { default: undefined }) ?? null),
    counts: counts === null ? null : readCounts(counts),
  }
}

const STATES: readonly BreakerState[] = ['closed', 'open', 'half-open']
const MODES: readonly BreakerMode[] = ['normal', 'isolated']

function readCounts(value: unknown): TripCounts {
  const read = new OptionReader('breaker snapshot: counts', value)
  const count = (name: string): number => read.number(name, { default: 0, min: 0, integer: true })
  return { successes: count('successes'), failures: count('failures') }
}
