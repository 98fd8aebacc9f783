import { InvalidRequestError } from './errors.ts'

export type QueryValue = string | number | boolean | null | undefined

/** Arrays repeat the name; undefined and null leave it out. */
export type Query = Readonly<Record<string, QueryValue | readonly QueryValue[]>>

/** Appends a query to a path. */
export function withQuery(path: string, query: Query | undefined): string {
  // A path that is none is refused where all paths are checked.
  if (query === undefined || typeof path !== 'string') return path
  const search = new URLSearchParams()
  for (const name of Object.keys(query)) {
    const value = query[name]
    for (const item of Array.isArray(value) ? (value as readonly QueryValue[]) : [value as QueryValue]) {
      if (item === undefined || item === null) continue
      if (typeof item === 'object') throw new InvalidRequestError(`query ${name} must be a string, number or boolean`)
      search.append(name, String(item))
    }
  }
  const text = search.toString()
  if (text === '') return path
  return `${path}${path.includes('?') ? '&' : '?'}${text}`
}
