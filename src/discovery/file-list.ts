import { describeThrown } from '../core/errors.ts'
import { OptionReader } from '../core/options.ts'
import { type Clock, toClock } from '../time/clock.ts'
import type { FileListError } from './file-list-error.ts'
import { FileSource } from './file-source.ts'
import { FolderWatch } from './folder-watch.ts'
import type { DiscoveryProvider, ListContext, WatchContext } from './provider.ts'

/** Options of {@link fileList}. */
export interface FileListOptions {
  /**
   * A JSON file with an object of lists by service name, or a folder with one file `<service>.json` per service, each
   * with a list. Entries are written as a registry would answer them (snake_case or camelCase).
   */
  readonly path: string
  /** How long what was read is good for; then the file is looked at again, in milliseconds, from 1. @default 5_000 */
  readonly ttlMs?: number
  /** A longer file is not read, in bytes, from 2. @default 4_194_304 */
  readonly maxBytes?: number
  /**
   * How long after a change the file is read, in milliseconds, from 0: whoever writes it in place is then done.
   * @default 20
   */
  readonly settleMs?: number
  /**
   * Told of a file that cannot be used while the last good one is, once per fault.
   * @default a process warning
   */
  readonly onProblem?: (error: FileListError) => void
  readonly clock?: Partial<Clock>
}

/**
 * A provider that reads a file, or a folder of files, and follows their changes.
 *
 * When to use: where something else writes down who runs where (a configuration management, a mounted ConfigMap).
 *
 * Gotchas: replace the file by renaming another over it; one written in place may be seen half done, and is then not
 * believed until it makes sense. What makes no sense changes nothing: the last good list stays, however long. Only a
 * file that is missing in its folder, or a name that is missing in its file, means that there is no such service.
 *
 * @example
 * const discovery = new DiscoveryClient({ provider: fileList({ path: '/etc/services.json' }) })
 *
 * @throws {TypeError | RangeError} naming option, value and range.
 */
export function fileList(options: FileListOptions): DiscoveryProvider {
  const read = new OptionReader('fileList', options)
  const path = read.string('path', undefined) ?? read.refuse('path', 'a string that is not empty')
  const ttlMs = read.duration('ttlMs', 5_000, 1)
  const maxBytes = read.number('maxBytes', {
    default: 4_194_304,
    min: 2,
    max: 1_073_741_824,
    integer: true,
    unit: 'bytes',
  })
  const settleMs = read.duration('settleMs', 20)
  const onProblem = read.function('onProblem', warn)
  const clock = toClock(read.raw('clock') as Partial<Clock> | undefined)
  read.end()
  const source = new FileSource(path, { ttlMs, maxBytes, onProblem })
  const folder = new FolderWatch(path, { settleMs, pollMs: ttlMs, clock })
  return Object.freeze({
    name: `file ${path}`,
    close: () => folder.close(),
    list: (serviceName: string, { signal }: ListContext) => {
      signal.throwIfAborted()
      return source.list(serviceName)
    },
    watch: (serviceName: string, context: WatchContext) => follow(source, folder, serviceName, context),
  })
}

/** Reads at each change of the folder and, because notices get lost on many file systems, now and then. */
async function follow(
  source: FileSource,
  folder: FolderWatch,
  serviceName: string,
  { signal, push, alive }: WatchContext,
): Promise<void> {
  let last: unknown
  while (!signal.aborted) {
    // Begun before reading: a change while it reads is not missed.
    const change = folder.nextChange(signal)
    const answer = await source.list(serviceName)
    if (signal.aborted) return
    alive()
    // The same object as long as the file is the same.
    if (answer !== last) push(answer)
    last = answer
    await change
  }
}

function warn(error: FileListError): void {
  process.emitWarning(describeThrown(error), { type: 'GatelessWarning' })
}
