import { describe, expect, it } from 'vitest'
import type { Decision, SecondOfLane } from '../../examples/demo/measurements.ts'
import { Recorder } from '../../examples/demo/recorder.ts'

/** The books of one lane. */

function setUp() {
  const clock = { now: 0 }
  const seconds: SecondOfLane[] = []
  const decisions: Decision[] = []
  const recorder = new Recorder('gateless', () => clock.now, {
    second: (second) => seconds.push(second),
    decision: (decision) => decisions.push(decision),
  })
  const call = (scheduledMs: number, endedMs: number, why?: string): void => {
    clock.now = scheduledMs
    recorder.started(scheduledMs)
    recorder.attempt(scheduledMs, 'device-1', { failed: why !== undefined, durationMs: endedMs - scheduledMs })
    clock.now = endedMs
    recorder.ended({ scheduledMs, call: 'GET /x', why, attempts: 'told' })
  }
  return { clock, seconds, decisions, recorder, call }
}

describe('the recorder', () => {
  it('measures from the scheduled arrival, and calls late answers lost', () => {
    const { recorder, call } = setUp()
    call(100, 110)
    call(200, 1_200)
    call(300, 1_301)
    const report = recorder.report({ handles: [] })
    expect(report).toMatchObject({ calls: 3, successes: 2, attempts: 3, p50Ms: 1_000, maxMs: 1_001, inFlight: 0 })
    expect(report.lost).toEqual([{ atMs: 300, call: 'GET /x', latencyMs: 1_001, why: 'too late', attempts: 'told' }])
  })

  it('hands a second out when it is over and every call in it has ended', () => {
    const { clock, recorder, seconds, call } = setUp()
    call(10, 20)
    recorder.started(990)
    clock.now = 1_500
    recorder.flush()
    expect(seconds).toEqual([])
    recorder.ended({ scheduledMs: 990, call: 'GET /x', why: undefined, attempts: '' })
    recorder.flush()
    expect(seconds).toEqual([
      {
        second: 0,
        calls: 2,
        successes: 2,
        attempts: 1,
        p50Ms: 10,
        p99Ms: 510,
        maxMs: 510,
        instances: { 'device-1': { attempts: 1, failures: 0, p50Ms: 10 } },
      },
    ])
  })

  it('sums failures and retries up instead of a line for each', () => {
    const { recorder, decisions, call } = setUp()
    recorder.retried('device-1 timed out')
    recorder.retried('device-1 timed out')
    call(0, 5, 'HTTP 500')
    recorder.flush()
    recorder.flush()
    expect(decisions.map(({ kind, text }) => [kind, text])).toEqual([
      ['retries', '2 retried: 2 × device-1 timed out'],
      ['failures', '1 calls failed: 1 × HTTP 500'],
    ])
  })

  it('counts calls that never ended', () => {
    const { recorder, call } = setUp()
    call(0, 5)
    recorder.started(7)
    expect(recorder.report({ handles: ['Timeout'] })).toMatchObject({ calls: 2, inFlight: 1, handles: ['Timeout'] })
  })
})
