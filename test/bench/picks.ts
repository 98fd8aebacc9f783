import { ipHash, leastConnections, LoadBalancer, random, roundRobin, type Strategy, weightedRoundRobin } from 'gateless'
import { parseInstances } from '../../src/core/parse-instance.ts'
import type { Contender } from './harness.ts'

/** Picking an instance and giving it back, among n. */

export function pickContenders(size: number): Contender[] {
  const entries = Array.from({ length: size }, (_, i) => ({
    id: `i${i}`,
    host: `10.${(i >> 16) & 255}.${(i >> 8) & 255}.${i & 255}`,
    port: 8_080,
    weight: 1 + (i % 3),
  }))
  const instances = parseInstances(entries, 'bench')?.instances ?? []
  const pick = (name: string, strategy: Strategy, key?: string): Contender => {
    const balancer = new LoadBalancer({ strategy })
    balancer.update(instances)
    const request = key === undefined ? undefined : { key }
    return {
      name,
      run: (times) => {
        for (let i = 0; i < times; i += 1) balancer.acquire(request)?.success()
      },
    }
  }
  let index = 0
  const bare: Contender = {
    name: 'an index that goes round',
    run: (times) => {
      for (let i = 0; i < times; i += 1) {
        index = (index + 1) % instances.length
        if (instances[index] === undefined) throw new Error('unreachable')
      }
    },
  }
  return [
    bare,
    pick('roundRobin', roundRobin()),
    pick('random', random()),
    pick('weightedRoundRobin', weightedRoundRobin()),
    pick('leastConnections, two choices', leastConnections()),
    pick('leastConnections, all', leastConnections({ choices: 'all' })),
    pick('ipHash', ipHash(), '203.0.113.7'),
  ]
}
