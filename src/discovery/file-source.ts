import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import { show } from '../core/options.ts'
import { parseInstances } from '../core/parse-instance.ts'
import { FileListError } from './file-list-error.ts'
import type { ListAnswer } from './provider.ts'

/** Reads lists of instances from files, and goes on knowing what they last said that made sense. */

export interface FileSourceSettings {
  readonly ttlMs: number
  readonly maxBytes: number
  readonly onProblem: (error: FileListError) => void
}

/** One file as it was read: what was good in it, and what was wrong with it since. */
interface ReadFile {
  /** Inode, size and time of change: another stamp is another file. */
  stamp: string
  /** By service name; a folder's files have one. Undefined before anything good was read. */
  answers: ReadonlyMap<string, ListAnswer> | undefined
  problem: FileListError | undefined
}

type Content =
  | { readonly kind: 'read'; readonly stamp: string; readonly text: string }
  /** Its stamp is the known one. */
  | { readonly kind: 'same' }
  | { readonly kind: 'too-long'; readonly stamp: string }

/** Names that could lead out of the folder, or to a hidden file, are nobody's. */
const FILE_NAME = /^[\w@:-][\w.@:-]*$/

const NOT_FOUND: ListAnswer = { kind: 'not-found' }

/** Files of a folder that are remembered. */
const MAX_FILES = 1_000

export class FileSource {
  readonly #path: string
  readonly #settings: FileSourceSettings
  readonly #files = new LRUCache<string, ReadFile>({ max: MAX_FILES })
  /** Reads of one file follow each other, so that an old text never replaces a newer one. */
  readonly #reading = new Map<string, Promise<ReadFile | undefined>>()

  constructor(path: string, settings: FileSourceSettings) {
    this.#path = path
    this.#settings = settings
  }

  /** The same object as long as the file is the same. @throws {FileListError} when nothing good is known. */
  async list(serviceName: string): Promise<ListAnswer> {
    const whole = await this.#read(this.#path)
    // Undefined: a folder.
    if (whole !== undefined) return answerFrom(whole, serviceName)
    if (!FILE_NAME.test(serviceName)) return NOT_FOUND
    const file = await this.#read(join(this.#path, `${serviceName}.json`), serviceName)
    return file === undefined ? NOT_FOUND : answerFrom(file, serviceName)
  }

  /** @param serviceName Whose list the file is; without one it is an object of lists. */
  #read(path: string, serviceName?: string): Promise<ReadFile | undefined> {
    const reading =
      this.#reading.get(path) ?? this.#refresh(path, serviceName).finally(() => this.#reading.delete(path))
    this.#reading.set(path, reading)
    return reading
  }

  async #refresh(path: string, serviceName: string | undefined): Promise<ReadFile | undefined> {
    const known = this.#files.get(path)
    let content: Content | undefined
    try {
      content = await readText(path, known?.stamp, this.#settings.maxBytes)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EISDIR' && serviceName === undefined) return undefined
      // A file that is gone from its folder says so on purpose; the folder itself may just not be mounted.
      if (code === 'ENOENT' && serviceName !== undefined) {
        this.#files.delete(path)
        return undefined
      }
      return this.#note(path, known, code ?? 'unreadable', asProblem(path, error))
    }
    if (content.kind === 'same') return known
    const { maxBytes, ttlMs } = this.#settings
    if (content.kind === 'too-long') {
      return this.#note(path, known, content.stamp, new FileListError(path, `is longer than ${maxBytes} bytes`))
    }
    try {
      const answers = parse(content.text, path, serviceName, ttlMs)
      const file: ReadFile = { stamp: content.stamp, answers, problem: undefined }
      this.#files.set(path, file)
      return file
    } catch (error) {
      return this.#note(path, known, content.stamp, asProblem(path, error))
    }
  }

  /** The last good content stays, and somebody is told once. */
  #note(path: string, known: ReadFile | undefined, stamp: string, problem: FileListError): ReadFile {
    const file: ReadFile = { stamp, answers: known?.answers, problem }
    this.#files.set(path, file)
    if (file.answers !== undefined && (known?.stamp !== stamp || known.problem === undefined)) {
      try {
        this.#settings.onProblem(problem)
      } catch {
        // Somebody else's hook is no reason to lose a list.
      }
    }
    return file
  }
}

function answerFrom({ answers, problem }: ReadFile, serviceName: string): ListAnswer {
  if (answers === undefined) throw problem as FileListError
  return answers.get(serviceName) ?? NOT_FOUND
}

async function readText(path: string, knownStamp: string | undefined, maxBytes: number): Promise<Content> {
  const file = await open(path, 'r')
  try {
    const { ino, size, mtimeMs, ctimeMs } = await file.stat()
    const stamp = `${ino} ${size} ${mtimeMs} ${ctimeMs}`
    if (stamp === knownStamp) return { kind: 'same' }
    // One byte more than allowed: what `stat` says of a pipe or of a growing file is no bound.
    const bytes = new Uint8Array(Math.min(maxBytes, Math.max(size, 65_536)) + 1)
    let length = 0
    for (;;) {
      const { bytesRead } = await file.read(bytes, length, bytes.length - length)
      length += bytesRead
      if (length > maxBytes) return { kind: 'too-long', stamp }
      if (bytesRead === 0 || length === bytes.length) break
    }
    return {
      kind: 'read',
      stamp,
      text: new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(0, length)),
    }
  } finally {
    await file.close()
  }
}

function parse(
  text: string,
  path: string,
  serviceName: string | undefined,
  ttlMs: number,
): ReadonlyMap<string, ListAnswer> {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // Not as `cause`: V8 quotes the text it cannot parse.
    throw new FileListError(path, 'is no JSON')
  }
  if (serviceName !== undefined) return new Map([[serviceName, parseList(value, path, serviceName, ttlMs)]])
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FileListError(path, 'is no object of lists by service name')
  }
  return new Map(Object.entries(value).map(([name, list]) => [name, parseList(list, path, name, ttlMs)]))
}

function parseList(value: unknown, path: string, serviceName: string, ttlMs: number): ListAnswer {
  const parsed = parseInstances(value, serviceName)
  if (parsed === undefined) throw new FileListError(path, `has no list of instances for ${show(serviceName)}`)
  const { instances, dropped } = parsed
  if (instances.length === 0 && dropped > 0) {
    throw new FileListError(path, `has no entry that makes sense for ${show(serviceName)}`)
  }
  return Object.freeze({ kind: 'ok', instances, dropped, ttlMs })
}

function asProblem(path: string, error: unknown): FileListError {
  if (error instanceof FileListError) return error
  return new FileListError(path, `cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'})`, error)
}
