/** What the simulations share: seeds, tables, and the judgement whether a number is the reference. */

/**
 * The first seed; GATELESS_SEED moves it. Every table names the seeds it was made with. The references come from three seeds
 * and ours from five, so with others a mean may miss its tenth: then look at the table before at the policy.
 */
const FIRST_SEED = Number(process.env['GATELESS_SEED'] ?? 1)

export const SEEDS: readonly number[] = [0, 1, 2, 3, 4].map((i) => FIRST_SEED + i)

export const SEEDS_TEXT: string = `seeds ${SEEDS[0]} to ${SEEDS.at(-1)}`

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** Prints a table; the first row is its head. */
export function print(title: string, rows: readonly (readonly (string | number)[])[]): void {
  const text = rows.map((row) => row.map(String))
  const widths = (text[0] as string[]).map((_, column) => Math.max(...text.map((row) => (row[column] ?? '').length)))
  const lines = text.map((row) => row.map((cell, column) => cell.padEnd(widths[column] as number)).join('  '))
  console.log(`${title} (${SEEDS_TEXT})\n${lines.map((line) => `  ${line.trimEnd()}`).join('\n')}\n`)
}

/** A range of reference, or a single number, with a tenth to either side. */
export function within(reference: number | readonly [number, number]): readonly [number, number] {
  const [low, high] = typeof reference === 'number' ? [reference, reference] : reference
  return [0.9 * low, 1.1 * high]
}
