/** What a call may say for itself, besides what undici defines. */
export interface CallExtras {
  readonly timeoutMs?: number | undefined
  /** Ties calls together for hashing strategies and keyed guards. */
  readonly key?: string | undefined
  /** Higher survives longer when load is shed. */
  readonly priority?: number | undefined
  /** What the deadline covers: up to the final headers (streams may live on), or the whole body. */
  readonly deadlineCovers: 'headers' | 'body'
}
