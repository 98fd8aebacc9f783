export {
  type AttemptOutcome,
  type AttemptRecord,
  BodyError,
  CallError,
  InvalidRequestError,
  type NotRetriedReason,
  ResponseError,
} from './errors.ts'
export type { ClientEvents } from './events.ts'
export type { CallPolicy, InstanceBreakerOptions, ServiceClientOptions } from './options.ts'
export type { Query, QueryValue } from './query.ts'
export { ServiceClient, type ServiceCallOptions, type ServiceRequest } from './service-client.ts'
export type { ServiceDispatcher, ServiceRequestExtras } from './service-dispatcher.ts'
