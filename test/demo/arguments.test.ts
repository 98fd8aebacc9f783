import { describe, expect, it } from 'vitest'
import { parseArguments, UsageError } from '../../examples/demo/arguments.ts'

/** The demo's command line. */

describe('the arguments of the demo', () => {
  it('are 40 seconds and a report when nothing is said', () => {
    const expected = { seconds: 40, json: false, plain: false, report: 'demo-report.html', help: false }
    expect(parseArguments([])).toEqual(expected)
  })

  it('take the length in both spellings', () => {
    expect(parseArguments(['--seconds', '12']).seconds).toBe(12)
    expect(parseArguments(['--seconds=10', '--json'])).toMatchObject({ seconds: 10, json: true, help: false })
  })

  it('ask for help, and for lines', () => {
    expect(parseArguments(['-h']).help).toBe(true)
    expect(parseArguments(['--help']).help).toBe(true)
    expect(parseArguments(['--plain']).plain).toBe(true)
  })

  it.each([
    [['--report', 'a.html'], 'a.html'],
    [['--report=a.html'], 'a.html'],
    [['--no-report'], undefined],
    [['--json'], undefined],
    [['--json', '--report', 'a.html'], 'a.html'],
    [['--report', 'a.html', '--json'], 'a.html'],
  ])('%j write the report to %j', (args, file) => {
    expect(parseArguments(args).report).toBe(file)
  })

  it.each([[['--report']], [['--report=']], [['--report', '--json']]])('refuse %j: a name is missing', (args) => {
    expect(() => parseArguments(args)).toThrow(UsageError)
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
