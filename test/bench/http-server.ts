import { createServer } from 'node:http'

/** The server of the HTTP benchmark: a process of its own, small JSON answers, nothing else. */

const body = JSON.stringify({ id: 'sensor-7', celsius: 21.5, at: '2026-01-01T00:00:00Z' })

const server = createServer((_request, response) => {
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length })
  response.end(body)
})
server.keepAliveTimeout = 60_000
server.listen(0, '127.0.0.1', () => {
  process.send?.(server.address())
})
process.on('disconnect', () => process.exit())
