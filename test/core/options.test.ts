import { afterEach, describe, expect, it } from 'vitest'
import { OptionReader, show } from '../../src/core/options.ts'

const reader = (options?: unknown): OptionReader => new OptionReader('Thing', options)

const fallback = (): number => 1
const run = (): void => {}

describe('OptionReader', () => {
  it('answers the default for what was not given, and what was given otherwise', () => {
    const nothing = reader()
    expect(nothing.number('a', { default: 5 })).toBe(5)
    expect(nothing.number('a', { default: undefined })).toBeUndefined()
    expect(nothing.duration('b', 7)).toBe(7)
    expect(nothing.string('c', 'x')).toBe('x')
    expect(nothing.boolean('d', true)).toBe(true)
    expect(nothing.oneOf('e', ['p', 'q'], 'q')).toBe('q')
    expect(nothing.function('f', fallback)).toBe(fallback)
    expect(nothing.implementing('g', ['run'], undefined)).toBeUndefined()
    const something = reader({ a: 1, b: 2, c: 'y', d: false, e: 'p', f: run, g: { run } })
    expect(something.number('a', { default: 5 })).toBe(1)
    expect(something.duration('b', 7)).toBe(2)
    expect(something.string('c', 'x')).toBe('y')
    expect(something.boolean('d', true)).toBe(false)
    expect(something.oneOf('e', ['p', 'q'], 'q')).toBe('p')
    expect(something.function('f', fallback)).toBe(run)
    expect(something.implementing('g', ['run'], undefined)).toEqual({ run })
    expect(() => something.end()).not.toThrow()
  })

  it('an option that is given as undefined was not given', () => {
    expect(reader({ a: undefined }).number('a', { default: 5 })).toBe(5)
  })

  it('finds methods on the prototype of an implementation', () => {
    class Runner {
      run(): void {}
    }
    const runner = new Runner()
    expect(reader({ g: runner }).implementing('g', ['run'], undefined)).toBe(runner)
  })

  it.each([
    [{ a: 4 }, (read: OptionReader) => read.number('a', { default: 5, min: 5 }), 'a finite number from 5, got 4'],
    [{ a: 6 }, (read: OptionReader) => read.number('a', { default: 5, max: 5 }), 'a finite number up to 5, got 6'],
    [
      { a: 0 },
      (read: OptionReader) => read.number('a', { default: 5, min: 0, max: 1, above: true }),
      'a finite number above 0 up to 1, got 0',
    ],
    [{ a: 1.5 }, (read: OptionReader) => read.number('a', { default: 5, integer: true }), 'an integer, got 1.5'],
    [
      { a: -1 },
      (read: OptionReader) => read.duration('a', 5),
      'a finite number from 0 up to 2073600000 milliseconds, got -1',
    ],
    [{ a: 2_073_600_001 }, (read: OptionReader) => read.duration('a', 5), 'got 2073600001'],
    [{ a: 4 }, (read: OptionReader) => read.duration('a', 5, 10), 'from 10 up to'],
  ])('a number out of range is a RangeError: %j', (options, take, message) => {
    expect(() => take(reader(options))).toThrow(RangeError)
    expect(() => take(reader(options))).toThrow(message)
  })

  it('takes the bounds themselves', () => {
    expect(reader({ a: 5 }).number('a', { default: 7, min: 5, max: 5 })).toBe(5)
    expect(reader({ a: 0 }).duration('a', 7)).toBe(0)
    expect(reader({ a: 2_073_600_000 }).duration('a', 7)).toBe(2_073_600_000)
  })

  it.each([Number.NaN, Infinity, -Infinity])('%d is no number anybody can use (FAULTS 44)', (a) => {
    expect(() => reader({ a }).number('a', { default: 5 })).toThrow(
      new RangeError(`Thing: a must be a finite number, got ${a}`),
    )
  })

  it.each([
    [{ a: '5' }, (read: OptionReader) => read.number('a', { default: 5 }), 'a finite number, got "5"'],
    [{ a: null }, (read: OptionReader) => read.number('a', { default: 5 }), 'a finite number, got null'],
    [{ a: 5n }, (read: OptionReader) => read.number('a', { default: 5 }), 'a finite number, got 5'],
    [{ a: '' }, (read: OptionReader) => read.string('a', 'x'), 'a string that is not empty, got ""'],
    [{ a: [] }, (read: OptionReader) => read.string('a', 'x'), 'a string that is not empty, got an array'],
    [{ a: 'yes' }, (read: OptionReader) => read.boolean('a', true), 'true or false, got "yes"'],
    [{ a: 'r' }, (read: OptionReader) => read.oneOf('a', ['p', 'q'], 'q'), "one of 'p', 'q', got \"r\""],
    [{ a: {} }, (read: OptionReader) => read.function('a', () => {}), 'a function, got an object'],
    [
      { a: {} },
      (read: OptionReader) => read.implementing('a', ['x', 'y'], {}),
      'an object with x(), y(), got an object',
    ],
    [{ a: null }, (read: OptionReader) => read.implementing('a', ['x'], {}), 'an object with x(), got null'],
    [{ a: () => {} }, (read: OptionReader) => read.implementing('a', ['x'], {}), 'an object with x(), got a function'],
  ])('a wrong type is a TypeError: %o', (options, take, message) => {
    expect(() => take(reader(options))).toThrow(new TypeError(`Thing: a must be ${message}`))
  })

  it('a wrong number given for something else is a RangeError, as in Node', () => {
    expect(() => reader({ a: 5 }).string('a', 'x')).toThrow(RangeError)
  })

  it.each([null, 5, 'x', [], () => {}])('%o is no options object', (options) => {
    expect(() => reader(options)).toThrow('Thing: options must be an object, got ')
  })

  it('refuses names nobody asked for, naming those it knows', () => {
    const read = reader({ timeout: 5 })
    read.number('timeoutMs', { default: 5 })
    expect(() => read.end()).toThrow(new TypeError('Thing: unknown option "timeout"; known are timeoutMs'))
  })
})

describe('a polluted Object.prototype (FAULTS 94)', () => {
  afterEach(() => {
    delete (Object.prototype as Record<string, unknown>)['a']
  })

  it('configures nobody', () => {
    ;(Object.prototype as Record<string, unknown>)['a'] = 99
    const read = reader({})
    expect(read.number('a', { default: 5 })).toBe(5)
    expect(read.raw('a')).toBeUndefined()
  })
})

it('show pictures any value on one short line', () => {
  expect(show('a\nb')).toBe('"a\\nb"')
  expect(show('x'.repeat(100))).toBe(`"${'x'.repeat(60)}…"`)
  expect([show(() => {}), show([1]), show({}), show(null), show(undefined), show(Symbol('s')), show(true)]).toEqual([
    'a function',
    'an array',
    'an object',
    'null',
    'undefined',
    'Symbol(s)',
    'true',
  ])
  expect(show(Object.create(null))).toBe('an object')
})
