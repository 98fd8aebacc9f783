export type {
  EndpointInput,
  EndpointParameter,
  JsonValue,
  ServiceDefinition,
  ServiceDefinitionInput,
  ServiceEndpoint,
} from './definition.ts'
export { InvalidRegistrationError, RegistryFullError } from './errors.ts'
export type { RegistryEvents } from './events.ts'
export { createRegistryHandler, type RegistryHandler, type RegistryHandlerOptions } from './handler.ts'
export { HealthChecker, type HealthCheckerEvents } from './health-checker.ts'
export type { HealthCheckerOptions, HealthProbe } from './health-options.ts'
export type { ServiceHealth, ServiceHealthStatus } from './health-summary.ts'
export { type RegistryAddress, RegistryServer, type RegistryServerOptions } from './http-server.ts'
export type { ServiceRegistryOptions } from './options.ts'
export type { InstanceRegistration } from './registration.ts'
export { ServiceRegistry } from './service-registry.ts'
export { type InstanceRecord, MemoryStore, type RegistryStore } from './store.ts'
