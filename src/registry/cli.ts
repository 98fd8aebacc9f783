#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { DEFAULT_LEASE_MS } from '../backends/http/api.ts'
import { HealthChecker } from './health-checker.ts'
import { RegistryServer } from './http-server.ts'
import { ServiceRegistry } from './service-registry.ts'

/** `gateless registry`: the registry as a process of its own. */

const HELP = `Usage: gateless registry [options]

Runs a service registry over HTTP, kept in memory.

Options:
  --port <n>                port to listen on, 0 for any free one (default 8500)
  --host <address>          address to listen on (default 127.0.0.1; nobody is authenticated)
  --warmup-ms <n>           how long after the start an unknown service is answered with 503
                            instead of 404, because it may still have to come back
                            (default ${DEFAULT_LEASE_MS}, one lease; 0 switches it off)
  --health-checks <on|off>  ask instances that have a health_check_url (default on)
  -h, --help                show this text
  -v, --version             show the version
`

interface Command {
  readonly host: string
  readonly port: number
  readonly warmupMs: number
  readonly healthChecks: boolean
}

/** The user's mistake: one line, and exit code 2. */
class UsageError extends Error {}

function readCommand(args: readonly string[]): Command | 'help' | 'version' {
  const { values, positionals } = parse(args)
  if (values.help) return 'help'
  if (values.version) return 'version'
  const [command, ...surplus] = positionals
  if (command !== 'registry') throw new UsageError(`unknown command '${command ?? ''}'; the only one is 'registry'`)
  if (surplus.length > 0) throw new UsageError(`unexpected argument '${surplus[0] as string}'`)
  const healthChecks = values['health-checks']
  if (healthChecks !== 'on' && healthChecks !== 'off') {
    throw new UsageError(`--health-checks must be on or off, got '${healthChecks}'`)
  }
  if (values.host === '') throw new UsageError('--host must not be empty')
  return {
    host: values.host,
    port: readInteger('--port', values.port, 65_535),
    warmupMs: readInteger('--warmup-ms', values['warmup-ms'], 86_400_000),
    healthChecks: healthChecks === 'on',
  }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        port: { type: 'string', default: '8500' },
        host: { type: 'string', default: '127.0.0.1' },
        'warmup-ms': { type: 'string', default: String(DEFAULT_LEASE_MS) },
        'health-checks': { type: 'string', default: 'on' },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    })
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function readInteger(name: string, text: string, max: number): number {
  // Digits only: Number() would take '', '0x50' and '8e3' for ports too.
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value <= max) return value
  throw new UsageError(`${name} must be an integer from 0 to ${max}, got '${text}'`)
}

function readVersion(): string {
  // The same two steps up from src/registry and from dist/registry.
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  return (JSON.parse(manifest) as { version: string }).version
}

async function serve({ host, port, warmupMs, healthChecks }: Command): Promise<void> {
  const registry = new ServiceRegistry({ warmupMs })
  const checker = healthChecks ? new HealthChecker({ registry }) : undefined
  const server = new RegistryServer({ registry, host, port })
  // `once`: a second signal finds no listener and ends the process the hard way.
  const stop = (): void => {
    void server.close().then(async () => {
      await checker?.close()
      await registry.close()
    })
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  try {
    const { url } = await server.listen()
    process.stdout.write(`registry listening on ${url}\n`)
  } catch (error) {
    process.stderr.write(`gateless: cannot listen on ${host}:${port}: ${(error as Error).message}\n`)
    process.exitCode = 1
  }
}

async function main(args: readonly string[]): Promise<void> {
  try {
    const command = readCommand(args)
    if (command === 'help') process.stdout.write(HELP)
    else if (command === 'version') process.stdout.write(`${readVersion()}\n`)
    else await serve(command)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    process.stderr.write(`gateless: ${error.message}\nTry 'gateless --help'.\n`)
    process.exitCode = 2
  }
}

void main(process.argv.slice(2))
