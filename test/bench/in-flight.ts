import { collect, median, shuffled } from './harness.ts'
import { protectedCalls } from './policies.ts'
import { table } from './table.ts'

/** Many calls that all wait at once: what each holds of the heap meanwhile, and what the whole wave costs. */

export interface InFlightRow {
  readonly name: string
  /** CPU microseconds per call, of the whole process. */
  readonly cpuUs: number
  readonly ratio: number
  /** Heap bytes that one call holds while it waits. */
  readonly bytes: number
}

export interface InFlightOptions {
  readonly calls: number
  readonly rounds: number
}

/** What all the calls of a wave wait for. */
class Gate {
  #open: () => void = () => {}
  #opened = Promise.resolve()

  shut(): void {
    this.#opened = new Promise((resolve) => {
      this.#open = resolve
    })
  }

  open(): void {
    this.#open()
  }

  readonly pass = async (): Promise<number> => {
    await this.#opened
    return 1
  }
}

export async function inFlightBench({ calls, rounds }: InFlightOptions): Promise<InFlightRow[]> {
  const gate = new Gate()
  const contenders = protectedCalls(gate.pass)
  const cpu = contenders.map((): number[] => [])
  const held = contenders.map((): number[] => [])
  /** Starts a wave, and says what it holds if asked: collecting the heap would falsify the time. */
  const wave = async (call: () => Promise<unknown>, weigh: boolean): Promise<number> => {
    gate.shut()
    if (weigh) collect()
    const before = process.memoryUsage().heapUsed
    const began = process.cpuUsage()
    const waiting: Promise<unknown>[] = Array.from({ length: calls })
    for (let i = 0; i < calls; i += 1) waiting[i] = call()
    // All have come to where they wait.
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve()
    if (weigh) collect()
    const grown = process.memoryUsage().heapUsed - before
    gate.open()
    await Promise.all(waiting)
    const { user, system } = process.cpuUsage(began)
    return (weigh ? grown : user + system) / calls
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const index of shuffled(contenders.map((_, at) => at))) {
      const { call } = contenders[index] as (typeof contenders)[number]
      const usedUs = await wave(call, false)
      const bytes = await wave(call, true)
      // The first waves warm up.
      if (round > 0) {
        cpu[index]?.push(usedUs)
        held[index]?.push(bytes)
      }
    }
  }
  const base = cpu[0] as number[]
  return contenders.map(({ name }, index) => {
    const own = cpu[index] as number[]
    return {
      name,
      cpuUs: median(own),
      ratio: median(own.map((value, round) => value / (base[round] as number))),
      bytes: median(held[index] as number[]),
    }
  })
}

export function inFlightTable(rows: readonly InFlightRow[]): string {
  return table(
    ['contender', 'CPU µs/call', '× base', 'heap bytes held'],
    rows.map(({ name, cpuUs, ratio, bytes }) => [name, cpuUs.toFixed(2), ratio.toFixed(2), bytes.toFixed(0)]),
  )
}
