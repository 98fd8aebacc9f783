/**
 * Copies with nothing behind them. Whatever reads a request (this package, and undici after it) asks for properties that
 * are often absent; on an ordinary object the answer would then come from `Object.prototype`, and whoever managed to
 * write there would set the headers of every call.
 */

// A constructor whose instances inherit nothing: objects made with `__proto__: null` are four times as slow to copy.
const Bare = /* @__PURE__ */ (() => {
  function Nothing(): void {}
  Nothing.prototype = Object.create(null)
  return Nothing
})() as unknown as new () => object

/** One property, if the object itself has it. */
export function ownProperty<T extends object, K extends keyof T>(source: T, name: K): T[K] | undefined {
  return Object.hasOwn(source, name) ? source[name] : undefined
}

/** The own properties of an object, and nothing else. What is such a copy already comes back as it is. */
export function ownProperties<T extends object>(source: T): T {
  return source instanceof Bare ? source : copyOf(source)
}

/** A copy in any case, for who is going to write into it. */
export function copyOf<T extends object>(source: T): T {
  const copy = new Bare() as T
  for (const name of Object.keys(source) as (keyof T & string)[]) copy[name] = source[name]
  return copy
}
