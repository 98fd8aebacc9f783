/** The public face: everything but the backends, the registry and the test kit, which have subpaths of their own. */
export * from './answers/index.ts'
export * from './balancing/index.ts'
export * from './breaker/index.ts'
export * from './client/index.ts'
export * from './core/index.ts'
export * from './discovery/index.ts'
export * from './limits/index.ts'
export * from './retry/index.ts'
