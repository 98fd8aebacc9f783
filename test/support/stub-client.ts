import { getEventListeners } from 'node:events'
import {
  type CallError,
  type ClientEvents,
  fixedBackoff,
  ServiceClient,
  type ServiceClientOptions,
  staticList,
} from 'gateless'
import { expect, vi } from 'vitest'
import { LeaseWatch } from './lease-watch.ts'
import type { StubTransport } from './stub-transport.ts'

/** `http://10.0.0.<n>:80` */
export const origin = (n: number): string => `http://10.0.0.${n}:80`

/** The service `orders` with so many instances, called 1, 2, 3. */
export function fleet(size: number) {
  return staticList({
    orders: Array.from({ length: size }, (_, i) => ({ id: `${i + 1}`, host: `10.0.0.${i + 1}`, port: 80 })),
  })
}

export interface StubClient {
  readonly client: ServiceClient
  readonly leases: LeaseWatch
  /** Every `call` event. */
  readonly calls: ClientEvents['call'][]
}

/** A client over a stub: three instances in turn, 100 ms between tries, no jitter. */
export function stubClient(
  transport: StubTransport,
  options: Partial<ServiceClientOptions> = {},
  size = 3,
): StubClient {
  const leases = new LeaseWatch()
  const client = new ServiceClient({
    discovery: { provider: fleet(size) },
    transport,
    balancing: { strategy: leases },
    retry: { backoff: fixedBackoff({ delayMs: 100 }) },
    // Rotations start at the first instance, and ejections last exactly as long as they are told to.
    random: () => 0,
    ...options,
  })
  const calls: ClientEvents['call'][] = []
  client.on('call', (event) => calls.push(event))
  return { client, leases, calls }
}

export type Settled<T = unknown> = 'pending' | { value: T } | { error: CallError & Record<string, unknown> }

/** What a promise came to, without waiting for it. */
export async function settled<T>(promise: Promise<T>): Promise<Settled<T>> {
  return Promise.race([
    promise.then(
      (value) => ({ value }),
      (error) => ({ error: error as never }),
    ),
    vi.advanceTimersByTimeAsync(0).then(() => 'pending' as const),
  ])
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<CallError & Record<string, unknown>> {
  try {
    await promise
  } catch (error) {
    return error as never
  }
  throw new Error('it should have failed')
}

/** No lease, no listener, and, once the shared queues have fired their last, no timer. */
export async function expectNothingLeft(leases: LeaseWatch, signal?: AbortSignal): Promise<void> {
  expect(leases.inFlight).toBe(0)
  if (signal !== undefined) expect(getEventListeners(signal, 'abort')).toEqual([])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(vi.getTimerCount()).toBe(0)
  expect(leases.inFlight).toBe(0)
}
