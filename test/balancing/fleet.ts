import type { ServiceInstance } from '../../src/core/instance.ts'
import { seededRandom } from '../../src/time/random.ts'
import { type Lease, LoadBalancer, type LoadBalancerOptions } from '../../src/balancing/index.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

/** What the balancing tests are made of. */

export function instance(id: string, overrides: Partial<ServiceInstance> = {}): ServiceInstance {
  return {
    id,
    serviceName: 'orders',
    host: '10.0.0.1',
    port: 8080,
    status: 'healthy',
    metadata: {},
    healthCheckUrl: undefined,
    lastHeartbeat: null,
    createdAt: null,
    weight: 1,
    zone: undefined,
    version: undefined,
    secure: false,
    priority: 0,
    ...overrides,
  }
}

export function fleet(ids: string, overrides: Partial<ServiceInstance> = {}): ServiceInstance[] {
  return Array.from(ids, (id) => instance(id, overrides))
}

export function numbered(count: number, weight: (i: number) => number = () => 1): ServiceInstance[] {
  return Array.from({ length: count }, (_, i) => instance(`i${i}`, { weight: weight(i) }))
}

/** A balancer on a clock of its own, with seeded chance and these instances. */
export function setup(
  instances: readonly ServiceInstance[],
  options: LoadBalancerOptions = {},
): { balancer: LoadBalancer; clock: FakeClock } {
  const clock = new FakeClock(1_000)
  const balancer = new LoadBalancer({ clock, random: seededRandom(1), ...options })
  balancer.update(instances)
  return { balancer, clock }
}

/** Picks and settles at once; returns the ids. */
export function picks(balancer: LoadBalancer, count: number): string[] {
  return Array.from({ length: count }, () => {
    const lease = take(balancer)
    lease.success()
    return lease.instance.id
  })
}

export function take(balancer: LoadBalancer, request?: Parameters<LoadBalancer['acquire']>[0]): Lease {
  const lease = balancer.acquire(request)
  if (lease === undefined) throw new Error('no lease')
  return lease
}

/** A lease on this very instance: everybody else is excluded. */
export function takeFrom(balancer: LoadBalancer, id: string): Lease {
  const others = balancer.explain().map((report) => report.id)
  return take(balancer, { exclude: new Set(others.filter((other) => other !== id)) })
}

/** Fails `times` calls to one instance. */
export function fail(balancer: LoadBalancer, id: string, times = 5): void {
  for (let i = 0; i < times; i += 1) takeFrom(balancer, id).failure()
}

export function counted(ids: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const id of ids) counts[id] = (counts[id] ?? 0) + 1
  return counts
}

export function why(balancer: LoadBalancer): Record<string, string> {
  return Object.fromEntries(balancer.explain().map((report) => [report.id, report.why]))
}

/** The seed of this run; GATELESS_SEED repeats one. Printed with every failure, for it stands in the test's name. */
export const SEED: number = Number(process.env['GATELESS_SEED'] ?? 20_261_101)
