import { afterEach, describe, expect, it, vi } from 'vitest'
import { Registrar } from 'gateless/backends/http'
import type { RegistrarOptions } from '../../../src/backends/http/registrar-options.ts'
import { FakeClock } from '../../../src/testing/fake-clock.ts'
import { type Reply, ScriptedDispatcher, settle } from './scripted-dispatcher.ts'

const INSTANCE = { serviceName: 's', host: '10.0.0.1', port: 8081, id: 'd1' }
const BASE = 'http://127.0.0.1:8500/services/s/instances/d1'
const REGISTER = `PUT ${BASE}`
const BEAT = `PUT ${BASE}/heartbeat`
const STATUS = `PUT ${BASE}/status`
const DELETE = `DELETE ${BASE}`

let made: Registrar[] = []

function setUp(script: Reply[], options: Partial<RegistrarOptions> = {}) {
  const dispatcher = new ScriptedDispatcher(...script)
  const clock = new FakeClock()
  const registrar = new Registrar({
    url: 'http://127.0.0.1:8500',
    instance: INSTANCE,
    dispatcher,
    clock,
    random: () => 0.5,
    ...options,
  })
  made.push(registrar)
  const heard: string[] = []
  registrar.on('registered', ({ again }) => heard.push(again ? 'registered again' : 'registered'))
  registrar.on('registration-failed', ({ retryInMs }) => heard.push(`registration-failed ${retryInMs}`))
  registrar.on('heartbeat-failed', ({ retryInMs }) => heard.push(`heartbeat-failed ${retryInMs}`))
  registrar.on('lost', () => heard.push('lost'))
  registrar.on('deregistered', ({ error }) => heard.push(error === undefined ? 'deregistered' : 'deregistered: lease'))
  const advance = async (ms: number): Promise<void> => {
    await clock.advance(ms)
    await settle()
  }
  return { dispatcher, clock, registrar, heard, advance }
}

afterEach(async () => {
  for (const registrar of made) {
    const stopped = registrar.stop()
    await settle()
    await stopped
  }
  made = []
})

describe('Registrar', () => {
  it('registers, beats, says that it stops, and leaves', async () => {
    const { registrar, dispatcher, heard, advance, clock } = setUp([{ status: 201 }, { status: 204 }])
    await registrar.start()
    expect(registrar.registered).toBe(true)
    await advance(10_000)
    await advance(10_000)
    await registrar.stop()
    expect(dispatcher.lines).toEqual([REGISTER, BEAT, BEAT, STATUS, DELETE])
    expect(dispatcher.seen[3]?.body).toEqual({ status: 'stopping' })
    expect(heard).toEqual(['registered', 'deregistered'])
    expect(registrar.registered).toBe(false)
    expect(clock.pending).toBe(0)
  })

  it('says of itself what it was told, with a lease of three beats', async () => {
    const { registrar, dispatcher } = setUp([{ status: 201 }], {
      instance: {
        ...INSTANCE,
        metadata: { k: 'v' },
        healthCheckPath: '/health',
        zone: 'a',
        version: '1',
        secure: true,
      },
    })
    await registrar.start()
    expect(dispatcher.seen[0]?.body).toEqual({
      id: 'd1',
      service_name: 's',
      host: '10.0.0.1',
      port: 8081,
      status: 'healthy',
      metadata: { k: 'v' },
      health_check_url: '/health',
      weight: 1,
      zone: 'a',
      version: '1',
      secure: true,
      priority: 0,
      lease_ms: 30_000,
    })
    expect(dispatcher.seen[0]?.headers['content-type']).toBe('application/json')
  })

  it('is named by its address without an id', () => {
    const { registrar } = setUp([{ status: 201 }], { instance: { serviceName: 's', host: 'A', port: 1 } })
    expect(registrar.id).toBe('a:1')
  })

  it.each([
    [0, 9_000],
    [1, 11_000],
  ])('spreads its beats: random %d after %d ms', async (random, expected) => {
    const { registrar, dispatcher, advance } = setUp([{ status: 204 }], { random: () => random })
    await registrar.start()
    await advance(expected - 1)
    expect(dispatcher.lines).toEqual([REGISTER])
    await advance(1)
    expect(dispatcher.lines).toEqual([REGISTER, BEAT])
  })

  it('starts once, however often it is told to', async () => {
    const { registrar, dispatcher } = setUp([{ status: 201 }])
    await Promise.all([registrar.start(), registrar.start()])
    expect(dispatcher.lines).toEqual([REGISTER])
  })

  it('lets the service start while the registry is down, and registers when that is back', async () => {
    const { registrar, heard, advance, dispatcher } = setUp([
      new Error('ECONNREFUSED'),
      { status: 503 },
      { status: 400, body: { error: 'no' } },
      { status: 201 },
    ])
    await registrar.start()
    expect(registrar.registered).toBe(false)
    await advance(250)
    await advance(500)
    await advance(1_000)
    expect(heard).toEqual([
      'registration-failed 250',
      'registration-failed 500',
      'registration-failed 1000',
      'registered',
    ])
    expect(dispatcher.lines).toEqual([REGISTER, REGISTER, REGISTER, REGISTER])
  })

  it('fails to start where it was told that the registry is required, and leaves nothing behind', async () => {
    const { registrar, clock } = setUp([new Error('ECONNREFUSED')], { required: true })
    await expect(registrar.start()).rejects.toMatchObject({ name: 'HttpRegistryError' })
    expect(clock.pending).toBe(0)
    await registrar.stop()
  })

  it('starts where the registry is required and there', async () => {
    const { registrar } = setUp([{ status: 200 }], { required: true })
    await registrar.start()
    expect(registrar.registered).toBe(true)
  })

  it('registers again at once when the registry forgot it', async () => {
    const { registrar, heard, advance, dispatcher } = setUp([{ status: 201 }, { status: 404 }, { status: 201 }])
    await registrar.start()
    await advance(10_000)
    expect(dispatcher.lines).toEqual([REGISTER, BEAT, REGISTER])
    expect(heard).toEqual(['registered', 'lost', 'registered again'])
  })

  it('goes on trying to register when the registry forgot it and then went away', async () => {
    const { registrar, heard, advance } = setUp([{ status: 201 }, { status: 404 }, new Error('down'), { status: 201 }])
    await registrar.start()
    await advance(10_000)
    await advance(250)
    expect(heard).toEqual(['registered', 'lost', 'registration-failed 250', 'registered again'])
  })

  it('goes on beating, slower, while the registry does not answer, and never slower than a beat', async () => {
    const { registrar, heard, advance, dispatcher } = setUp([{ status: 201 }, new Error('down')])
    await registrar.start()
    await advance(10_000)
    for (let i = 0; i < 9; i += 1) await advance(10_000)
    expect(heard[1]).toBe('heartbeat-failed 250')
    expect(heard.at(-1)).toBe('heartbeat-failed 5000')
    dispatcher.script({ status: 204 })
    await advance(5_000)
    const before = dispatcher.lines.length
    await advance(9_999)
    expect(dispatcher.lines).toHaveLength(before)
  })

  it('waits as long as the registry asks, but not so long that the lease ends', async () => {
    const { registrar, heard, advance } = setUp([
      { status: 503, headers: { 'retry-after': '9' } },
      { status: 503, headers: { 'retry-after': '200' } },
      { status: 201 },
    ])
    await registrar.start()
    await advance(9_000)
    expect(heard).toEqual(['registration-failed 9000', 'registration-failed 15000'])
  })

  it('never asks in a loop, whatever chance says', async () => {
    const { registrar, heard } = setUp([new Error('down')], { random: () => 0 })
    await registrar.start()
    expect(heard).toEqual(['registration-failed 100'])
  })

  it('stops within its limits though the registry hangs', async () => {
    const { registrar, dispatcher, clock, heard, advance } = setUp([{ status: 201 }, 'hang'])
    await registrar.start()
    const stopped = registrar.stop()
    await settle()
    await advance(2_000)
    await advance(2_000)
    await stopped
    expect(dispatcher.lines).toEqual([REGISTER, STATUS, DELETE])
    expect(heard).toEqual(['registered', 'deregistered: lease'])
    expect(clock.pending).toBe(0)
  })

  it('takes out what it may have registered, when stopped before it knows', async () => {
    const { registrar, dispatcher, clock } = setUp(['hang', { status: 404 }])
    const started = registrar.start()
    await settle()
    await registrar.stop()
    await started
    expect(dispatcher.lines).toEqual([REGISTER, DELETE])
    expect(clock.pending).toBe(0)
  })

  it('stops in the middle of a beat', async () => {
    const { registrar, dispatcher, clock, advance, heard } = setUp([{ status: 201 }, 'hang', { status: 204 }])
    await registrar.start()
    await advance(10_000)
    await registrar.stop()
    expect(dispatcher.lines).toEqual([REGISTER, BEAT, STATUS, DELETE])
    expect(heard).toEqual(['registered', 'deregistered'])
    expect(clock.pending).toBe(0)
  })

  it('asks nobody when it is stopped before it was started, and stays stopped', async () => {
    const { registrar, dispatcher } = setUp([{ status: 201 }])
    await registrar.stop()
    await expect(registrar.start()).rejects.toMatchObject({ code: 'ERR_GATELESS_CLOSED' })
    expect(dispatcher.lines).toEqual([])
  })

  it('survives listeners that throw', async () => {
    const { registrar, advance, dispatcher } = setUp([{ status: 201 }, { status: 204 }])
    const faults = vi.fn()
    registrar.on('error', faults)
    registrar.on('registered', () => {
      throw new Error('listener')
    })
    await registrar.start()
    await advance(10_000)
    expect(dispatcher.lines).toEqual([REGISTER, BEAT])
    expect(faults).toHaveBeenCalledTimes(1)
  })

  it('is what `await using` stops', async () => {
    const { registrar, dispatcher } = setUp([{ status: 201 }])
    {
      await using using = registrar
      await using.start()
    }
    expect(dispatcher.lines).toEqual([REGISTER, STATUS, DELETE])
  })
})

describe('signals', () => {
  it('stop it, and are raised again when nobody else listens', async () => {
    const others = process.listeners('SIGTERM')
    process.removeAllListeners('SIGTERM')
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    try {
      const { registrar, dispatcher } = setUp([{ status: 201 }], { handleSignals: true })
      await registrar.start()
      process.emit('SIGTERM', 'SIGTERM')
      await settle()
      expect(dispatcher.lines).toEqual([REGISTER, STATUS, DELETE])
      expect(kill).toHaveBeenCalledExactlyOnceWith(process.pid, 'SIGTERM')
      expect(process.listenerCount('SIGTERM')).toBe(0)
    } finally {
      kill.mockRestore()
      for (const listener of others) process.on('SIGTERM', listener)
    }
  })

  it('are left to who else listens', async () => {
    const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
    const other = vi.fn()
    process.on('SIGINT', other)
    try {
      const { registrar } = setUp([{ status: 201 }], { handleSignals: true })
      await registrar.start()
      process.emit('SIGINT', 'SIGINT')
      await settle()
      expect(other).toHaveBeenCalledTimes(1)
      expect(kill).not.toHaveBeenCalled()
    } finally {
      process.off('SIGINT', other)
      kill.mockRestore()
    }
  })

  it('are not listened for unless asked to', async () => {
    const before = process.listenerCount('SIGTERM')
    const { registrar } = setUp([{ status: 201 }])
    await registrar.start()
    expect(process.listenerCount('SIGTERM')).toBe(before)
  })
})

describe('options of Registrar', () => {
  it.each([
    [{ instance: undefined }, 'Registrar: instance must be an object'],
    [{ instance: { ...INSTANCE, serviceName: undefined } }, 'Registrar: instance: serviceName must be given'],
    [{ instance: { ...INSTANCE, serviceName: '..' } }, "service name must not be empty, '.' or '..'"],
    [{ instance: { ...INSTANCE, host: 'a b' } }, 'Registrar: instance: host must be a host name or an IP address'],
    [{ instance: { ...INSTANCE, host: '0.0.0.0' } }, 'host must be an address that others can reach, got "0.0.0.0"'],
    [{ instance: { ...INSTANCE, port: 0 } }, 'Registrar: instance: port must be an integer from 1 to 65535, got 0'],
    [{ instance: { ...INSTANCE, id: '' } }, 'id must be text of 1 to 256 printable characters'],
    [{ instance: { ...INSTANCE, healthCheckPath: 'http://evil/' } }, "healthCheckPath must be a path, like '/health'"],
    [{ instance: { ...INSTANCE, metadata: { a: 1 } } }, 'metadata must be an object of at most 64 strings'],
    [{ instance: { ...INSTANCE, status: 'stopping' } }, `status must be one of 'healthy', 'starting'`],
    [{ instance: { ...INSTANCE, hots: 'x' } }, 'unknown option "hots"'],
    [{ heartbeatMs: 5 }, 'heartbeatMs must be a finite number from 100'],
    [{ leaseMs: 15_000 }, 'leaseMs must be a finite number from 20000'],
    [{ url: 'x' }, 'Registrar: url must be an http: or https: URL'],
    [{ retries: 5 }, 'Registrar: unknown option "retries"'],
  ])('are refused with a name and a range: %o', (options, message) => {
    expect(() => new Registrar({ url: 'http://x', instance: INSTANCE, ...options } as never)).toThrow(message)
  })
})
