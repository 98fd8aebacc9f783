import type { Readable } from 'node:stream'

/**
 * Reads a body of at most `maxBytes`. Undefined when there is more: the rest is not read, and the connection with it
 * is given up, because draining an endless answer would be the same trap in slow motion.
 */
export async function readBounded(body: Readable, maxBytes: number): Promise<Buffer | undefined> {
  // Leaving the loop destroys the body, and undici reports that as an error of the stream.
  body.on('error', () => {})
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > maxBytes) return undefined
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}
