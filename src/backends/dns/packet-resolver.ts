import { randomInt } from 'node:crypto'
import { getServers } from 'node:dns'
import { CallScope } from '../../core/context.ts'
import { describeThrown } from '../../core/errors.ts'
import { OptionReader } from '../../core/options.ts'
import { race } from '../../core/race.ts'
import { type Clock, toClock } from '../../time/clock.ts'
import { DnsError } from './errors.ts'
import type { DnsAnswer, DnsContext, DnsRecord, DnsResolver, DnsType } from './records.ts'
import { overTcp, overUdp } from './transport.ts'
import { type NameServer, parseServer } from './name-server.ts'

/** A DNS message as `dns-packet` reads and writes it: the parts that are used here. */
export interface DnsPacket {
  readonly type?: string
  readonly id?: number
  /** The second and third byte of the header, without the first bit; the last four are the response code. */
  readonly flags?: number
  readonly questions?: readonly { readonly type: string; readonly name: string; readonly class?: string }[]
  readonly answers?: readonly { readonly type: string; readonly ttl?: number; readonly data?: unknown }[]
  readonly additionals?: readonly unknown[]
}

/** What `packetResolver` needs of the package `dns-packet` (version 5), which is handed to it. */
export interface DnsCodec {
  encode(packet: DnsPacket): Uint8Array
  decode(bytes: Buffer): DnsPacket
}

/** Options of {@link packetResolver}. */
export interface PacketResolverOptions {
  /** Name servers, asked in turn, like `10.0.0.2` or `[::1]:5353`. @default those of the system */
  readonly servers?: readonly string[]
  /** Of one question to one server, in milliseconds, from 1. @default 1_000 */
  readonly timeoutMs?: number
  /** How often each server is asked, an integer from 1. @default 2 */
  readonly tries?: number
  readonly clock?: Partial<Clock>
}

interface Settings {
  readonly codec: DnsCodec
  readonly servers: readonly NameServer[]
  readonly timeoutMs: number
  readonly tries: number
  readonly clock: Clock
}

/** What fits through any network in one piece (DNS Flag Day 2020). Bytes. */
const UDP_PAYLOAD = 1_232

const RECURSION_DESIRED = 0x0100
const TRUNCATED = 0x0200
const RESPONSE_CODE = 0x000f
const NO_ERROR = 0
const NO_SUCH_NAME = 3
const CODE_NAMES: Readonly<Record<number, string>> = { 1: 'EFORMERR', 2: 'ESERVFAIL', 4: 'ENOTIMP', 5: 'EREFUSED' }

/**
 * Asks by itself, over UDP and, for what is too long for that, TCP. Unlike `node:dns` it tells the TTL of SRV records.
 *
 * When to use: with SRV records whose changes are to be seen as soon as their TTL allows. The messages are read and
 * written by the package `dns-packet`, which you install and hand over.
 *
 * Gotchas: it asks a recursive name server and believes it: no cache, no DNSSEC, no search domains.
 *
 * @example
 * import * as dnsPacket from 'dns-packet'
 * const provider = dnsRecords({ resolver: packetResolver(dnsPacket) })
 *
 * @throws {TypeError | RangeError} for options that make no sense.
 */
export function packetResolver(codec: DnsCodec, options?: PacketResolverOptions): DnsResolver {
  if (typeof codec?.encode !== 'function' || typeof codec.decode !== 'function') {
    throw new TypeError('packetResolver: codec must be the package dns-packet: an object with encode(), decode()')
  }
  const read = new OptionReader('packetResolver', options)
  const given = read.raw('servers')
  const servers = (given === undefined ? getServers() : Array.isArray(given) ? given : []).map(parseServer)
  if (servers.length === 0 || servers.includes(undefined)) {
    read.refuse('servers', "an array of addresses, like '10.0.0.2' or '[::1]:5353'")
  }
  const settings: Settings = {
    codec,
    servers: servers as readonly NameServer[],
    timeoutMs: read.duration('timeoutMs', 1_000, 1),
    tries: read.number('tries', { default: 2, min: 1, max: 10, integer: true }),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
  read.end()
  return { resolve: (name, type, { signal }) => askInTurn(settings, name, type, signal) }
}

async function askInTurn(settings: Settings, name: string, type: DnsType, signal: AbortSignal): Promise<DnsAnswer> {
  const { servers, tries, clock, timeoutMs } = settings
  let last: unknown
  for (let i = 0; i < tries * servers.length; i += 1) {
    const server = servers[i % servers.length] as NameServer
    const scope = new CallScope({ signal, timeoutMs }, clock)
    try {
      return await race(scope, (context) => ask(settings, server, name, type, context))
    } catch (error) {
      signal.throwIfAborted()
      last = error
    } finally {
      scope.dispose()
    }
  }
  throw last instanceof DnsError ? last : new DnsError(`${type} ${name}`, describeThrown(last), { cause: last })
}

async function ask(
  { codec }: Settings,
  server: NameServer,
  name: string,
  type: DnsType,
  { signal }: DnsContext,
): Promise<DnsAnswer> {
  // Not from a seed: who can guess it can answer in the server's place.
  const id = randomInt(65_536)
  const query = codec.encode({
    type: 'query',
    id,
    flags: RECURSION_DESIRED,
    questions: [{ type, name, class: 'IN' }],
    additionals: [{ type: 'OPT', name: '.', udpPayloadSize: UDP_PAYLOAD, flags: 0, options: [] }],
  })
  const answers = (bytes: Buffer): DnsPacket | undefined => readAnswer(codec, bytes, id, name, type)
  const short = await overUdp(server, query, answers, signal)
  const packet = isSet(short, TRUNCATED) ? await overTcp(server, query, answers, signal) : short
  const code = (packet.flags ?? 0) & RESPONSE_CODE
  if (code === NO_SUCH_NAME) return { kind: 'no-such-name' }
  if (code === NO_ERROR)
    return { kind: 'ok', records: (packet.answers ?? []).flatMap((answer) => toRecord(answer, type)) }
  const reason = CODE_NAMES[code] ?? `code ${code}`
  throw new DnsError(`${type} ${name}`, reason, { reason })
}

/** Undefined for what is no answer to this question: whatever else arrives at the port. */
function readAnswer(codec: DnsCodec, bytes: Buffer, id: number, name: string, type: DnsType): DnsPacket | undefined {
  try {
    const packet = codec.decode(bytes)
    const question = packet.questions?.[0]
    const isOurs =
      packet.type === 'response' && packet.id === id && question?.type === type && bare(question.name) === bare(name)
    return isOurs ? packet : undefined
  } catch {
    return undefined
  }
}

/** The answer section also holds the CNAMEs that led to the records. */
function toRecord(answer: NonNullable<DnsPacket['answers']>[number], type: DnsType): readonly DnsRecord[] {
  const { ttl, data } = answer
  if (answer.type !== type) return []
  const ttlMs = typeof ttl === 'number' ? ttl * 1_000 : undefined
  if (type !== 'SRV') return typeof data === 'string' ? [{ type, address: data, ttlMs }] : []
  const { target, port, priority = 0, weight = 0 } = (data ?? {}) as Record<string, unknown>
  if (typeof target !== 'string' || ![port, priority, weight].every((each) => typeof each === 'number')) return []
  return [{ type, target, port: port as number, priority: priority as number, weight: weight as number, ttlMs }]
}

function isSet({ flags = 0 }: DnsPacket, bit: number): boolean {
  return (flags & bit) !== 0
}

function bare(name: string): string {
  return name.replace(/\.$/, '').toLowerCase()
}
