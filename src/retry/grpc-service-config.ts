import { OptionReader, show } from '../core/options.ts'
import type { Backoff } from '../time/backoff.ts'
import { proportional } from '../time/jitter.ts'
import { pushbackIn } from './grpc-pushback.ts'
import { grpcStatusIn, grpcStatusOf } from './grpc-status.ts'
import type { HedgeOptions } from './hedge-options.ts'
import type { RetryOptions } from './options.ts'
import { RetryThrottle } from './retry-throttle.ts'

/** What a service config says about one method. */
export interface GrpcMethodConfig {
  /** For `new RetryPolicy`. */
  readonly retry: RetryOptions | undefined
  /** For `new Hedge`. */
  readonly hedging: HedgeOptions | undefined
  /** The longest a call may take, in milliseconds. */
  readonly timeoutMs: number | undefined
}

export interface GrpcServiceConfig extends GrpcMethodConfig {
  /** One for all methods: it is already in the options of each. */
  readonly throttle: RetryThrottle | undefined
  /**
   * The same for another method, with the same throttle.
   *
   * When to use: one config, many methods. It is read and checked once.
   *
   * Gotchas: each `new RetryPolicy` or `new Hedge` of a config without throttling has a budget of its own.
   *
   * @param method As for `grpcServiceConfig`.
   */
  forMethod(method?: string): GrpcMethodConfig
}

/** Higher values are treated as this: a service config may come from DNS (gRFC A6, "Limits on Retries and Hedges"). */
const MAX_ATTEMPTS = 5

/** gRFC A6: each backoff is multiplied by a random number from 0.8 to 1.2. */
const JITTER_RATIO = 0.2

/** What a timer can hold. */
const MAX_DURATION_MS = 24 * 86_400_000

/** A duration in proto3's JSON: seconds, with up to nine decimal places. */
const DURATION = /^(?:\d{1,12}(?:\.\d{0,9})?|\.\d{1,9})s$/

/**
 * Reads a gRPC service config: what it says about retries, hedges, their throttling and the timeout of a method.
 *
 * When to use: retries for a gRPC client that does none itself, by the configuration its server publishes. Errors are
 * known by their `code`; a pushback by the error's `metadata`, as grpc-js has it.
 *
 * Gotchas: turn off the client's own retries (`'grpc.enable_retries': 0`), or tries multiply. Everything in the config
 * is checked, not only what concerns `method`; what is neither about retries nor about hedges is not looked at. A server
 * that configures no throttling gets the budget of every `RetryPolicy` instead of none.
 *
 * @param json The config, as text or already parsed. Source of its rules: gRFC A6, "Validation".
 * @param method `service/method`, with or without the slash before it that a path has, or `service` for all of its
 * methods. The most specific entry counts. Without a method, the entry for everything.
 *
 * @throws {SyntaxError | RangeError | TypeError} naming what is wrong with the config.
 *
 * @example
 * const { retry, hedging } = grpcServiceConfig(published, 'devices.Devices/List')
 * const policy = retry ? new RetryPolicy(retry) : new Hedge(hedging)
 */
export function grpcServiceConfig(json: unknown, method?: string): GrpcServiceConfig {
  const read = new OptionReader('grpcServiceConfig', typeof json === 'string' ? JSON.parse(json) : json)
  const throttling = read.raw('retryThrottling')
  const throttle = throttling === undefined ? undefined : readThrottle(throttling)
  const entries = listIn(read, 'methodConfig').map((entry) => readEntry(entry, throttle))
  refuseTwice(entries.flatMap(({ names }) => names))
  const forMethod = (name = ''): GrpcMethodConfig => {
    const path = name.startsWith('/') ? name.slice(1) : name
    const [service = ''] = path.split('/', 1)
    const wanted = [path, service, '']
    for (const want of wanted) {
      const found = entries.find(({ names }) => names.includes(want))
      if (found !== undefined) return found.config
    }
    return { retry: undefined, hedging: undefined, timeoutMs: undefined }
  }
  return { ...forMethod(method), throttle, forMethod }
}

interface Entry {
  /** `service/method`, `service`, or the empty text for everything. */
  readonly names: readonly string[]
  readonly config: GrpcMethodConfig
}

function readEntry(given: unknown, throttle: RetryThrottle | undefined): Entry {
  const read = new OptionReader('methodConfig', given)
  const names = listIn(read, 'name').map(readName)
  const retryPolicy = read.raw('retryPolicy')
  const hedgingPolicy = read.raw('hedgingPolicy')
  if (retryPolicy !== undefined && hedgingPolicy !== undefined) {
    throw new TypeError('methodConfig: retryPolicy and hedgingPolicy exclude each other')
  }
  const retry = retryPolicy === undefined ? undefined : readRetry(retryPolicy, throttle)
  const hedging = hedgingPolicy === undefined ? undefined : readHedging(hedgingPolicy, throttle)
  return { names, config: { retry, hedging, timeoutMs: readDuration(read, 'timeout') } }
}

/** Two entries for one name would make the order decide (service_config.proto: names are unique across the config). */
function refuseTwice(names: readonly string[]): void {
  const seen = new Set<string>()
  for (const name of names) {
    if (seen.has(name)) {
      throw new TypeError(`methodConfig: name must stand in one entry only, got ${show(name)} twice`)
    }
    seen.add(name)
  }
}

function readName(given: unknown): string {
  const read = new OptionReader('methodConfig: name', given)
  const text = (part: string): string => {
    const value = read.raw(part) ?? ''
    return typeof value === 'string' ? value : read.refuse(part, 'a string')
  }
  const service = text('service')
  const method = text('method')
  if (service === '' && method !== '') read.refuse('method', 'left out without a service')
  return method === '' ? service : `${service}/${method}`
}

function readThrottle(given: unknown): RetryThrottle {
  const read = new OptionReader('retryThrottling', given)
  const maxTokens =
    read.number('maxTokens', { default: undefined, min: 0, above: true, max: 1_000 }) ??
    read.refuse('maxTokens', 'a finite number above 0 up to 1000')
  const tokenRatio =
    read.number('tokenRatio', { default: undefined, min: 0, above: true }) ??
    read.refuse('tokenRatio', 'a finite number above 0')
  return new RetryThrottle({ maxTokens, tokenRatio: Math.min(tokenRatio, maxTokens) })
}

function readRetry(given: unknown, throttle: RetryThrottle | undefined): RetryOptions {
  const read = new OptionReader('retryPolicy', given)
  const maxAttempts = readAttempts(read)
  const initialMs = readPositive(read, 'initialBackoff')
  const maxMs = readPositive(read, 'maxBackoff')
  const multiplier =
    read.number('backoffMultiplier', { default: undefined, min: 0, above: true }) ??
    read.refuse('backoffMultiplier', 'a finite number above 0')
  const codes = readCodes(read, 'retryableStatusCodes') ?? []
  if (codes.length === 0) read.refuse('retryableStatusCodes', 'a list of status codes that is not empty')
  return {
    maxAttempts,
    backoff: grpcBackoff(initialMs, maxMs, multiplier),
    retryable: (error) => codes.includes(grpcStatusIn(error) ?? -1),
    retryAfterOf: pushbackIn,
    retryAfterMode: 'exact',
    maxRetryAfterMs: MAX_DURATION_MS,
    ...(throttle === undefined ? undefined : { budget: throttle }),
  }
}

/** Not `exponentialBackoff`: a multiplier below 1 is allowed here. */
function grpcBackoff(initialMs: number, maxMs: number, multiplier: number): Backoff {
  const spread = proportional(JITTER_RATIO)
  return Object.freeze({
    name: 'exponential',
    delayMs: ({ attempt, random }: Parameters<Backoff['delayMs']>[0]) =>
      spread(Math.min(maxMs, initialMs * multiplier ** (attempt - 1)), random),
  })
}

function readHedging(given: unknown, throttle: RetryThrottle | undefined): HedgeOptions {
  const read = new OptionReader('hedgingPolicy', given)
  const maxHedges = readAttempts(read) - 1
  const delayMs = readDuration(read, 'hedgingDelay') ?? 0
  const codes = readCodes(read, 'nonFatalStatusCodes') ?? []
  return {
    maxHedges,
    delayMs,
    retryable: (error) => codes.includes(grpcStatusIn(error) ?? -1),
    retryAfterOf: pushbackIn,
    ...(throttle === undefined ? undefined : { budget: throttle }),
  }
}

function readAttempts(read: OptionReader): number {
  const given = read.number('maxAttempts', { default: undefined, integer: true, min: 2 })
  return Math.min(given ?? read.refuse('maxAttempts', 'an integer from 2'), MAX_ATTEMPTS)
}

function readPositive(read: OptionReader, name: string): number {
  const ms = readDuration(read, name)
  return ms === undefined || ms === 0 ? read.refuse(name, `a duration above 0 like '0.5s'`) : ms
}

/** In milliseconds. */
function readDuration(read: OptionReader, name: string): number | undefined {
  const given = read.raw(name)
  if (given === undefined) return undefined
  if (typeof given !== 'string' || !DURATION.test(given)) read.refuse(name, `a duration like '0.5s'`)
  return Math.min(Number(given.slice(0, -1)) * 1_000, MAX_DURATION_MS)
}

function readCodes(read: OptionReader, name: string): readonly number[] | undefined {
  const given = read.raw(name)
  if (given === undefined) return undefined
  if (!Array.isArray(given)) read.refuse(name, 'a list of status codes')
  return given.map((code: unknown) => {
    return (
      grpcStatusOf(code) ?? read.refuse(name, `a list of gRPC status codes, by number or name, not of ${show(code)}`)
    )
  })
}

function listIn(read: OptionReader, name: string): readonly unknown[] {
  const given = read.raw(name) ?? []
  return Array.isArray(given) ? given : read.refuse(name, 'a list')
}
