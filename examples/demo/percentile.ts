/** The value that `share` (0 to 1) of the values do not exceed, by nearest rank: one that was really measured. */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[rank - 1] ?? 0
}
