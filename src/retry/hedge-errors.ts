import { GatelessError } from '../core/errors.ts'

/**
 * Why the work of a hedged call was aborted: another try of the same call settled it. `ERR_GATELESS_SUPERSEDED`. No
 * caller ever gets it; it is the reason of the signal that a loser was given.
 */
export class SupersededError extends GatelessError {
  override readonly name = 'SupersededError'

  constructor(hedge: string) {
    super('ERR_GATELESS_SUPERSEDED', `${hedge}: another try of the call settled it`, { local: true })
  }
}
