import { type ServiceInstance, instanceOrigin } from '../core/instance.ts'

/**
 * Where an instance's health check may go: to the instance, and nowhere else. Otherwise whoever can register could
 * make the registry send requests to any address it reaches.
 */
export function healthTarget(
  instance: Pick<ServiceInstance, 'host' | 'port' | 'secure'>,
  healthCheckUrl: string,
): URL | undefined {
  // A bare word is most likely a host somebody forgot `http://` before; as a path it would quietly mean the wrong thing.
  if (!/^(?:\/|https?:\/\/)/i.test(healthCheckUrl)) return undefined
  // By its standard, a URL parser may refuse a host that passed the grammar: a broken punycode label.
  const own = URL.parse(instanceOrigin(instance))
  const target = own && URL.parse(healthCheckUrl, own.href)
  if (own === null || target === null || target.username !== '' || target.password !== '') return undefined
  // Compared after parsing, so that `//evil`, `/\evil` and other spellings of an address are seen for what they are.
  if (target.hostname !== own.hostname || effectivePort(target) !== instance.port) return undefined
  target.hash = ''
  return target
}

function effectivePort(url: URL): number {
  if (url.port !== '') return Number(url.port)
  return url.protocol === 'https:' ? 443 : 80
}
