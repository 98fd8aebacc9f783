import { parseHost, parsePort } from '../core/host.ts'
import type { ServiceInstance } from '../core/instance.ts'
import { show } from '../core/options.ts'
import { isText } from '../core/parse-instance.ts'
import type { ListAnswer } from './provider.ts'

/** Providers are written by users too, and not all of them in TypeScript: what they answer is looked at before it is used. */

export const EMPTY: readonly ServiceInstance[] = /* @__PURE__ */ Object.freeze([])

/** A provider's word on time is taken within these bounds: 0 would mean a load per call, a month no discovery at all. */
const MIN_TTL_MS = 1_000
const MAX_TTL_MS = 86_400_000

export interface CheckedAnswer {
  readonly instances: readonly ServiceInstance[]
  /** Entries left out because they made no sense, here or by the provider. */
  readonly dropped: number
}

/** @throws {TypeError} when the answer does not keep the contract. */
export function checkAnswer(answer: ListAnswer): CheckedAnswer {
  const listed = listedIn(answer)
  // An address that breaks the grammar must not reach a URL.
  const instances = listed.every(isUsable) ? listed : listed.filter(isUsable)
  const dropped = listed.length - instances.length + (answer.kind === 'ok' ? (answer.dropped ?? 0) : 0)
  if (instances.length === 0 && dropped > 0) {
    // Garbage that happens to have the shape of a list. Believed, it would be an empty one.
    throw new TypeError(`none of the ${dropped} entries the provider listed makes sense`)
  }
  return { instances, dropped }
}

export function clampTtl(ttlMs: unknown): number | undefined {
  if (typeof ttlMs !== 'number' || Number.isNaN(ttlMs)) return undefined
  return Math.min(Math.max(ttlMs, MIN_TTL_MS), MAX_TTL_MS)
}

function listedIn(answer: ListAnswer): readonly ServiceInstance[] {
  const kind: unknown = (answer as ListAnswer | undefined)?.kind
  if (answer?.kind === 'ok' && Array.isArray(answer.instances)) return answer.instances
  if (kind === 'not-found') return EMPTY
  throw new TypeError(
    `a provider must answer { kind: 'ok', instances: [...] } or { kind: 'not-found' }, got kind ${show(kind)}`,
  )
}

function isUsable(entry: Partial<ServiceInstance> | null | undefined): boolean {
  return parseHost(entry?.host) !== undefined && parsePort(entry?.port) !== undefined && isText(entry?.id)
}
