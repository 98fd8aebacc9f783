import { describe, expect, it } from 'vitest'
import { parseArguments, UsageError } from '../../examples/demo/arguments.ts'

/** The demo's command line. */

describe('the arguments of the demo', () => {
  it('are 40 seconds of text when nothing is said', () => {
    expect(parseArguments([])).toEqual({ seconds: 40, json: false, help: false })
  })

  it('take the length in both spellings', () => {
    expect(parseArguments(['--seconds', '12']).seconds).toBe(12)
    expect(parseArguments(['--seconds=10', '--json'])).toEqual({ seconds: 10, json: true, help: false })
  })

  it('ask for help', () => {
    expect(parseArguments(['-h']).help).toBe(true)
    expect(parseArguments(['--help']).help).toBe(true)
  })

  it.each([['9'], ['3601'], ['1.5'], ['0x20'], ['-20'], ['']])('refuse a length of %j, naming the range', (text) => {
    expect(() => parseArguments(['--seconds', text])).toThrow(
      new UsageError(`--seconds must be an integer from 10 to 3600, got '${text}'`),
    )
  })

  it('refuse a length that is missing, and what they do not know', () => {
    expect(() => parseArguments(['--seconds'])).toThrow(UsageError)
    expect(() => parseArguments(['--fast'])).toThrow("unknown argument '--fast'")
  })
})
