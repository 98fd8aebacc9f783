import { type FSWatcher, watch } from 'node:fs'
import { stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Clock, type Timer, unref } from '../time/clock.ts'

/**
 * Tells when something in a folder may have changed. It is the folder that is watched, not the file: a file that is
 * replaced by a rename takes its watch along (of four renames the watch of a file saw three, that of a folder four), and
 * mounted ConfigMaps change by a link beside it. Not all file systems tell, so time alone counts as a change as well.
 */

export interface FolderWatchSettings {
  /** Changes within this time after one are one. Milliseconds. */
  readonly settleMs: number
  /** Milliseconds after which something may have changed untold. */
  readonly pollMs: number
  readonly clock: Clock
}

export class FolderWatch {
  readonly #path: string
  readonly #settings: FolderWatchSettings
  readonly #waiting = new Set<() => void>()
  #watcher: FSWatcher | undefined
  #isOpening = false
  #isClosed = false
  #settling: Timer | undefined

  /** @param path The folder, or a file in it. */
  constructor(path: string, settings: FolderWatchSettings) {
    this.#path = path
    this.#settings = settings
  }

  /** Resolves when there may be something new, and when the signal aborts. Never rejects. */
  nextChange(signal: AbortSignal): Promise<void> {
    const { clock, pollMs } = this.#settings
    return new Promise((resolve) => {
      if (signal.aborted || this.#isClosed) return resolve()
      const done = (): void => {
        clock.clearTimeout(timer)
        signal.removeEventListener('abort', done)
        this.#waiting.delete(done)
        resolve()
        // In a later turn: whoever waits for one change usually waits for the next.
        queueMicrotask(() => queueMicrotask(() => this.#closeIfUnused()))
      }
      const timer = clock.setTimeout(done, pollMs)
      unref(timer)
      signal.addEventListener('abort', done, { once: true })
      this.#waiting.add(done)
      void this.#open()
    })
  }

  close(): void {
    this.#isClosed = true
    for (const done of this.#waiting) done()
    this.#stop()
  }

  async #open(): Promise<void> {
    if (this.#watcher !== undefined || this.#isOpening) return
    this.#isOpening = true
    try {
      const isFolder = await stat(this.#path).then(
        (found) => found.isDirectory(),
        () => false,
      )
      if (this.#isClosed || this.#waiting.size === 0) return
      const watcher = watch(isFolder ? this.#path : dirname(this.#path), { persistent: false }, () => this.#settle())
      this.#watcher = watcher
      // The folder went away, or the system is out of watches: polling goes on, and tries again.
      watcher.on('error', () => this.#stop())
      // What happened before it stood was not told.
      this.#settle()
    } catch {
      this.#watcher = undefined
    } finally {
      this.#isOpening = false
    }
  }

  #settle(): void {
    if (this.#settling !== undefined) return
    const { clock, settleMs } = this.#settings
    this.#settling = clock.setTimeout(() => {
      this.#settling = undefined
      for (const done of this.#waiting) done()
    }, settleMs)
    unref(this.#settling)
  }

  #closeIfUnused(): void {
    if (this.#waiting.size === 0) this.#stop()
  }

  #stop(): void {
    this.#watcher?.close()
    this.#watcher = undefined
    if (this.#settling !== undefined) this.#settings.clock.clearTimeout(this.#settling)
    this.#settling = undefined
  }
}
