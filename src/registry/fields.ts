import { parsePort } from '../core/host.ts'
import { show } from '../core/options.ts'
import { INSTANCE_LIMITS, isText, parseMetadata } from '../core/parse-instance.ts'
import { InvalidRegistrationError } from './errors.ts'

/**
 * Reads one untrusted object field by field, and says which field is wrong. A client that reads a registry drops what
 * it cannot use; the registry itself must refuse it, or whoever registered would never learn of his mistake.
 *
 * Fields are asked for by their wire name and found in camelCase too, so the same checks serve both sides.
 */
export class Fields {
  readonly #given: Readonly<Record<string, unknown>>
  readonly #path: string

  /** @param path Where the object stands, like `endpoints[0]`; empty for the outermost. */
  constructor(value: unknown, what: string, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new InvalidRegistrationError(path, `${path || what} must be an object, got ${show(value)}`)
    }
    this.#given = value as Record<string, unknown>
    this.#path = path === '' ? '' : `${path}.`
  }

  /** The first of these the object itself has; null counts as left out. */
  raw(...names: readonly string[]): unknown {
    const spelling = this.#spelling(names)
    return spelling === undefined ? undefined : (this.#given[spelling] ?? undefined)
  }

  /** Text without control characters, and not only blanks. */
  text(names: string | readonly string[], maxLength: number = INSTANCE_LIMITS.textLength): string | undefined {
    const list = typeof names === 'string' ? [names] : names
    const value = this.raw(...list)
    if (value === undefined) return undefined
    if (typeof value === 'string' && value.length <= maxLength && value.trim() !== '' && isLine(value)) return value
    this.refuse(list, `a text of 1 to ${maxLength} characters, none of them a control character`)
  }

  /** Text that may be empty and have line breaks: a description. */
  prose(name: string): string {
    const value = this.raw(name)
    if (value === undefined) return ''
    if (typeof value === 'string' && value.length <= 4_096) return value
    this.refuse([name], 'a text of up to 4096 characters')
  }

  /** A name that becomes one segment of a URL path. */
  segment(names: string | readonly string[]): string | undefined {
    const value = this.text(names)
    if (value === undefined || isSegment(value)) return value
    this.refuse(typeof names === 'string' ? [names] : names, 'usable in a path: not "." or "..", and valid Unicode')
  }

  port(name: string): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    return parsePort(value) ?? this.refuse([name], 'an integer from 1 to 65535')
  }

  number(name: string, max: number, integer: boolean): number | undefined {
    const value = this.raw(name)
    if (value === undefined) return undefined
    const fits = typeof value === 'number' && value >= 0 && value <= max && (!integer || Number.isInteger(value))
    return fits ? value : this.refuse([name], `${integer ? 'an integer' : 'a number'} from 0 to ${max}`)
  }

  boolean(name: string): boolean {
    const value = this.raw(name) ?? false
    return typeof value === 'boolean' ? value : this.refuse([name], 'true or false')
  }

  list(name: string, maxLength: number): readonly unknown[] {
    const value = this.raw(name) ?? []
    if (Array.isArray(value) && value.length <= maxLength) return value
    this.refuse([name], `a list of up to ${maxLength} entries`)
  }

  /** String to string, without a prototype: a key named `__proto__` is then a key like any other. */
  metadata(): Readonly<Record<string, string>> {
    const value = this.raw('metadata')
    const metadata = parseMetadata(value)
    if (value === undefined) return metadata
    const { textLength, metadataEntries, metadataValueLength } = INSTANCE_LIMITS
    // What the readers would drop is refused here.
    if (
      typeof value !== 'object' ||
      Array.isArray(value) ||
      Object.keys(metadata).length !== Object.keys(value as object).length
    ) {
      this.refuse(
        ['metadata'],
        `an object of up to ${metadataEntries} strings (keys up to ${textLength}, values up to ${metadataValueLength} characters)`,
      )
    }
    return metadata
  }

  /** Complains about one field, by the name it was given under. */
  refuse(names: readonly string[], allowed: string): never {
    const field = this.#path + (this.#spelling(names) ?? camelCase(names[0] as string))
    throw new InvalidRegistrationError(field, `${field} must be ${allowed}, got ${show(this.raw(...names))}`)
  }

  #spelling(names: readonly string[]): string | undefined {
    for (const name of names) {
      if (Object.hasOwn(this.#given, name)) return name
      const camel = camelCase(name)
      if (Object.hasOwn(this.#given, camel)) return camel
    }
    return undefined
  }
}

/** Whether URL parsers leave it alone: they swallow `.` and `..` even percent-encoded, and cannot encode half a pair. */
export function isSegment(value: unknown): value is string {
  return isText(value) && value.trim() !== '' && value !== '.' && value !== '..' && value.isWellFormed()
}

/** `isText` for any length. */
function isLine(value: string): boolean {
  for (let start = 0; start < value.length; start += INSTANCE_LIMITS.textLength) {
    if (!isText(value.slice(start, start + INSTANCE_LIMITS.textLength))) return false
  }
  return true
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
