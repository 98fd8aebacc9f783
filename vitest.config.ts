import { fileURLToPath } from 'node:url'
import { configDefaults, defineConfig } from 'vitest/config'

const source = fileURLToPath(new URL('./src/', import.meta.url))

export const SIMULATIONS: readonly string[] = ['test/simulation/**/*.test.ts', 'test/**/*.simulation.test.ts']

export default defineConfig({
  resolve: {
    // Tests import the public subpaths, and reach the sources without a build.
    alias: [
      { find: /^gateless$/, replacement: `${source}index.ts` },
      { find: /^gateless\/(.+)$/, replacement: `${source}$1/index.ts` },
    ],
  },
  test: {
    include: ['test/**/*.test.ts', 'examples/**/*.test.ts'],
    // Minutes of virtual time, seconds of real: `npm run simulate`.
    exclude: [...configDefaults.exclude, ...SIMULATIONS],
    coverage: {
      include: ['src/**/*.ts'],
      reporter: ['text-summary', 'json-summary'],
      thresholds: { lines: 99, branches: 97 },
    },
  },
})
