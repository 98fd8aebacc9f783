import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import type { NameServer } from './name-server.ts'

/** One question over the wire. Both reject with the signal's reason as soon as it aborts, and leave no socket. */

/** Reads an answer; undefined for bytes that are none to this question. */
type Read<T> = (bytes: Buffer) => T | undefined

/** Ignores what is no answer: anybody may send to a port. */
export function overUdp<T>(server: NameServer, query: Uint8Array, read: Read<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = createSocket(server.family === 6 ? 'udp6' : 'udp4')
    let isSettled = false
    const settle = (finish: () => void): void => {
      if (isSettled) return
      isSettled = true
      signal.removeEventListener('abort', onAbort)
      // Node's own listeners stay: without them a socket that is still being bound would never be closed.
      socket.close()
      finish()
    }
    const onAbort = (): void => settle(() => reject(signal.reason as Error))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', (error) => settle(() => reject(error)))
    socket.on('message', (bytes) => {
      const answer = read(bytes)
      if (answer !== undefined) settle(() => resolve(answer))
    })
    // Connected: the kernel then drops what comes from elsewhere, and tells of a closed port.
    socket.connect(server.port, server.address, () => {
      if (!isSettled) socket.send(query)
    })
  })
}

export function overTcp<T>(server: NameServer, query: Uint8Array, read: Read<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted()
    const socket = connect({ host: server.address, port: server.port })
    const settle = (finish: () => void): void => {
      signal.removeEventListener('abort', onAbort)
      socket.destroy()
      finish()
    }
    const onAbort = (): void => settle(() => reject(signal.reason as Error))
    signal.addEventListener('abort', onAbort, { once: true })
    socket.on('error', (error) => settle(() => reject(error)))
    socket.on('end', () => settle(() => reject(new Error('the name server closed the connection without an answer'))))
    const head = Buffer.alloc(2)
    head.writeUInt16BE(query.length)
    socket.write(Buffer.concat([head, query]))
    // Two bytes of length, so that 64 KiB is the most that is ever kept.
    let received = Buffer.alloc(0)
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk])
      if (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) return
      const answer = read(received.subarray(2, 2 + received.readUInt16BE(0)))
      if (answer !== undefined) settle(() => resolve(answer))
      else settle(() => reject(new Error('the name server answered something else over TCP')))
    })
  })
}
