import { describe, expect, it } from 'vitest'
import { awsStandard, exponentialBackoff, RetryPolicy, RetryProgress, RetryQuota } from '../../src/retry/index.ts'

/**
 * The retry timings of AWS's SDK for JavaScript: 12 tables, 84 rows. Origin: smithy-lang/smithy-typescript,
 * packages/core/src/submodules/retry/util-retry/retries.integ.spec.ts, "retry timings". Chance always draws the longest delay.
 */

/** `T`: a transient failure, `P`: a request for patience. Then what the retry costs and how long it waits. */
type Row = readonly ['T' | 'P', cost: number | undefined, delayMs: number]

interface Table {
  readonly name: string
  /** The numbers until November 2026, and those since. */
  readonly rules: 'older' | '2026'
  /** The first row is the call itself: nothing is paid, and the delay is where a backoff would begin. */
  readonly rows: readonly Row[]
}

const table = (rules: Table['rules'], name: string, ...rows: Row[]): Table => ({ name, rules, rows })

const tables: readonly Table[] = [
  table('older', '3 transient', ['T', undefined, 100], ['T', 10, 100], ['T', 10, 200]),
  table('older', '3 throttled', ['P', undefined, 100], ['P', 5, 500], ['P', 5, 1_000]),
  table('older', '3 throttled, mixed', ['P', undefined, 100], ['T', 10, 100], ['P', 5, 1_000]),
  table('older', '3 transient, mixed', ['T', undefined, 100], ['P', 5, 500], ['T', 10, 200]),
  table(
    'older',
    '8 transient',
    ['T', undefined, 100],
    ...[100, 200, 400, 800, 1_600, 3_200, 6_400].map((delayMs) => ['T', 10, delayMs] as const),
  ),
  table(
    'older',
    '8 throttled',
    ['P', undefined, 100],
    ...[500, 1_000, 2_000, 4_000, 8_000, 16_000, 20_000].map((delayMs) => ['P', 5, delayMs] as const),
  ),
  table(
    'older',
    '8 transient, mixed',
    ['T', undefined, 100],
    ['P', 5, 500],
    ['P', 5, 1_000],
    ['T', 10, 400],
    ['T', 10, 800],
    ['T', 10, 1_600],
    ['T', 10, 3_200],
    ['P', 5, 20_000],
  ),
  table(
    'older',
    '8 throttled, mixed',
    ['T', undefined, 100],
    ['T', 10, 100],
    ['P', 5, 1_000],
    ['P', 5, 2_000],
    ['P', 5, 4_000],
    ['P', 5, 8_000],
    ['T', 10, 3_200],
    ['P', 5, 20_000],
  ),
  table(
    'older',
    '12 throttled, mixed',
    ['T', undefined, 100],
    ['T', 10, 100],
    ['P', 5, 1_000],
    ['P', 5, 2_000],
    ['P', 5, 4_000],
    ['P', 5, 8_000],
    ['T', 10, 3_200],
    ...Array.from({ length: 5 }, () => ['P', 5, 20_000] as const),
  ),
  table(
    '2026',
    '8 transient, mixed',
    ['T', undefined, 50],
    ['P', 5, 1_000],
    ['P', 5, 2_000],
    ['T', 14, 200],
    ['T', 14, 400],
    ['T', 14, 800],
    ['T', 14, 1_600],
    ['P', 5, 20_000],
  ),
  table(
    '2026',
    '8 throttled, mixed',
    ['T', undefined, 50],
    ['T', 14, 50],
    ['P', 5, 2_000],
    ['P', 5, 4_000],
    ['P', 5, 8_000],
    ['P', 5, 16_000],
    ['T', 14, 1_600],
    ['P', 5, 20_000],
  ),
  table(
    '2026',
    '12 throttled, mixed',
    ['T', undefined, 50],
    ['T', 14, 50],
    ['P', 5, 2_000],
    ['P', 5, 4_000],
    ['P', 5, 8_000],
    ['P', 5, 16_000],
    ['T', 14, 1_600],
    ...Array.from({ length: 5 }, () => ['P', 5, 20_000] as const),
  ),
]

const longest = (): number => 1

function policyOf({ rules, rows }: Table): RetryPolicy {
  const common = { maxAttempts: rows.length, random: longest }
  if (rules === '2026') return new RetryPolicy(awsStandard(common))
  return new RetryPolicy({
    ...common,
    backoff: exponentialBackoff({ baseMs: 100, throttlingBaseMs: 500, maxMs: 20_000 }),
    budget: new RetryQuota({ transientCost: 10, throttlingCost: 5 }),
  })
}

describe('AWS retry timings', () => {
  it('are 12 tables with 84 rows', () => {
    expect(tables).toHaveLength(12)
    expect(tables.flatMap(({ rows }) => rows)).toHaveLength(84)
  })

  describe.each(tables)('$rules: $name', (each) => {
    const policy = policyOf(each)
    const quota = policy.budget as RetryQuota
    const progress = new RetryProgress()
    let left = 500

    it.each(each.rows.map((row, index) => [index, ...row] as const))(
      'row %i: %s costs %s, waits %i ms',
      (index, kind, cost, delayMs) => {
        const error = Object.assign(new Error('refused'), { status: kind === 'P' ? 429 : 500 })
        if (cost === undefined) {
          const { backoff } = each.rules === '2026' ? awsStandard() : { backoff: exponentialBackoff() }
          expect(backoff?.delayMs({ attempt: 1, random: longest })).toBe(delayMs)
        } else {
          expect(policy.decide({ attempt: index, error, progress })).toEqual({ retry: true, delayMs })
        }
        left -= cost ?? 0
        expect(quota.tokens).toBe(left)
      },
    )
  })
})
