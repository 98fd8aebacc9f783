/** From values to pixels, and which values get a label. */

export type Scale = (value: number) => number

export type Interval = readonly [from: number, to: number]

export function linearScale([from, to]: Interval, [start, end]: Interval): Scale {
  const span = to - from || 1
  return (value) => start + ((value - from) / span) * (end - start)
}

/** Values below the domain stand at its edge: a logarithm knows no 0. */
export function logScale([from, to]: Interval, range: Interval): Scale {
  const linear = linearScale([Math.log10(from), Math.log10(to)], range)
  return (value) => linear(Math.log10(Math.max(from, value)))
}

/** Round numbers (1, 2 or 5 times a power of ten apart), at most about `count` of them, within the domain. */
export function linearTicks([from, to]: Interval, count: number): number[] {
  const rough = (to - from) / count
  if (!(rough > 0)) return [from]
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) ?? 10)
  return multiples(step, from, to)
}

/** Steps that people count time in. */
const TIME_STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800]

export function timeTicks(seconds: number, count: number): number[] {
  const step = TIME_STEPS.find((each) => seconds / each <= count) ?? 3_600
  return multiples(step, 0, seconds)
}

/** 1, 2 and 5 times a power of ten: what a logarithmic axis has labels at. */
const MANTISSAS = [1, 2, 5, 10]

/** From the round number below these values to the one above, a factor of ten at least. */
export function logDomain(values: readonly number[]): Interval {
  const positive = values.filter((value) => value > 0 && Number.isFinite(value))
  if (positive.length === 0) return [1, 10]
  const low = roundNumbers(Math.min(...positive)).findLast((each) => each <= Math.min(...positive)) ?? 1
  const high = roundNumbers(Math.max(...positive)).find((each) => each >= Math.max(...positive)) ?? 10
  return [low, Math.max(high, low * 10)]
}

/** The powers of ten; in a domain that has hardly two of them, what is round in between too. */
export function logTicks([from, to]: Interval): number[] {
  const ticks: number[] = []
  const few = to / from < 100
  for (let power = Math.floor(Math.log10(from)); 10 ** power <= to; power += 1) {
    for (const each of few ? [1, 2, 5] : [1]) ticks.push(Number((each * 10 ** power).toPrecision(3)))
  }
  return ticks.filter((tick) => tick >= from && tick <= to)
}

function roundNumbers(near: number): number[] {
  const power = 10 ** Math.floor(Math.log10(near))
  return MANTISSAS.map((each) => Number((each * power).toPrecision(3)))
}

function multiples(step: number, from: number, to: number): number[] {
  const ticks: number[] = []
  // Counted, not summed: 0.1 added ten times is not 1.
  for (let index = Math.ceil(from / step - 1e-9); index * step <= to * (1 + 1e-9); index += 1) {
    ticks.push(Number((index * step).toPrecision(12)))
  }
  return ticks
}
