import type { ServiceInstance } from '../core/instance.ts'
import { type Clock, type Timer, unref } from '../time/clock.ts'
import { readSnapshot, type SavedService, writeSnapshot } from './snapshot-file.ts'
import type { SnapshotSettings } from './snapshot-options.ts'

/** What a service had in another life, for a client that can ask nobody in this one. */
export interface Reserved {
  readonly instances: readonly ServiceInstance[]
  /** Since it was confirmed; 0 for a bootstrap list, which nobody ever confirmed. Milliseconds. */
  readonly ageMs: number
}

export interface ReserveSettings {
  readonly bootstrap: ReadonlyMap<string, readonly ServiceInstance[]>
  readonly snapshot: SnapshotSettings | undefined
  readonly maxServices: number
  readonly clock: Clock
}

/** A first snapshot comes soon: a process that lives for ten seconds has learned something, too. Milliseconds. */
const FIRST_WRITE_MS = 1_000

/** The lists a client can begin with: of the last snapshot, else those it was given. And the one who writes the next. */
export class Reserve {
  readonly #settings: ReserveSettings
  /** What is known now, the services used last first. */
  readonly #known: () => Iterable<SavedService>
  readonly #onFault: (error: unknown) => void
  #saved: Promise<Map<string, SavedService>> | undefined
  #timer: Timer | undefined
  #writing: Promise<void> | undefined
  #hasNews = false
  #hasWritten = false

  constructor(settings: ReserveSettings, known: () => Iterable<SavedService>, onFault: (error: unknown) => void) {
    this.#settings = settings
    this.#known = known
    this.#onFault = onFault
  }

  /** Begins to read the snapshot, if that was not done yet. */
  open(): void {
    this.#saved ??= this.#read()
  }

  async get(service: string): Promise<Reserved | undefined> {
    this.open()
    const saved = (await this.#saved)?.get(service)
    const ageMs = saved === undefined ? undefined : this.#ageMs(saved)
    if (saved !== undefined && ageMs !== undefined) return { instances: saved.instances, ageMs }
    const instances = this.#settings.bootstrap.get(service)
    return instances === undefined || instances.length === 0 ? undefined : { instances, ageMs: 0 }
  }

  /** The provider confirmed something: it belongs into the next snapshot. */
  noteNews(): void {
    const { snapshot, clock } = this.#settings
    if (snapshot === undefined) return
    this.#hasNews = true
    if (this.#timer !== undefined || this.#writing !== undefined) return
    const wait = this.#hasWritten ? snapshot.intervalMs : Math.min(FIRST_WRITE_MS, snapshot.intervalMs)
    this.#timer = clock.setTimeout(() => {
      this.#timer = undefined
      this.#write()
    }, wait)
    unref(this.#timer)
  }

  /** Writes what was not written yet, and stops. */
  async close(): Promise<void> {
    if (this.#timer !== undefined) this.#settings.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    await this.#writing
    if (this.#timer !== undefined) this.#settings.clock.clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#hasNews) await this.#save()
  }

  #write(): void {
    this.#writing = this.#save().finally(() => {
      this.#writing = undefined
      if (this.#hasNews) this.noteNews()
    })
  }

  async #save(): Promise<void> {
    const { path, maxBytes } = this.#settings.snapshot as SnapshotSettings
    this.#hasNews = false
    this.#hasWritten = true
    this.open()
    const saved = (await this.#saved) as Map<string, SavedService>
    try {
      await writeSnapshot(path, this.#withUnasked(saved), maxBytes)
    } catch (error) {
      this.#onFault(error)
    }
  }

  /** What this process never asked for stays in the file: another run of it may. */
  *#withUnasked(saved: Map<string, SavedService>): Iterable<SavedService> {
    // Copied: the client goes on while the file is written.
    const known = [...this.#known()]
    yield* known
    const asked = new Set(known.map(({ service }) => service))
    for (const former of saved.values()) {
      if (!asked.has(former.service) && this.#ageMs(former) !== undefined) yield former
    }
  }

  /** Undefined when it is too old. A date in the future is a clock that was set, and says nothing. */
  #ageMs({ confirmedAt }: SavedService): number | undefined {
    const { snapshot, clock } = this.#settings
    const ageMs = Math.max(0, clock.wallNow() - confirmedAt)
    return ageMs <= (snapshot as SnapshotSettings).maxAgeMs ? ageMs : undefined
  }

  async #read(): Promise<Map<string, SavedService>> {
    const { snapshot, maxServices } = this.#settings
    if (snapshot === undefined) return new Map()
    try {
      const saved = await readSnapshot(snapshot.path, snapshot.maxBytes)
      return new Map(saved.slice(0, maxServices).map((each) => [each.service, each]))
    } catch (error) {
      this.#onFault(error)
      return new Map()
    }
  }
}
