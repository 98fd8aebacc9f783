import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DiscoveryClient } from '../../src/discovery/discovery-client.ts'
import { type FileListOptions, fileList } from '../../src/discovery/file-list.ts'
import type { FileListError } from '../../src/discovery/file-list-error.ts'
import type { DiscoveryProvider, ListAnswer } from '../../src/discovery/provider.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { ids } from './scripted-provider.ts'

let folder: string
let path: string
const closing: { close?(): unknown }[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gateless-files-'))
  path = join(folder, 'services.json')
})

afterEach(async () => {
  await Promise.all(closing.splice(0).map((each) => each.close?.()))
  await rm(folder, { recursive: true })
})

const list = (...given: string[]) => given.map((id) => ({ id, host: `10.0.0.${id.charCodeAt(0)}`, port: 80 }))

let count = 0

/** As everybody should: whole, by a rename. */
async function replace(target: string, content: unknown): Promise<void> {
  count += 1
  const temporary = join(folder, `${count}.tmp`)
  await writeFile(temporary, typeof content === 'string' ? content : JSON.stringify(content))
  await rename(temporary, target)
}

function setUp(options: Partial<FileListOptions> = {}) {
  const clock = new FakeClock()
  const problems: FileListError[] = []
  const provider = fileList({ path, clock, onProblem: (error) => problems.push(error), ...options })
  closing.push(provider)
  return { clock, problems, provider }
}

function ask(provider: DiscoveryProvider, service = 's'): Promise<ListAnswer> {
  return provider.list(service, { signal: new AbortController().signal })
}

async function names(provider: DiscoveryProvider, service = 's'): Promise<string | undefined> {
  const answer = await ask(provider, service)
  return answer.kind === 'ok' ? ids(answer.instances)?.join('') : answer.kind
}

describe('fileList of a file', () => {
  it('reads lists by service name, and is good for ttlMs', async () => {
    await replace(path, { s: list('a', 'b'), empty: [] })
    const { provider } = setUp()
    expect(await ask(provider)).toMatchObject({ kind: 'ok', ttlMs: 5_000, dropped: 0 })
    expect(await names(provider)).toBe('ab')
    expect(await names(provider, 'empty')).toBe('')
    expect(await names(provider, 'other')).toBe('not-found')
    expect(await names(provider, '__proto__')).toBe('not-found')
    expect(provider.name).toBe(`file ${path}`)
  })

  it('answers the same object as long as the file is the same', async () => {
    await replace(path, { s: list('a') })
    const { provider } = setUp({ ttlMs: 1_000 })
    const answer = await ask(provider)
    expect(answer).toMatchObject({ ttlMs: 1_000 })
    expect(await ask(provider)).toBe(answer)
    await replace(path, { s: list('a') })
    expect(await ask(provider)).not.toBe(answer)
  })

  it('drops an entry that makes no sense, and counts it', async () => {
    await replace(path, { s: [...list('a'), { host: 'user@evil', port: 1 }, null] })
    expect(await ask(setUp().provider)).toMatchObject({ dropped: 2, instances: [{ id: 'a' }] })
  })

  it.each([
    ['<html>', 'is no JSON'],
    ['', 'is no JSON'],
    ['\uFEFF{"s":[]}', 'is no JSON'],
    ['[]', 'is no object of lists by service name'],
    ['null', 'is no object of lists by service name'],
    ['7', 'is no object of lists by service name'],
    ['{"s":{}}', 'has no list of instances for "s"'],
    ['{"s":[{"host":"a b","port":1}]}', 'has no entry that makes sense for "s"'],
    [JSON.stringify({ s: list('a'), pad: 'x'.repeat(99) }), 'is longer than 120 bytes'],
  ])('does not believe %j', async (text, problem) => {
    await replace(path, text)
    const { provider, problems } = setUp({ maxBytes: 120 })
    const error = await ask(provider).catch((reason: unknown) => reason)
    expect(error).toMatchObject({
      name: 'FileListError',
      code: 'ERR_GATELESS_FILE_LIST',
      message: `${path} ${problem}`,
      path,
      local: true,
    })
    expect(problems).toEqual([])
    await replace(path, { s: list('a') })
    expect(await names(provider)).toBe('a')
    await replace(path, text)
    expect(await names(provider)).toBe('a')
    expect(await names(provider)).toBe('a')
    // Once per fault, not per look at it.
    expect(problems.map(({ message }) => message)).toEqual([`${path} ${problem}`])
    await replace(path, `${text} `)
    expect(await names(provider)).toBe('a')
    expect(problems).toHaveLength(2)
    await replace(path, { s: list('b') })
    expect(await names(provider)).toBe('b')
  })

  it('takes a file of exactly maxBytes', async () => {
    const text = JSON.stringify({ s: list('a') })
    await replace(path, text)
    expect(await names(setUp({ maxBytes: text.length }).provider)).toBe('a')
    await expect(ask(setUp({ maxBytes: text.length - 1 }).provider)).rejects.toThrow('is longer than')
  })

  it('reads a file that is longer than its first piece', async () => {
    await replace(path, {
      s: list('a'),
      pad: Array.from({ length: 3_000 }, (_, i) => list('b')[0] && { host: `h${i}`, port: 1 }),
    })
    expect(await names(setUp().provider)).toBe('a')
  })

  it('cannot tell while there is no file, and keeps what it knew when it goes away', async () => {
    const { provider, problems } = setUp()
    await expect(ask(provider)).rejects.toMatchObject({ message: `${path} cannot be read (ENOENT)` })
    await replace(path, { s: list('a') })
    expect(await names(provider)).toBe('a')
    await rm(path)
    expect(await names(provider)).toBe('a')
    expect(problems.map(({ message }) => message)).toEqual([`${path} cannot be read (ENOENT)`])
  })

  it('is seen half written only as something not to believe', async () => {
    await replace(path, { s: list('a') })
    const { provider } = setUp()
    await names(provider)
    await writeFile(path, '{"s":[{"id":"b","host":"10.0.0.9"')
    expect(await names(provider)).toBe('a')
    await appendFile(path, ',"port":80}]}')
    expect(await names(provider)).toBe('b')
  })

  it('reads once for many who ask at once', async () => {
    await replace(path, { s: list('a') })
    const { provider } = setUp()
    const [first, ...others] = await Promise.all([ask(provider), ask(provider), ask(provider)])
    for (const other of others) expect(other).toBe(first)
  })

  it('survives a hook that throws', async () => {
    await replace(path, { s: list('a') })
    const { provider } = setUp({
      onProblem: () => {
        throw new Error('hook')
      },
    })
    await names(provider)
    await replace(path, 'x')
    expect(await names(provider)).toBe('a')
  })

  it('gives a warning where nobody listens', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {})
    await replace(path, { s: list('a') })
    const provider = fileList({ path })
    await names(provider)
    await replace(path, 'x')
    await names(provider)
    expect(warn).toHaveBeenCalledExactlyOnceWith(`${path} is no JSON`, { type: 'GatelessWarning' })
    warn.mockRestore()
  })

  it('asks nothing for somebody who left', async () => {
    const { provider } = setUp()
    const reason = new Error('left')
    expect(() => provider.list('s', { signal: AbortSignal.abort(reason) })).toThrow(reason)
  })
})

describe('fileList of a folder', () => {
  beforeEach(async () => {
    path = join(folder, 'services')
    await mkdir(path)
  })

  it('reads one file per service', async () => {
    await replace(join(path, 's.json'), list('a'))
    await replace(join(path, 'device-service.v2.json'), list('b'))
    const { provider } = setUp()
    expect(await names(provider)).toBe('a')
    expect(await names(provider, 'device-service.v2')).toBe('b')
    expect(await names(provider, 't')).toBe('not-found')
  })

  it('takes a file that is gone for a service that is gone, and a folder that is gone for nothing', async () => {
    await replace(join(path, 's.json'), list('a'))
    const { provider } = setUp()
    await names(provider)
    await rm(join(path, 's.json'))
    expect(await names(provider)).toBe('not-found')
    await rm(path, { recursive: true })
    await expect(ask(provider)).rejects.toThrow('cannot be read (ENOENT)')
  })

  it('does not remember a file that was taken away on purpose', async () => {
    await replace(join(path, 's.json'), list('a'))
    const { provider } = setUp()
    await names(provider)
    await rm(join(path, 's.json'))
    await names(provider)
    await replace(join(path, 's.json'), 'garbage')
    await expect(ask(provider)).rejects.toThrow('is no JSON')
  })

  it('keeps the last good list of each', async () => {
    await replace(join(path, 's.json'), list('a'))
    const { provider, problems } = setUp()
    await names(provider)
    await replace(join(path, 's.json'), '{}')
    expect(await names(provider)).toBe('a')
    expect(problems).toHaveLength(1)
    expect(problems[0]?.message).toContain('has no list of instances for "s"')
  })

  it('is not led out of it, nor to what is hidden', async () => {
    await replace(join(folder, 'secret.json'), list('x'))
    await replace(join(path, '.hidden.json'), list('x'))
    const { provider } = setUp()
    for (const name of ['../secret', '..', '.hidden', 'a/../../secret', 'a\\b', 'a\0', '', 'ü']) {
      expect(await names(provider, name)).toBe('not-found')
    }
  })

  it('follows a link that is turned to another folder, as mounted ConfigMaps do', async () => {
    for (const [version, id] of [
      ['1', 'a'],
      ['2', 'b'],
    ] as const) {
      await mkdir(join(path, `..v${version}`))
      await replace(join(path, `..v${version}`, 's.json'), list(id))
    }
    await symlink('..v1', join(path, '..data'))
    await symlink('..data/s.json', join(path, 's.json'))
    const { provider } = setUp()
    expect(await names(provider)).toBe('a')
    await symlink('..v2', join(path, '..next'))
    await rename(join(path, '..next'), join(path, '..data'))
    expect(await names(provider)).toBe('b')
  })
})

describe('the watch of a file', () => {
  /** Lets the file system speak, and the settling pass. */
  const until = async (clock: FakeClock, check: () => void): Promise<void> => {
    await vi.waitFor(
      async () => {
        await clock.advance(20)
        check()
      },
      { timeout: 5_000, interval: 5 },
    )
  }

  function watching(options: Partial<FileListOptions> = {}) {
    const world = setUp({ ttlMs: 60_000, ...options })
    const { provider, clock } = world
    const client = new DiscoveryClient({ provider: { ...provider, close: () => {} }, clock, random: () => 0.5 })
    closing.push(client)
    const told: (string | undefined)[] = []
    const stop = client.watch('s', (instances) => told.push(ids(instances)?.join('')))
    return { ...world, client, told, stop }
  }

  it.each(['file', 'folder'])('sees each of many renames: a %s', async (kind) => {
    const target = kind === 'file' ? path : join(folder, 'services', 's.json')
    if (kind === 'folder') {
      path = join(folder, 'services')
      await mkdir(path)
    }
    const content = (...given: string[]) => (kind === 'file' ? { s: list(...given) } : list(...given))
    await replace(target, content('a'))
    const { clock, told } = watching()
    await until(clock, () => expect(told).toEqual(['a']))
    for (const next of ['ab', 'b', 'bc', 'c']) {
      await replace(target, content(...next.split('')))
      await until(clock, () => expect(told.at(-1)).toBe(next))
    }
    expect(told).toEqual(['a', 'ab', 'b', 'bc', 'c'])
  })

  it('says nothing of garbage, and goes on', async () => {
    await replace(path, { s: list('a') })
    const { clock, told, problems } = watching()
    await until(clock, () => expect(told).toEqual(['a']))
    await replace(path, 'garbage')
    await until(clock, () => expect(problems).toHaveLength(1))
    await replace(path, { s: list('b') })
    await until(clock, () => expect(told).toEqual(['a', 'b']))
  })

  it('looks by itself now and then, where the file system tells nothing', async () => {
    await replace(path, { s: list('a') })
    const { clock, told, stop } = watching({ settleMs: 1_000_000 })
    await until(clock, () => expect(told).toEqual(['a']))
    await replace(path, { s: list('b') })
    await clock.advance(59_000)
    expect(told).toEqual(['a'])
    await until(clock, () => expect(told).toEqual(['a', 'b']))
    stop()
  })

  it('leaves no timer when nobody watches any more, or when it is closed', async () => {
    await replace(path, { s: list('a') })
    const { clock, told, stop, provider, client } = watching()
    await until(clock, () => expect(told).toEqual(['a']))
    stop()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
    client.watch('s', () => {})
    await clock.advance(0)
    await provider.close?.()
    await client.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  it('stands again after its folder was away', async () => {
    path = join(folder, 'sub', 'services.json')
    await mkdir(join(folder, 'sub'))
    await replace(path, { s: list('a') })
    const { clock, told } = watching({ ttlMs: 1_000 })
    await until(clock, () => expect(told).toEqual(['a']))
    await rm(join(folder, 'sub'), { recursive: true })
    await clock.advance(2_000)
    await mkdir(join(folder, 'sub'))
    await replace(path, { s: list('b') })
    await until(clock, () => expect(told).toEqual(['a', 'b']))
  })
})

describe('options of fileList', () => {
  it.each([
    [{}, 'fileList: path must be a string that is not empty'],
    [{ path: '' }, 'path must be a string that is not empty'],
    [{ path: 'x', ttlMs: 0 }, 'ttlMs must be a finite number from 1'],
    [{ path: 'x', maxBytes: 1 }, 'maxBytes must be an integer from 2'],
    [{ path: 'x', settleMs: -1 }, 'settleMs must be a finite number from 0'],
    [{ path: 'x', onProblem: 1 }, 'onProblem must be a function'],
    [{ path: 'x', poll: 1 }, 'unknown option "poll"'],
  ])('refuse %o', (options, message) => {
    expect(() => fileList(options as never)).toThrow(message)
  })
})
