import { GatelessError } from '../core/errors.ts'

/**
 * The fault that {@link chaos} injects unless given another. `ERR_GATELESS_CHAOS`. Not `local`: it stands for what the
 * remote does, so breakers count it and retries try again.
 */
export class ChaosError extends GatelessError {
  override readonly name = 'ChaosError'

  constructor(chaos: string) {
    super('ERR_GATELESS_CHAOS', `${chaos} injected a fault`)
  }
}
