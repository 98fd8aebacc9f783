import type { PlannedCall } from './load.ts'

/** What a caller needs of a lane: one way to make a call. */
export interface Lane {
  /** Resolves for a 2xx whose body was read; rejects for everything else. */
  call(call: PlannedCall, scheduledMs: number): Promise<void>
  close(): Promise<void>
}

/** What a lane tells the books about single attempts. */
export interface AttemptBook {
  attempt(scheduledMs: number, instance: string, end: AttemptEnd): void
}

export interface AttemptEnd {
  readonly failed: boolean
  readonly durationMs: number
}

/** The shortest name of what went wrong. */
export function shortReason(error: unknown): string {
  const { code, name, status } = error as { code?: unknown; name?: unknown; status?: unknown }
  // Of an answer the status says more than the error's code.
  if (code === 'ERR_GATELESS_RESPONSE' && typeof status === 'number') return `status ${status}`
  // The code of a DOMException is a number from another century.
  return typeof code === 'string' ? code : String(name)
}
