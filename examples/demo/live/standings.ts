import type { Change } from '../measurements.ts'

/**
 * What the gateless lane thinks of each instance, put together from what it reported. The order of weight is the
 * library's own: not on the list, not healthy, ejected, to be probed.
 */

interface Known {
  listed: boolean
  status: string
  ejectedUntilMs: number | undefined
}

export class Standings {
  readonly #known = new Map<string, Known>()

  change(change: Change, atMs: number): void {
    if (change.what === 'ejected') this.#of(change.instance).ejectedUntilMs = atMs + change.forMs
    else if (change.what === 'restored') this.#of(change.instance).ejectedUntilMs = undefined
    else if (change.what === 'listed') {
      for (const { instance, status } of change.present) Object.assign(this.#of(instance), { listed: true, status })
      // Who comes back after that is somebody new, with a clean record.
      for (const instance of change.removed) {
        Object.assign(this.#of(instance), { listed: false, ejectedUntilMs: undefined })
      }
    }
  }

  standing(instance: string, atMs: number): string {
    const { listed, status, ejectedUntilMs } = this.#of(instance)
    if (!listed) return 'not listed'
    if (status !== 'healthy') return status
    if (ejectedUntilMs === undefined) return 'in rotation'
    const leftMs = ejectedUntilMs - atMs
    return leftMs > 0 ? `ejected for ${(leftMs / 1_000).toFixed(1)} s` : 'probing'
  }

  #of(instance: string): Known {
    let known = this.#known.get(instance)
    if (known === undefined) {
      known = { listed: true, status: 'healthy', ejectedUntilMs: undefined }
      this.#known.set(instance, known)
    }
    return known
  }
}
