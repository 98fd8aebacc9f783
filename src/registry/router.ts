import { HttpRefusal } from './answers.ts'
import { isSegment } from './fields.ts'
import { type Endpoint, ROUTES } from './routes.ts'

/** Where a request goes. */
export interface Routed {
  readonly endpoint: Endpoint
  readonly service: string
  readonly id: string
  readonly query: URLSearchParams
}

/**
 * Finds the endpoint for a method and a raw request target. Segments are split before they are decoded, so that an
 * encoded slash stays part of a name.
 *
 * @throws {HttpRefusal} 404 for no such path, 405 with `Allow` for no such method, 400 for a malformed name.
 */
export function findRoute(method: string, target: string): Routed {
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const segments = path.split('/').slice(1)
  const route = ROUTES.find(({ path: pattern }) => matches(pattern, segments))
  if (route === undefined || !path.startsWith('/')) throw new HttpRefusal(404, 'no such path')
  // HEAD is GET without the body, which node:http leaves out by itself.
  const endpoint = route.methods.get(method === 'HEAD' ? 'GET' : method)
  if (endpoint === undefined) {
    const allowed = [...route.methods.keys()].flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
    throw new HttpRefusal(405, `this path knows ${allowed.join(', ')}`, { allow: allowed.join(', ') })
  }
  return {
    endpoint,
    service: decode(route.path, segments, ':service'),
    id: decode(route.path, segments, ':id'),
    query: new URLSearchParams(mark === -1 ? '' : target.slice(mark + 1)),
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  if (pattern.length !== segments.length) return false
  return pattern.every((part, i) => (part.startsWith(':') ? segments[i] !== '' : part === segments[i]))
}

function decode(pattern: readonly string[], segments: readonly string[], part: string): string {
  const index = pattern.indexOf(part)
  if (index === -1) return ''
  const what = part.slice(1)
  let text: string
  try {
    text = decodeURIComponent(segments[index] as string)
  } catch {
    throw new HttpRefusal(400, `the ${what} in the path is not valid percent-encoding`)
  }
  if (isSegment(text)) return text
  throw new HttpRefusal(400, `the ${what} in the path must be 1 to 256 characters, none of them a control character`)
}
