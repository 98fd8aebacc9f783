import type { IncomingMessage } from 'node:http'
import { HttpRefusal } from './answers.ts'

/**
 * Reads a JSON body that may be of any size and any content. Too large is known from the announced length, or when the
 * limit is passed; what still comes is thrown away rather than the connection, because a client that is cut off while
 * it writes never sees why. (How long it may go on is limited by the server's request timeout.)
 *
 * @throws {HttpRefusal}
 */
export async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  if ((request.headers['content-encoding'] ?? 'identity') !== 'identity') {
    throw new HttpRefusal(415, 'compressed bodies are not accepted')
  }
  const bytes = await readBytes(request, maxBytes)
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    throw new HttpRefusal(400, 'the body must be JSON in UTF-8')
  }
}

function readBytes(request: IncomingMessage, maxBytes: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = new HttpRefusal(413, `the body must not be larger than ${maxBytes} bytes`)
    if (Number(request.headers['content-length'] ?? 0) > maxBytes) {
      reject(tooLarge)
      return
    }
    let size = 0
    let chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size <= maxBytes) {
        chunks.push(chunk)
        return
      }
      chunks = []
      reject(tooLarge)
    })
    request.on('end', () => resolve(Buffer.concat(chunks)))
    // Always comes, also after `end`, when nobody waits for this promise any more.
    request.on('close', () => reject(new HttpRefusal(400, 'the body ended early')))
  })
}
