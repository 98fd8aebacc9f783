import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { constant, exponential } from '../../src/testing/distributions.ts'
import { dead, failing, hanging, healthy, slow, unreachable } from '../../src/testing/faults.ts'
import type { Answer, Job } from '../../src/testing/job.ts'
import { SimulatedFailure } from '../../src/testing/simulated-failure.ts'
import { SimulatedServer, type SimulatedServerOptions } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'

const SEED = Number(process.env['GATELESS_SEED'] ?? 20_261_101)

function setup(options: Partial<SimulatedServerOptions> = {}) {
  const simulation = new Simulation()
  const server = new SimulatedServer(simulation, { serviceMs: constant(10), ...options })
  const answers: [string, Answer, number][] = []
  const send = (name: string): Job =>
    server.submit({ answered: (answer) => answers.push([name, answer, simulation.now()]) })
  const sendAt = (ms: number, name: string): void => {
    simulation.at(ms, () => send(name))
  }
  return { simulation, server, answers, send, sendAt }
}

describe('a server with a queue', () => {
  it('serves one after the other, in the order they came', () => {
    const { simulation, server, answers, sendAt } = setup()
    for (const [ms, name] of [
      [0, 'a'],
      [1, 'b'],
      [2, 'c'],
      [40, 'd'],
    ] as const)
      sendAt(ms, name)
    simulation.run(5)
    expect(server.inFlight).toBe(3)
    simulation.run()
    expect(answers).toEqual([
      ['a', 'ok', 10],
      ['b', 'ok', 20],
      ['c', 'ok', 30],
      ['d', 'ok', 50],
    ])
    expect([server.requests, server.served, server.wasted, server.inFlight]).toEqual([4, 4, 0, 0])
  })

  it('serves as many at once as it has workers', () => {
    const { simulation, answers, send } = setup({ concurrency: 2 })
    for (const name of ['a', 'b', 'c']) send(name)
    simulation.run()
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['a', 10],
      ['b', 10],
      ['c', 20],
    ])
  })

  it('is as fast as it is told', () => {
    const { simulation, answers, send } = setup({ speed: 2 })
    send('a')
    simulation.run()
    expect(answers).toEqual([['a', 'ok', 5]])
  })

  it('answers that it is full when its queue is, workers not counted', () => {
    const { simulation, answers, send } = setup({ queueLimit: 1 })
    for (const name of ['a', 'b', 'c']) send(name)
    expect(answers).toEqual([])
    simulation.run()
    expect(answers).toEqual([
      ['c', 'full', 0],
      ['a', 'ok', 10],
      ['b', 'ok', 20],
    ])
  })

  it('serves abandoned work for nobody, and counts it', () => {
    const { simulation, server, answers, send } = setup()
    const jobs = [send('a'), send('b'), send('c')]
    jobs[0]?.abandon()
    jobs[1]?.abandon()
    jobs[1]?.abandon()
    simulation.run()
    expect(answers).toEqual([['c', 'ok', 30]])
    expect([server.served, server.wasted]).toEqual([3, 2])
  })

  it('drops abandoned work where it was told to, from the worker and from anywhere in the queue', () => {
    const { simulation, server, answers, send } = setup({ abandoned: 'drop' })
    const [a, , c, d] = ['a', 'b', 'c', 'd'].map(send)
    simulation.at(5, () => a?.abandon())
    simulation.at(6, () => d?.abandon())
    simulation.at(7, () => c?.abandon())
    simulation.at(8, () => send('e'))
    simulation.run(9)
    expect(server.inFlight).toBe(2)
    simulation.run()
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['b', 15],
      ['e', 25],
    ])
    expect([server.served, server.wasted]).toEqual([2, 0])
    // Too late: it has been answered, and nothing is held any more.
    d?.abandon()
    a?.abandon()
  })
})

describe('a server that shares itself', () => {
  it('serves all at once, each the slower', () => {
    const { simulation, answers, sendAt } = setup({ discipline: 'sharing' })
    sendAt(0, 'a')
    sendAt(5, 'b')
    // a alone for 5, then both at half speed: a needs 10 more, b has 5 left then.
    simulation.run()
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['a', 15],
      ['b', 20],
    ])
  })

  it('gives nobody more than one core', () => {
    const { simulation, answers, send } = setup({ discipline: 'sharing', concurrency: 2 })
    for (const name of ['a', 'b', 'c', 'd']) send(name)
    simulation.run()
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['a', 20],
      ['b', 20],
      ['c', 20],
      ['d', 20],
    ])
    send('alone')
    simulation.run()
    expect(answers.at(-1)).toEqual(['alone', 'ok', 30])
  })

  it('drops abandoned work, and the others are the quicker', () => {
    const { simulation, server, answers, send } = setup({ discipline: 'sharing', abandoned: 'drop' })
    send('a')
    const b = send('b')
    simulation.at(10, () => b.abandon())
    simulation.run()
    expect(answers).toEqual([['a', 'ok', 15]])
    expect(server.inFlight).toBe(0)
  })

  it('slows down, stands still and goes on where it was', () => {
    const { simulation, server, answers, send } = setup({ discipline: 'sharing' })
    send('a')
    server.suffer(slow(2), { fromMs: 4, untilMs: 8 })
    server.suffer(hanging(), { fromMs: 9, untilMs: 109 })
    simulation.run()
    expect(answers).toEqual([['a', 'ok', 112]])
  })

  it('bounds what it takes in', () => {
    const { simulation, answers, send } = setup({ discipline: 'sharing', concurrency: 2, queueLimit: 0 })
    for (const name of ['a', 'b', 'c']) send(name)
    simulation.run()
    expect(answers.map(([name, answer]) => [name, answer])).toEqual([
      ['c', 'full'],
      ['a', 'ok'],
      ['b', 'ok'],
    ])
  })

  it('loses what it has when it dies', () => {
    const { simulation, server, answers, send } = setup({ discipline: 'sharing' })
    send('a')
    server.suffer(dead(), { fromMs: 5 })
    simulation.run()
    expect(answers).toEqual([['a', 'lost', 5]])
    expect(simulation.pending).toBe(0)
  })
})

describe('faults', () => {
  it('slow reaches what is being served, and ends', () => {
    const { simulation, server, answers, send, sendAt } = setup()
    send('a')
    sendAt(100, 'b')
    server.suffer(slow(4), { fromMs: 5, untilMs: 15 })
    simulation.run(10)
    expect(server.fault.name).toBe('slow ×4')
    simulation.run()
    // 5 at full speed, 2.5 in 10 ms at a quarter of it, 2.5 at full speed.
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['a', 17.5],
      ['b', 110],
    ])
    expect(server.fault).toBe(healthy())
  })

  it('slow multiplies with the server’s own speed', () => {
    const { simulation, server, answers, send } = setup({ speed: 2 })
    server.set(slow(4))
    send('a')
    simulation.run()
    expect(answers).toEqual([['a', 'ok', 20]])
  })

  it('hanging takes requests in, and goes on afterwards where it stopped', () => {
    const { simulation, server, answers, send, sendAt } = setup()
    send('a')
    server.suffer(hanging(), { fromMs: 4, untilMs: 1_000 })
    sendAt(500, 'b')
    simulation.run(999)
    expect([answers, server.inFlight]).toEqual([[], 2])
    simulation.run()
    expect(answers.map(([name, , at]) => [name, at])).toEqual([
      ['a', 1_006],
      ['b', 1_016],
    ])
  })

  it('hanging for ever leaves nothing to happen', () => {
    const { simulation, server, answers, send } = setup()
    send('a')
    server.suffer(hanging(), { fromMs: 4 })
    simulation.run()
    expect([simulation.now(), simulation.pending, answers, server.inFlight]).toEqual([4, 0, [], 1])
  })

  it('what hangs may be abandoned and dropped', () => {
    const { simulation, server, answers, send } = setup({ abandoned: 'drop' })
    server.set(hanging())
    const a = send('a')
    send('b')
    a.abandon()
    server.set(healthy())
    simulation.run()
    expect(answers).toEqual([['b', 'ok', 10]])
  })

  it('failing answers a share with an error, without doing the work', () => {
    const { simulation, server, answers, send } = setup({ concurrency: 1_000 })
    server.set(failing(0.3, 2))
    for (let i = 0; i < 1_000; i += 1) send('a')
    simulation.run()
    const failures = answers.filter(([, answer]) => answer === 'failed')
    expect(failures.length).toBeGreaterThan(250)
    expect(failures.length).toBeLessThan(350)
    expect(new Set(failures.map(([, , at]) => at))).toEqual(new Set([2]))
    expect(server.served).toBe(1_000 - failures.length)
  })

  it('failing fails everything at once unless told', () => {
    const { simulation, server, answers, send } = setup()
    server.set(failing())
    const [a, b] = [send('a'), send('b')]
    b.abandon()
    expect(answers).toEqual([])
    simulation.run()
    expect(answers).toEqual([['a', 'failed', 0]])
    a.abandon()
    expect(server.fault).toMatchObject({ name: 'failing 100 %', failureMs: 0 })
  })

  it('dead loses what it has, refuses what comes, and begins anew afterwards', () => {
    const { simulation, server, answers, send, sendAt } = setup({ concurrency: 2 })
    for (const name of ['a', 'b', 'c', 'd']) send(name)
    server.suffer(dead(), { fromMs: 5, untilMs: 50 })
    sendAt(20, 'e')
    sendAt(60, 'f')
    simulation.run(20)
    expect(server.inFlight).toBe(0)
    simulation.run()
    expect(answers).toEqual([
      ['a', 'lost', 5],
      ['b', 'lost', 5],
      ['c', 'lost', 5],
      ['d', 'lost', 5],
      ['e', 'refused', 20],
      ['f', 'ok', 70],
    ])
  })

  it('dead drops what an abandoning caller had already given up', () => {
    const { simulation, server, answers, send } = setup({ abandoned: 'drop' })
    const a = send('a')
    server.set(dead())
    a.abandon()
    simulation.run()
    expect(answers).toEqual([['a', 'lost', 0]])
  })

  it('unreachable swallows requests, and nobody is told', () => {
    const { simulation, server, answers, send } = setup({ abandoned: 'drop' })
    server.set(unreachable())
    const a = send('a')
    simulation.run()
    a.abandon()
    expect([answers, server.requests, server.inFlight]).toEqual([[], 1, 0])
  })

  it('flapping comes and goes, and is over at its end', () => {
    const { simulation, server } = setup()
    server.flap(dead(), { fromMs: 10, untilMs: 45, badMs: 10, goodMs: 5 })
    const seen: string[] = []
    for (const ms of [5, 12, 22, 27, 37, 41, 46]) simulation.at(ms, () => seen.push(server.fault.name))
    simulation.run()
    expect(seen).toEqual(['healthy', 'dead', 'healthy', 'dead', 'healthy', 'dead', 'healthy'])
    expect(() => server.flap(dead(), { fromMs: 0, untilMs: 1, badMs: 0, goodMs: 0 })).toThrow(
      new RangeError('SimulatedServer: badMs and goodMs must add up to more than 0'),
    )
  })

  it.each<[() => unknown, string]>([
    [() => slow(0.5), 'slow: factor must be a number from 1, got 0.5'],
    [() => failing(-0.1), 'failing: share must be from 0 to 1, got -0.1'],
    [() => failing(1.1), 'failing: share must be from 0 to 1, got 1.1'],
    [() => failing(1, -1), 'failing: afterMs must be a number from 0, got -1'],
  ])('refuse what makes no sense: %s', (make, message) => {
    expect(make).toThrow(new RangeError(message))
  })

  it('are frozen descriptions with a name', () => {
    expect([slow(3), hanging(), dead(), unreachable(), healthy(), failing(0.25)].map(({ name }) => name)).toEqual([
      'slow ×3',
      'hanging',
      'dead',
      'unreachable',
      'healthy',
      'failing 25 %',
    ])
    expect([slow(1), hanging(), dead(), unreachable(), healthy(), failing()].every(Object.isFrozen)).toBe(true)
  })
})

describe('request, for work that awaits', () => {
  it('resolves with the name of the server', async () => {
    const { simulation, server } = setup({ name: 'orders-1' })
    const answer = server.request()
    await simulation.runAsync()
    expect(await answer).toBe('orders-1')
    expect(server.instance).toEqual({
      id: 'orders-1',
      serviceName: 'simulated',
      host: '127.0.0.1',
      port: 80,
      status: 'healthy',
      metadata: {},
      healthCheckUrl: undefined,
      lastHeartbeat: null,
      createdAt: null,
      weight: 1,
      zone: undefined,
      version: undefined,
      secure: false,
      priority: 0,
    })
  })

  it.each([
    [failing(), 'failed', { status: 500, code: undefined }, 'server: failed (500)'],
    [dead(), 'refused', { status: undefined, code: 'ECONNREFUSED' }, 'server: refused (ECONNREFUSED)'],
  ] as const)('rejects as a real client would: %o', async (fault, answer, like, message) => {
    const { simulation, server } = setup()
    server.set(fault)
    const failed = server.request().catch((error: unknown) => error)
    await simulation.runAsync()
    expect(await failed).toBeInstanceOf(SimulatedFailure)
    expect(await failed).toMatchObject({ name: 'SimulatedFailure', answer, server: 'server', message, ...like })
  })

  it('rejects what is full, and what is lost', async () => {
    const { simulation, server } = setup({ queueLimit: 0 })
    const [lost, full] = [server.request(), server.request()].map((request) => request.catch((error: unknown) => error))
    server.suffer(dead(), { fromMs: 5 })
    await simulation.runAsync()
    expect(await lost).toMatchObject({ answer: 'lost', code: 'ECONNRESET' })
    expect(await full).toMatchObject({ answer: 'full', status: 503 })
  })

  it('rejects at once when aborted, and the server may drop the work', async () => {
    const { simulation, server } = setup({ abandoned: 'drop' })
    const controller = new AbortController()
    const aborted = server.request(controller.signal).catch((error: unknown) => error)
    controller.abort('enough')
    expect(await aborted).toBe('enough')
    expect(server.inFlight).toBe(0)
    await expect(server.request(controller.signal)).rejects.toBe('enough')
    expect(server.requests).toBe(1)
    await simulation.runAsync()
  })

  it('leaves no listener behind', async () => {
    const { simulation, server } = setup()
    const { signal } = new AbortController()
    let listeners = 0
    const { addEventListener, removeEventListener } = signal
    signal.addEventListener = (...args: Parameters<typeof addEventListener>) => {
      listeners += 1
      addEventListener.apply(signal, args)
    }
    signal.removeEventListener = (...args: Parameters<typeof removeEventListener>) => {
      listeners -= 1
      removeEventListener.apply(signal, args)
    }
    const answer = server.request(signal)
    expect(listeners).toBe(1)
    await simulation.runAsync()
    await answer
    expect(listeners).toBe(0)
  })
})

describe('a server’s options', () => {
  it.each([
    [{}, 'SimulatedServer: serviceMs must be a distribution, got undefined'],
    [{ serviceMs: 5 }, 'SimulatedServer: serviceMs must be a function, got 5'],
    [{ serviceMs: constant(1), concurrency: 0 }, 'SimulatedServer: concurrency must be an integer from 1, got 0'],
    [
      { serviceMs: constant(1), discipline: 'lifo' },
      `SimulatedServer: discipline must be one of 'queue', 'sharing', got "lifo"`,
    ],
    [{ serviceMs: constant(1), speed: 0 }, 'SimulatedServer: speed must be a finite number above 0, got 0'],
    [{ serviceMs: constant(1), queueLimit: -1 }, 'SimulatedServer: queueLimit must be an integer from 0, got -1'],
    [
      { serviceMs: constant(1), abandoned: 'keep' },
      `SimulatedServer: abandoned must be one of 'serve', 'drop', got "keep"`,
    ],
    [{ serviceMs: constant(1), name: '' }, 'SimulatedServer: name must be a string that is not empty, got ""'],
    [{ serviceMs: constant(1), workers: 1 }, 'SimulatedServer: unknown option "workers"'],
  ])('refuse %j', (options, message) => {
    expect(() => new SimulatedServer(new Simulation(), options as SimulatedServerOptions)).toThrow(message)
  })

  it('draw the same work for the same seed and name', () => {
    const ends = (name: string): number[] => {
      const simulation = new Simulation({ seed: 5 })
      const server = new SimulatedServer(simulation, { serviceMs: exponential(10), name })
      const seen: number[] = []
      for (let i = 0; i < 3; i += 1) server.submit({ answered: () => seen.push(simulation.now()) })
      simulation.run()
      return seen
    }
    expect(ends('a')).toEqual(ends('a'))
    expect(ends('a')).not.toEqual(ends('b'))
  })
})

describe('queueing theory', () => {
  // M/M/1 at a load of 0.8: both disciplines have the mean time in system service / (1 - load) = 50 ms.
  it.each(['queue', 'sharing'] as const)('holds for M/M/1 with %s: 10 ms at a load of 0.8 take 50 ms', (discipline) => {
    const simulation = new Simulation({ seed: SEED })
    const server = new SimulatedServer(simulation, { serviceMs: exponential(10), discipline })
    const arrival = simulation.stream('arrival')
    const gapMs = exponential(12.5)
    let total = 0
    let count = 0
    const arrive = (): void => {
      const beganMs = simulation.now()
      server.submit({
        answered: () => {
          total += simulation.now() - beganMs
          count += 1
        },
      })
      if (simulation.now() < 3_000_000) simulation.after(gapMs(arrival), arrive, undefined)
    }
    arrive()
    simulation.run()
    expect(total / count).toBeGreaterThan(46)
    expect(total / count).toBeLessThan(54)
  })

  const step = fc.record({
    act: fc.constantFrom('send', 'abandon', 'wait', 'slow', 'hang', 'die', 'repair'),
    at: fc.nat(20),
    ms: fc.nat(30),
  })
  const kinds = fc.record({
    discipline: fc.constantFrom('queue' as const, 'sharing' as const),
    abandoned: fc.constantFrom('serve' as const, 'drop' as const),
    concurrency: fc.integer({ min: 1, max: 3 }),
    queueLimit: fc.nat(4),
  })

  it(`answers everybody once, unless he left, whatever befalls the server (seed ${SEED})`, () => {
    fc.assert(
      fc.property(kinds, fc.array(step, { maxLength: 60 }), (options, steps) => {
        const simulation = new Simulation()
        const server = new SimulatedServer(simulation, { serviceMs: exponential(10), ...options })
        const jobs: { readonly job: Job; answers: number; left: boolean }[] = []
        for (const { act, at, ms } of steps) {
          const entry = jobs[at % Math.max(1, jobs.length)]
          if (act === 'send') {
            const fresh = { job: undefined as unknown as Job, answers: 0, left: false }
            Object.assign(fresh, { job: server.submit({ answered: () => (fresh.answers += 1) }) })
            jobs.push(fresh)
          } else if (act === 'abandon' && entry !== undefined) {
            if (entry.answers === 0) entry.left = true
            entry.job.abandon()
          } else if (act === 'slow') server.set(slow(3))
          else if (act === 'hang') server.set(hanging())
          else if (act === 'die') server.set(dead())
          else if (act === 'repair') server.set(healthy())
          else simulation.run(simulation.now() + ms)
          expect(server.inFlight).toBeLessThanOrEqual(options.concurrency + options.queueLimit)
        }
        server.set(healthy())
        simulation.run()
        for (const { answers, left } of jobs) expect(answers).toBe(left ? 0 : 1)
        expect([server.inFlight, simulation.pending]).toEqual([0, 0])
        expect(server.requests).toBe(jobs.length)
      }),
      { seed: SEED, numRuns: 300 },
    )
  })
})
