import { SERVICES, type ServiceName } from './scene.ts'

/**
 * The load: which calls are made, and when. Both lanes get exactly the same one.
 *
 * It is an open loop: arrivals are scheduled by the clock, and a slow answer delays none of them. A closed loop (next
 * call after the last answer) would send less to whoever suffers, and hide what its users would have felt.
 */

export interface PlannedCall {
  readonly service: ServiceName
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body: { readonly value: number } | undefined
}

/** Of ten calls six go to devices and four to sensors; one of the ten is a POST, to each of them in turn. */
export function plannedCall(index: number): PlannedCall {
  const slot = index % 10
  const service = slot < 6 ? 'device-service' : 'sensor-service'
  const isPost = slot === (Math.floor(index / 10) % 2 === 0 ? 5 : 9)
  const path = `${SERVICES[service].path}/${index % 97}`
  if (isPost) return { service, method: 'POST', path: `${path}/values`, body: { value: index } }
  return { service, method: 'GET', path, body: undefined }
}

/** When a call is due, in milliseconds from the start. */
export function arrivalMs(index: number, rate: number): number {
  return (index * 1_000) / rate
}

/**
 * Calls `fire` for each arrival as soon as it is due by `now` (milliseconds from the start). Resolves when the last one
 * was fired, whatever became of it.
 */
export function openLoop(
  { rate, seconds }: { readonly rate: number; readonly seconds: number },
  now: () => number,
  fire: (index: number, scheduledMs: number) => void,
): Promise<void> {
  const total = rate * seconds
  let next = 0
  return new Promise((resolve) => {
    const tick = (): void => {
      while (next < total && arrivalMs(next, rate) <= now()) {
        fire(next, arrivalMs(next, rate))
        next += 1
      }
      if (next >= total) resolve()
      else setTimeout(tick, Math.max(0, arrivalMs(next, rate) - now()))
    }
    tick()
  })
}
