import { GatelessError } from '../core/errors.ts'

/** A file of instances cannot be read, or what it holds cannot be used. `ERR_GATELESS_FILE_LIST`. */
export class FileListError extends GatelessError {
  override readonly name = 'FileListError'
  readonly path: string

  constructor(path: string, problem: string, cause?: unknown) {
    super('ERR_GATELESS_FILE_LIST', `${path} ${problem}`, { cause, local: true })
    this.path = path
  }
}
