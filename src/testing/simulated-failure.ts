import type { Answer } from './job.ts'

/** What a real client would be handed for each answer: the status of a response, or the code of a socket's error. */
const AS_REAL: Readonly<Record<Exclude<Answer, 'ok'>, { readonly status?: number; readonly code?: string }>> = {
  failed: { status: 500 },
  full: { status: 503 },
  refused: { code: 'ECONNREFUSED' },
  lost: { code: 'ECONNRESET' },
}

/** A simulated server did not answer well. Not a gateless error: it stands for what others throw. */
export class SimulatedFailure extends Error {
  override readonly name = 'SimulatedFailure'
  readonly answer: Exclude<Answer, 'ok'>
  readonly server: string
  /** The status of the response, where there would have been one. */
  readonly status: number | undefined
  /** Node's code for the socket's error, where that would have been it. */
  readonly code: string | undefined

  constructor(answer: Exclude<Answer, 'ok'>, server: string) {
    const { status, code } = AS_REAL[answer]
    super(`${server}: ${answer} (${status ?? code})`)
    this.answer = answer
    this.server = server
    this.status = status
    this.code = code
  }
}
