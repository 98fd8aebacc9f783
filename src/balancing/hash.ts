/**
 * Hashes that give the same number in every process and on every machine, so that all clients send a key to the same
 * instance. Fast and well spread, useless against an adversary who picks the keys.
 */

/**
 * FNV-1a, 32 bits, over the UTF-16 code units (two bytes where one does not hold it; plain ASCII gives the published
 * values). Source: Fowler, Noll, Vo; RFC 9923.
 */
export function fnv1a(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i += 1) {
    const code = text.charCodeAt(i)
    hash = Math.imul(hash ^ (code & 0xff), 0x01000193)
    if (code > 0xff) hash = Math.imul(hash ^ (code >>> 8), 0x01000193)
  }
  return hash >>> 0
}

/**
 * Spreads every input bit over all output bits; FNV alone leaves the last characters in the low bits. MurmurHash3's
 * 32-bit finalizer (Austin Appleby, public domain).
 */
export function mix32(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/** 2^32 divided by the golden ratio: neighbouring numbers times it differ in many bits (Knuth, TAOCP 3, 6.4). */
export const GOLDEN = 0x9e3779b1
