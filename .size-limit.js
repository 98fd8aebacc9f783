// Sizes are gzipped, with dependencies, without undici and what Node brings.
const onNode = (config) => ({ ...config, platform: 'node', logLevel: 'error' })

const limit = (name, path, limit, extra = {}) => ({
  name,
  path: `dist/${path}`,
  limit,
  gzip: true,
  ignore: ['undici'],
  modifyEsbuildConfig: onNode,
  ...extra,
})

export default [
  limit('gateless: { CircuitBreaker }', 'index.js', '8 kB', { import: '{ CircuitBreaker }' }),
  limit('gateless/breaker: { CircuitBreaker }', 'breaker/index.js', '8 kB', { import: '{ CircuitBreaker }' }),
  limit('gateless/breaker', 'breaker/index.js', '8 kB'),
  limit('gateless/retry', 'retry/index.js', '9 kB'),
  limit('gateless/limits', 'limits/index.js', '6 kB'),
  limit('gateless/balancing', 'balancing/index.js', '13 kB'),
  limit('gateless/discovery', 'discovery/index.js', '18 kB'),
  limit('gateless/client', 'client/index.js', '36 kB'),
  limit('gateless', 'index.js', '40 kB'),
]
