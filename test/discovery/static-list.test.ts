import { describe, expect, it } from 'vitest'
import { DiscoveryClient, type StaticInstance, staticList } from 'gateless/discovery'

const context = { signal: new AbortController().signal }

describe('staticList', () => {
  it('fills in what an entry leaves out', async () => {
    const provider = staticList({ 'device-service': [{ host: 'Device.Example', port: 8081 }] })
    const answer = await provider.list('device-service', context)
    expect(answer).toMatchObject({
      kind: 'ok',
      instances: [
        {
          id: 'device.example:8081',
          serviceName: 'device-service',
          host: 'device.example',
          port: 8081,
          status: 'healthy',
          weight: 1,
          secure: false,
          priority: 0,
          lastHeartbeat: null,
        },
      ],
    })
  })

  it('keeps what an entry says', async () => {
    const entry: Required<StaticInstance> = {
      id: 'd1',
      host: '::1',
      port: 1,
      status: 'starting',
      metadata: { region: 'eu' },
      healthCheckUrl: '/health',
      weight: 0,
      zone: 'a',
      version: '1.2',
      secure: true,
      priority: 2,
    }
    const answer = await staticList({ s: [entry] }).list('s', context)
    expect(answer).toMatchObject({ instances: [entry] })
  })

  it('tells an unknown service from an empty one', async () => {
    const provider = staticList({ empty: [] })
    expect(await provider.list('empty', context)).toMatchObject({ kind: 'ok', instances: [] })
    expect(await provider.list('toString', context)).toEqual({ kind: 'not-found' })
  })

  it('is not changed by changing what it was made of', async () => {
    const services = { s: [{ host: 'a', port: 1 }] }
    const provider = staticList(services)
    services.s.push({ host: 'b', port: 2 })
    const answer = await provider.list('s', context)
    expect(answer).toMatchObject({ instances: [{ host: 'a' }] })
  })

  it('takes __proto__ for a name like any other', async () => {
    const services = JSON.parse('{"__proto__": [{"host": "a", "port": 1, "metadata": {"__proto__": "x"}}]}')
    const answer = await staticList(services).list('__proto__', context)
    expect(answer).toMatchObject({ kind: 'ok', instances: [{ host: 'a' }] })
    expect(({} as Record<string, unknown>)['host']).toBeUndefined()
  })

  it('works behind a client', async () => {
    await using client = new DiscoveryClient({
      provider: staticList({ s: [{ id: 'd1', host: '127.0.0.1', port: 1 }] }),
    })
    expect(await client.discover('s')).toMatchObject([{ id: 'd1' }])
    await expect(client.discover('t')).rejects.toMatchObject({ code: 'ERR_GATELESS_SERVICE_NOT_FOUND' })
  })

  it.each([
    ['port', 0, RangeError, 'staticList: "s"[1]: port must be an integer from 1 to 65535, got 0'],
    ['port', '80', TypeError, 'staticList: "s"[1]: port must be an integer from 1 to 65535, got "80"'],
    ['host', 'user@evil', TypeError, 'staticList: "s"[1]: host must be a host name or an IP address, got "user@evil"'],
    ['id', 'a\nb', TypeError, 'staticList: "s"[1]: id must be text of 1 to 256 printable characters, got "a\\nb"'],
    ['id', 'first', TypeError, '"s"[1]: id must be unique within the service ("first" is there before), got "first"'],
    ['status', 'Healthy', TypeError, `"s"[1]: status must be one of 'healthy'`],
    ['weight', -1, RangeError, '"s"[1]: weight must be a finite number from 0 up to 1000000, got -1'],
    ['priority', 1.5, RangeError, '"s"[1]: priority must be an integer from 0 up to 128, got 1.5'],
    ['secure', 'yes', TypeError, '"s"[1]: secure must be true or false, got "yes"'],
    ['zone', '', TypeError, '"s"[1]: zone must be text'],
    ['healthCheckUrl', '//evil/x', TypeError, `"s"[1]: healthCheckUrl must be a path, like '/health', got "//evil/x"`],
    ['metadata', { a: 1 }, TypeError, '"s"[1]: metadata must be an object of at most 64 strings'],
    ['metadata', [], TypeError, '"s"[1]: metadata must be an object of at most 64 strings'],
    ['weigth', 1, TypeError, '"s"[1]: unknown option "weigth"'],
  ])('refuses %s %o, naming service, index, field and value', (field, value, Complaint, message) => {
    const make = () =>
      staticList({
        s: [
          { id: 'first', host: 'a', port: 1 },
          { host: 'b', port: 2, [field]: value },
        ],
      })
    expect(make).toThrow(Complaint)
    expect(make).toThrow(message)
  })

  it('refuses the same address twice', () => {
    const twice = [
      { id: '1', host: 'a', port: 1 },
      { id: '2', host: 'A', port: 1 },
    ]
    expect(() => staticList({ s: twice })).toThrow(
      '"s"[1]: port must be at an address of its own (a:1 is there before)',
    )
  })

  it.each([[null], [[]], ['s'], [{ s: { host: 'a', port: 1 } }], [{ s: [null] }], [{ '': [] }], [{ s: [undefined] }]])(
    'refuses %o',
    (services) => {
      expect(() => staticList(services as never)).toThrow(TypeError)
    },
  )
})
