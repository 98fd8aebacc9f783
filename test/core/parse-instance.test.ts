import { describe, expect, it } from 'vitest'
import { instanceIdentity, instanceOrigin, type ServiceInstance } from '../../src/core/instance.ts'
import { formatInstance, INSTANCE_LIMITS, parseInstance, parseInstances } from '../../src/core/parse-instance.ts'

const GOOD = { id: 'd1', host: '10.0.0.1', port: 8081 }

function parse(more: object): ServiceInstance {
  return parseInstance({ ...GOOD, ...more }, 's') as ServiceInstance
}

describe('parseInstance', () => {
  it('reads the wire form and writes it again', () => {
    const wire = {
      ...GOOD,
      service_name: 's',
      status: 'unhealthy',
      metadata: { region: 'eu' },
      health_check_url: '/health',
      last_heartbeat: '2026-01-01T00:00:00.123Z',
      created_at: '2026-01-01T00:00:00+01:00',
      weight: 2,
      zone: 'a',
      version: '1',
      secure: true,
      priority: 1,
    }
    expect(formatInstance(parse(wire))).toEqual(wire)
  })

  it('reads the other spellings, and our own', () => {
    const { id: _, ...rest } = GOOD
    expect(parseInstance({ ...rest, instance_id: 'x', health_status: 'Healthy' }, 's')).toMatchObject({
      id: 'x',
      status: 'healthy',
    })
    expect(parse({ serviceName: 's', healthCheckUrl: '/h', lastHeartbeat: '2026-01-01T00:00:00Z' })).toMatchObject({
      healthCheckUrl: '/h',
      lastHeartbeat: '2026-01-01T00:00:00Z',
    })
  })

  it('names an instance without id by its address', () => {
    expect(parseInstance({ host: 'A', port: 1 }, 's')).toMatchObject({ id: 'a:1' })
  })

  it.each([
    [null],
    ['x'],
    [[]],
    [{}],
    [{ ...GOOD, host: 'user@evil' }],
    [{ ...GOOD, port: '8081' }],
    [{ ...GOOD, id: '' }],
    [{ ...GOOD, id: 7 }],
    [{ ...GOOD, id: 'a\r\nb' }],
    [{ ...GOOD, id: 'x'.repeat(257) }],
    [{ ...GOOD, service_name: 'another' }],
  ])('drops %o', (entry) => {
    expect(parseInstance(entry, 's')).toBeUndefined()
  })

  it('takes host and port from the entry itself, not from a polluted prototype', () => {
    const polluted = Object.create({ host: 'evil', port: 1, secure: true })
    expect(parseInstance(polluted, 's')).toBeUndefined()
    expect(parseInstance(Object.assign(polluted, GOOD), 's')).toMatchObject({ host: '10.0.0.1', secure: false })
  })

  it.each([
    ['Healthy', 'healthy'],
    ['STOPPING', 'stopping'],
    [undefined, 'healthy'],
    [null, 'healthy'],
    ['passing', 'unknown'],
    [1, 'unknown'],
  ])('reads status %o as %s', (status, expected) => {
    expect(parse({ status }).status).toBe(expected)
  })

  it.each([
    [0, 0],
    [-1, 1],
    [Number.NaN, 1],
    [1e308, INSTANCE_LIMITS.weight],
    ['5', 1],
    [Infinity, 1],
  ])('reads weight %o within bounds', (weight, expected) => {
    const read = parse({ weight }).weight
    expect(read).toBeGreaterThanOrEqual(0)
    expect(read).toBeLessThanOrEqual(INSTANCE_LIMITS.weight)
    if (typeof weight === 'number' && weight >= 0 && weight <= INSTANCE_LIMITS.weight) expect(read).toBe(expected)
  })

  it.each([[-1], [1.5], [129], ['1']])('reads priority %o as 0', (priority) => {
    expect(parse({ priority }).priority).toBe(0)
  })

  it.each([['yesterday'], [1], ['2026-01-01'], ['2026-01-01T00:00:00Z\n']])('reads date %o as none', (date) => {
    expect(parse({ created_at: date }).createdAt).toBeNull()
  })

  it('gives metadata no prototype, and takes strings within bounds only', () => {
    const metadata = JSON.parse(
      JSON.stringify({ ok: 'yes', number: 1, object: {}, long: 'x'.repeat(4_097), ['k'.repeat(257)]: 'x' }).replace(
        '"ok"',
        '"__proto__": {"isAdmin": true}, "constructor": "c", "ok"',
      ),
    )
    const read = parse({ metadata }).metadata
    expect(Object.getPrototypeOf(read)).toBeNull()
    expect({ ...read }).toEqual({ constructor: 'c', ok: 'yes' })
    expect((read as Record<string, unknown>)['isAdmin']).toBeUndefined()
    expect(Object.keys(parse({ metadata: [] }).metadata)).toEqual([])
  })

  it('keeps a metadata key named __proto__ as a key', () => {
    const read = parse({ metadata: JSON.parse('{"__proto__": "x"}') }).metadata
    expect(Object.keys(read)).toEqual(['__proto__'])
    expect(Object.getPrototypeOf(read)).toBeNull()
  })

  it('bounds the number of metadata entries', () => {
    const many = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`k${i}`, 'v']))
    expect(Object.keys(parse({ metadata: many }).metadata)).toHaveLength(INSTANCE_LIMITS.metadataEntries)
  })
})

describe('parseInstances', () => {
  it.each([[null], [undefined], [{}], ['[]'], [7]])('does not take %o for a list', (value) => {
    expect(parseInstances(value, 's')).toBeUndefined()
  })

  it('drops and counts what makes no sense, and uses the rest', () => {
    const { instances, dropped } = parseInstances([GOOD, null, { host: 'x' }, 'y'], 's') ?? {
      instances: [],
      dropped: 0,
    }
    expect(instances.map((one) => one.id)).toEqual(['d1'])
    expect(dropped).toBe(3)
  })

  it('takes the later one of two with the same id, or at the same address', () => {
    const entries = [GOOD, { ...GOOD, port: 9 }, { ...GOOD, port: 9, id: 'd2' }, { ...GOOD, id: 'd3' }]
    const { instances, dropped } = parseInstances(entries, 's') ?? { instances: [], dropped: 0 }
    expect(instances.map(({ id, port }) => `${id} ${port}`).toSorted()).toEqual(['d2 9', 'd3 8081'])
    expect(dropped).toBe(2)
  })

  it('reads a bounded number of entries, and counts the others', () => {
    const many = Array.from({ length: INSTANCE_LIMITS.instances + 5 }, () => 0)
    expect(parseInstances(many, 's')).toEqual({ instances: [], dropped: INSTANCE_LIMITS.instances + 5 })
  })
})

describe('identity and origin', () => {
  it('writes IPv6 in brackets, and https when secure', () => {
    expect(instanceOrigin(parse({ host: '::1' }))).toBe('http://[::1]:8081')
    expect(instanceOrigin(parse({ secure: true }))).toBe('https://10.0.0.1:8081')
  })

  it('is another one at another address, and the same one with another weight', () => {
    expect(instanceIdentity(parse({ port: 9 }))).not.toBe(instanceIdentity(parse({})))
    expect(instanceIdentity(parse({ weight: 9 }))).toBe(instanceIdentity(parse({})))
  })
})
