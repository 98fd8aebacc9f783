/** What a Registrar reports. */
export type RegistrarEvents = {
  /** The registry has the instance; `again` when it had it before and lost it. */
  readonly registered: { readonly id: string; readonly again: boolean }
  /** The registry could not be told that the instance is there; tried again after `retryInMs`. */
  readonly 'registration-failed': { readonly id: string; readonly error: unknown; readonly retryInMs: number }
  /** The registry could not be told that the instance lives; tried again after `retryInMs`. */
  readonly 'heartbeat-failed': { readonly id: string; readonly error: unknown; readonly retryInMs: number }
  /** The registry does not know the instance any more; it is registered again at once. */
  readonly lost: { readonly id: string }
  /** The registrar stopped. Without `error` the registry confirmed it; otherwise the entry goes when its lease ends. */
  readonly deregistered: { readonly id: string; readonly error?: unknown }
}
