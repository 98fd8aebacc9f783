import { isIP } from 'node:net'

/** Where a name server listens. */
export interface NameServer {
  readonly address: string
  readonly port: number
  readonly family: 4 | 6
}

const DNS_PORT = 53

/** `10.0.0.2`, `10.0.0.2:5353`, `fd00::2`, `[fd00::2]:5353`. Undefined for anything else: a name would need a name server. */
export function parseServer(text: unknown): NameServer | undefined {
  if (typeof text !== 'string') return undefined
  const bracketed = /^\[([^\]]+)\](?::(\d{1,5}))?$/.exec(text)
  const withPort = bracketed ?? (isIP(text) === 0 ? /^([\d.]+):(\d{1,5})$/.exec(text) : undefined)
  const address = withPort?.[1] ?? text
  const port = withPort?.[2] === undefined ? DNS_PORT : Number(withPort[2])
  const family = isIP(address)
  if (family === 0 || port < 1 || port > 65_535) return undefined
  return { address, port, family: family === 6 ? 6 : 4 }
}
