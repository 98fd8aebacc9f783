import { describe, expect, it } from 'vitest'
import { CheckSchedule } from '../../src/registry/check-schedule.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { seededRandom } from '../../src/time/random.ts'

describe('CheckSchedule', () => {
  it('spreads a thousand checks that began in one moment', async () => {
    const clock = new FakeClock()
    const schedule = new CheckSchedule({ clock, random: seededRandom(1), intervalMs: 30_000, concurrency: 1_000 })
    const perSecond = new Map<number, number>()
    for (let i = 0; i < 1_000; i += 1) {
      schedule.add(async () => {
        const second = Math.floor(clock.now() / 1_000)
        perSecond.set(second, (perSecond.get(second) ?? 0) + 1)
      })
    }
    await clock.advance(300_000)
    const last = [...perSecond].filter(([second]) => second >= 240).map(([, count]) => count)
    // 33 per second if perfectly even; without jitter all thousand would fall into a few seconds.
    expect(Math.max(...last)).toBeLessThan(130)
    expect(last.length).toBeGreaterThan(30)
    expect([...perSecond.keys()].filter((second) => second < 3)).toHaveLength(3)
  })

  it('lets an interval pass after each check, a tenth more or less', async () => {
    const clock = new FakeClock()
    let value = 0
    const schedule = new CheckSchedule({ clock, random: () => value, intervalMs: 10_000, concurrency: 1 })
    const at: number[] = []
    schedule.add(async () => {
      at.push(Math.round(clock.now()))
    })
    await clock.advance(9_500)
    value = 0.999_999
    await clock.advance(25_000)
    expect(at).toEqual([1, 9_001, 18_001, 29_001])
  })

  it('runs so many at once at most, and the rest in order', async () => {
    const clock = new FakeClock()
    const schedule = new CheckSchedule({ clock, random: () => 0, intervalMs: 10_000, concurrency: 2 })
    const started: number[] = []
    const ends: (() => void)[] = []
    for (let i = 0; i < 5; i += 1) {
      schedule.add(() => {
        started.push(i)
        return new Promise((resolve) => ends.push(resolve))
      })
    }
    await clock.advance(5_000)
    expect(started).toEqual([0, 1])
    ends[1]?.()
    await clock.advance(1)
    expect(started).toEqual([0, 1, 2])
    ends[0]?.()
    ends[2]?.()
    await clock.advance(1)
    expect(started).toEqual([0, 1, 2, 3, 4])
  })

  it('never runs a check that was cancelled: planned, waiting or running', async () => {
    const clock = new FakeClock()
    const schedule = new CheckSchedule({ clock, random: () => 0.5, intervalMs: 10_000, concurrency: 1 })
    const started: string[] = []
    let end: (() => void) | undefined
    const running = schedule.add(() => {
      started.push('running')
      return new Promise((resolve) => (end = resolve))
    })
    const waiting = schedule.add(async () => void started.push('waiting'))
    await clock.advance(1_000)
    const planned = schedule.add(async () => void started.push('planned'))
    for (const check of [running, waiting, planned]) check.cancel()
    end?.()
    await clock.advance(60_000)
    expect(started).toEqual(['running'])
    expect(clock.pending).toBe(0)
  })

  it('goes on after a check that rejects', async () => {
    const clock = new FakeClock()
    const schedule = new CheckSchedule({ clock, random: () => 0, intervalMs: 10_000, concurrency: 1 })
    let runs = 0
    schedule.add(() => {
      runs += 1
      return Promise.reject(new Error('no'))
    })
    await clock.advance(10_000)
    expect(runs).toBe(2)
  })
})
