import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { FolderWatch } from '../../src/discovery/folder-watch.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

let folder: string
let clock: FakeClock
let watches: FolderWatch[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gateless-watch-'))
  clock = new FakeClock()
})

afterEach(async () => {
  for (const each of watches.splice(0)) each.close()
  await rm(folder, { recursive: true })
})

function setUp(path = folder, settleMs = 20): FolderWatch {
  const watch = new FolderWatch(path, { settleMs, pollMs: 1_000_000, clock })
  watches.push(watch)
  return watch
}

/** Watches of the file system that keep the process alive do not count: there must be none. */
const alive = (): number => process.getActiveResourcesInfo().filter((kind) => /FSEvent/i.test(kind)).length

const never = new AbortController().signal

/** How often the watch told of something, waited for again each time. */
function listen(watch: FolderWatch, signal: AbortSignal = never): { count: number } {
  const told = { count: 0 }
  const again = async (): Promise<void> => {
    while (!signal.aborted) {
      await watch.nextChange(signal)
      told.count += 1
    }
  }
  void again()
  return told
}

/** The one that is told when the watch stands. */
async function standing(told: { count: number }): Promise<void> {
  await vi.waitFor(async () => {
    await clock.advance(20)
    expect(told.count).toBe(1)
  })
}

describe('FolderWatch', () => {
  it.each(['a folder', 'a file in a folder', 'a file that is not there yet'])(
    'tells of changes of %s',
    async (what) => {
      const path = what === 'a folder' ? folder : join(folder, 'file.json')
      if (what === 'a file in a folder') await writeFile(path, 'x')
      const controller = new AbortController()
      const told = listen(setUp(path), controller.signal)
      await standing(told)
      await clock.advance(500)
      expect(told.count).toBe(1)
      await writeFile(join(folder, 'file.json'), 'y')
      await vi.waitFor(async () => {
        await clock.advance(20)
        expect(told.count).toBeGreaterThan(1)
      })
      controller.abort()
    },
  )

  it('tells of many changes within settleMs as of one', async () => {
    const controller = new AbortController()
    const told = listen(setUp(), controller.signal)
    await standing(told)
    for (let i = 0; i < 5; i += 1) await writeFile(join(folder, `${i}`), 'x')
    await vi.waitFor(() => expect(clock.pending).toBe(2))
    await clock.advance(19)
    expect(told.count).toBe(1)
    await clock.advance(1)
    expect(told.count).toBe(2)
    controller.abort()
  })

  it('tells all who wait', async () => {
    const watch = setUp()
    const first = watch.nextChange(never)
    const second = watch.nextChange(never)
    await vi.waitFor(() => expect(clock.pending).toBe(3))
    await clock.advance(20)
    await Promise.all([first, second])
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  it('watches again for whoever waits again later', async () => {
    const watch = setUp()
    for (let i = 0; i < 2; i += 1) {
      const controller = new AbortController()
      const told = listen(watch, controller.signal)
      await standing(told)
      await writeFile(join(folder, `${i}`), 'x')
      await vi.waitFor(async () => {
        await clock.advance(20)
        expect(told.count).toBeGreaterThan(1)
      })
      controller.abort()
      await clock.advance(0)
      expect(clock.pending).toBe(0)
    }
  })

  it('lets somebody leave alone, and leaves nothing when nobody waits', async () => {
    const watch = setUp()
    const controller = new AbortController()
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    const leaving = watch.nextChange(controller.signal)
    const staying = watch.nextChange(never)
    await vi.waitFor(() => expect(clock.pending).toBe(3))
    controller.abort()
    await leaving
    expect(remove).toHaveBeenCalledTimes(1)
    await clock.advance(19)
    expect(clock.pending).toBe(2)
    await clock.advance(1)
    await staying
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })

  it('does not begin to watch for somebody who left meanwhile', async () => {
    const watch = setUp()
    const controller = new AbortController()
    const change = watch.nextChange(controller.signal)
    controller.abort()
    await change
    await watch.nextChange(controller.signal)
    // The look at the folder comes back from the disk after that.
    await rm(join(folder, 'nothing'), { force: true })
    await writeFile(join(folder, 'x'), 'x')
    expect(clock.pending).toBe(0)
  })

  it('closed, lets everybody go and watches no more', async () => {
    const watch = setUp()
    const change = watch.nextChange(never)
    await vi.waitFor(() => expect(clock.pending).toBe(2))
    watch.close()
    await change
    expect(clock.pending).toBe(0)
    await watch.nextChange(never)
    expect(clock.pending).toBe(0)
  })

  it('keeps no process alive', async () => {
    const controller = new AbortController()
    const told = listen(setUp(), controller.signal)
    await standing(told)
    expect(alive()).toBe(0)
    controller.abort()
  })

  it('tells after pollMs where nothing else does', async () => {
    const watch = new FolderWatch(join(folder, 'no', 'such', 'folder'), { settleMs: 20, pollMs: 5_000, clock })
    watches.push(watch)
    let told = false
    void watch.nextChange(never).then(() => (told = true))
    await clock.advance(4_999)
    expect(told).toBe(false)
    await clock.advance(1)
    expect(told).toBe(true)
  })
})
