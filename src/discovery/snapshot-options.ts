import { OptionReader } from '../core/options.ts'

/** Options of the file a {@link DiscoveryClient} starts from while its provider cannot be asked. */
export interface SnapshotOptions {
  /**
   * The file, on a disk that outlives the process. Its folder is made where it is missing; the file is replaced as a
   * whole, readable by its owner only. Processes of one application may share it: the last one to write is believed.
   */
  readonly path: string
  /** It is written at most this often, and only after news, in milliseconds, from 0. @default 30_000 */
  readonly intervalMs?: number
  /**
   * What was confirmed longer ago is not served any more, in milliseconds, from 1: addresses are given to others in
   * time. @default 86_400_000
   */
  readonly maxAgeMs?: number
  /** A longer file is neither read nor written, in bytes, from 1024; the services used last come first. @default 16_777_216 */
  readonly maxBytes?: number
}

/** @internal */
export type SnapshotSettings = Required<SnapshotOptions>

/** @internal Undefined where there is to be none. */
export function readSnapshotOptions(options: unknown): SnapshotSettings | undefined {
  if (options === undefined) return undefined
  const read = new OptionReader('DiscoveryClient: snapshot', options)
  const settings: SnapshotSettings = {
    path: read.string('path', undefined) ?? read.refuse('path', 'a string that is not empty'),
    intervalMs: read.duration('intervalMs', 30_000),
    maxAgeMs: read.duration('maxAgeMs', 86_400_000, 1),
    maxBytes: read.number('maxBytes', {
      default: 16 * 1024 * 1024,
      min: 1_024,
      max: 1_073_741_824,
      integer: true,
      unit: 'bytes',
    }),
  }
  read.end()
  return settings
}
