import type { Random } from '../time/random.ts'

/**
 * How long things take. A distribution is a function without state: what it answers depends on the chance it is given
 * and on nothing else, so that one can serve any number of servers.
 */

/** One draw, in milliseconds, never negative. */
export type Distribution = (random: Random) => number

/** Always the same. */
export function constant(ms: number): Distribution {
  atLeastZero('constant', 'ms', ms)
  return () => ms
}

/** Anywhere between the two, evenly. */
export function uniform(minMs: number, maxMs: number): Distribution {
  atLeastZero('uniform', 'minMs', minMs)
  if (!(maxMs >= minMs && maxMs < Number.POSITIVE_INFINITY)) refuse('uniform', 'maxMs', `from ${minMs}`, maxMs)
  return (random) => minMs + random() * (maxMs - minMs)
}

/** Many short, few long: independent events, and the queueing textbook's service time. */
export function exponential(meanMs: number): Distribution {
  atLeastZero('exponential', 'meanMs', meanMs)
  return (random) => exponentialDraw(random) * meanMs
}

/** The mirrored bell around `meanMs`: what would be negative is taken for positive, as in AWS's backoff simulator. */
export function normal(meanMs: number, deviationMs: number): Distribution {
  atLeastZero('normal', 'meanMs', meanMs)
  atLeastZero('normal', 'deviationMs', deviationMs)
  return (random) => Math.abs(meanMs + deviationMs * normalDraw(random))
}

/** The 99 % quantile of the standard normal distribution. */
const Z99 = 2.3263478740408408

/** Latencies as they are measured: a body around the median and a tail as long as the 99th percentile says. */
export function lognormal(quantiles: { readonly medianMs: number; readonly p99Ms: number }): Distribution {
  const { medianMs, p99Ms } = quantiles
  above('lognormal', 'medianMs', medianMs, 0)
  if (!(p99Ms >= medianMs && p99Ms < Number.POSITIVE_INFINITY)) refuse('lognormal', 'p99Ms', `from ${medianMs}`, p99Ms)
  const sigma = Math.log(p99Ms / medianMs) / Z99
  return (random) => medianMs * Math.exp(sigma * normalDraw(random))
}

/** A tail without end: `P(X > t) = (minMs / t)^shape`. Up to a shape of 1 the mean is infinite, up to 2 the variance. */
export function pareto(options: { readonly minMs: number; readonly shape: number }): Distribution {
  const { minMs, shape } = options
  above('pareto', 'minMs', minMs, 0)
  above('pareto', 'shape', shape, 0)
  return (random) => minMs / (1 - random()) ** (1 / shape)
}

/** One of what was measured, each as likely as the others. */
export function empirical(samplesMs: readonly number[]): Distribution {
  if (samplesMs.length === 0) throw new RangeError('empirical: samplesMs must hold at least one sample')
  const samples = Float64Array.from(samplesMs)
  for (const sample of samples) atLeastZero('empirical', 'every sample', sample)
  return (random) => samples[Math.min(samples.length - 1, Math.floor(random() * samples.length))] as number
}

/** One of several, by weight: two make a bimodal distribution (a cache that hits or misses, a pause now and then). */
export function mixture(...parts: readonly (readonly [weight: number, distribution: Distribution])[]): Distribution {
  const bounds: number[] = []
  let sum = 0
  for (const [weight] of parts) {
    atLeastZero('mixture', 'every weight', weight)
    sum += weight
    bounds.push(sum)
  }
  if (!(sum > 0)) throw new RangeError('mixture: the weights must add up to more than 0')
  return (random) => {
    const at = random() * sum
    let part = 0
    while (part < parts.length - 1 && at >= (bounds[part] as number)) part += 1
    return (parts[part] as readonly [number, Distribution])[1](random)
  }
}

/** Exponential with mean 1. `1 - random()` is never 0, whose logarithm is infinite. */
export function exponentialDraw(random: Random): number {
  return -Math.log(1 - random())
}

/** Standard normal (Box and Muller, 1958). The second value the method gives is thrown away: keeping it would be state. */
function normalDraw(random: Random): number {
  return Math.sqrt(2 * exponentialDraw(random)) * Math.cos(2 * Math.PI * random())
}

function atLeastZero(owner: string, name: string, value: number): void {
  if (!(value >= 0 && value < Number.POSITIVE_INFINITY)) refuse(owner, name, 'from 0', value)
}

function above(owner: string, name: string, value: number, bound: number): void {
  if (!(value > bound && value < Number.POSITIVE_INFINITY)) refuse(owner, name, `above ${bound}`, value)
}

function refuse(owner: string, name: string, range: string, value: unknown): never {
  throw new RangeError(`${owner}: ${name} must be a finite number ${range}, got ${String(value)}`)
}
