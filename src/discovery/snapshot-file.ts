import { randomUUID } from 'node:crypto'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { ServiceInstance } from '../core/instance.ts'
import { formatInstance, isText, parseInstances } from '../core/parse-instance.ts'
import { formatDate, parseDate } from '../time/clock.ts'

/**
 * The snapshot on disk: one line that says what it is, then one line of JSON per service. Lines, because a file is then
 * read and written piece by piece, with the event loop free in between, and a broken line costs one service. Nothing in
 * it is trusted more than a registry's answer: whoever can write the file could otherwise name any host.
 */

/** One service as the snapshot has it. */
export interface SavedService {
  readonly service: string
  readonly instances: readonly ServiceInstance[]
  /** When the provider last said so, in milliseconds since the Unix epoch. */
  readonly confirmedAt: number
}

/** What is wrong with a file that is not read. The file stays as it is until the next one replaces it. */
export class SnapshotProblem extends Error {
  override readonly name = 'SnapshotProblem'
}

const FORMAT = 'gateless discovery snapshot'
const VERSION = 1
const PIECE_BYTES = 65_536
/** One service. Parsing a line blocks the event loop: 4 MiB, some 15,000 instances, for about 50 ms. */
const MAX_LINE_LENGTH = 4 * 1024 * 1024

/**
 * Reads a snapshot; empty where there is no file yet.
 *
 * @throws {SnapshotProblem} when it is too long, or no snapshot of this version; else what the file system says.
 */
export async function readSnapshot(path: string, maxBytes: number): Promise<SavedService[]> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (file === undefined) return []
  try {
    return await readLines(file, path, maxBytes)
  } finally {
    await file.close()
  }
}

async function readLines(
  file: Awaited<ReturnType<typeof open>>,
  path: string,
  maxBytes: number,
): Promise<SavedService[]> {
  const services: SavedService[] = []
  const decoder = new TextDecoder()
  const piece = new Uint8Array(PIECE_BYTES)
  let rest = ''
  let size = 0
  let isFirst = true
  for (;;) {
    const { bytesRead } = await file.read(piece, 0, PIECE_BYTES)
    size += bytesRead
    // Counted while reading: what `stat` says of a pipe or of a growing file is no bound.
    if (size > maxBytes) throw new SnapshotProblem(`${path} is longer than ${maxBytes} bytes`)
    const text =
      bytesRead === 0 ? `${decoder.decode()}\n` : decoder.decode(piece.subarray(0, bytesRead), { stream: true })
    const lines = `${rest}${text}`.split('\n')
    rest = lines.pop() as string
    if (rest.length > MAX_LINE_LENGTH) throw new SnapshotProblem(`${path} has a line nobody here wrote`)
    for (const line of lines) {
      if (isFirst) checkHeader(line, path)
      else addService(line, services)
      isFirst = false
    }
    if (bytesRead === 0) return services
  }
}

/**
 * Replaces the snapshot, at once and as a whole: a reader, or a process killed in the middle, sees the old file or the
 * new one. Services that no longer fit are left out.
 */
export async function writeSnapshot(path: string, services: Iterable<SavedService>, maxBytes: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  const temporary = `${path}.${randomUUID()}.tmp`
  // Not followed, should somebody have put a link there.
  const file = await open(temporary, 'wx', 0o600)
  try {
    let text = `${JSON.stringify({ format: FORMAT, version: VERSION })}\n`
    let size = Buffer.byteLength(text)
    for (const saved of services) {
      const line = formatLine(saved)
      const bytes = Buffer.byteLength(line)
      if (size + bytes > maxBytes || line.length > MAX_LINE_LENGTH) continue
      size += bytes
      text += line
      if (text.length < PIECE_BYTES) continue
      await file.writeFile(text)
      text = ''
    }
    await file.writeFile(text)
    // Renamed before it is on disk, it could be found empty after a power cut.
    await file.sync()
    await file.close()
    await rename(temporary, path)
  } catch (error) {
    await file.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
}

function checkHeader(line: string, path: string): void {
  const header = parse(line)
  if (header?.['format'] !== FORMAT) throw new SnapshotProblem(`${path} is no ${FORMAT}`)
  if (header['version'] !== VERSION) throw new SnapshotProblem(`${path} is of another version than ${VERSION}`)
}

function addService(line: string, services: SavedService[]): void {
  const entry = parse(line)
  const service = entry?.['service']
  const confirmedAt = typeof entry?.['confirmed_at'] === 'string' ? parseDate(entry['confirmed_at']) : Number.NaN
  if (!isText(service) || Number.isNaN(confirmedAt)) return
  const instances = parseInstances(entry?.['instances'], service)?.instances ?? []
  if (instances.length > 0) services.push({ service, instances: Object.freeze(instances), confirmedAt })
}

function formatLine({ service, instances, confirmedAt }: SavedService): string {
  // Under the name they were asked for by: a provider may know them by another, and the reader takes no others.
  const entries = instances.map((instance) => ({ ...formatInstance(instance), service_name: service }))
  const entry = { service, confirmed_at: formatDate(confirmedAt), instances: entries }
  return `${JSON.stringify(entry)}\n`
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
