import { describe, expect, it } from 'vitest'
import { LoadBalancer } from '../../src/balancing/load-balancer.ts'
import { ipHash } from '../../src/balancing/strategies/ip-hash.ts'
import { roundRobin } from '../../src/balancing/strategies/round-robin.ts'
import { CircuitBreaker } from '../../src/breaker/circuit-breaker.ts'
import type { CallContext } from '../../src/core/context.ts'
import type { Outcome, Permit } from '../../src/core/outcome.ts'
import { pipeline } from '../../src/core/pipeline.ts'
import type { Admission, Guard } from '../../src/core/policy.ts'
import { timeout } from '../../src/limits/timeout.ts'
import { type Budget, RetryBudget } from '../../src/retry/budget.ts'
import { Hedge } from '../../src/retry/hedge.ts'
import { RetryPolicy } from '../../src/retry/retry-policy.ts'
import { arrivals } from '../../src/testing/arrivals.ts'
import { CallMeter } from '../../src/testing/call-meter.ts'
import { constant, exponential } from '../../src/testing/distributions.ts'
import { dead, failing, hanging, healthy, slow, unreachable } from '../../src/testing/faults.ts'
import { SimulatedClient, type SimulatedClientOptions } from '../../src/testing/simulated-client.ts'
import { SimulatedServer, type SimulatedServerOptions } from '../../src/testing/simulated-server.ts'
import { Simulation } from '../../src/testing/simulation.ts'
import { fixedBackoff } from '../../src/time/backoff.ts'

type Options = Omit<SimulatedClientOptions, 'servers'>

function setup(
  options: (simulation: Simulation) => Options = () => ({}),
  serverOptions: Partial<SimulatedServerOptions> = {},
) {
  const simulation = new Simulation()
  const server = new SimulatedServer(simulation, { serviceMs: constant(10), concurrency: 100, ...serverOptions })
  const client = new SimulatedClient(simulation, { servers: [server], ...options(simulation) })
  const ends: [boolean, number][] = []
  const call = (): void => client.call((succeeded) => ends.push([succeeded, simulation.now()]))
  return { simulation, server, client, ends, call, meter: client.meter }
}

const retrying = (simulation: Simulation, maxAttempts = 3, budget: Budget | false = false): RetryPolicy =>
  new RetryPolicy({ maxAttempts, backoff: fixedBackoff({ delayMs: 100 }), budget, clock: simulation })

/** A guard that notes what becomes of its permits. */
function watchful(refuses: () => boolean = () => false): { guard: Guard; notes: string[] } {
  const notes: string[] = []
  const note = (what: string) => (): void => {
    notes.push(what)
  }
  const permit: Permit = { success: note('success'), failure: note('failure'), ignore: note('ignore') }
  const guard: Guard = {
    info: { kind: 'watch', name: 'watch' },
    execute: () => Promise.reject(new Error('not used')),
    admit: (): Admission => (refuses() ? { refused: true, error: () => new RangeError('no') as never } : permit),
    judge: (given: Permit, outcome: Outcome, _context: CallContext) => (outcome.ok ? given.success() : given.failure()),
  }
  return { guard, notes }
}

describe('a simulated client', () => {
  it('calls its server, and tells how it ended', () => {
    const { simulation, server, client, ends, call, meter } = setup()
    call()
    client.call()
    simulation.run()
    expect(ends).toEqual([[true, 10]])
    expect([meter.calls, meter.succeeded, meter.attempts, meter.latencyMs.mean]).toEqual([2, 2, 2, 10])
    server.set(failing())
    call()
    simulation.run()
    expect(ends.at(-1)).toEqual([false, 10])
    expect(meter.failed).toBe(1)
  })

  it('takes the network’s time for the request and for the answer', () => {
    const { simulation, server, ends, call } = setup(() => ({ networkMs: constant(3) }))
    call()
    simulation.run(2.9)
    expect(server.requests).toBe(0)
    simulation.run()
    expect(ends).toEqual([[true, 16]])
  })

  it('gives up after the time for an attempt, and the server learns of it', () => {
    const { simulation, server, ends, call } = setup(() => ({ attemptTimeoutMs: 5 }), { abandoned: 'drop' })
    call()
    simulation.run()
    expect(ends).toEqual([[false, 5]])
    expect([server.inFlight, server.served]).toEqual([0, 0])
  })

  it('hears nothing of an answer that comes after the time, or of a request that arrives after it', () => {
    const { simulation, server, ends, call } = setup(() => ({ attemptTimeoutMs: 14, networkMs: constant(3) }))
    call()
    simulation.run()
    expect(ends).toEqual([[false, 14]])
    expect([server.served, server.wasted]).toEqual([1, 0])
    const early = setup(() => ({ attemptTimeoutMs: 2, networkMs: constant(3) }))
    early.call()
    early.simulation.run()
    expect([early.ends, early.server.requests]).toEqual([[[false, 2]], 0])
  })

  it('waits for ever without a limit', () => {
    const { simulation, server, ends, call } = setup()
    server.set(unreachable())
    call()
    simulation.run()
    expect([ends, simulation.pending]).toEqual([[], 0])
  })

  it('retries as the policy says, and begins again where the time for the call allows', () => {
    const { simulation, server, ends, call, meter } = setup((clock) => ({ retry: retrying(clock) }))
    server.suffer(failing(), { fromMs: 0, untilMs: 150 })
    simulation.at(1, call)
    simulation.run()
    expect(ends).toEqual([[true, 211]])
    expect([meter.attempts, meter.latencyMs.mean]).toEqual([3, 210])
    server.set(failing())
    call()
    simulation.run()
    expect(ends.at(-1)).toEqual([false, 411])
    expect([meter.attempts, meter.calls]).toEqual([6, 2])
  })

  it('begins no retry that the time for the call would cut, and ends a last attempt with it', () => {
    const retry = (clock: Simulation): Options => ({ retry: retrying(clock), timeoutMs: 150, attemptTimeoutMs: 80 })
    const failed = setup(retry)
    failed.server.set(failing())
    failed.call()
    failed.simulation.run()
    expect(failed.ends).toEqual([[false, 100]])
    const hung = setup((clock) => ({ ...retry(clock), timeoutMs: 220 }))
    hung.server.set(hanging())
    hung.call()
    hung.simulation.run(1_000)
    // 80, a wait of 100, and the 40 that are left; that was all of the call's time, which is not retried.
    expect(hung.ends).toEqual([[false, 220]])
    expect(hung.meter.attempts).toBe(2)
  })

  it('has a limit for the call alone, too', () => {
    const { simulation, server, ends, call } = setup(() => ({ timeoutMs: 50 }))
    server.set(hanging())
    call()
    simulation.run(100)
    expect(ends).toEqual([[false, 50]])
  })

  it('pays into the budget once per call, and tells it of success', () => {
    const notes: string[] = []
    const budget: Budget = {
      available: 1,
      suppressed: 0,
      deposit: () => notes.push('deposit'),
      tryWithdraw: () => notes.push('withdraw') > 0,
      succeeded: (after) => notes.push(`succeeded ${after}`),
    }
    const { simulation, server, call } = setup((clock) => ({
      retry: retrying(clock, 3, budget),
      hedge: new Hedge({ delayMs: 1_000, budget, clock }),
    }))
    call()
    simulation.run()
    server.suffer(failing(), { fromMs: 0, untilMs: 1_020 })
    simulation.at(1_010, call)
    simulation.run()
    expect(notes.filter((note) => note === 'deposit')).toHaveLength(2)
    expect(notes.filter((note) => note.startsWith('succeeded'))[0]).toBe('succeeded undefined')
  })

  it('pays into a hedge’s budget of its own', () => {
    const simulation = new Simulation()
    const budget = new RetryBudget({ ratio: 1, minPerSecond: 0, clock: simulation })
    const server = new SimulatedServer(simulation, { serviceMs: constant(10), concurrency: 10 })
    const hedge = new Hedge({ delayMs: 5, budget, clock: simulation })
    const client = new SimulatedClient(simulation, { servers: [server], hedge })
    client.call()
    expect(budget.available).toBe(1)
    simulation.run()
    expect([budget.available, client.meter.attempts]).toEqual([0, 2])
  })

  it('counts into a meter that is shared', () => {
    const simulation = new Simulation()
    const meter = new CallMeter(100)
    const server = new SimulatedServer(simulation, { serviceMs: constant(1) })
    for (const name of ['a', 'b']) new SimulatedClient(simulation, { servers: [server], meter, name }).call()
    simulation.run()
    expect([meter.calls, meter.succeeded]).toEqual([2, 2])
  })
})

describe('its guards', () => {
  it('are asked before each attempt, and judge its outcome', () => {
    const first = watchful()
    const second = watchful()
    const { simulation, server, call } = setup((clock) => ({
      retry: retrying(clock, 2),
      guards: [first.guard, second.guard],
    }))
    server.suffer(failing(), { fromMs: 0, untilMs: 50 })
    simulation.at(1, call)
    simulation.run()
    expect([first.notes, second.notes]).toEqual([
      ['failure', 'success'],
      ['failure', 'success'],
    ])
  })

  it('get their permits back when a later one refuses, and nothing is sent', () => {
    const first = watchful()
    const { ends, call, meter } = setup(() => ({ guards: [first.guard, watchful(() => true).guard] }))
    call()
    expect(first.notes).toEqual(['ignore'])
    expect([meter.rejected, meter.attempts, ends]).toEqual([1, 0, [[false, 0]]])
  })

  it('may refuse again and again: a policy that retries refusals comes to an end', () => {
    const { simulation, ends, call, meter } = setup((clock) => ({
      retry: new RetryPolicy({
        maxAttempts: 3,
        backoff: fixedBackoff({ delayMs: 100 }),
        retryable: (error) => error instanceof RangeError,
        budget: false,
        clock,
      }),
      guards: [watchful(() => true).guard],
    }))
    call()
    simulation.run()
    expect([ends, meter.rejected, meter.attempts]).toEqual([[[false, 200]], 1, 0])
  })

  it('may be a breaker: refusals are not retried', () => {
    const { simulation, server, call, meter } = setup((clock) => ({
      retry: retrying(clock),
      guards: [new CircuitBreaker({ failureThreshold: 2, clock })],
    }))
    server.set(failing())
    for (let i = 0; i < 5; i += 1) simulation.at(i, call)
    simulation.run()
    expect([meter.calls, meter.attempts, meter.rejected, meter.failed]).toEqual([5, 2, 5, 0])
  })

  it('may not make calls wait', () => {
    const { guard } = watchful()
    const waiting: Guard = { ...guard, admit: () => new Promise(() => {}) }
    const { client } = setup(() => ({ guards: [waiting] }))
    expect(() => client.call()).toThrow(new TypeError('watch makes calls wait: use execute and Simulation.runAsync'))
  })
})

describe('its balancer', () => {
  function fleet(options: (simulation: Simulation) => Options = () => ({})) {
    const simulation = new Simulation()
    const servers = ['a', 'b', 'c'].map(
      (name) => new SimulatedServer(simulation, { name, serviceMs: constant(10), concurrency: 10 }),
    )
    const balancer = new LoadBalancer({ strategy: roundRobin(), clock: simulation, random: simulation.random })
    const client = new SimulatedClient(simulation, { servers, balancer, ...options(simulation) })
    return { simulation, servers, balancer, client, meter: client.meter }
  }

  it('chooses among the servers it is told of, and every lease comes back', () => {
    const { simulation, servers, balancer, client } = fleet(() => ({ attemptTimeoutMs: 5 }))
    servers[0]?.set(slow(1))
    for (let i = 0; i < 6; i += 1) client.call()
    expect(servers.map(({ requests }) => requests)).toEqual([2, 2, 2])
    expect(balancer.explain().map(({ inFlight }) => inFlight)).toEqual([2, 2, 2])
    simulation.run()
    expect(balancer.explain().map(({ inFlight }) => inFlight)).toEqual([0, 0, 0])
  })

  it('is told of failures, and sends a retry elsewhere', () => {
    const { simulation, servers, balancer, client, meter } = fleet((clock) => ({ retry: retrying(clock, 3) }))
    servers[0]?.set(dead())
    servers[1]?.set(dead())
    for (let i = 0; i < 20; i += 1) {
      client.call()
      simulation.run()
    }
    expect(meter.succeeded).toBe(20)
    // Only the cap keeps the second in.
    expect(balancer.explain().filter(({ why }) => why.includes('ejected')).length).toBe(1)
  })

  it('sends a retry elsewhere, although the key belongs to the one that failed', () => {
    const simulation = new Simulation()
    const servers = ['a', 'b'].map((name) => new SimulatedServer(simulation, { name, serviceMs: constant(10) }))
    const balancer = new LoadBalancer({ strategy: ipHash(), ejection: false, clock: simulation })
    const retry = retrying(simulation, 2)
    const client = new SimulatedClient(simulation, { servers, balancer, retry })
    client.call(undefined, 'tenant-7')
    const owner = servers.findIndex(({ requests }) => requests === 1)
    servers[owner]?.set(dead())
    for (let i = 0; i < 5; i += 1) {
      client.call(undefined, 'tenant-7')
      simulation.run()
    }
    // The first one was lost; each of the six then had its second try at the other.
    expect(servers[1 - owner]?.requests).toBe(6)
    expect(client.meter.succeeded).toBe(6)
  })

  it('may have nobody: the call is rejected, and permits are given back', () => {
    const { guard, notes } = watchful()
    const { balancer, client, meter } = fleet(() => ({ guards: [guard] }))
    balancer.update([])
    client.call()
    expect([meter.rejected, notes]).toEqual([1, ['ignore']])
    const retried = fleet((clock) => ({ retry: retrying(clock) }))
    retried.balancer.update([])
    retried.client.call()
    expect(retried.meter.rejected).toBe(1)
  })

  it('is given the key of the call', () => {
    const simulation = new Simulation()
    const server = new SimulatedServer(simulation, { serviceMs: constant(10) })
    const balancer = new LoadBalancer({ clock: simulation })
    const keys: unknown[] = []
    balancer.on('picked', ({ key }) => keys.push(key))
    const client = new SimulatedClient(simulation, { servers: [server], balancer })
    client.call(undefined, 'tenant-7')
    client.call()
    expect(keys).toEqual(['tenant-7', undefined])
  })
})

describe('its hedge', () => {
  const hedging = (clock: Simulation, options: { maxHedges?: number } = {}): Hedge =>
    new Hedge({ delayMs: 20, budget: false, clock, ...options })

  it('begins another attempt when one is late, takes the first answer and drops the other', () => {
    const watch = watchful()
    const { simulation, server, ends, call, meter } = setup(
      (clock) => ({ hedge: hedging(clock), guards: [watch.guard] }),
      { abandoned: 'drop', concurrency: 1 },
    )
    // The first is stuck; the second finds a server that was repaired meanwhile, but waits behind the first.
    server.suffer(hanging(), { fromMs: 0, untilMs: 15 })
    simulation.at(1, call)
    simulation.run()
    expect(ends).toEqual([[true, 25]])
    expect([meter.attempts, meter.calls, server.served, server.inFlight]).toEqual([2, 1, 1, 0])
    expect(watch.notes).toEqual(['success', 'ignore'])
  })

  it('takes the answer of the second when that is first', () => {
    const { simulation, server, ends, call, meter } = setup((clock) => ({ hedge: hedging(clock) }), {
      abandoned: 'drop',
    })
    server.set(unreachable())
    call()
    simulation.at(10, () => server.set(healthy()))
    simulation.run()
    expect(ends).toEqual([[true, 30]])
    expect(meter.attempts).toBe(2)
    expect(simulation.pending).toBe(0)
  })

  it('begins nothing when the first is in time, and no more than it may', () => {
    const { simulation, call, meter } = setup((clock) => ({ hedge: hedging(clock) }))
    call()
    simulation.run()
    expect([meter.attempts, simulation.pending]).toEqual([1, 0])
    const late = setup((clock) => ({ hedge: hedging(clock, { maxHedges: 3 }), attemptTimeoutMs: 500 }))
    late.server.set(hanging())
    late.call()
    late.simulation.run(100)
    expect(late.meter.attempts).toBe(4)
  })

  it('begins the next at once when one fails, and fails when the last has', () => {
    const { simulation, server, ends, call, meter } = setup((clock) => ({ hedge: hedging(clock) }))
    server.set(failing(1, 5))
    call()
    simulation.run()
    expect([ends, meter.attempts, meter.failed]).toEqual([[[false, 10]], 2, 1])
  })

  it('waits for the others when one fails', () => {
    const { simulation, server, ends, call, meter } = setup((clock) => ({ hedge: hedging(clock) }), {
      serviceMs: constant(40),
    })
    call()
    simulation.at(15, () => server.set(failing(1, 5)))
    simulation.run()
    expect([ends, meter.attempts]).toEqual([[[true, 40]], 2])
  })

  it('is refused by a guard at first or later', () => {
    const first = setup((clock) => ({ hedge: hedging(clock), guards: [watchful(() => true).guard] }))
    first.call()
    expect(first.meter.rejected).toBe(1)
    let asked = 0
    const onlyOne = watchful(() => (asked += 1) > 1)
    const later = setup((clock) => ({ hedge: hedging(clock), guards: [onlyOne.guard] }), { serviceMs: constant(50) })
    later.call()
    later.simulation.run()
    expect([later.ends, later.meter.attempts, asked]).toEqual([[[true, 50]], 1, 2])
  })

  it('hears nothing of the other’s answer, although that is on its way', () => {
    const watch = watchful()
    const { simulation, server, ends, call } = setup((clock) => ({
      hedge: hedging(clock),
      guards: [watch.guard],
      networkMs: constant(30),
    }))
    call()
    simulation.run()
    expect(ends).toEqual([[true, 70]])
    expect([watch.notes, server.served, server.wasted]).toEqual([['success', 'ignore'], 2, 0])
  })

  it('learns from the first attempt, also from one that lost', () => {
    const recorded: number[] = []
    const learning = (clock: Simulation): Options => {
      const hedge = hedging(clock)
      hedge.record = (latencyMs) => recorded.push(latencyMs)
      return { hedge }
    }
    const quick = setup(learning)
    quick.call()
    quick.simulation.run()
    const beaten = setup(learning)
    beaten.server.set(unreachable())
    beaten.call()
    beaten.simulation.at(10, () => beaten.server.set(healthy()))
    beaten.simulation.run()
    const failed = setup(learning)
    failed.server.set(failing(1, 5))
    failed.call()
    failed.simulation.run()
    expect(recorded).toEqual([10, 30])

    // The first fails before the delay, which says nothing of the tail; the second's time is no first's.
    recorded.length = 0
    const cured = setup(learning)
    cured.server.suffer(failing(1, 5), { fromMs: 0, untilMs: 3 })
    cured.simulation.at(1, cured.call)
    cured.simulation.run()
    expect([cured.ends, recorded]).toEqual([[[true, 16]], []])

    // It fails when it was late already: exactly at the delay, and after it.
    for (const ms of [20, 25]) {
      const late = setup(learning)
      late.server.set(failing(1, ms))
      late.call()
      late.simulation.at(10, () => late.server.set(healthy()))
      late.simulation.run()
      expect(recorded).toEqual([ms])
      recorded.length = 0
    }
  })

  it('goes elsewhere', () => {
    const simulation = new Simulation()
    const servers = ['a', 'b'].map((name) => new SimulatedServer(simulation, { name, serviceMs: constant(30) }))
    const balancer = new LoadBalancer({ clock: simulation, random: simulation.random })
    const hedge = hedging(simulation)
    const client = new SimulatedClient(simulation, { servers, balancer, hedge })
    for (let i = 0; i < 10; i += 1) {
      client.call()
      simulation.run()
    }
    expect(servers.map(({ requests }) => requests)).toEqual([10, 10])
    expect(balancer.explain().map(({ inFlight }) => inFlight)).toEqual([0, 0])
  })
})

describe('its options', () => {
  const server = (name = 'a'): SimulatedServer =>
    new SimulatedServer(new Simulation(), { name, serviceMs: constant(1) })

  it.each([
    [{}, 'SimulatedClient: servers must be an array of at least one server, got undefined'],
    [{ servers: [] }, 'SimulatedClient: servers must be an array of at least one server, got an array'],
    [{ servers: [server(), server('b')] }, 'SimulatedClient: servers must be one server when there is no balancer'],
    [{ servers: [server(), server()] }, 'SimulatedClient: servers must be servers of different names'],
    [{ servers: [server()], attemptTimeoutMs: 0 }, 'SimulatedClient: attemptTimeoutMs must be a finite number from 1'],
    [{ servers: [server()], timeoutMs: 0 }, 'SimulatedClient: timeoutMs must be a finite number from 1'],
    [{ servers: [server()], retry: {} }, 'SimulatedClient: retry must be an object with decide()'],
    [{ servers: [server()], hedge: {} }, 'SimulatedClient: hedge must be an object with decide(), delayMs(), record()'],
    [{ servers: [server()], balancer: {} }, 'SimulatedClient: balancer must be an object with acquire(), update()'],
    [{ servers: [server()], guards: [{}] }, 'SimulatedClient: guards must be an array of guards, got an array'],
    [{ servers: [server()], guards: [undefined] }, 'SimulatedClient: guards must be an array of guards, got an array'],
    [{ servers: [server()], guards: {} }, 'SimulatedClient: guards must be an array of guards, got an object'],
    [{ servers: [server()], networkMs: 5 }, 'SimulatedClient: networkMs must be a function, got 5'],
    [{ servers: [server()], meter: {} }, 'SimulatedClient: meter must be an object with begin(), attempt(), end()'],
    [{ servers: [server()], name: '' }, 'SimulatedClient: name must be a string that is not empty, got ""'],
    [{ servers: [server()], breaker: {} }, 'SimulatedClient: unknown option "breaker"'],
  ])('refuse what makes no sense (%#)', (options, message) => {
    expect(() => new SimulatedClient(new Simulation(), options as unknown as SimulatedClientOptions)).toThrow(message)
  })
})

describe('work that awaits', () => {
  it('comes to the same as callbacks, with the same policies in a pipeline', async () => {
    interface World {
      readonly simulation: Simulation
      readonly server: SimulatedServer
      readonly retry: RetryPolicy
      readonly breaker: CircuitBreaker
    }
    const world = (): World => {
      const simulation = new Simulation({ seed: 3 })
      const server = new SimulatedServer(simulation, { serviceMs: exponential(5), concurrency: 2, abandoned: 'drop' })
      server.suffer(slow(8), { fromMs: 3_000, untilMs: 6_000 })
      server.suffer(dead(), { fromMs: 8_000, untilMs: 9_000 })
      const breaker = new CircuitBreaker({ failureThreshold: 5, recoveryTimeoutMs: 1_000, clock: simulation })
      return { simulation, server, retry: retrying(simulation, 2), breaker }
    }
    const flow = { perSecond: 200, untilMs: 10_000 }

    const callbacks = world()
    const { simulation, server, retry, breaker } = callbacks
    const client = new SimulatedClient(simulation, {
      servers: [server],
      retry,
      guards: [breaker],
      attemptTimeoutMs: 50,
    })
    arrivals(simulation, flow, () => client.call())
    simulation.run()

    const promises = world()
    const limit = timeout({ timeoutMs: 50, clock: promises.simulation })
    const guarded = pipeline(promises.retry, promises.breaker, limit)
    const meter = new CallMeter()
    arrivals(promises.simulation, flow, () => {
      void meter.measure(promises.simulation, () =>
        guarded.execute(({ signal }) => {
          meter.attempt(promises.simulation.now())
          return promises.server.request(signal)
        }),
      )
    })
    await promises.simulation.runAsync()

    const { calls, attempts, succeeded } = client.meter
    expect(calls).toBeGreaterThan(1_900)
    expect(meter.calls).toBe(calls)
    expect([meter.attempts, meter.succeeded]).toEqual([attempts, succeeded])
    expect([meter.failed, meter.rejected]).toEqual([client.meter.failed, client.meter.rejected])
    expect(meter.latencyMs.mean).toBeCloseTo(client.meter.latencyMs.mean, 6)
    expect(client.meter.rejected).toBeGreaterThan(100)
    expect(promises.server.served).toBe(server.served)
  })
})
