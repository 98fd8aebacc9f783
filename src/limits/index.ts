/** How many, how long, how fast? */
export type { TimeoutEvents, TimeoutMode, TimeoutOptions } from './timeout.ts'
export { timeout, TimeoutPolicy } from './timeout.ts'
