import { isGatelessError } from '../../core/errors.ts'
import { DnsError } from './errors.ts'
import type { AddressFamily } from './options.ts'
import type { AddressRecord, DnsAnswer, DnsResolver, DnsType, SrvRecord } from './records.ts'

/** One question, or the few that answer one: the addresses of a name, the SRV records of a service. */

/** Addresses of one name. */
export interface FoundAddresses {
  /** False: there is no such name. */
  readonly exists: boolean
  readonly addresses: readonly AddressRecord[]
  /** One family could not be asked: there may be more. */
  readonly isPartial: boolean
}

/** @throws {DnsError} when no family could be asked, and whatever the signal was aborted with. */
export async function findAddresses(
  resolver: DnsResolver,
  name: string,
  family: AddressFamily,
  signal: AbortSignal,
): Promise<FoundAddresses> {
  if (family === 'prefer-ipv4') {
    const first = await findAddresses(resolver, name, 'ipv4', signal)
    // NXDOMAIN is about the name, whatever the type.
    return first.addresses.length > 0 || !first.exists ? first : findAddresses(resolver, name, 'ipv6', signal)
  }
  const types = ({ ipv4: ['A'], ipv6: ['AAAA'], both: ['A', 'AAAA'] } as const)[family]
  const asked = await Promise.allSettled(types.map((type) => ask(resolver, name, type, signal)))
  signal.throwIfAborted()
  const answers = asked.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const failed = asked.find((result) => result.status === 'rejected')
  if (failed !== undefined && answers.length === 0) throw failed.reason
  const records = answers.flatMap((answer) => (answer.kind === 'ok' ? answer.records : []))
  return {
    exists: answers.some(({ kind }) => kind === 'ok'),
    addresses: records.filter((record): record is AddressRecord => record.type !== 'SRV'),
    isPartial: failed !== undefined,
  }
}

/** Undefined: there is no such name. @throws {DnsError} */
export async function findSrv(
  resolver: DnsResolver,
  name: string,
  signal: AbortSignal,
): Promise<readonly SrvRecord[] | undefined> {
  const answer = await ask(resolver, name, 'SRV', signal)
  if (answer.kind === 'no-such-name') return undefined
  return answer.records.filter((record): record is SrvRecord => record.type === 'SRV')
}

async function ask(resolver: DnsResolver, name: string, type: DnsType, signal: AbortSignal): Promise<DnsAnswer> {
  try {
    const answer = await resolver.resolve(name, type, { signal })
    const kind: unknown = (answer as DnsAnswer | undefined)?.kind
    if (kind === 'no-such-name' || (answer?.kind === 'ok' && Array.isArray(answer.records))) return answer
    throw new TypeError(`a resolver must answer { kind: 'ok', records: [...] } or { kind: 'no-such-name' }`)
  } catch (error) {
    signal.throwIfAborted()
    throw isGatelessError(error) ? error : new DnsError(`${type} ${name}`, 'failed', { cause: error })
  }
}
