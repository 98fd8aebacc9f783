// Sizes are gzipped, with dependencies, without undici and what Node brings.
const onNode = (config) => ({ ...config, platform: 'node', logLevel: 'error' })

const subpath = (name, path, limit, extra = {}) => ({
  name,
  path: `dist/${path}`,
  limit,
  gzip: true,
  ignore: ['undici'],
  modifyEsbuildConfig: onNode,
  ...extra,
})

export default [
  subpath('gateless: { CircuitBreaker }', 'index.js', '10 kB', { import: '{ CircuitBreaker }' }),
  subpath('gateless/breaker: { CircuitBreaker }', 'breaker/index.js', '10 kB', { import: '{ CircuitBreaker }' }),
  subpath('gateless/breaker', 'breaker/index.js', '13 kB'),
  subpath('gateless/retry: { RetryPolicy }', 'retry/index.js', '12 kB', { import: '{ RetryPolicy }' }),
  subpath('gateless/retry', 'retry/index.js', '17.5 kB'),
  subpath('gateless/limits', 'limits/index.js', '14 kB'),
  subpath('gateless/answers', 'answers/index.js', '14 kB'),
  subpath('gateless/balancing', 'balancing/index.js', '30 kB'),
  subpath('gateless/inbound', 'inbound/index.js', '5 kB'),
  subpath('gateless/discovery', 'discovery/index.js', '28 kB'),
  subpath('gateless/client', 'client/index.js', '56 kB'),
  subpath('gateless', 'index.js', '90 kB'),
]
