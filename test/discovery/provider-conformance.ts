import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { isGatelessError } from '../../src/core/errors.ts'
import type { ServiceInstance } from '../../src/core/instance.ts'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import type { DiscoveryClientOptions } from '../../src/discovery/options.ts'
import type { DiscoveryProvider } from '../../src/discovery/provider.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'
import type { Entry } from './memory-registry.ts'

/**
 * What every provider has to do under a `DiscoveryClient`, whatever it asks. A harness is the provider together with
 * the means to change what its source knows; what a source cannot do at all, its harness leaves out.
 */

export interface ProviderHarness {
  readonly provider: DiscoveryProvider
  /** What the source says from now on; undefined: it has never heard of the service. */
  set(service: string, entries: readonly Entry[] | undefined): void | Promise<void>
  /** The source answers nonsense. */
  garbage?(): void | Promise<void>
  /** The source does not answer. */
  hang?(): void | Promise<void>
  /** The source cannot be reached. */
  refuse?(): void | Promise<void>
  /** The source is as it was. */
  repair(): void | Promise<void>
  /** The source answers in another order than before. */
  shuffle?(): void | Promise<void>
  /** What of an entry the source carries. @default everything */
  readonly withoutWeights?: boolean
  /** The source tells an empty list from no list. @default true */
  readonly knowsEmpty?: boolean
  /** The longest list the source has room for. @default 10_000 */
  readonly largest?: number
  close?(): void | Promise<void>
}

const ONE: Entry = { id: 'a', host: '10.0.0.1', port: 8001, weight: 1 }
const TWO: Entry = { id: 'b', host: '10.0.0.2', port: 8002, weight: 1 }

function addresses(instances: readonly ServiceInstance[] | undefined): string[] | undefined {
  return instances?.map(({ host, port }) => `${host}:${port}`).toSorted()
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const error = await promise.catch((reason: unknown) => reason)
  return isGatelessError(error) ? error.code : `no gateless error: ${String(error)}`
}

export function describeProvider(name: string, makeHarness: (clock: FakeClock) => Promise<ProviderHarness>): void {
  describe(`conformance of ${name}`, () => {
    let clock: FakeClock
    let harness: ProviderHarness
    let client: DiscoveryClient
    const others: DiscoveryClient[] = []

    const makeClient = (options: Partial<DiscoveryClientOptions> = {}): DiscoveryClient =>
      new DiscoveryClient({
        provider: { ...harness.provider, close: () => {} },
        clock,
        random: () => 0.5,
        errorBackoff: fixedBackoff({ delayMs: 1_000 }),
        ...options,
      })

    /** As somebody who wants news sees it, one refresh later. */
    const now = async (): Promise<string[] | undefined> => {
      await clock.advance(1_000)
      return addresses(await client.refresh('s'))
    }

    beforeEach(async () => {
      clock = new FakeClock()
      harness = await makeHarness(clock)
      client = makeClient()
    })

    afterEach(async () => {
      await Promise.all([client, ...others.splice(0)].map((each) => each.close()))
      await harness.provider.close?.()
      await harness.close?.()
    })

    it('finds what is there, as instances that can be called', async () => {
      await harness.set('s', [ONE, TWO])
      const instances = await client.discover('s')
      expect(addresses(instances)).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
      for (const instance of instances) {
        expect(instance).toMatchObject({ serviceName: 's', status: 'healthy', secure: false, priority: 0 })
        expect(instance.id).not.toBe('')
        expect(instance.weight).toBeGreaterThan(0)
      }
      expect(new Set(instances.map(({ id }) => id)).size).toBe(2)
    })

    it('appear: sees an instance that came', async () => {
      await harness.set('s', [ONE])
      await client.discover('s')
      await harness.set('s', [ONE, TWO])
      expect(await now()).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
    })

    it('disappear: sees an instance that went, and no other', async () => {
      await harness.set('s', [ONE, TWO])
      const before = await client.discover('s')
      await harness.set('s', [ONE])
      expect(await now()).toEqual(['10.0.0.1:8001'])
      // Whoever stayed is the same object: what was learned about it is kept.
      expect(client.peek('s')?.[0]).toBe(before.find(({ port }) => port === 8_001))
    })

    it('update: sees what changed about an instance', async () => {
      await harness.set('s', [ONE, TWO])
      await client.discover('s')
      await harness.set('s', [ONE, { ...TWO, port: 8009, weight: 3 }])
      expect(await now()).toEqual(['10.0.0.1:8001', '10.0.0.2:8009'])
      const weights = client.peek('s')?.map(({ weight }) => weight)
      if (harness.withoutWeights !== true) expect(weights).toContain(3)
    })

    it('empty: an empty list after a full one is held, and believed in the end', async () => {
      await harness.set('s', [ONE])
      await client.discover('s')
      await harness.set('s', [])
      expect(await now()).toEqual(['10.0.0.1:8001'])
      await clock.advance(31_000)
      if (harness.knowsEmpty !== false) expect(await client.refresh('s')).toEqual([])
      else expect(await codeOf(client.refresh('s'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    })

    it('unknown: says that there is no such service, not that it cannot tell', async () => {
      await harness.set('s', [ONE])
      expect(await codeOf(client.discover('nobody'))).toBe('ERR_GATELESS_SERVICE_NOT_FOUND')
    })

    it('unknown: names that no source could hold do no harm', async () => {
      await harness.set('s', [ONE])
      for (const odd of ['../s', '..', '.', 's/../s', 'a b', 'ü', '__proto__', 'constructor', 'x'.repeat(200)]) {
        expect(await codeOf(client.discover(odd))).toMatch(/^ERR_GATELESS_(SERVICE_NOT_FOUND|DISCOVERY)$/)
      }
      expect(addresses(await client.discover('s'))).toEqual(['10.0.0.1:8001'])
    })

    it('garbage: is no list, the last good one stays, and the next good one is seen', async (context) => {
      if (harness.garbage === undefined) return context.skip()
      await harness.set('s', [ONE])
      await client.discover('s')
      await harness.garbage()
      expect(await now()).toEqual(['10.0.0.1:8001'])
      await clock.advance(60_000)
      expect(addresses(await client.discover('s'))).toEqual(['10.0.0.1:8001'])
      // Lets the load in the background end.
      await client.refresh('s')
      await harness.repair()
      await harness.set('s', [ONE, TWO])
      await clock.advance(1_000)
      expect(await now()).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
    })

    it('slow: the caller leaves when he likes, and others are served', async (context) => {
      if (harness.hang === undefined) return context.skip()
      await harness.set('s', [ONE])
      await client.discover('s')
      await harness.hang()
      const patient = client.discover('t')
      const impatient = codeOf(client.discover('t', { timeoutMs: 50 }))
      await clock.advance(50)
      expect(await impatient).toBe('ERR_GATELESS_TIMEOUT')
      expect(addresses(client.peek('s'))).toEqual(['10.0.0.1:8001'])
      const code = codeOf(patient)
      await clock.advance(20_000)
      expect(await code).toBe('ERR_GATELESS_DISCOVERY')
    })

    it('refused: is an error at first, and no reason to forget anything later', async (context) => {
      if (harness.refuse === undefined) return context.skip()
      await harness.refuse()
      expect(await codeOf(client.discover('s'))).toBe('ERR_GATELESS_DISCOVERY')
      await harness.repair()
      await harness.set('s', [ONE])
      await clock.advance(1_000)
      expect(await now()).toEqual(['10.0.0.1:8001'])
      await harness.refuse()
      expect(await now()).toEqual(['10.0.0.1:8001'])
    })

    it('restart: a source that comes back without its memory takes nothing away', async () => {
      await harness.set('s', [ONE, TWO])
      await client.discover('s')
      await harness.set('s', undefined)
      expect(await now()).toHaveLength(2)
      await clock.advance(10_000)
      expect(await now()).toHaveLength(2)
      await harness.set('s', [TWO, ONE])
      expect(await now()).toHaveLength(2)
      await clock.advance(60_000)
      expect(await now()).toHaveLength(2)
    })

    it('partition: an outage of ten minutes is served from memory, with its age, and ends in news', async (context) => {
      if (harness.refuse === undefined) return context.skip()
      await harness.set('s', [ONE])
      await client.discover('s')
      const recovered: string[] = []
      client.on('recovered', ({ service }) => recovered.push(service))
      await harness.refuse()
      for (let minute = 0; minute < 10; minute += 1) {
        await clock.advance(60_000)
        expect(addresses(await client.refresh('s'))).toEqual(['10.0.0.1:8001'])
      }
      // What a source keeps for itself is as fresh as it says.
      expect(client.ageMs('s')).toBeLessThanOrEqual(600_000)
      await harness.repair()
      await harness.set('s', [TWO])
      await clock.advance(2_000)
      expect(await now()).toEqual(['10.0.0.2:8002'])
    })

    it('reordered: another order is no news', async (context) => {
      if (harness.shuffle === undefined) return context.skip()
      await harness.set('s', [ONE, TWO])
      const before = await client.discover('s')
      await harness.shuffle()
      await now()
      expect(client.peek('s')).toBe(before)
    })

    it('10,000 instances: all of them, once, and the same array while nothing changes', async () => {
      const size = harness.largest ?? 10_000
      const many = Array.from({ length: size }, (_, i) => ({
        id: `i${i}`,
        host: `10.1.${i >> 8}.${i & 255}`,
        port: 8_000,
      }))
      await harness.set('s', many)
      const before = await client.discover('s')
      expect(before).toHaveLength(size)
      await now()
      expect(client.peek('s')).toBe(before)
    })

    it('tells a watcher of the client each change', async () => {
      await harness.set('s', [ONE])
      const told: (string[] | undefined)[] = []
      const stop = client.watch('s', (instances) => told.push(addresses(instances)))
      await client.discover('s')
      await harness.set('s', [ONE, TWO])
      await now()
      await clock.advance(100)
      expect(told[0]).toEqual(['10.0.0.1:8001'])
      expect(told.at(-1)).toEqual(['10.0.0.1:8001', '10.0.0.2:8002'])
      stop()
    })

    it('leaves no timer behind when its client is closed', async () => {
      await harness.set('s', [ONE])
      const other = makeClient()
      others.push(other)
      other.watch('s', () => {})
      await other.discover('s')
      await clock.advance(10)
      await other.close()
      await harness.provider.close?.()
      await clock.advance(0)
      expect(clock.pending).toBe(0)
    })
  })
}
