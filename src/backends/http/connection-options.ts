import { validateHeaderName, validateHeaderValue } from 'node:http'
import type { Dispatcher } from 'undici'
import { type OptionReader, show } from '../../core/options.ts'
import { type Clock, toClock } from '../../time/clock.ts'

/** What the provider and the registrar both need to reach the registry. */
export interface RegistryConnectionOptions {
  /**
   * Where the registry is, like `http://127.0.0.1:8500`; a path is put before the protocol's own paths. A user and
   * password in it are sent as Basic credentials and appear in no error.
   */
  readonly url: string | URL
  /** Sent with every request, like `authorization`. @default {} */
  readonly headers?: Readonly<Record<string, string>>
  /** Limit of one request, body included, in milliseconds from 1. @default 5_000 */
  readonly timeoutMs?: number
  /**
   * Sends the requests; it is left open by `close()`. Never one that resolves services itself: it would ask this
   * registry where this registry is. @default an undici Agent of its own
   */
  readonly dispatcher?: Dispatcher
  readonly clock?: Partial<Clock>
}

/** @internal */
export interface ConnectionSettings {
  readonly origin: string
  /** Without a slash at its end. */
  readonly basePath: string
  readonly headers: Readonly<Record<string, string>>
  readonly timeoutMs: number
  readonly dispatcher: Dispatcher | undefined
  readonly clock: Clock
}

/** @internal */
export function readConnectionOptions(read: OptionReader, owner: string): ConnectionSettings {
  const url = readUrl(read, owner)
  const headers = readHeaders(read.raw('headers') ?? {}, owner)
  const credentials = basicCredentials(url)
  if (credentials !== undefined) {
    if ('authorization' in headers) read.refuse('headers', 'without authorization when url has a user')
    headers['authorization'] = credentials
  }
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    headers: Object.freeze(headers),
    timeoutMs: read.duration('timeoutMs', 5_000, 1),
    dispatcher: read.implementing<Dispatcher | undefined>('dispatcher', ['dispatch', 'request'], undefined),
    clock: toClock(read.raw('clock') as Partial<Clock> | undefined),
  }
}

/** Complains without showing the value: one that does not parse may hold a password nobody can find in it. */
function readUrl(read: OptionReader, owner: string): URL {
  const value = read.raw('url')
  const text = value instanceof URL ? value.href : value
  const url = typeof text === 'string' && URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${owner}: url must be an http: or https: URL without query and fragment`)
  }
  return url
}

function readHeaders(value: unknown, owner: string): Record<string, string> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new TypeError(`${owner}: headers must be an object of strings, got ${show(value)}`)
  }
  const headers: Record<string, string> = Object.create(null)
  for (const [name, text] of Object.entries(value)) {
    // Node names the header when it complains, and does not show what it holds.
    validateHeaderName(name)
    if (typeof text !== 'string') throw new TypeError(`${owner}: headers: ${show(name)} must be a string`)
    validateHeaderValue(name, text)
    headers[name.toLowerCase()] = text
  }
  return headers
}

function basicCredentials(url: URL): string | undefined {
  if (url.username === '' && url.password === '') return undefined
  const pair = `${decode(url.username)}:${decode(url.password)}`
  return `Basic ${Buffer.from(pair, 'utf8').toString('base64')}`
}

/** A stray `%` in a password is meant as itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
