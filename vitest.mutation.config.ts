import { mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What a mutant is tried against: the tests in virtual time. Real sockets and processes would take hours.
export default mergeConfig(base, {
  test: {
    exclude: ['test/real/**', 'test/faults/**', 'test/docs/**', 'test/architecture.test.ts', '**/node_modules/**'],
  },
})
