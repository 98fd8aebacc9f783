import { GatelessError } from '../core/errors.ts'

/** What was to be registered or defined makes no sense. `ERR_GATELESS_INVALID_REGISTRATION`; `field` says where. */
export class InvalidRegistrationError extends GatelessError {
  override readonly name = 'InvalidRegistrationError'
  /** The field as it was spelt, like `port` or `endpoints[2].port`. */
  readonly field: string

  constructor(field: string, message: string) {
    super('ERR_GATELESS_INVALID_REGISTRATION', message, { local: true })
    this.field = field
  }
}

/** The registry holds as much as it may. `ERR_GATELESS_REGISTRY_FULL`. */
export class RegistryFullError extends GatelessError {
  override readonly name = 'RegistryFullError'
  /** Which bound was reached. */
  readonly bound: 'maxServices' | 'maxInstances'

  constructor(bound: 'maxServices' | 'maxInstances', limit: number) {
    super('ERR_GATELESS_REGISTRY_FULL', `the registry is full: ${bound} is ${limit}`, { local: true })
    this.bound = bound
  }
}
