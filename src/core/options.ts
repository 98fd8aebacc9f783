/**
 * Reads and checks options once, when they are given. Only own properties count: a polluted `Object.prototype` must
 * not configure anybody. Names nobody asked for are refused, because a misspelt option silently means its default.
 */

/** The bounds of a numeric option. */
export interface NumberRule<D> {
  readonly default: D
  readonly min?: number
  readonly max?: number
  /** Refuses `min` itself. */
  readonly above?: boolean
  readonly integer?: boolean
  /** Added to the message, like `milliseconds`. */
  readonly unit?: string
}

const DAY_MS = 86_400_000

/** Reads the options of one object; every complaint starts with `owner` and names option, value and range. */
export class OptionReader {
  readonly #owner: string
  readonly #given: Readonly<Record<string, unknown>>
  readonly #known = new Set<string>()

  constructor(owner: string, options: unknown = {}) {
    this.#owner = owner
    this.#given = asOptions(owner, options)
  }

  /** The own property, whatever it is. */
  raw(name: string): unknown {
    this.#known.add(name)
    return Object.hasOwn(this.#given, name) ? this.#given[name] : undefined
  }

  number<D extends number | undefined>(name: string, rule: NumberRule<D>): number | D {
    const { min = -Infinity, max = Infinity, above = false, integer = false, unit = '' } = rule
    const fits = (value: unknown): value is number =>
      typeof value === 'number' &&
      Number.isFinite(value) &&
      (above ? value > min : value >= min) &&
      value <= max &&
      (!integer || Number.isInteger(value))
    const from = min === -Infinity ? '' : ` ${above ? 'above' : 'from'} ${min}`
    const to = max === Infinity ? '' : ` up to ${max}`
    return this.#take(name, rule.default, fits, () =>
      `${integer ? 'an integer' : 'a finite number'}${from}${to} ${unit}`.trimEnd(),
    )
  }

  /** Milliseconds, from `min` (0 by default) up to 24 days, the longest a Node timer can hold. */
  duration<D extends number | undefined>(name: string, fallback: D, min = 0): number | D {
    return this.number(name, { default: fallback, min, max: 24 * DAY_MS, unit: 'milliseconds' })
  }

  string<D extends string | undefined>(name: string, fallback: D): string | D {
    return this.#take(name, fallback, isFilledString, () => 'a string that is not empty')
  }

  boolean(name: string, fallback: boolean): boolean {
    return this.#take(
      name,
      fallback,
      (value) => typeof value === 'boolean',
      () => 'true or false',
    )
  }

  oneOf<T extends string>(name: string, allowed: readonly T[], fallback: T): T {
    const fits = (value: unknown): value is T => allowed.includes(value as T)
    return this.#take(name, fallback, fits, () => `one of '${allowed.join("', '")}'`)
  }

  /** A function, which the caller says the type of. */
  function<F>(name: string, fallback: F): F {
    return this.#take(
      name,
      fallback,
      (value): value is F & object => typeof value === 'function',
      () => 'a function',
    )
  }

  /** An object with these methods, like a strategy or a provider. */
  implementing<T>(name: string, methods: readonly string[], fallback: T): T {
    const fits = (value: unknown): value is T & object =>
      typeof value === 'object' &&
      value !== null &&
      methods.every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
    return this.#take(name, fallback, fits, () => `an object with ${methods.join('(), ')}()`)
  }

  #take<V, D>(name: string, fallback: D, fits: (value: unknown) => value is V, allowed: () => string): V | D {
    const value = this.raw(name)
    if (value === undefined) return fallback
    return fits(value) ? value : this.refuse(name, allowed())
  }

  /** Complains about one option. */
  refuse(name: string, allowed: string): never {
    const value = this.#given[name]
    // A wrong type and a wrong number are different mistakes, and Node tells them apart the same way.
    const Complaint = typeof value === 'number' ? RangeError : TypeError
    throw new Complaint(`${this.#owner}: ${name} must be ${allowed}, got ${show(value)}`)
  }

  /** To be called last: refuses names that nobody read. */
  end(): void {
    for (const name of Object.keys(this.#given)) {
      if (this.#known.has(name)) continue
      throw new TypeError(`${this.#owner}: unknown option ${show(name)}; known are ${[...this.#known].join(', ')}`)
    }
  }
}

function isFilledString(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** The options as an object, whatever stands in it. */
export function asOptions(owner: string, options: unknown): Readonly<Record<string, unknown>> {
  if (typeof options === 'object' && options !== null && !Array.isArray(options))
    return options as Record<string, unknown>
  throw new TypeError(`${owner}: options must be an object, got ${show(options)}`)
}

/** A short, single-line picture of a value, safe to put in a message. */
export function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 60 ? `${value.slice(0, 60)}…` : value)
  if (typeof value === 'function') return 'a function'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'object' && value !== null) return 'an object'
  return String(value)
}
