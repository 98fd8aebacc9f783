import { OptionReader } from '../core/options.ts'
import { exponentialDraw } from './distributions.ts'
import type { Simulation } from './simulation.ts'

export interface ArrivalOptions {
  /** Calls per second on average, above 0. */
  readonly perSecond: number
  /** `poisson`: as from many independent users; `constant`: evenly spaced. @default 'poisson' */
  readonly pattern?: 'poisson' | 'constant'
  /** When they begin, in milliseconds from now. @default 0 */
  readonly fromMs?: number
  /** When they end, a moment of the simulation in milliseconds. @default never */
  readonly untilMs?: number
  /** Tells streams of arrivals apart: two of the same name arrive at the same moments. @default 'arrivals' */
  readonly name?: string
}

/**
 * Calls `arrive` at the moments when calls arrive: open loop, that is, however the calls before fared. Users do not wait
 * for each other; a closed loop hides the very overload that is looked for (Schroeder, Wierman and Harchol-Balter, "Open
 * Versus Closed", NSDI 2006).
 *
 * When to use: once per kind of traffic; a spike is a second one that ends soon. Gotcha: without `untilMs` it goes on for
 * ever, so `simulation.run` needs an end.
 *
 * @throws {RangeError | TypeError} naming the option, what it may be and what it was.
 */
export function arrivals(simulation: Simulation, options: ArrivalOptions, arrive: () => void): void {
  const read = new OptionReader('arrivals', options)
  const perSecond = read.number('perSecond', { default: undefined, min: 0, above: true })
  if (perSecond === undefined) return read.refuse('perSecond', 'a finite number above 0')
  const pattern = read.oneOf('pattern', ['poisson', 'constant'], 'poisson')
  const fromMs = read.number('fromMs', { default: 0, min: 0 })
  const untilMs = read.number('untilMs', { default: Number.POSITIVE_INFINITY, min: 0 })
  const random = simulation.stream(read.string('name', 'arrivals'))
  read.end()
  const meanMs = 1_000 / perSecond
  const gapMs = pattern === 'constant' ? () => meanMs : () => exponentialDraw(random) * meanMs
  const next = (): void => {
    if (simulation.now() >= untilMs) return
    simulation.after(gapMs(), next, undefined)
    arrive()
  }
  simulation.after(fromMs + gapMs(), next, undefined)
}
