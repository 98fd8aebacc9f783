import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server } from 'node:net'
import type { DnsCodec, DnsPacket } from '../../../src/backends/dns/packet-resolver.ts'

/**
 * A small name server on real sockets, and the messages it speaks (RFC 1035, 2782), in the shape that the package
 * dns-packet gives them.
 */

const TYPES: Readonly<Record<string, number>> = { A: 1, CNAME: 5, AAAA: 28, SRV: 33, OPT: 41 }

interface Answer {
  readonly type: string
  readonly name?: string
  readonly ttl?: number
  readonly data?: unknown
}

function encodeName(name: string): Buffer {
  const labels = name
    .replace(/\.$/, '')
    .split('.')
    .filter((label) => label !== '')
  return Buffer.concat([...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])), Buffer.from([0])])
}

function decodeName(bytes: Buffer, offset: number): { name: string; end: number } {
  const labels: string[] = []
  let at = offset
  for (;;) {
    const length = bytes.readUInt8(at)
    if (length >= 0xc0) {
      labels.push(decodeName(bytes, bytes.readUInt16BE(at) & 0x3fff).name)
      return { name: labels.join('.'), end: at + 2 }
    }
    at += 1
    if (length === 0) return { name: labels.join('.') || '.', end: at }
    labels.push(bytes.toString('latin1', at, at + length))
    at += length
  }
}

function encodeData({ type, data }: Answer): Buffer {
  if (type === 'A') return Buffer.from(String(data).split('.').map(Number))
  if (type === 'AAAA') {
    const groups = new URL(`http://[${String(data)}]`).hostname.slice(1, -1)
    const [head = '', tail = ''] = groups.split('::')
    const left = head.split(':').filter(Boolean)
    const right = tail.split(':').filter(Boolean)
    const all = [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right]
    return Buffer.concat(all.map((group) => Buffer.from(group.padStart(4, '0'), 'hex')))
  }
  if (type === 'CNAME') return encodeName(String(data))
  const { priority, weight, port, target } = data as Record<string, number> & { target: string }
  const head = Buffer.alloc(6)
  head.writeUInt16BE(priority as number, 0)
  head.writeUInt16BE(weight as number, 2)
  head.writeUInt16BE(port as number, 4)
  return Buffer.concat([head, encodeName(target)])
}

function decodeData(type: string, bytes: Buffer, at: number, length: number): unknown {
  if (type === 'A') return [...bytes.subarray(at, at + length)].join('.')
  if (type === 'AAAA') {
    return Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(at + 2 * i).toString(16)).join(':')
  }
  if (type === 'CNAME') return decodeName(bytes, at).name
  if (type !== 'SRV') return undefined
  return {
    priority: bytes.readUInt16BE(at),
    weight: bytes.readUInt16BE(at + 2),
    port: bytes.readUInt16BE(at + 4),
    target: decodeName(bytes, at + 6).name,
  }
}

export const codec: DnsCodec = {
  encode({ type, id = 0, flags = 0, questions = [], answers = [], additionals = [] }) {
    const header = Buffer.alloc(12)
    header.writeUInt16BE(id, 0)
    header.writeUInt16BE(flags | (type === 'response' ? 0x8000 : 0), 2)
    header.writeUInt16BE(questions.length, 4)
    header.writeUInt16BE(answers.length, 6)
    header.writeUInt16BE(additionals.length, 10)
    const asked = questions.map((question) => {
      const tail = Buffer.alloc(4)
      tail.writeUInt16BE(TYPES[question.type] as number, 0)
      tail.writeUInt16BE(1, 2)
      return Buffer.concat([encodeName(question.name), tail])
    })
    const said = answers.map((answer: Answer) => {
      const data = encodeData(answer)
      const middle = Buffer.alloc(10)
      middle.writeUInt16BE(TYPES[answer.type] as number, 0)
      middle.writeUInt16BE(1, 2)
      middle.writeUInt32BE(answer.ttl ?? 0, 4)
      middle.writeUInt16BE(data.length, 8)
      return Buffer.concat([encodeName(answer.name ?? '.'), middle, data])
    })
    const options = (additionals as readonly { udpPayloadSize: number }[]).map(({ udpPayloadSize }) => {
      const option = Buffer.alloc(11)
      option.writeUInt16BE(41, 1)
      option.writeUInt16BE(udpPayloadSize, 3)
      return option
    })
    return Buffer.concat([header, ...asked, ...said, ...options])
  },

  decode(bytes) {
    const flags = bytes.readUInt16BE(2)
    let at = 12
    const typeAt = (offset: number): string =>
      Object.keys(TYPES).find((name) => TYPES[name] === bytes.readUInt16BE(offset)) ?? 'UNKNOWN'
    const questions = Array.from({ length: bytes.readUInt16BE(4) }, () => {
      const { name, end } = decodeName(bytes, at)
      at = end + 4
      return { name, type: typeAt(end) }
    })
    const answers = Array.from({ length: bytes.readUInt16BE(6) }, () => {
      const { name, end } = decodeName(bytes, at)
      const type = typeAt(end)
      const length = bytes.readUInt16BE(end + 8)
      at = end + 10 + length
      return { name, type, ttl: bytes.readUInt32BE(end + 4), data: decodeData(type, bytes, end + 10, length) }
    })
    const type = (flags & 0x8000) === 0 ? 'query' : 'response'
    return { id: bytes.readUInt16BE(0), type, flags: flags & 0x7fff, questions, answers }
  },
}

export type Zone = Map<string, readonly Answer[]>

/** What the server says to one question. */
export type Reply = DnsPacket | Buffer | 'drop'

export class NameServerFake {
  /** By `TYPE name`. A name without any entry does not exist. */
  readonly zone: Zone = new Map()
  readonly asked: string[] = []
  /** Bytes a UDP answer may have; longer ones come truncated. */
  udpLimit = 1_232
  /** The last question as it was read. */
  lastQuery: DnsPacket | undefined
  /** Stands in for the zone, by the question and the transport. */
  answer: ((query: DnsPacket, transport: 'udp' | 'tcp') => readonly Reply[] | undefined) | undefined
  /** A response code instead of the zone. */
  code = 0
  readonly #udp: Socket = createSocket('udp4')
  readonly #tcp: Server = createServer()

  get port(): number {
    return this.#udp.address().port
  }

  get address(): string {
    return `127.0.0.1:${this.port}`
  }

  async listen(): Promise<this> {
    this.#tcp.listen(0, '127.0.0.1')
    await once(this.#tcp, 'listening')
    this.#udp.bind((this.#tcp.address() as AddressInfo).port, '127.0.0.1')
    await once(this.#udp, 'listening')
    this.#udp.on('message', (bytes, { port, address }) => {
      for (const reply of this.#reply(bytes, 'udp')) this.#udp.send(reply, port, address)
    })
    this.#tcp.on('connection', (socket) => {
      socket.on('error', () => {})
      socket.once('data', (bytes: Buffer) => {
        const replies = this.#reply(bytes.subarray(2), 'tcp')
        if (replies.length === 0) socket.end()
        for (const reply of replies) {
          const head = Buffer.alloc(2)
          head.writeUInt16BE(reply.length)
          // In pieces, as networks do.
          socket.write(head.subarray(0, 1))
          socket.write(Buffer.concat([head.subarray(1), reply]))
        }
      })
    })
    return this
  }

  async close(): Promise<void> {
    this.#udp.close()
    this.#tcp.close()
    await Promise.all([once(this.#udp, 'close'), once(this.#tcp, 'close')])
  }

  #reply(bytes: Buffer, transport: 'udp' | 'tcp'): Buffer[] {
    const query = codec.decode(bytes)
    this.lastQuery = query
    const [question] = query.questions as NonNullable<DnsPacket['questions']>
    const key = `${question?.type} ${question?.name}`
    this.asked.push(`${transport} ${key}`)
    const replies = this.answer?.(query, transport) ?? [this.#fromZone(query, key)]
    return replies
      .filter((reply) => reply !== 'drop')
      .map((reply) => {
        if (Buffer.isBuffer(reply)) return reply
        const whole = Buffer.from(codec.encode(reply))
        if (transport === 'tcp' || whole.length <= this.udpLimit) return whole
        return Buffer.from(codec.encode({ ...reply, flags: (reply.flags ?? 0) | 0x0200, answers: [] }))
      })
  }

  #fromZone(query: DnsPacket, key: string): DnsPacket {
    const name = key.slice(key.indexOf(' '))
    const exists = [...this.zone.keys()].some((each) => each.endsWith(name))
    const flags = this.code === 0 && !exists ? 3 : this.code
    const answers = this.code === 0 ? (this.zone.get(key) ?? []) : []
    return { type: 'response', id: query.id ?? 0, flags, questions: query.questions ?? [], answers }
  }
}
