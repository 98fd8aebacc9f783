import type { FromChild, ToChild } from './messages.ts'

/** What every child process does the same way: obey its parent, and not outlive it. */

let guarded: number | undefined

export function tellParent(message: FromChild): void {
  process.send?.(message)
}

/** What the parent put on the command line. */
export function childInput(): unknown {
  return JSON.parse(process.argv[2] ?? '{}')
}

/** A listener that fails ends the process: the parent notices, and stops everything. */
export function onParent(listener: (message: ToChild) => void | Promise<void>): void {
  // Ctrl-C goes to the whole group; the parent decides in which order everybody leaves.
  process.on('SIGINT', () => {})
  process.on('disconnect', parentGone)
  process.on('message', (message: ToChild) => {
    if (message.type === 'guard') guarded = message.pid
    else void listener(message)
  })
}

/**
 * Lets go of the parent, and of nothing else: from here on the process ends by itself, or it shows that something in it
 * is still alive.
 */
export function signOff(): void {
  process.off('disconnect', parentGone)
  if (process.connected) process.disconnect()
}

function parentGone(): void {
  if (guarded !== undefined) killQuietly(guarded)
  process.exit(1)
}

function killQuietly(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It was gone before us.
  }
}
