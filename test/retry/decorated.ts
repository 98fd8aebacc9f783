/** An error with more properties, as libraries make them. */
export function decorated<E extends Error>(error: E, properties: object): E {
  return Object.assign(error, properties)
}
