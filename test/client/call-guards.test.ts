import { CircuitBreaker, GatelessError, type Guard, type Outcome, type Permit } from 'gateless'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CallContext } from '../../src/core/context.ts'
import { expectNothingLeft, failure, stubClient } from '../support/stub-client.ts'
import { answer, json, silent, StubTransport } from '../support/stub-transport.ts'

/** The guards in front of a whole call. */

beforeEach(() => {
  vi.useFakeTimers()
})

afterEach(() => {
  vi.useRealTimers()
})

interface Seen {
  readonly log: string[]
  readonly contexts: CallContext[]
  readonly outcomes: Outcome[]
}

/** A guard that notes what it is asked and told. */
function guard(name: string, seen: Seen, admit?: (permit: Permit) => ReturnType<Guard['admit']>): Guard {
  const permit: Permit = {
    success: () => seen.log.push(`${name} success`),
    failure: () => seen.log.push(`${name} failure`),
    ignore: () => seen.log.push(`${name} ignored`),
  }
  return {
    info: { kind: 'test', name },
    execute: async () => 1 as never,
    admit: (context) => {
      seen.log.push(`${name} admits`)
      seen.contexts.push(context)
      return admit?.(permit) ?? permit
    },
    judge: (given, outcome) => {
      seen.outcomes.push(outcome)
      if (outcome.ok) given.success()
      else given.failure()
    },
  }
}

const nothing = (): Seen => ({ log: [], contexts: [], outcomes: [] })

describe('the guards of a service', () => {
  it('stand around the whole call with all its attempts, and are told once what came of it', async () => {
    const seen = nothing()
    const transport = new StubTransport(answer({ status: 503 }), json({ fine: true }))
    const { client, leases } = stubClient(transport, { guards: [guard('a', seen), guard('b', seen)] })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(100)
    expect(await result).toEqual({ fine: true })
    expect(seen.log).toEqual(['a admits', 'b admits', 'b success', 'a success'])
    expect(seen.outcomes[0]).toEqual({ ok: true, value: { status: 200 } })
    await expectNothingLeft(leases)
  })

  it('hear of a final answer that is a failure, and of none', async () => {
    const seen = nothing()
    const { client } = stubClient(new StubTransport(answer({ status: 503 })), {
      retry: false,
      guards: [guard('a', seen)],
    })
    await failure(client.call('orders', 'GET', '/'))
    expect(seen.outcomes[0]).toMatchObject({ ok: false, error: { code: 'HTTP_503', status: 503 } })
    const silentClient = stubClient(new StubTransport(silent), { retry: false, guards: [guard('a', seen)] }).client
    const ended = failure(silentClient.call('orders', 'GET', '/', undefined, { timeoutMs: 1_000 }))
    await vi.advanceTimersByTimeAsync(1_000)
    await ended
    expect(seen.outcomes[1]).toMatchObject({ ok: false, error: { code: 'ERR_GATELESS_TIMEOUT' } })
  })

  it('judge nobody by a caller who gave no time, nor by what never came to an attempt', async () => {
    const seen = nothing()
    const { client } = stubClient(new StubTransport(silent), { guards: [guard('a', seen)] })
    const ended = failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: 20 }))
    await vi.advanceTimersByTimeAsync(20)
    await ended
    await failure(client.call('nobody-knows', 'GET', '/'))
    expect(seen.log).toEqual(['a admits', 'a ignored', 'a admits', 'a ignored'])
  })

  it('hear how long a failure asks to be left alone', async () => {
    const seen = nothing()
    const breaker = new CircuitBreaker({ failureThreshold: 1, recoveryTimeoutMs: 100 })
    const busy = answer({ status: 429, headers: { 'retry-after': '20' } })
    const { client } = stubClient(new StubTransport(busy), {
      retry: false,
      guards: [guard('a', seen), breaker],
      breaker: { service: { failureThreshold: 1, recoveryTimeoutMs: 100 } },
    })
    const opened: (number | undefined)[] = []
    client.on('breaker', () => opened.push(1))
    await failure(client.call('orders', 'GET', '/'))
    expect(seen.outcomes[0]).toMatchObject({ ok: false, error: { status: 429, retryAfterMs: 20_000 } })
    expect(breaker.retryAfterMs).toBe(20_000)
    breaker.reset()
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({
      code: 'ERR_GATELESS_CIRCUIT_OPEN',
      retryAfterMs: 20_000,
    })
    expect(opened).toEqual([1])
  })

  it('hold no timer for a call’s own time limit once it is over', async () => {
    const { client, leases } = stubClient(new StubTransport(json({})), { guards: [guard('a', nothing())] })
    await client.call('orders', 'GET', '/', undefined, { timeoutMs: 6_000 })
    await expectNothingLeft(leases)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('that cannot judge are told of, and hang nobody', async () => {
    const warned = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    const log: string[] = []
    const seen = { ...nothing(), log }
    const broken: Guard = {
      ...guard('b', seen),
      judge: () => {
        throw new Error('mine')
      },
    }
    const { client } = stubClient(new StubTransport(json({ fine: true })), { guards: [guard('a', seen), broken] })
    expect(await client.call('orders', 'GET', '/')).toEqual({ fine: true })
    expect(log).toEqual(['a admits', 'b admits', 'b ignored', 'a success'])
    expect(warned).toHaveBeenCalledExactlyOnceWith('b: judge failed: mine', { type: 'GatelessWarning' })
    warned.mockRestore()
  })

  it('a caller’s mistake (4xx) is no failure to them', async () => {
    const seen = nothing()
    const { client } = stubClient(new StubTransport(answer({ status: 404 })), { guards: [guard('a', seen)] })
    await failure(client.call('orders', 'GET', '/'))
    expect(seen.outcomes).toEqual([{ ok: true, value: { status: 404 } }])
  })

  it('judge nobody when the caller leaves', async () => {
    const seen = nothing()
    const { client } = stubClient(new StubTransport(silent), { guards: [guard('a', seen)] })
    const controller = new AbortController()
    const ended = failure(client.call('orders', 'GET', '/', undefined, { signal: controller.signal }))
    await vi.advanceTimersByTimeAsync(1)
    controller.abort(new Error('left'))
    await ended
    expect(seen.log).toEqual(['a admits', 'a ignored'])
  })

  it('know the key and the priority of the call, and when it has to be done', async () => {
    const seen = nothing()
    const { client } = stubClient(new StubTransport(json({})), { guards: [guard('a', seen)] })
    const now = performance.now()
    await client.call('orders', 'GET', '/', undefined, { key: 'k', priority: 3, timeoutMs: 1_000 })
    expect(seen.contexts[0]).toMatchObject({ key: 'k', priority: 3, deadline: now + 1_000, attempt: 1 })
  })

  it('may refuse it: nothing is sent, and those further out let it in for nothing', async () => {
    const seen = nothing()
    const transport = new StubTransport(json({}))
    const full = new GatelessError('ERR_GATELESS_TEST', 'full', { local: true, retryAfterMs: 70 })
    const { client } = stubClient(transport, {
      guards: [guard('a', seen), guard('b', seen, () => ({ refused: true, error: () => full }))],
    })
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({
      name: 'CallError',
      code: 'ERR_GATELESS_TEST',
      cause: full,
      retryAfterMs: 70,
      local: true,
      status: 503,
      notRetried: 'refused',
      attempts: [],
    })
    expect(transport.exchanges).toEqual([])
    expect(seen.log).toEqual(['a admits', 'b admits', 'a ignored'])
  })

  it('may throw what they like', async () => {
    const { client } = stubClient(new StubTransport(json({})), {
      guards: [
        guard('a', nothing(), () => {
          // oxlint-disable-next-line no-throw-literal
          throw null
        }),
      ],
    })
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({
      code: 'ERR_GATELESS_REFUSED',
      message: 'orders GET /: null',
    })
  })

  it('may be a breaker of the user’s', async () => {
    const breaker = new CircuitBreaker({ name: 'mine', failureThreshold: 1 })
    const { client } = stubClient(new StubTransport(answer({ status: 500 })), { retry: false, guards: [breaker] })
    await failure(client.call('orders', 'GET', '/'))
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({ code: 'ERR_GATELESS_CIRCUIT_OPEN' })
  })

  it('of one service are not those of another', async () => {
    const [all, own] = [nothing(), nothing()]
    const { client } = stubClient(new StubTransport(json({})), {
      guards: [guard('all', all)],
      services: { orders: { guards: [guard('own', own)] } },
    })
    await client.call('orders', 'GET', '/')
    expect([all.log, own.log]).toEqual([[], ['own admits', 'own success']])
  })

  it.each([[5], ['x'], [{}], [[{}]], [[null]]])('are refused when they are none: %o', (guards) => {
    expect(() => stubClient(new StubTransport(json({})), { guards: guards as never })).toThrow(
      'guards must be an array of objects with admit() and judge()',
    )
  })
})

describe('a guard that makes the call wait', () => {
  const later = (ms: number) => (permit: Permit) =>
    new Promise<Permit>((resolve) => {
      setTimeout(resolve, ms, permit)
    })

  it('lets it go on when its turn comes', async () => {
    const seen = nothing()
    const transport = new StubTransport(json({ fine: true }))
    const { client } = stubClient(transport, { guards: [guard('a', seen, later(50)), guard('b', seen)] })
    const result = client.call('orders', 'GET', '/')
    await vi.advanceTimersByTimeAsync(49)
    expect(transport.exchanges).toEqual([])
    await vi.advanceTimersByTimeAsync(1)
    expect(await result).toEqual({ fine: true })
    expect(seen.log).toEqual(['a admits', 'b admits', 'b success', 'a success'])
  })

  it('ends its wait when the call is over, and takes back what comes too late', async () => {
    const seen = nothing()
    const aborted = vi.fn()
    const { client } = stubClient(new StubTransport(json({})), { guards: [guard('a', seen, later(50))] })
    const ended = failure(client.call('orders', 'GET', '/', undefined, { timeoutMs: 20 }))
    await vi.advanceTimersByTimeAsync(0)
    seen.contexts[0]?.signal.addEventListener('abort', aborted)
    await vi.advanceTimersByTimeAsync(20)
    expect(await ended).toMatchObject({ code: 'ERR_GATELESS_TIMEOUT' })
    expect(aborted).toHaveBeenCalledOnce()
    await vi.advanceTimersByTimeAsync(50)
    expect(seen.log).toEqual(['a admits', 'a ignored'])
  })

  it('may refuse in the end', async () => {
    const late = new GatelessError('ERR_GATELESS_TEST', 'too long', { local: true })
    const { client } = stubClient(new StubTransport(json({})), {
      guards: [guard('a', nothing(), () => Promise.reject(late))],
    })
    expect(await failure(client.call('orders', 'GET', '/'))).toMatchObject({ code: 'ERR_GATELESS_TEST', cause: late })
  })
})
