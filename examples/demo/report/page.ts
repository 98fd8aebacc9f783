import { faultsOf, stepsOf } from '../faults.ts'
import type { RunRecord } from '../measurements.ts'
import {
  HEALTH_INTERVAL_MS,
  HEARTBEAT_MS,
  LANE_NAMES,
  LEASE_MS,
  RATE,
  recoveryMs,
  SLOW_MS,
  SUCCESS_WITHIN_MS,
  WORK_MS,
} from '../scene.ts'
import { missedBars, percent, summarize } from '../verdict.ts'
import { binSeconds } from './bins.ts'
import { charts } from './charts.ts'
import { html, type Markup } from './html.ts'
import { STYLE } from './style.ts'
import { faultTable, headline, lostTable, secondsTable, timelineTable } from './tables.ts'

/** The report of one run: a single HTML file that needs nothing else, and no script. */

/** Where and how it was measured; no names of hosts, users or folders. */
export interface Circumstances {
  readonly node: string
  readonly platform: string
  readonly cores: number
  readonly date: string
  /** The gateless lane's configuration, as it stands in the source. */
  readonly configuration: string
}

export function page(record: RunRecord, circumstances: Circumstances): string {
  const summary = summarize(record)
  const missed = missedBars(summary)
  const run = { seconds: record.seconds, faults: faultsOf(stepsOf(record.timeline), record.seconds * 1_000) }
  const { plain, gateless } = summary.lanes
  const { lost } = record.lanes.gateless
  const step = binSeconds(record.seconds)
  const steps =
    step === 1
      ? ''
      : ` Each step is ${step} seconds: their calls together, the middle one of their medians, and the worst p99.`
  return String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>gateless demo: ${percent(gateless.successRate)} against ${percent(plain.successRate)}</title>
<style>${STYLE}</style>
</head>
<body>
<header>
<h1>${unbroken(percent(gateless.successRate))} of the calls succeeded through gateless, ${unbroken(percent(plain.successRate))} through plain undici</h1>
<p class="lead">The same ${gateless.calls.toLocaleString('en')} calls and the same ${run.faults.length} faults for both, at the same time, over ${record.seconds} seconds.</p>
<p>${
    missed.length === 0
      ? html`gateless held what it promises, and nothing was left running.`
      : html`<b>Not held:</b> ${missed.join('; ')}.`
  }</p>
</header>
<main>
${headline(summary)}
<h2>The faults</h2>
${faultTable(run)}
<h2>Over the run</h2>
<p class="quiet">Grey bands are the faults above. Point at a chart, or touch it, to read its numbers.${steps}</p>
${charts(record, run)}
<details><summary>The numbers behind the charts</summary>${secondsTable(record)}</details>
<h2>What was decided, and why</h2>
<p class="quiet">What the script did, what the registry noticed, what gateless decided, and what failed, as it happened.</p>
${timelineTable(record)}
${lost.length === 0 ? undefined : html`<h2>Calls that gateless lost</h2>${lostTable(lost)}`}
${method(record, circumstances)}
</main>
</body>
</html>
`)
}

function method({ seconds, lanes }: RunRecord, circumstances: Circumstances): Markup {
  const { node, platform, cores, date, configuration } = circumstances
  const delays = LANE_NAMES.map((lane) => `${lane} ${lanes[lane].worstStartDelayMs.toFixed(0)} ms`).join(', ')
  return html`<h2>How it was measured</h2>
<table><tbody>
<tr><th scope="row">load</th><td>${RATE} calls per second in each lane, an open loop: a slow answer delays no arrival</td></tr>
<tr><th scope="row">success</th><td>a 2xx within ${SUCCESS_WITHIN_MS} ms of the scheduled arrival</td></tr>
<tr><th scope="row">services</th><td>answer after ${WORK_MS} ms, a slow one after ${SLOW_MS} ms; each is a process of its own, and so are the registry and both callers</td></tr>
<tr><th scope="row">registry</th><td>heartbeat ${HEARTBEAT_MS} ms, lease ${LEASE_MS} ms, health check every ${HEALTH_INTERVAL_MS} ms</td></tr>
<tr><th scope="row">plain lane</th><td>undici over a fixed list of addresses in turn, timeout ${SUCCESS_WITHIN_MS} ms</td></tr>
<tr><th scope="row">gateless lane</th><td>configured as below; an ejected instance rests ${recoveryMs(seconds)} ms</td></tr>
<tr><th scope="row">machine</th><td>Node ${node}, ${platform}, ${cores} cores; ${date}</td></tr>
<tr><th scope="row">its own delay</th><td>the latest a call was sent after its arrival: ${delays}. This counts in the latencies.</td></tr>
</tbody></table>
<details><summary>Configuration of the gateless lane</summary><pre><code>${configuration}</code></pre></details>
<h2>Repeat it</h2>
<pre><code>npm ci && npm run demo -- --seconds ${seconds}</code></pre>`
}

/** A number and its unit stay on one line. */
function unbroken(text: string): string {
  return text.replaceAll(' ', '\u{A0}')
}
