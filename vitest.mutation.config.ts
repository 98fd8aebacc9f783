import { mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What a mutant is tried against: the tests that run in virtual time. Real sockets and processes would take hours.
const config: object = mergeConfig(base, {})
;(config as { test: { include: string[] } }).test.include = [
  'test/{core,time,stats,breaker,retry,limits,balancing,discovery,backends,client,registry}/**/*.test.ts',
  'test/fake-timers.test.ts',
]

export default config
