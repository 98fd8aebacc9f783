import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromChild, ToChild } from './messages.ts'

/** The parent's side of its children: starts them, signals them, notices when one dies, and leaves none behind. */

const FINISH_MS = 5_000
const READY_MS = 15_000

export class Process {
  readonly name: string
  readonly #child: ChildProcess
  /** Resolves when it has ended, for whatever reason. */
  readonly ended: Promise<void>
  /** Set when its end is part of the plan. */
  mayEnd = false

  constructor(name: string, child: ChildProcess) {
    this.name = name
    this.#child = child
    this.ended = new Promise((resolve) => {
      child.once('exit', () => resolve())
    })
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null
  }

  tell(message: ToChild): void {
    if (this.#child.connected) this.#child.send(message, () => {})
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  async kill(): Promise<void> {
    this.mayEnd = true
    this.signal('SIGKILL')
    await this.ended
  }
}

export class Processes {
  readonly #all: Process[] = []
  readonly #onMessage: (message: FromChild) => void
  readonly #onCrash: (error: Error) => void
  #closed = false

  constructor(onMessage: (message: FromChild) => void, onCrash: (error: Error) => void) {
    this.#onMessage = onMessage
    this.#onCrash = onCrash
    // The last resort, whatever ends this process but SIGKILL (then the children notice, see child.ts).
    process.once('exit', () => this.close())
  }

  /** Starts `file` of this folder, and resolves when it says that it is ready. */
  start(name: string, file: string, input: object): Promise<{ readonly process: Process; readonly port: number }> {
    if (this.#closed) return Promise.reject(new Error(`${name} was to be started after the end`))
    const path = fileURLToPath(new URL(file, import.meta.url))
    // Their standard output would end up in the JSON.
    const child = fork(path, [JSON.stringify(input)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    const started = new Process(name, child)
    this.#all.push(started)
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${name} was not ready in time`)), READY_MS)
      child.once('error', reject)
      child.once('exit', (code, signal) => {
        clearTimeout(timer)
        const error = new Error(`${name} ended with ${signal ?? `code ${code}`}`)
        reject(error)
        if (!started.mayEnd) this.#onCrash(error)
      })
      child.on('message', (message: FromChild) => {
        if (message.type !== 'ready') return this.#onMessage(message)
        clearTimeout(timer)
        resolve({ process: started, port: message.port })
      })
    })
  }

  /** Asks these to leave, all at once, and waits for a while. */
  async finish(processes: readonly Process[]): Promise<void> {
    for (const each of processes) {
      each.mayEnd = true
      each.tell({ type: 'finish' })
    }
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, FINISH_MS)
    })
    await Promise.race([Promise.all(processes.map(({ ended }) => ended)), patience])
    clearTimeout(timer)
  }

  /** Every process ever started that is still there. */
  get alive(): Process[] {
    return this.#all.filter(({ alive }) => alive)
  }

  /** Kills who is left, and starts nobody any more. */
  close(): void {
    this.#closed = true
    for (const each of this.alive) {
      each.mayEnd = true
      each.signal('SIGKILL')
    }
  }
}
