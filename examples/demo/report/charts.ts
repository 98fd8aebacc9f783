import { instancesOf } from '../instances.ts'
import type { RunRecord } from '../measurements.ts'
import { LANE_NAMES, SUCCESS_WITHIN_MS } from '../scene.ts'
import { BARS, percent } from '../verdict.ts'
import { binned } from './bins.ts'
import type { Run } from './frame.ts'
import { html, type Markup } from './html.ts'
import { type Lanes, type LineChart, lineChart } from './line-chart.ts'
import { type Interval, linearScale, linearTicks, logDomain, logScale, logTicks } from './scales.ts'
import { shareChart } from './share-chart.ts'

/** Which charts the report has, what each of them says, and how to read it. */

export function charts(record: RunRecord, run: Run): Markup {
  const lanes = {
    plain: binned(record.perSecond.plain, record.seconds),
    gateless: binned(record.perSecond.gateless, record.seconds),
  }
  const instances = instancesOf(LANE_NAMES.flatMap((lane) => record.perSecond[lane]))
  const success = successOf(lanes)
  const latency = latencyOf(lanes)
  return html`${figure(
    'Success rate',
    `Share of the calls scheduled in each second that had a 2xx within ${SUCCESS_WITHIN_MS / 1_000} s of their scheduled arrival.${success.domain[0] > 0 ? ' The axis does not begin at 0.' : ''}`,
    lineChart(success, lanes, run),
  )}${figure(
    'Latency, 99th percentile',
    'From the scheduled arrival, over all calls, failed ones included; logarithmic.',
    lineChart(latency('p99'), lanes, run),
  )}${figure(
    'Latency, median',
    'The same, of the call in the middle. Note the other scale.',
    lineChart(latency('p50'), lanes, run),
  )}${LANE_NAMES.map((lane) =>
    figure(
      `Share of attempts by instance: ${lane}`,
      'Hatched: attempts that went to the instance that was ill.',
      shareChart(lane, lanes[lane], instances, run),
    ),
  )}${figure('Attempts per call', '1 is a call that needed no retry.', lineChart(attemptsOf(lanes), lanes, run))}`
}

function figure(title: string, caption: string, drawing: Markup): Markup {
  return html`<figure><h3>${title}</h3><figcaption>${caption}</figcaption>${drawing}</figure>
`
}

function successOf(lanes: Lanes): LineChart {
  const rates = allBins(lanes).map(({ calls, successes }) => successes / calls)
  // Down to the next tenth below the worst second, and never so close that noise looks like an outage.
  const lowest = Math.min(0.9, Math.floor(Math.min(1, ...rates) * 10 - 0.5) / 10)
  const domain: Interval = [Math.max(0, lowest), 1]
  return {
    id: 'success',
    title: 'Success rate per second, both lanes',
    description: `Worst second: ${LANE_NAMES.map((lane) => `${lane} ${percent(worst(lanes, lane))}`).join(', ')}.`,
    height: 190,
    value: ({ calls, successes }) => successes / calls,
    format: percent,
    domain,
    scale: linearScale,
    ticks: linearTicks(domain, 5),
    tickText: (rate) => `${Math.round(rate * 100)} %`,
  }
}

function worst(lanes: Lanes, lane: keyof Lanes): number {
  return Math.min(1, ...lanes[lane].filter(({ calls }) => calls > 0).map(({ calls, successes }) => successes / calls))
}

function latencyOf(lanes: Lanes): (which: 'p50' | 'p99') => LineChart {
  const bins = allBins(lanes)
  const domains = {
    p50: logDomain(bins.map(({ p50Ms }) => p50Ms)),
    p99: logDomain([...bins.map(({ p99Ms }) => p99Ms), SUCCESS_WITHIN_MS]),
  }
  return (which) => ({
    id: which,
    title: `${which === 'p50' ? 'Median' : '99th percentile of'} latency per second, both lanes`,
    description: 'Logarithmic scale in milliseconds.',
    height: which === 'p50' ? 90 : 160,
    value: ({ p50Ms, p99Ms }) => (which === 'p50' ? p50Ms : p99Ms),
    format: (ms) => `${ms.toFixed(1)} ms`,
    domain: domains[which],
    scale: logScale,
    ticks: logTicks(domains[which]),
    tickText: (ms) => (ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`),
    limit: which === 'p99' ? { at: SUCCESS_WITHIN_MS, text: 'limit of a success' } : undefined,
  })
}

function attemptsOf(lanes: Lanes): LineChart {
  const most = Math.max(BARS.attemptsPerCall, ...allBins(lanes).map(({ attempts, calls }) => attempts / calls))
  const domain: Interval = [1, Math.ceil(most * 10 + 0.5) / 10]
  return {
    id: 'attempts',
    title: 'Attempts per call per second, both lanes',
    description: `At most ${BARS.attemptsPerCall} over the whole run are promised.`,
    height: 110,
    // Attempts are booked when a call began, a moment after its arrival: at the edge of a second that can make 0.998.
    value: ({ attempts, calls }) => Math.max(1, attempts / calls),
    format: (value) => value.toFixed(3),
    domain,
    scale: linearScale,
    ticks: linearTicks(domain, 4),
    tickText: (value) => value.toFixed(1),
    limit: { at: BARS.attemptsPerCall, text: 'promised: at most this over the run' },
  }
}

function allBins(lanes: Lanes): Lanes['plain'] {
  return LANE_NAMES.flatMap((lane) => lanes[lane]).filter(({ calls }) => calls > 0)
}
