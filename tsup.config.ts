import { readFileSync } from 'node:fs'
import { defineConfig } from 'tsup'

// The entries are read from package.json, so a subpath cannot be exported without being built.
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as {
  exports: Record<string, string | { default: string }>
  bin: Record<string, string>
}
const outputs = [
  ...Object.values(manifest.exports).flatMap((target) => (typeof target === 'string' ? [] : [target.default])),
  ...Object.values(manifest.bin),
]
const entry = Object.fromEntries(
  outputs.map((output) => {
    const name = output.replace('./dist/', '').replace('.js', '')
    return [name, `src/${name}.ts`]
  }),
)

export default defineConfig({
  entry,
  format: ['esm'],
  // TypeScript 7 has no compiler API for tsup to call: `npm run build` runs tsc for the declarations.
  dts: false,
  // Shared chunks: every subpath sees the same classes and the same process-wide state.
  splitting: true,
  treeshake: true,
  clean: true,
  sourcemap: true,
  target: 'node22',
  platform: 'node',
  // `node:` says that a module is built in, and keeps bundlers from looking for a package of that name.
  removeNodeProtocol: false,
})
