import type { Decision, SecondOfLane } from '../measurements.ts'
import { decisionLine } from '../print.ts'
import type { RunListener } from '../run.ts'
import type { LaneName } from '../scene.ts'
import { fits, layout } from './layout.ts'
import { LiveModel } from './model.ts'
import { Screen } from './screen.ts'

/** The run as it happens, drawn in place; plain lines while the terminal is too small for that. */

const REDRAW_MS = 250

export class LiveView implements RunListener {
  readonly #terminal: NodeJS.WriteStream
  readonly #model: LiveModel
  readonly #screen: Screen
  readonly #timer: NodeJS.Timeout
  readonly #resize = (): void => {
    this.#screen.resized()
    this.#draw()
  }
  readonly #leave = (): void => this.#screen.leave()
  #startAt: number | undefined

  constructor(seconds: number, terminal: NodeJS.WriteStream) {
    this.#terminal = terminal
    this.#model = new LiveModel(seconds)
    this.#screen = new Screen(terminal, terminal.hasColors())
    this.#timer = setInterval(() => this.#draw(), REDRAW_MS)
    terminal.on('resize', this.#resize)
    // However this process ends: a shell without a cursor is a nuisance.
    process.once('exit', this.#leave)
    this.#draw()
  }

  began(startAt: number): void {
    this.#startAt = startAt
  }

  decision(decision: Decision): void {
    this.#model.decision(decision)
    if (!fits(this.#terminal)) this.#terminal.write(`${decisionLine(decision)}\n`)
  }

  second(lane: LaneName, second: SecondOfLane): void {
    this.#model.second(lane, second)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#terminal.off('resize', this.#resize)
    process.off('exit', this.#leave)
    this.#draw()
    this.#screen.leave()
  }

  #draw(): void {
    if (!fits(this.#terminal)) return this.#screen.leave()
    this.#screen.draw(layout(this.#model.picture(this.#atMs()), this.#terminal))
  }

  #atMs(): number | undefined {
    if (this.#startAt === undefined) return undefined
    return Math.max(0, performance.timeOrigin + performance.now() - this.#startAt)
  }
}
