import { OptionReader } from '../core/options.ts'

/** Where this process runs, so that calls may stay near. */
export interface ZoneOptions {
  /** The own zone, as in the instances' `zone`; not empty. */
  readonly name: string
  /**
   * How many callers (copies of this service) run in each zone; only their proportions count. Without it they are taken to
   * be spread evenly over the zones of the instances.
   */
  readonly callers?: Readonly<Record<string, number>>
  /** With fewer eligible instances calls go everywhere; an integer from 0. @default 6 (Envoy: min_cluster_size) */
  readonly minInstances?: number
}

/** @internal */
export interface ZoneRules {
  readonly name: string
  readonly callers: ReadonlyMap<string, number> | undefined
  readonly minInstances: number
}

const MIN_INSTANCES = 6

/** @internal The name alone stands for options with nothing else in them. */
export function readZoneOptions(options: unknown): ZoneRules | undefined {
  if (options === undefined || options === false) return undefined
  const read = new OptionReader('LoadBalancer: zone', typeof options === 'string' ? { name: options } : options)
  const name = read.string('name', undefined) ?? read.refuse('name', 'a string that is not empty')
  const rules: ZoneRules = {
    name,
    callers: readCallers(read.raw('callers')),
    minInstances: read.number('minInstances', { default: MIN_INSTANCES, min: 0, integer: true }),
  }
  read.end()
  return rules
}

function readCallers(given: unknown): ReadonlyMap<string, number> | undefined {
  if (given === undefined) return undefined
  const read = new OptionReader('LoadBalancer: zone: callers', given)
  return new Map(Object.keys(given as object).map((zone) => [zone, read.number(zone, { default: 0, min: 0 })]))
}

/**
 * The share of calls that each zone gets, the own one as much as it can take: all, if it has at least the share of the
 * instances that it has of the callers, otherwise so much that no instance gets more than its part. The rest goes where
 * there are more instances than callers. Source: Envoy, "Zone aware routing".
 *
 * @param capacity The eligible weight in each zone.
 * @returns undefined where there is nothing to prefer: no instance here, or none elsewhere.
 */
export function zoneShares(
  { name, callers }: Pick<ZoneRules, 'name' | 'callers'>,
  capacity: ReadonlyMap<string, number>,
): ReadonlyMap<string, number> | undefined {
  const here = capacity.get(name)
  if (here === undefined || capacity.size < 2) return undefined
  const total = sum(capacity.values())
  const totalCallers = callers === undefined ? 0 : sum(callers.values())
  const demand = (zone: string): number => {
    if (callers === undefined || totalCallers === 0) return 1 / capacity.size
    return (callers.get(zone) ?? 0) / totalCallers
  }
  const own = here / total
  const spared = new Map<string, number>()
  for (const [zone, each] of capacity) {
    const spare = each / total - demand(zone)
    if (zone !== name && spare > 0) spared.set(zone, spare)
  }
  const wanted = demand(name)
  if (own >= wanted || spared.size === 0) return new Map([[name, 1]])
  const shares = new Map([[name, own / wanted]])
  const spare = sum(spared.values())
  for (const [zone, each] of spared) shares.set(zone, (1 - own / wanted) * (each / spare))
  return shares
}

function sum(numbers: Iterable<number>): number {
  let total = 0
  for (const each of numbers) total += each
  return total
}
