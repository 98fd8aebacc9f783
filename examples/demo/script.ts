/**
 * The fault script: what happens to whom, and when. Times are shares of the whole run, so that a short run goes through
 * the same story. One instance is bad at a time, and well again before the next: the point is not how much a fleet can
 * lose, but that callers need not notice each of these.
 * The pauses leave the callers the time to find out that somebody is well again (`recoveryMs`).
 */

export type Action =
  | 'slow'
  | 'fail'
  | 'heal'
  | 'kill'
  | 'revive'
  | 'freeze'
  | 'thaw'
  | 'kill-registry'
  | 'revive-registry'

export interface Step {
  readonly action: Action
  readonly target: string
  readonly text: string
}

export interface TimedStep extends Step {
  readonly atMs: number
}

const SCRIPT: readonly (Step & { readonly at: number })[] = [
  { at: 0.05, action: 'slow', target: 'device-1', text: 'device-1 answers after 2 s from now on' },
  { at: 0.15, action: 'heal', target: 'device-1', text: 'device-1 is fast again' },
  { at: 0.225, action: 'fail', target: 'device-2', text: 'device-2 answers 500 at once' },
  { at: 0.325, action: 'heal', target: 'device-2', text: 'device-2 works again' },
  { at: 0.4, action: 'kill', target: 'device-3', text: 'device-3 killed (SIGKILL)' },
  { at: 0.525, action: 'revive', target: 'device-3', text: 'device-3 comes back: a new process on the same port' },
  { at: 0.6, action: 'freeze', target: 'device-1', text: 'device-1 frozen (SIGSTOP): it accepts, and never answers' },
  { at: 0.725, action: 'thaw', target: 'device-1', text: 'device-1 continues (SIGCONT)' },
  { at: 0.8, action: 'kill-registry', target: 'registry', text: 'registry killed (SIGKILL)' },
  { at: 0.925, action: 'revive-registry', target: 'registry', text: 'registry comes back, and remembers nobody' },
]

export function scriptFor(seconds: number): TimedStep[] {
  return SCRIPT.map(({ at, ...step }) => ({ ...step, atMs: Math.round(at * seconds * 1_000) }))
}
