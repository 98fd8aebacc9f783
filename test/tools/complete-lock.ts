import { readFileSync, writeFileSync } from 'node:fs'

/**
 * Completes package-lock.json after an `npm install`: where npm cannot fetch the packages of other platforms (a registry
 * that mirrors only some) it leaves them out of the lock file, and `npm ci` then refuses that file on every machine.
 * What is added names version and platform, which is all npm needs to skip it, or to fetch it where it belongs.
 */

interface Entry {
  version?: string
  optionalDependencies?: Record<string, string>
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
}

const FILE = 'package-lock.json'
const SYSTEMS = ['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony', 'sunos', 'win32']
const CPU = /^(?:arm|arm64|ia32|loong64|mips64el|ppc64|riscv64|s390x|wasm32|x64)$/

/** `@scope/tool-linux-arm64-musl` says where it runs. */
function platformOf(name: string): Pick<Entry, 'os' | 'cpu' | 'libc'> {
  const parts = name.split('/').at(-1)?.split(/[-.]/) ?? []
  const os = parts.find((part) => SYSTEMS.includes(part))
  const cpu = parts.find((part) => CPU.test(part))
  if (os === undefined && cpu === undefined) throw new Error(`${name}: its name does not say what it is for`)
  const libc = parts.some((part) => part.startsWith('musl')) ? 'musl' : parts.includes('gnu') ? 'glibc' : undefined
  return {
    ...(os === undefined ? {} : { os: [os] }),
    ...(cpu === undefined ? {} : { cpu: [cpu] }),
    ...(libc === undefined ? {} : { libc: [libc] }),
  }
}

const lock = JSON.parse(readFileSync(FILE, 'utf8')) as { packages: Record<string, Entry> }
let added = 0
for (const [path, { optionalDependencies = {} }] of Object.entries(lock.packages)) {
  for (const [name, range] of Object.entries(optionalDependencies)) {
    if (`node_modules/${name}` in lock.packages || `${path}/node_modules/${name}` in lock.packages) continue
    const version = range.replace(/^[\^~]/, '')
    lock.packages[`node_modules/${name}`] = { version, dev: true, optional: true, ...platformOf(name) }
    added += 1
  }
}
lock.packages = Object.fromEntries(Object.entries(lock.packages).toSorted(([a], [b]) => (a < b ? -1 : 1)))
writeFileSync(FILE, `${JSON.stringify(lock, undefined, 2)}\n`)
console.log(`${added} packages of other platforms added to ${FILE}`)
