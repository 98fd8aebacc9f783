import { configDefaults, mergeConfig } from 'vitest/config'
import base, { SIMULATIONS } from './vitest.config.ts'

// The real policies under load, in virtual time. Apart from `npm test`, which everybody runs all the time.
const config: { test?: { include?: string[]; exclude?: string[] } } = mergeConfig(base, {})
config.test = { ...config.test, include: [...SIMULATIONS], exclude: [...configDefaults.exclude] }

export default config
