/** What it means to have a deadline, whoever keeps the time. */

/** Whatever wants to be told that its time is up. An object, not a closure: the hot path owns one already. */
export interface Expirable {
  expire(): void
}

/** A pending deadline. Cancelling twice, or after it expired, does nothing. */
export interface Deadline {
  cancel(): void
}

/**
 * A timer this late means the event loop was blocked: answers may be waiting unread in the sockets, so those get one
 * turn before anybody is declared late.
 */
export const LATE_MS = 50
