export type { EjectionOptions } from './ejection-options.ts'
export { NoInstanceError } from './errors.ts'
export type { BalancerEvents, EjectionReason, RestoreReason } from './events.ts'
export type { Lease } from './lease.ts'
export {
  type AcquireRequest,
  type BalancedCallOptions,
  type BalancedOperation,
  LoadBalancer,
} from './load-balancer.ts'
export type { Member } from './member.ts'
export type { LoadBalancerOptions } from './options.ts'
export type { MemberReport, Standing } from './report.ts'
export { ipHash } from './strategies/ip-hash.ts'
export { type LeastConnectionsOptions, leastConnections } from './strategies/least-connections.ts'
export { random } from './strategies/random-choice.ts'
export { roundRobin } from './strategies/round-robin.ts'
export { weightedRoundRobin } from './strategies/weighted-round-robin.ts'
export type { PickedCall, Picker, PickRequest, Strategy, StrategyContext } from './strategy.ts'
