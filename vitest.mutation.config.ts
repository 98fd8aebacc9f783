import { mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// What a mutant is tried against: the tests of its own room, in virtual time. All of them would take hours, and a room
// whose bugs only its neighbours' tests notice is not tested.
const room = process.env['MUTATION_ROOM'] ?? '*'
/** The vectors of others are where some files have their tests. */
const vectors = room === 'retry' ? ['test/conformance/{aws,grpc,finagle,retry}-*.test.ts'] : []

const config: object = mergeConfig(base, {})
;(config as { test: { include: string[] } }).test.include = [`test/${room}/**/*.test.ts`, ...vectors]

export default config
