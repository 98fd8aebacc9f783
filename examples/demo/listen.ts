import { setTimeout as sleep } from 'node:timers/promises'

const PATIENCE_MS = 100
const TRIES = 20

/**
 * Tries to listen until the port is free. Who comes back to a former port may find it taken for a moment: by a
 * connection that is just going away, or that happens to have it as its own end.
 */
export async function listenPatiently<T>(listen: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await listen()
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE' || attempt === TRIES) throw error
      await sleep(PATIENCE_MS)
    }
  }
}
