/** RFC 3339 in UTC, the form of every date on the wire. */
export function formatTimestamp(epochMs: number): string {
  // Formats an instant it is given and reads no clock, which is what the rule is about.
  // oxlint-disable-next-line no-restricted-globals
  return new Date(epochMs).toISOString()
}
