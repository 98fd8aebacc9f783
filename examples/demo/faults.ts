import type { Decision } from './measurements.ts'
import type { Action, TimedStep } from './script.ts'

/** What the script does to whom and until when: bands in a chart, marks on a bar, a state in a table. */

export type State = 'up' | 'slow' | 'failing' | 'stopped' | 'dead'

export interface Fault {
  /** Short enough for the narrowest band; the text says the rest. */
  readonly letter: string
  readonly target: string
  readonly state: State
  readonly text: string
  readonly fromMs: number
  readonly toMs: number
}

const STATES: Readonly<Record<Action, State>> = {
  slow: 'slow',
  fail: 'failing',
  heal: 'up',
  kill: 'dead',
  revive: 'up',
  freeze: 'stopped',
  thaw: 'up',
  'kill-registry': 'dead',
  'revive-registry': 'up',
}

export function stateAfter(action: Action): State {
  return STATES[action]
}

/** Each fault with its end; one that nobody repaired lasts until the end of the run. */
export function faultsOf(steps: readonly TimedStep[], endMs: number): Fault[] {
  const faults: Fault[] = []
  for (const [index, { action, target, text, atMs }] of steps.entries()) {
    const state = stateAfter(action)
    if (state === 'up') continue
    const end = steps.slice(index + 1).find((step) => step.target === target)
    const letter = String.fromCodePoint(65 + faults.length)
    faults.push({ letter, target, state, text, fromMs: atMs, toMs: end?.atMs ?? endMs })
  }
  return faults
}

/** The script as it was really performed. */
export function stepsOf(timeline: readonly Decision[]): TimedStep[] {
  return timeline.flatMap(({ atMs, text, change }) =>
    change?.what === 'fault' ? [{ atMs, text, action: change.action, target: change.target }] : [],
  )
}
