import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { httpRegistry } from '../../src/backends/http/provider.ts'
import { dnsRecords } from '../../src/backends/dns/provider.ts'
import { fileList } from '../../src/discovery/file-list.ts'
import { multi } from '../../src/discovery/multi.ts'
import { staticList } from '../../src/discovery/static-list.ts'
import type { DiscoveryProvider } from '../../src/discovery/provider.ts'
import { type Reply, ScriptedDispatcher } from '../backends/http/scripted-dispatcher.ts'
import { ScriptedResolver } from '../backends/dns/scripted-resolver.ts'
import { type Entry, MemoryRegistry } from './memory-registry.ts'
import { describeProvider, type ProviderHarness } from './provider-conformance.ts'

/** Sources without a wire are exchanged as a whole. */
describeProvider('staticList', async () => {
  const lists: Record<string, Entry[]> = {}
  let inner = staticList({})
  let given: readonly Entry[] = []
  const write = (service: string, entries: readonly Entry[] | undefined): void => {
    if (entries === undefined) delete lists[service]
    else lists[service] = [...entries]
    inner = staticList(lists as never)
  }
  return {
    provider: { name: 'static list', list: (service, context) => inner.list(service, context) },
    set: (service, entries) => {
      given = entries ?? []
      write(service, entries)
    },
    shuffle: () => write('s', given.toReversed()),
    repair: () => {},
  }
})

async function fileHarness(isFolder: boolean): Promise<ProviderHarness> {
  const folder = await mkdtemp(join(tmpdir(), 'gateless-file-list-'))
  const path = isFolder ? join(folder, 'services') : join(folder, 'services.json')
  const lists: Record<string, readonly Entry[]> = {}
  let count = 0
  const replace = async (target: string, text: string): Promise<void> => {
    count += 1
    const temporary = join(folder, `${count}.tmp`)
    await writeFile(temporary, text)
    await rename(temporary, target)
  }
  const write = async (): Promise<void> => {
    if (!isFolder) return replace(path, JSON.stringify(lists))
    await mkdir(path, { recursive: true })
    for (const [service, list] of Object.entries(lists)) {
      await replace(join(path, `${service}.json`), JSON.stringify(list))
    }
  }
  return {
    provider: fileList({ path, onProblem: () => {} }),
    async set(service, entries) {
      if (entries === undefined) {
        delete lists[service]
        if (isFolder) await rm(join(path, `${service}.json`), { force: true })
      } else lists[service] = entries
      await write()
    },
    garbage: () => replace(isFolder ? join(path, 's.json') : path, '<html>'),
    refuse: () => rm(path, { recursive: true, force: true }),
    repair: write,
    async shuffle() {
      lists['s'] = (lists['s'] ?? []).toReversed()
      await write()
    },
    close: () => rm(folder, { recursive: true }),
  }
}

describeProvider('fileList of a file', () => fileHarness(false))
describeProvider('fileList of a folder', () => fileHarness(true))

function memoryHarness(registry: MemoryRegistry, provider: DiscoveryProvider): ProviderHarness {
  return {
    provider,
    set: (service, entries) => registry.set(service, entries),
    garbage: () => void (registry.fault = 'garbage'),
    hang: () => void (registry.fault = 'hang'),
    refuse: () => void (registry.fault = new Error('refused')),
    repair: () => void (registry.fault = undefined),
    shuffle: () => registry.set('s', registry.lists.get('s')?.toReversed()),
  }
}

/** A provider whose methods stand on a class: spread, they would be lost. */
function bound(registry: MemoryRegistry, withWatch: boolean): DiscoveryProvider {
  const list: DiscoveryProvider['list'] = (service, context) => registry.list(service, context)
  if (!withWatch) return { name: registry.name, list }
  return { name: registry.name, list, watch: (service, context) => registry.watch(service, context) }
}

describeProvider('a provider that is asked', async () => {
  const registry = new MemoryRegistry()
  return memoryHarness(registry, bound(registry, false))
})

describeProvider('a provider that pushes', async () => {
  const registry = new MemoryRegistry()
  return memoryHarness(registry, bound(registry, true))
})

describeProvider('multi, merging', async (clock) => {
  const registry = new MemoryRegistry()
  const other = staticList({ other: [{ host: '10.9.9.9', port: 1 }] })
  return memoryHarness(registry, multi([bound(registry, false), other], { clock }))
})

describeProvider('multi, falling back', async (clock) => {
  const registry = new MemoryRegistry()
  const other = staticList({ other: [{ host: '10.9.9.9', port: 1 }] })
  return memoryHarness(registry, multi([other, bound(registry, false)], { mode: 'fallback', clock }))
})

describeProvider('httpRegistry', async (clock) => {
  const lists = new Map<string, readonly Entry[]>()
  let fault: Reply | undefined
  const dispatcher = new ScriptedDispatcher()
  const dispatch = dispatcher.dispatch.bind(dispatcher)
  dispatcher.dispatch = (options, handler) => {
    const service = decodeURIComponent(options.path.replace('/services/', ''))
    const list = lists.get(service)
    dispatcher.script(fault ?? (list === undefined ? { status: 404 } : { status: 200, body: list }))
    return dispatch(options, handler)
  }
  return {
    provider: httpRegistry({ url: 'http://127.0.0.1:8500', dispatcher, clock }),
    set: (service, entries) => void (entries === undefined ? lists.delete(service) : lists.set(service, entries)),
    garbage: () => void (fault = { status: 200, body: '<html>' }),
    hang: () => void (fault = 'hang'),
    refuse: () => void (fault = new Error('ECONNREFUSED')),
    repair: () => void (fault = undefined),
    shuffle: () => void lists.set('s', lists.get('s')?.toReversed() ?? []),
  }
})

describeProvider('dnsRecords of addresses', async () => {
  const resolver = new ScriptedResolver()
  // Every entry of a name has the port of the first: a harness of one port per service.
  let provider = dnsRecords({ records: 'address', port: 8_001, resolver })
  let port = 8_001
  return {
    provider: {
      name: 'dns',
      list: async (service, context) => {
        const answer = await provider.list(service, context)
        if (answer.kind !== 'ok') return answer
        // The one thing an address record cannot say is a port of its own: it is told apart by the host here.
        const withPorts = answer.instances.map((instance) => ({
          ...instance,
          port: resolver.portOf(instance.host) ?? port,
        }))
        return { ...answer, instances: withPorts.map((each) => ({ ...each, id: `${each.host}:${each.port}` })) }
      },
    },
    set: (service, entries) => {
      port = entries?.[0]?.port ?? port
      provider = dnsRecords({ records: 'address', port, resolver })
      resolver.setAddresses(service, entries)
    },
    hang: () => void (resolver.fault = 'hang'),
    refuse: () => void (resolver.fault = new Error('ESERVFAIL')),
    garbage: () => void (resolver.fault = 'garbage'),
    repair: () => void (resolver.fault = undefined),
    shuffle: () => resolver.turnRound(),
    withoutWeights: true,
  }
})

describeProvider('dnsRecords of SRV records', async () => {
  const resolver = new ScriptedResolver()
  return {
    provider: dnsRecords({ resolver }),
    set: (service, entries) => resolver.setSrv(service, entries),
    hang: () => void (resolver.fault = 'hang'),
    refuse: () => void (resolver.fault = new Error('ESERVFAIL')),
    garbage: () => void (resolver.fault = 'garbage'),
    repair: () => void (resolver.fault = undefined),
    shuffle: () => resolver.turnRound(),
    largest: 1_000,
  }
})
