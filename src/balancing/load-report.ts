/**
 * What an instance says of its own load, in the headers of its answers: `x-load-rif`, a number, and ORCA's
 * `endpoint-load-metrics` in its two forms that are text. Read strictly: it comes from outside, and one NaN among weights
 * would win or lose every comparison.
 */

/** A report. All numbers are finite and from 0; what was not reported is undefined, which is not 0. */
export interface LoadReport {
  /** Requests in flight there, from everybody, the reporting one included. */
  readonly inFlight?: number | undefined
  /** What the application says of itself; 1 is full, and more is possible. */
  readonly applicationUtilization?: number | undefined
  readonly cpuUtilization?: number | undefined
  readonly memoryUtilization?: number | undefined
  readonly requestsPerSecond?: number | undefined
  readonly errorsPerSecond?: number | undefined
}

/** ORCA's names. Source: xds.data.orca.v3.OrcaLoadReport; Envoy, orca_parser. */
const FIELDS: ReadonlyMap<string, keyof LoadReport> = /* @__PURE__ */ new Map([
  ['application_utilization', 'applicationUtilization'],
  ['cpu_utilization', 'cpuUtilization'],
  ['mem_utilization', 'memoryUtilization'],
  ['rps_fractional', 'requestsPerSecond'],
  ['eps', 'errorsPerSecond'],
])

/** Longer headers are not looked at. Characters. */
const LONGEST = 4_096

type Writable = { -readonly [K in keyof LoadReport]: LoadReport[K] }

/**
 * Reads what an answer's headers say of the load of who sent it.
 *
 * When to use: on the headers of an answer, before `lease.responded(verdict, { load })`, under `serverLoad`.
 *
 * Gotchas: names in lower case, as Node and undici give them. A header that makes no sense, or came twice, is ignored as
 * a whole; metrics of unknown names, ORCA's named ones among them, are passed over. ORCA's binary form is not read.
 *
 * @returns Undefined when nothing was reported.
 * @example
 * parseLoadReport({ 'x-load-rif': '12' }) // { inFlight: 12 }
 * parseLoadReport({ 'endpoint-load-metrics': 'TEXT cpu_utilization=0.7,rps_fractional=120' })
 */
export function parseLoadReport(headers: Readonly<Record<string, unknown>>): LoadReport | undefined {
  const orca = headers['endpoint-load-metrics']
  const inFlight = parseNumber(headers['x-load-rif'])
  const report = typeof orca === 'string' && orca.length <= LONGEST ? parseOrca(orca) : undefined
  if (inFlight === undefined) return report
  return { ...report, inFlight }
}

function parseOrca(header: string): LoadReport | undefined {
  const text = header.trim()
  if (text.startsWith('JSON ')) return parseJson(text.slice(5))
  // Envoy's first version had no prefix, and a colon between name and value. (The binary form does not look like that.)
  return parseText(text.startsWith('TEXT ') ? text.slice(5) : text)
}

function parseText(text: string): LoadReport | undefined {
  const report: Writable = {}
  const names = new Set<string>()
  for (const entry of text.split(',')) {
    const [, name, value] = /^\s*([\w.]+)\s*[=:]\s*(\S+)\s*$/.exec(entry) ?? []
    const number = parseNumber(value)
    if (name === undefined || number === undefined || names.has(name)) return undefined
    names.add(name)
    const field = FIELDS.get(name)
    if (field !== undefined) report[field] = number
  }
  return filled(report)
}

function parseJson(text: string): LoadReport | undefined {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof given !== 'object' || given === null) return undefined
  const report: Writable = {}
  for (const [name, field] of FIELDS) {
    if (!Object.hasOwn(given, name)) continue
    const value = (given as Record<string, unknown>)[name]
    if (typeof value !== 'number' || !isLoad(value)) return undefined
    report[field] = value
  }
  return filled(report)
}

function filled(report: LoadReport): LoadReport | undefined {
  return Object.keys(report).length === 0 ? undefined : report
}

/** Decimal and nothing else: `Number` reads '' as 0, and '0x10' and 'Infinity' as numbers. */
function parseNumber(value: unknown): number | undefined {
  if (typeof value !== 'string' || !/^\d{1,20}(?:\.\d{1,20})?(?:[eE][+-]?\d{1,3})?$/.test(value)) return undefined
  const number = Number(value)
  return isLoad(number) ? number : undefined
}

function isLoad(value: number): boolean {
  return Number.isFinite(value) && value >= 0
}

/** @internal What stands in `OutcomeInfo.load`: a report, or the number of requests in flight there. */
export function loadReportOf(load: unknown): LoadReport | undefined {
  if (typeof load === 'number') return isLoad(load) ? { inFlight: load } : undefined
  return typeof load === 'object' && load !== null ? load : undefined
}
