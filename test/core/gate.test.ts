import * as fc from 'fast-check'
import { beforeEach, describe, expect, it } from 'vitest'
import { Gate, type GateKind, type GateReason, type GateRules, type Pass, REFUSED } from '../../src/core/gate.ts'

const RULES: GateRules = { probes: 1, successThreshold: 2, probeTimeoutMs: 1_000 }

let moves: string[] = []
const note = (from: GateKind, to: GateKind, reason: GateReason): void => {
  moves.push(`${from} > ${to}: ${reason}`)
}

const REOPEN_MS = 70

const gate = (rules: Partial<GateRules> = {}): Gate =>
  new Gate({ ...RULES, ...rules }, { moved: note, reopenMs: () => REOPEN_MS })

/** A gate whose open time is just over. */
function halfOpen(rules: Partial<GateRules> = {}): Gate {
  const made = gate(rules)
  made.open(0, 100, 'tripped')
  expect(made.kind(100)).toBe('half-open')
  moves = []
  return made
}

beforeEach(() => {
  moves = []
})

describe('a closed gate', () => {
  it('lets everybody pass, without a slot', () => {
    const closed = gate()
    expect([closed.enter(0), closed.enter(0), closed.enter(5)]).toEqual([0, 0, 0])
    expect(closed.kind(0)).toBe('closed')
    expect(closed.remainingMs(0)).toBe(0)
  })

  it('is not closed again', () => {
    const closed = gate()
    closed.close('reset')
    expect(closed.generation).toBe(0)
    expect(moves).toEqual([])
  })
})

describe('an open gate', () => {
  it('refuses everybody for exactly its duration', () => {
    const open = gate()
    open.open(50, 100, 'tripped')
    expect([open.kind(50), open.enter(149), open.remainingMs(149)]).toEqual(['open', REFUSED, 1])
    expect(open.kind(150)).toBe('half-open')
    expect(open.remainingMs(150)).toBe(0)
    expect(moves).toEqual(['closed > open: tripped', 'open > half-open: waited'])
  })

  it('waits anew when the clock went backwards, and not for ever (invariant 12)', () => {
    const open = gate()
    open.open(1_000_000, 100, 'tripped')
    expect(open.remainingMs(5)).toBe(100)
    expect(open.kind(104)).toBe('open')
    expect(open.kind(105)).toBe('half-open')
  })

  it('that is opened again waits from then', () => {
    const open = gate()
    open.open(0, 100, 'tripped')
    open.open(90, 200, 'restored')
    expect(open.remainingMs(100)).toBe(190)
    expect(open.generation).toBe(2)
  })

  it('without anybody told still moves', () => {
    const silent = new Gate(RULES)
    silent.open(0, 1, 'tripped')
    expect(silent.kind(1)).toBe('half-open')
  })
})

describe('a half-open gate (invariant 3)', () => {
  it('admits exactly its probes', () => {
    const three = halfOpen({ probes: 3 })
    const passes = [three.enter(100), three.enter(100), three.enter(100)]
    expect(new Set(passes).size).toBe(3)
    expect(passes.every((pass) => pass > 0)).toBe(true)
    expect(three.enter(100)).toBe(REFUSED)
  })

  it('closes after enough successful probes', () => {
    const probing = halfOpen()
    probing.probeSucceeded(probing.enter(100))
    expect(probing.kind(100)).toBe('half-open')
    probing.probeSucceeded(probing.enter(100))
    expect(probing.kind(100)).toBe('closed')
    expect(moves).toEqual(['half-open > closed: probe-succeeded'])
  })

  it('gives a slot back that was released, once', () => {
    const probing = halfOpen()
    const pass = probing.enter(100)
    probing.release(pass)
    probing.release(pass)
    expect(probing.enter(100)).toBeGreaterThan(0)
    expect(probing.enter(100)).toBe(REFUSED)
  })

  it('takes the slot of a probe that hangs, and what that probe says later counts for nothing', () => {
    const probing = halfOpen({ successThreshold: 1 })
    const { generation } = probing
    const hung = probing.enter(100)
    expect(probing.enter(1_099)).toBe(REFUSED)
    const next = probing.enter(1_100)
    expect(next).toBeGreaterThan(hung)
    expect(probing.isCurrent(hung, generation)).toBe(false)
    probing.probeSucceeded(hung)
    expect(probing.kind(1_100)).toBe('half-open')
    probing.release(hung)
    expect(probing.enter(1_100)).toBe(REFUSED)
    probing.probeSucceeded(next)
    expect(probing.kind(1_100)).toBe('closed')
  })

  it('counts one success per probe', () => {
    const probing = halfOpen()
    const pass = probing.enter(100)
    probing.probeSucceeded(pass)
    probing.probeSucceeded(pass)
    expect(probing.kind(100)).toBe('half-open')
  })

  it('frees a hanging probe also when the clock went backwards', () => {
    const probing = halfOpen()
    probing.enter(1_000_000)
    expect(probing.enter(5)).toBe(REFUSED)
    expect(probing.enter(1_004)).toBe(REFUSED)
    expect(probing.enter(1_005)).toBeGreaterThan(0)
  })

  it('begins its count anew each time', () => {
    const probing = halfOpen()
    probing.probeSucceeded(probing.enter(100))
    probing.open(200, 100, 'probe-failed')
    expect(probing.kind(300)).toBe('half-open')
    probing.probeSucceeded(probing.enter(300))
    expect(probing.kind(300)).toBe('half-open')
    expect(moves).toEqual(['half-open > open: probe-failed', 'open > half-open: waited'])
  })
})

describe('fencing (invariant 2)', () => {
  it('a pass of another generation has no say', () => {
    const fenced = gate()
    const before = fenced.generation
    const pass = fenced.enter(0)
    expect(fenced.isCurrent(pass, before)).toBe(true)
    fenced.open(0, 100, 'tripped')
    expect(fenced.isCurrent(pass, before)).toBe(false)
    fenced.kind(100)
    fenced.close('reset')
    expect(fenced.isCurrent(pass, before)).toBe(false)
    expect(fenced.isCurrent(fenced.enter(100), fenced.generation)).toBe(true)
  })

  it('a probe of an earlier half-open spell has none either', () => {
    const fenced = halfOpen({ successThreshold: 1 })
    const old = fenced.enter(100)
    fenced.open(100, 50, 'probe-failed')
    expect(fenced.kind(150)).toBe('half-open')
    fenced.probeSucceeded(old)
    fenced.release(old)
    expect(fenced.kind(150)).toBe('half-open')
    const probe = fenced.enter(150)
    expect(probe).not.toBe(old)
    expect(fenced.isCurrent(probe, fenced.generation)).toBe(true)
  })

  it('releasing or crediting a pass does nothing to a gate that is not half-open', () => {
    const closed = gate()
    closed.release(1)
    closed.probeSucceeded(1)
    closed.probeSucceeded(0)
    expect([closed.kind(0), closed.generation]).toEqual(['closed', 0])
  })
})

describe('a half-open gate that judges by a sample', () => {
  const sampled = (size: number, failureRatio: number): Gate =>
    halfOpen({ probes: 10, sample: { size, failureRatio }, successThreshold: 1 })

  it('closes as soon as failures alone could not change the verdict', () => {
    const probing = sampled(4, 0.5)
    probing.probeSucceeded(probing.enter(100))
    probing.probeSucceeded(probing.enter(100))
    // Two more failures would be half of them.
    expect(probing.kind(100)).toBe('half-open')
    probing.probeSucceeded(probing.enter(100))
    expect(probing.kind(100)).toBe('closed')
    expect(moves).toEqual(['half-open > closed: probe-succeeded'])
  })

  it('asks to be opened at the share of failures, not before', () => {
    const probing = sampled(4, 0.5)
    expect(probing.probeFailed(probing.enter(100))).toBe(false)
    expect(probing.kind(100)).toBe('half-open')
    expect(probing.probeFailed(probing.enter(100))).toBe(true)
  })

  it('counts one verdict per probe', () => {
    const probing = sampled(4, 0.5)
    const pass = probing.enter(100)
    expect(probing.probeFailed(pass)).toBe(false)
    expect(probing.probeFailed(pass)).toBe(false)
    expect(probing.probeFailed(pass)).toBe(false)
    expect(probing.probesInFlight).toBe(0)
  })

  it('with a share of 1 opens when all failed, and closes by one that did not', () => {
    const bad = sampled(2, 1)
    expect(bad.probeFailed(bad.enter(100))).toBe(false)
    expect(bad.probeFailed(bad.enter(100))).toBe(true)
    const good = sampled(2, 1)
    expect(good.probeFailed(good.enter(100))).toBe(false)
    good.probeSucceeded(good.enter(100))
    expect(good.kind(100)).toBe('closed')
  })

  it('says without a sample that every failure opens it, and nothing of a pass that it does not know', () => {
    const probing = halfOpen()
    expect(probing.probeFailed(99)).toBe(false)
    expect(probing.probeFailed(probing.enter(100))).toBe(true)
    expect(gate().probeFailed(0)).toBe(false)
  })
})

describe('a half-open gate with a time limit', () => {
  const limited = (rules: Partial<GateRules> = {}): Gate => halfOpen({ maxHalfOpenMs: 500, probes: 5, ...rules })

  it('closes at its end, to the millisecond, when the probes so far were good', () => {
    const probing = limited({ successThreshold: 9 })
    probing.probeSucceeded(probing.enter(100))
    expect(probing.kind(599)).toBe('half-open')
    expect(probing.kind(600)).toBe('closed')
    expect(moves).toEqual(['half-open > closed: half-open-expired'])
  })

  it('opens at its end when all that probes did was hang, for as long as its owner says', () => {
    const probing = limited()
    probing.enter(100)
    expect(probing.kind(600)).toBe('open')
    expect(probing.remainingMs(600)).toBe(REOPEN_MS)
    expect(moves).toEqual(['half-open > open: half-open-expired'])
  })

  it('also when the slot of a hanging probe was given to somebody who gave it back', () => {
    const probing = limited({ probes: 1, probeTimeoutMs: 200 })
    probing.enter(100)
    probing.release(probing.enter(300))
    expect(probing.kind(600)).toBe('open')
  })

  it('begins again at its end when nobody asked, or nobody had anything to say', () => {
    const probing = limited()
    expect(probing.kind(600)).toBe('half-open')
    probing.release(probing.enter(700))
    expect(probing.kind(1_100)).toBe('half-open')
    expect(probing.generation).toBe(2)
    probing.enter(1_100)
    expect(probing.kind(1_599)).toBe('half-open')
    expect(probing.kind(1_600)).toBe('open')
  })

  it('of a sample goes by the share of failures', () => {
    const sample = { size: 100, failureRatio: 0.5 }
    const good = limited({ sample })
    good.probeSucceeded(good.enter(100))
    good.probeSucceeded(good.enter(100))
    good.probeFailed(good.enter(100))
    expect(good.kind(600)).toBe('closed')
    const bad = limited({ sample })
    bad.probeSucceeded(bad.enter(100))
    bad.probeFailed(bad.enter(100))
    expect(bad.kind(600)).toBe('open')
    const failed = limited({ sample: { size: 100, failureRatio: 1 } })
    failed.probeFailed(failed.enter(100))
    expect(failed.kind(600)).toBe('open')
  })

  it('starts its time again when the clock goes back', () => {
    const probing = limited()
    probing.enter(100)
    expect(probing.kind(5)).toBe('half-open')
    expect(probing.kind(504)).toBe('half-open')
    expect(probing.kind(505)).toBe('open')
  })

  it('opens for no time at all without an owner', () => {
    const alone = new Gate({ ...RULES, maxHalfOpenMs: 500 })
    alone.open(0, 100, 'tripped')
    alone.enter(100)
    expect(alone.remainingMs(600)).toBe(0)
    expect(alone.kind(600)).toBe('half-open')
  })

  it('says when something may happen by itself', () => {
    const probing = limited({ probeTimeoutMs: 200, maxHalfOpenMs: 500, probes: 2 })
    expect(probing.nextMs(100)).toBe(200)
    probing.enter(150)
    probing.enter(170)
    expect(probing.nextMs(250)).toBe(100)
    // After the oldest probe comes the end of the time.
    expect(limited({ probeTimeoutMs: 900 }).nextMs(250)).toBe(350)
    expect(halfOpen({ probeTimeoutMs: 900 }).nextMs(250)).toBe(900)
    expect(gate().nextMs(250)).toBe(0)
    // The clock went back under a probe: late by that, not for ever.
    expect(probing.nextMs(10)).toBe(200)
  })
})

describe('a gate that lets callers in again by and by', () => {
  const readmission = { durationMs: 1_000, initialShare: 0.25, steps: undefined }

  function readmitting(rules: Partial<GateRules> = {}): Gate {
    const made = halfOpen({ successThreshold: 1, readmission, ...rules })
    made.probeSucceeded(made.enter(100), 100)
    return made
  }

  it('stays half-open until its time is over, and then closes', () => {
    const ramp = readmitting()
    expect([ramp.kind(100), ramp.readmitting, ramp.probing]).toEqual(['half-open', true, false])
    expect(ramp.kind(1_099)).toBe('half-open')
    expect(ramp.kind(1_100)).toBe('closed')
    expect(ramp.readmitting).toBe(false)
    expect(moves).toEqual(['half-open > half-open: probe-succeeded', 'half-open > closed: readmitted'])
  })

  it('lets a share in that grows from the first to all', () => {
    const ramp = readmitting()
    expect([100, 600, 1_099].map((now) => ramp.share(now))).toEqual([0.25, 0.625, expect.closeTo(0.99925, 6)])
    expect(ramp.enter(600, 0.624)).toBe(0)
    expect(ramp.enter(600, 0.625)).toBe(REFUSED)
    expect(ramp.share(1_100)).toBe(1)
  })

  it('in steps when asked to', () => {
    const ramp = readmitting({ readmission: { ...readmission, steps: 2 } })
    expect([100, 599, 600, 1_099].map((now) => ramp.share(now))).toEqual([0.25, 0.25, 0.625, 0.625])
  })

  it('lets in by no draw at all what there is a share for', () => {
    expect(readmitting().enter(100)).toBe(0)
    expect(readmitting({ readmission: { ...readmission, initialShare: 0 } }).enter(100)).toBe(REFUSED)
  })

  it('fences what was admitted as a probe, and what is admitted now when it opens', () => {
    const made = halfOpen({ probes: 2, successThreshold: 1, readmission })
    const [one, other] = [made.enter(100), made.enter(100)]
    const { generation } = made
    made.probeSucceeded(one, 100)
    expect(made.isCurrent(other, generation)).toBe(false)
    const pass = made.enter(100, 0)
    expect(made.isCurrent(pass, made.generation)).toBe(true)
    const before = made.generation
    made.open(150, 10, 'readmission-failed')
    expect(made.isCurrent(pass, before)).toBe(false)
  })

  it('starts again when the clock goes back', () => {
    const ramp = readmitting()
    expect(ramp.share(600)).toBe(0.625)
    expect(ramp.share(0)).toBe(0.25)
    expect(ramp.kind(999)).toBe('half-open')
    expect(ramp.kind(1_000)).toBe('closed')
  })

  it('also begins when the time of the probes was over', () => {
    const made = halfOpen({ successThreshold: 9, maxHalfOpenMs: 500, readmission })
    made.probeSucceeded(made.enter(100), 100)
    expect(made.share(600)).toBe(0.25)
    expect(made.kind(1_600)).toBe('closed')
  })

  it('shares nothing while open or probing', () => {
    const made = gate()
    expect(made.share(0)).toBe(1)
    made.open(0, 100, 'tripped')
    expect([made.share(50), made.share(100)]).toEqual([0, 0])
  })

  it('closes at once when the readmission is taken away meanwhile', () => {
    const ramp = readmitting()
    ramp.configure(RULES)
    expect(ramp.kind(100)).toBe('closed')
  })
})

describe('other rules', () => {
  it('count from now on, and leave what is open open', () => {
    const made = gate()
    made.open(0, 100, 'tripped')
    made.configure({ ...RULES, probes: 2, successThreshold: 1 })
    expect(made.remainingMs(50)).toBe(50)
    const [one, two] = [made.enter(100), made.enter(100)]
    expect([one > 0, two > 0, made.enter(100)]).toEqual([true, true, REFUSED])
    expect(made.probesInFlight).toBe(2)
    made.probeSucceeded(one)
    expect([made.closed, made.probesInFlight]).toEqual([true, 0])
  })
})

it('agrees with a model: never more than N probes, stale passes change nothing (property)', () => {
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constant({ kind: 'enter' as const, which: 0, ms: 0 }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('wait' as const), which: fc.constant(0), ms: fc.nat(150) }) },
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constantFrom('succeed' as const, 'fail' as const, 'release' as const),
        which: fc.nat(20),
        ms: fc.constant(0),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'trip' as const, which: 0, ms: 0 }) },
  )
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 150 }),
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 3 }),
      (steps, probes, successThreshold) => {
        const rules = { probes, successThreshold, probeTimeoutMs: 200 }
        const real = new Gate(rules)
        let now = 1_000
        const passes: { pass: Pass; generation: number }[] = []
        // The model: a state, who holds a probe since when, successes so far.
        let kind = 'closed' as GateKind
        let openedAt = 0
        let successes = 0
        let generation = 0
        const held = new Map<Pass, number>()
        const move = (to: GateKind): void => {
          kind = to
          generation += 1
          held.clear()
          successes = 0
        }
        for (const { kind: what, which, ms } of steps) {
          now += ms
          if (kind === 'open' && now - openedAt >= 100) move('half-open')
          expect(real.kind(now)).toBe(kind)
          expect(real.generation).toBe(generation)
          if (what === 'enter') {
            const pass = real.enter(now)
            if (kind === 'closed') expect(pass).toBe(0)
            else if (kind === 'open') expect(pass).toBe(REFUSED)
            else {
              if (held.size >= probes) {
                for (const [each, since] of held) if (now - since >= 200) held.delete(each)
              }
              if (held.size >= probes) expect(pass).toBe(REFUSED)
              else {
                expect(pass).toBeGreaterThan(0)
                expect(held.has(pass)).toBe(false)
                held.set(pass, now)
              }
              expect(held.size).toBeLessThanOrEqual(probes)
            }
            if (pass !== REFUSED) passes.push({ pass, generation: real.generation })
          } else if (what === 'trip') {
            real.open(now, 100, 'tripped')
            move('open')
            openedAt = now
          } else if (what !== 'wait') {
            const used = passes[which]
            if (used === undefined) continue
            const current = used.generation === generation && (used.pass === 0 || held.has(used.pass))
            expect(real.isCurrent(used.pass, used.generation)).toBe(current)
            if (what === 'succeed') {
              real.probeSucceeded(used.pass)
              if (kind === 'half-open' && held.delete(used.pass) && ++successes >= successThreshold) move('closed')
            } else if (what === 'release') {
              real.release(used.pass)
              if (kind === 'half-open') held.delete(used.pass)
            } else if (current) {
              // Whoever owns a gate asks first, and opens it when a pass with a say failed.
              real.open(now, 100, 'probe-failed')
              move('open')
              openedAt = now
            }
          }
          expect(real.kind(now)).toBe(kind)
          expect(real.generation).toBe(generation)
        }
      },
    ),
  )
})
