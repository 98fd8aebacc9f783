import type { LoadBalancer } from '../balancing/load-balancer.ts'
import type { Outcome } from '../core/outcome.ts'
import type { Guard } from '../core/policy.ts'
import type { Hedge } from '../retry/hedge.ts'
import type { RetryPolicy } from '../retry/retry-policy.ts'
import type { Random } from '../time/random.ts'
import type { CallMeter } from './call-meter.ts'
import type { Distribution } from './distributions.ts'
import type { SimulatedServer } from './simulated-server.ts'
import type { Simulation } from './simulation.ts'

/** @internal What the calls of one simulated client share. */
export interface ClientParts {
  readonly simulation: Simulation
  readonly random: Random
  /** The only server, when nobody has to choose. */
  readonly server: SimulatedServer | undefined
  readonly byId: ReadonlyMap<string, SimulatedServer>
  readonly balancer: LoadBalancer | undefined
  readonly attemptTimeoutMs: number
  /** What a time limit makes of an attempt: made once, for a storm of time-outs is what is simulated. */
  readonly timedOut: Outcome
  readonly timeoutMs: number
  readonly retry: RetryPolicy | undefined
  readonly hedge: Hedge | undefined
  readonly guards: readonly Guard[]
  readonly networkMs: Distribution | undefined
  readonly meter: CallMeter
}
