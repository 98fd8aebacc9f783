import { readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import type { RunRecord } from '../measurements.ts'
import { page } from './page.ts'

/** Adds what only this process knows to the page, and puts it where it was asked for. @throws what the disk says. */
export function writeReport(file: string, record: RunRecord): void {
  const circumstances = {
    node: process.versions.node,
    platform: `${process.platform} ${process.arch}`,
    cores: availableParallelism(),
    date: new Date().toISOString().slice(0, 10),
    configuration: configuration(),
  }
  writeFileSync(file, page(record, circumstances))
}

/** The source itself: anything written beside it would be wrong one day. */
function configuration(): string {
  const source = readFileSync(new URL('../gateless-lane.ts', import.meta.url), 'utf8')
  return /^export function demoClient[^]*?^}$/m.exec(source)?.[0] ?? source
}
