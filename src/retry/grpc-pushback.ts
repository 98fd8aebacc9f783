import type { RetryAdvice } from './decision.ts'

/** A signed 32-bit integer without unnecessary zeros; a negative one means no more than "never". */
const NATURAL = /^(?:0|[1-9]\d{0,9})$/

const MAX_INT32 = 2_147_483_647

/**
 * @internal What the server asks for in `grpc-retry-pushback-ms`, from the metadata of a gRPC error: so many milliseconds,
 * or, by any value that is not such a number, not to come back. Source: gRFC A6, "Pushback".
 */
export function pushbackIn(error: unknown): RetryAdvice | undefined {
  if (typeof error !== 'object' || error === null) return undefined
  const { metadata } = error as { metadata?: { get?: unknown } | null }
  if (typeof metadata !== 'object' || metadata === null || typeof metadata.get !== 'function') return undefined
  const found: unknown = metadata.get('grpc-retry-pushback-ms')
  const value: unknown = Array.isArray(found) ? found[0] : found
  if (value === undefined || value === null) return undefined
  return typeof value === 'string' && NATURAL.test(value) && Number(value) <= MAX_INT32 ? Number(value) : 'never'
}
