import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  ipHash,
  leastConnections,
  type Lease,
  LoadBalancer,
  type LoadBalancerChanges,
  peakEwma,
  random,
  rendezvous,
  ringHash,
  roundRobin,
  serverLoad,
  weightedRoundRobin,
} from 'gateless/balancing'
import { ejectionCap } from '../../src/balancing/ejection.ts'
import type { InstanceStatus, ServiceInstance } from '../../src/core/instance.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { seededRandom } from '../../src/time/random.ts'
import { instance, SEED } from './fleet.ts'

const STRATEGIES = {
  roundRobin: roundRobin(),
  weightedRoundRobin: weightedRoundRobin(),
  random: random(),
  leastConnections: leastConnections(),
  leastOfAll: leastConnections({ choices: 'all' }),
  ipHash: ipHash(),
  peakEwma: peakEwma(),
  rendezvous: rendezvous(),
  ringHash: ringHash(),
  serverLoad: serverLoad(),
}

const status = fc.oneof(
  { weight: 5, arbitrary: fc.constant<InstanceStatus>('healthy') },
  { weight: 1, arbitrary: fc.constantFrom<InstanceStatus>('unhealthy', 'starting', 'stopping', 'unknown') },
)
const someInstance = fc.record({
  id: fc.nat(7).map((i) => `i${i}`),
  port: fc.constantFrom(80, 80, 80, 81),
  status,
  weight: fc.constantFrom(1, 1, 2, 5, 0),
  zone: fc.constantFrom('east', 'east', 'west', undefined),
  priority: fc.constantFrom(0, 0, 0, 1),
})
const list = fc.array(
  someInstance.map(({ id, ...rest }) => instance(id, rest)),
  { maxLength: 10 },
)
const ids = fc.array(
  fc.nat(7).map((i) => `i${i}`),
  { maxLength: 4 },
)

const changes = fc.constantFrom<LoadBalancerChanges>(
  {},
  { strategy: roundRobin() },
  { strategy: leastConnections({ choices: 'all' }) },
  { strategy: ipHash() },
  { zone: { name: 'east', minInstances: 2 } },
  { zone: { name: 'west', minInstances: 0, callers: { east: 3, west: 1 } } },
  { zone: false },
  { subset: { size: 3 } },
  { subset: { size: 2, clientIndex: 5 } },
  { subset: false },
  { slowStart: { windowMs: 3_000 } },
  { slowStart: false },
  { panicThreshold: 0 },
  { panicThreshold: 0.5 },
  { maxRestMs: 0 },
  { maxRestMs: 500 },
)

const step = fc.oneof(
  { weight: 1, arbitrary: fc.record({ act: fc.constant('update' as const), list }) },
  {
    weight: 8,
    arbitrary: fc.record({
      act: fc.constant('acquire' as const),
      exclude: fc.option(ids, { nil: undefined }),
      key: fc.option(fc.string({ maxLength: 3 }), { nil: undefined }),
      probe: fc.constantFrom(true, true, false),
    }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      act: fc.constant('settle' as const),
      lease: fc.nat(50),
      how: fc.constantFrom('success', 'failure', 'failure', 'failure', 'ignore', 'headers', 'broken', 'busy', 'lost'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ act: fc.constant('configure' as const), changes }) },
  {
    weight: 1,
    arbitrary: fc.record({
      act: fc.constant('health' as const),
      id: fc.nat(7).map((i) => `i${i}`),
      healthy: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: fc.constant('wait' as const), ms: fc.constantFrom(1, 100, 1_000, 5_000) }) },
)

interface Open {
  readonly lease: Lease
  readonly identity: string
}

/** What the balancer was told last. An identity that left and came back is another member, hence the incarnation. */
class Model {
  current = new Map<string, ServiceInstance>()
  readonly #incarnations = new Map<string, number>()

  update(instances: readonly ServiceInstance[]): void {
    const former = [...this.current.values()]
    this.current = new Map(instances.toReversed().map((one) => [one.id, one]))
    const names = new Set(Array.from(this.current.values(), addressOf))
    for (const name of former.map(addressOf)) {
      if (!names.has(name)) this.#incarnations.set(name, (this.#incarnations.get(name) ?? 0) + 1)
    }
  }

  identityOf(one: ServiceInstance): string {
    return `${addressOf(one)}#${this.#incarnations.get(addressOf(one)) ?? 0}`
  }
}

const addressOf = ({ id, port }: ServiceInstance): string => `${id}:${port}`

describe('any schedule of updates, calls, settlements and waits', () => {
  it.each(Object.keys(STRATEGIES) as (keyof typeof STRATEGIES)[])(
    `keeps the promises of the balancer under %s (seed ${SEED})`,
    async (name) => {
      await fc.assert(
        fc.asyncProperty(list, fc.array(step, { maxLength: 150, size: 'max' }), async (first, steps) => {
          const clock = new FakeClock(1_000)
          const balancer = new LoadBalancer({
            strategy: STRATEGIES[name],
            clock,
            random: seededRandom(SEED),
            ejection: { consecutiveFailures: 2, baseEjectionMs: 1_000, maxEjectionMs: 4_000 },
          })
          const model = new Model()
          const update = (instances: readonly ServiceInstance[]): void => {
            model.update(instances)
            balancer.update(instances)
          }
          const open: Open[] = []
          update(first)
          for (const action of steps) {
            if (action.act === 'update') update(action.list)
            else if (action.act === 'wait') await clock.advance(action.ms)
            else if (action.act === 'configure') balancer.configure(action.changes)
            else if (action.act === 'health') balancer.setHealth(action.id, action.healthy)
            else if (action.act === 'settle') settle(open, action.lease, action.how)
            else {
              const before = balancer.explain()
              const eligible = new Set(before.filter((report) => report.eligible).map(({ id }) => id))
              const exclude = action.exclude === undefined ? undefined : new Set(action.exclude)
              const lease = balancer.acquire({ key: action.key, exclude, probe: action.probe })
              if (lease === undefined) {
                expect(eligible.size).toBe(0)
                continue
              }
              const { id } = lease.instance
              expect(lease.instance).toBe(model.current.get(id))
              expect(['stopping', 'starting']).not.toContain(lease.instance.status)
              expect(lease.instance.weight).toBeGreaterThan(0)
              if (lease.probe) {
                // One that must not be risked probes only what nobody has probed for long.
                expect(before.find((report) => report.id === id)?.ejectedForMs).toBeNull()
                expect(exclude?.has(id) ?? false).toBe(false)
                expect(lease.instance.status).toBe('healthy')
              } else {
                expect(eligible).toContain(id)
                if (exclude?.has(id)) expect([...eligible].every((other) => exclude.has(other))).toBe(true)
              }
              open.push({ lease, identity: model.identityOf(lease.instance) })
            }
            check(balancer, model, open)
          }
          for (const { lease } of open) lease.ignore()
          for (const { inFlight } of balancer.explain()) expect(inFlight).toBe(0)
          expect(clock.pending).toBe(0)
        }),
        { seed: SEED, numRuns: 40 },
      )
    },
  )
})

const CONNECTION = {}

function settle(open: Open[], index: number, how: string): void {
  const at = index % Math.max(1, open.length)
  const lease = open[at]?.lease
  if (lease === undefined) return
  if (how === 'headers') {
    lease.responded('success')
    return
  }
  open.splice(at, 1)
  if (how === 'broken') lease.responded('success')
  if (how === 'success') lease.success()
  else if (how === 'ignore') lease.ignore()
  else if (how === 'busy') lease.failure({ retryAfterMs: 1_000 })
  else if (how === 'lost') lease.failure({ lostConnection: CONNECTION })
  else lease.failure()
  // Once more, differently: nothing may come of it.
  lease.failure()
}

function check(balancer: LoadBalancer, model: Model, open: readonly Open[]): void {
  const reports = balancer.explain()
  expect(new Set(reports.map(({ id }) => id))).toEqual(new Set(model.current.keys()))
  let candidates = 0
  let out = 0
  for (const { id, inFlight, why, weight, ejectedForMs, eligible, effectiveWeight } of reports) {
    const one = model.current.get(id) as ServiceInstance
    const identity = model.identityOf(one)
    const calls = open.filter((entry) => entry.identity === identity)
    expect(inFlight).toBe(calls.length)
    expect(eligible).toBe(why === 'in-rotation' || why === 'panic')
    expect(effectiveWeight).toBeLessThanOrEqual(weight)
    if (one.status !== 'healthy' || weight === 0 || why === 'outside-subset' || why === 'unhealthy') continue
    candidates += 1
    if (why === 'ejected' || why === 'probing' || ejectedForMs !== null) out += 1
  }
  const { metrics } = balancer
  expect(metrics.inFlight).toBe(open.length)
  expect(metrics.pickedFrom).toBe(reports.filter(({ eligible }) => eligible).length)
  expect(metrics.ejected).toBeLessThanOrEqual(ejectionCap(0.5, metrics.healthy))
  expect(out).toBeLessThanOrEqual(ejectionCap(0.5, candidates))
}
