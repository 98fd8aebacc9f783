import type { DnsAnswer, DnsContext, DnsRecord, DnsResolver, DnsType } from '../../../src/backends/dns/records.ts'

interface Placed {
  readonly host: string
  readonly port: number
  readonly weight?: number
}

/** Answers questions from a table, as a name server with that zone would. */
export class ScriptedResolver implements DnsResolver {
  /** By `TYPE name`. */
  readonly zone = new Map<string, readonly DnsRecord[]>()
  readonly asked: string[] = []
  readonly signals: AbortSignal[] = []
  closed = 0
  fault: Error | 'hang' | 'garbage' | undefined
  /** Faults of single questions, by `TYPE name`. */
  readonly faults = new Map<string, Error | 'hang'>()
  readonly #ports = new Map<string, number>()

  resolve(name: string, type: DnsType, { signal }: DnsContext): Promise<DnsAnswer> {
    const question = `${type} ${name}`
    this.asked.push(question)
    this.signals.push(signal)
    const fault = this.faults.get(question) ?? this.fault
    if (fault === 'hang') return new Promise(() => {})
    if (fault === 'garbage') return Promise.resolve({ kind: 'ok', records: 'garbage' } as never)
    if (fault !== undefined) return Promise.reject(fault)
    const records = this.zone.get(question)
    if (records !== undefined) return Promise.resolve({ kind: 'ok', records })
    const exists = [...this.zone.keys()].some((key) => key.endsWith(` ${name}`))
    return Promise.resolve(exists ? { kind: 'ok', records: [] } : { kind: 'no-such-name' })
  }

  close(): void {
    this.closed += 1
  }

  portOf(host: string): number | undefined {
    return this.#ports.get(host)
  }

  setAddresses(name: string, entries: readonly Placed[] | undefined): void {
    if (entries === undefined) this.zone.delete(`A ${name}`)
    else
      this.zone.set(
        `A ${name}`,
        entries.map(({ host }) => ({ type: 'A', address: host, ttlMs: 30_000 })),
      )
    for (const { host, port } of entries ?? []) this.#ports.set(host, port)
  }

  setSrv(name: string, entries: readonly Placed[] | undefined): void {
    if (entries === undefined) this.zone.delete(`SRV ${name}`)
    else
      this.zone.set(
        `SRV ${name}`,
        entries.map(({ host, port, weight = 1 }) => ({
          type: 'SRV',
          target: `h-${host.replaceAll('.', '-')}.test`,
          port,
          priority: 10,
          weight,
        })),
      )
    for (const { host } of entries ?? []) {
      this.zone.set(`A h-${host.replaceAll('.', '-')}.test`, [{ type: 'A', address: host, ttlMs: 30_000 }])
    }
  }

  turnRound(): void {
    for (const [question, records] of this.zone) this.zone.set(question, records.toReversed())
  }
}
