import { GatelessError } from '../../core/errors.ts'

/**
 * A name server could not be asked, or what it answered leaves open whether there are instances (SERVFAIL, REFUSED).
 * `ERR_GATELESS_DNS`.
 */
export class DnsError extends GatelessError {
  override readonly name = 'DnsError'
  /** What was asked, like `SRV _orders._tcp.example.com`. */
  readonly question: string
  /** What DNS or the system call it, like `ESERVFAIL` or `ETIMEOUT`; undefined where there is no name for it. */
  readonly reason: string | undefined

  constructor(question: string, problem: string, details: { readonly reason?: string; readonly cause?: unknown } = {}) {
    super('ERR_GATELESS_DNS', `${question}: ${problem}`, 'cause' in details ? { cause: details.cause } : {})
    this.question = question
    this.reason = details.reason
  }
}
