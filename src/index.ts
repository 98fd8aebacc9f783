export { isGatelessError, GatelessError, TimeoutError, ClosedError } from './core/errors.ts'
