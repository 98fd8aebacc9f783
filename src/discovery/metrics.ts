/** What a {@link DiscoveryClient} counts. The age of one service's list is `ageMs(service)`. */
export interface DiscoveryMetrics {
  /** Services remembered now. */
  readonly services: number
  /** Services watched now. */
  readonly watchedServices: number
  /** Questions to the provider that are on their way now. */
  readonly loadsInFlight: number
  /** Questions to the provider. */
  readonly loads: number
  /** Of these, those that failed. */
  readonly loadFailures: number
  /** Watches of the provider's that broke. */
  readonly watchFailures: number
  /** Times another list was believed. */
  readonly changes: number
  /** Answers that were empty or much too short, and not believed at once. */
  readonly held: number
  /** Answers that were older than what was known. */
  readonly ignored: number
  /** Services that began with a list from the snapshot or the bootstrap list. */
  readonly fallbacks: number
}

/** @internal The counters behind {@link DiscoveryMetrics}. */
export class DiscoveryCounts {
  loads = 0
  loadFailures = 0
  watchFailures = 0
  changes = 0
  held = 0
  ignored = 0
  fallbacks = 0

  read(services: number, watchedServices: number, loadsInFlight: number): DiscoveryMetrics {
    const { loads, loadFailures, watchFailures, changes, held, ignored, fallbacks } = this
    const gauges = { services, watchedServices, loadsInFlight }
    return { ...gauges, loads, loadFailures, watchFailures, changes, held, ignored, fallbacks }
  }
}
