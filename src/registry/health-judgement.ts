import type { InstanceStatus } from '../core/instance.ts'

/**
 * The status a check leads to, given how many have failed in a row; undefined to leave it.
 *
 * `stopping` is the instance's own decision and final. `starting` has never worked, so failing cannot make it worse:
 * it stays what it says, and its lease ends it if it never gets there.
 */
export function judge(status: InstanceStatus, failures: number, threshold: number): InstanceStatus | undefined {
  if (status === 'stopping') return undefined
  if (failures === 0) return status === 'healthy' ? undefined : 'healthy'
  if (failures < threshold || status === 'starting' || status === 'unhealthy') return undefined
  return 'unhealthy'
}
