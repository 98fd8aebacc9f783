/** Counts things by what they are called, until somebody takes the sum: hundreds of equal events make one line. */
export class Tally {
  readonly #counts = new Map<string, number>()

  add(what: string): void {
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1)
  }

  /** The sum since the last time, the most frequent first; undefined when there was nothing. */
  take(): { readonly count: number; readonly text: string } | undefined {
    if (this.#counts.size === 0) return undefined
    const entries = [...this.#counts].toSorted(([, a], [, b]) => b - a)
    this.#counts.clear()
    return {
      count: entries.reduce((sum, [, count]) => sum + count, 0),
      text: entries.map(([what, count]) => `${count} × ${what}`).join(', '),
    }
  }
}
