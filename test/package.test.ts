import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'
import { describe, expect, it } from 'vitest'

/** What a user's bundle gets. Bundled from the sources; `npm run check -- --only size` does the same with dist. */

const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  sideEffects: unknown
  exports: Record<string, unknown>
  dependencies: Record<string, string>
}

/** Bundles an import, minified; undici stays outside and can be seen. */
async function bundle(code: string): Promise<{ bytes: number; gzipped: number; packages: readonly string[] }> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: code, resolveDir: process.cwd(), loader: 'ts' },
    bundle: true,
    minify: true,
    write: false,
    metafile: true,
    format: 'esm',
    platform: 'node',
    external: ['undici'],
    logLevel: 'silent',
  })
  const text = outputFiles[0]?.contents ?? new Uint8Array()
  const outside = Object.values(metafile.outputs).flatMap((output) => output.imports.map((each) => each.path))
  return { bytes: text.length, gzipped: gzipSync(text).length, packages: outside }
}

describe('a bundle', () => {
  it.each(['core', 'breaker', 'retry', 'limits', 'balancing', 'discovery', 'testing'])(
    'of gateless/%s has nothing of undici',
    async (subpath) => {
      const { packages } = await bundle(`export * from './src/${subpath}/index.ts'`)
      expect(packages).not.toContain('undici')
    },
  )

  it('of the client does have undici, so that the test above can fail', async () => {
    const { packages } = await bundle(`export * from './src/client/index.ts'`)
    expect(packages).toContain('undici')
  })

  it('of CircuitBreaker from the root has the breaker alone, within 10 kB gzipped', async () => {
    const { packages, gzipped } = await bundle(`export { CircuitBreaker } from './src/index.ts'`)
    expect(packages).not.toContain('undici')
    expect(gzipped).toBeLessThanOrEqual(10_000)
  })
})

describe('the lock file', () => {
  it('has the packages of every platform: npm ci refuses it otherwise, on all of them', () => {
    const lock = JSON.parse(readFileSync('package-lock.json', 'utf8')) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>
    }
    const missing = Object.entries(lock.packages).flatMap(([path, { optionalDependencies = {} }]) =>
      Object.keys(optionalDependencies).filter(
        (name) => !(`node_modules/${name}` in lock.packages) && !(`${path}/node_modules/${name}` in lock.packages),
      ),
    )
    expect(missing).toEqual([])
  })
})

describe('the manifest', () => {
  it('promises no side effects', () => {
    expect(manifest.sideEffects).toBe(false)
  })

  it('has the four runtime dependencies and no other', () => {
    expect(Object.keys(manifest.dependencies)).toEqual(['eventemitter3', 'lru-cache', 'p-retry', 'undici'])
  })
})
