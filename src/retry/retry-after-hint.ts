/**
 * @internal How long the remote asked to be left alone, read off whatever error: milliseconds from 0 in `retryAfterMs`,
 * own or inherited. Those of other libraries that carry the field mean the same by it.
 */
export function retryAfterHint(error: unknown): number | undefined {
  try {
    const hint = (error as { retryAfterMs?: unknown } | null | undefined)?.retryAfterMs
    return typeof hint === 'number' && hint >= 0 && hint < Number.POSITIVE_INFINITY ? hint : undefined
  } catch {
    // A getter of a user's own; his error is the outcome, not this.
    return undefined
  }
}
