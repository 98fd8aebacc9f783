/** What a balancer knows of its fleet as a whole; read in constant time. */
export interface BalancerMetrics {
  /** Instances known, eligible or not. */
  readonly known: number
  /** Those that are well by registry and checks, and not drained. */
  readonly healthy: number
  /** Those that ordinary calls are sent to now. */
  readonly pickedFrom: number
  /** Healthy ones that are out for failing. */
  readonly ejected: number
  /** Those that asked for time; their rest is not always obeyed. */
  readonly resting: number
  /** Those that have not grown into their share yet. */
  readonly starting: number
  readonly panic: boolean
  /** Calls picked and not settled, body included; also those to instances that have left. */
  readonly inFlight: number
  /** Calls that got an instance, probes included, since the balancer was made. */
  readonly picks: number
  /** Ejections, failed probes included, since the balancer was made. */
  readonly ejections: number
}
