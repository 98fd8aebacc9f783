import { OptionReader } from '../../core/options.ts'
import { parseInstances } from '../../core/parse-instance.ts'
import type { DiscoveryProvider, ListAnswer, ListContext } from '../../discovery/provider.ts'
import { MAX_ANSWER_BYTES, MAX_ANSWER_DEPTH, MAX_ANSWER_INSTANCES, servicePath } from './api.ts'
import { type RegistryConnectionOptions, readConnectionOptions } from './connection-options.ts'
import { nestsDeeperThan } from './nesting.ts'
import { type RegistryAnswer, RegistryConnection, type RegistryRequest } from './registry-connection.ts'

/** Options of {@link httpRegistry}. */
export interface HttpRegistryOptions extends RegistryConnectionOptions {
  /**
   * A longer answer is refused before it is parsed, in bytes, from 1024. Parsing blocks the event loop: see
   * MAX_ANSWER_BYTES for what was measured. @default 4_194_304
   */
  readonly maxAnswerBytes?: number
}

/**
 * A provider that asks an HTTP registry: `gateless/registry`, or any service that answers `GET /services/{name}` with
 * a JSON array of instances.
 *
 * When to use: with a `DiscoveryClient`, which caches, retries and survives the registry.
 *
 * Gotchas: nothing in an answer is trusted. What is no list is an error (so the last good list stays); an entry that
 * makes no sense is dropped and counted, and the others are used.
 *
 * @example
 * const discovery = new DiscoveryClient({ provider: httpRegistry({ url: 'http://127.0.0.1:8500' }) })
 */
export function httpRegistry(options: HttpRegistryOptions): DiscoveryProvider {
  const read = new OptionReader('httpRegistry', options)
  const settings = readConnectionOptions(read, 'httpRegistry')
  const maxAnswerBytes = read.number('maxAnswerBytes', {
    default: MAX_ANSWER_BYTES,
    min: 1_024,
    max: 1_073_741_824,
    integer: true,
    unit: 'bytes',
  })
  read.end()
  const connection = new RegistryConnection(settings, maxAnswerBytes)
  return Object.freeze({
    name: `HTTP registry ${settings.origin}${settings.basePath}`,
    close: () => connection.close(),
    async list(serviceName: string, { signal }: ListContext): Promise<ListAnswer> {
      const request: RegistryRequest = { method: 'GET', path: servicePath(serviceName), signal }
      const answer = await connection.send(request)
      if (answer.status === 404) return { kind: 'not-found' }
      if (answer.status !== 200) throw connection.refuseStatus(request, answer)
      if (answer.bytes === undefined) {
        throw connection.refuse(request, answer, `answered more than ${maxAnswerBytes} bytes`)
      }
      const parsed = parseAnswer(answer.bytes, serviceName)
      if (typeof parsed === 'string') throw connection.refuse(request, answer, `answered ${parsed}${typeOf(answer)}`)
      return { ...parsed, partial: answer.warmingUp }
    },
  })
}

type ListedAnswer = Extract<ListAnswer, { kind: 'ok' }>

/** Returns what is wrong when it is no list of instances. */
function parseAnswer(bytes: Buffer, serviceName: string): ListedAnswer | string {
  if (nestsDeeperThan(MAX_ANSWER_DEPTH, bytes)) return `JSON nested deeper than ${MAX_ANSWER_DEPTH} levels`
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch {
    // Not as `cause`: V8 quotes the text it cannot parse, and that may be anything.
    return 'no JSON'
  }
  if (!Array.isArray(value)) return 'no list of instances'
  const parsed = parseInstances(value.slice(0, MAX_ANSWER_INSTANCES), serviceName)
  const { instances, dropped } = parsed as NonNullable<typeof parsed>
  return { kind: 'ok', instances, dropped: dropped + Math.max(0, value.length - MAX_ANSWER_INSTANCES) }
}

function typeOf({ contentType }: RegistryAnswer): string {
  return contentType === undefined ? '' : ` (content-type ${contentType})`
}
