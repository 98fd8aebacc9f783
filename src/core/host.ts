import { isIPv4, isIPv6 } from 'node:net'

/**
 * What may stand between `http://` and the port. Checked before a URL is ever built: `new URL` accepts `user@evil`,
 * `evil#`, a tab or `0x7f000001`, and each of them sends the call somewhere the registry's reader did not see.
 */

/** The canonical form of a host from an untrusted source, or undefined. IPv6 comes back without brackets. */
export function parseHost(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length === 0 || value.length > 253) return undefined
  const bare = value.startsWith('[') && value.endsWith(']') ? value.slice(1, -1) : value
  // A zone (fe80::1%eth0) is a name of this machine, and must not come from another.
  if (isIPv6(bare)) return bare.includes('%') ? undefined : bare.toLowerCase()
  if (isIPv4(value)) return value
  return isHostname(value) ? value.toLowerCase() : undefined
}

/** Labels of letters, digits, hyphen and underscore (container names have them), and no number in the last place. */
function isHostname(value: string): boolean {
  const labels = (value.endsWith('.') ? value.slice(0, -1) : value).split('.')
  if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label))) return false
  // URL parsers read a last label like 1, 0x7f or 2130706433 as part of an IPv4 address.
  return !/^(?:[0-9]+|0x[0-9a-f]*)$/i.test(labels.at(-1) as string)
}

/** A port from an untrusted source: an integer from 1 to 65535, never a string. */
export function parsePort(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 65535 ? value : undefined
}

/** A host as it stands in a URL. */
export function urlHost(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
