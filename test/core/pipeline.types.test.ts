import { describe, expectTypeOf, it } from 'vitest'
import { CircuitBreaker, type Operation, pipeline, type Policy, RetryPolicy, timeout } from 'gateless'

/** A policy that answers in place of the work. */
interface Fallback<R> extends Policy<R> {
  readonly answers: R
}

describe('the type of a pipeline', () => {
  const work: Operation<number> = () => 1

  it('is that of the work, when no policy answers in its place', () => {
    const composed = pipeline(timeout({ timeoutMs: 10 }), new RetryPolicy(), new CircuitBreaker())
    expectTypeOf(composed.execute(work)).resolves.toEqualTypeOf<number>()
    expectTypeOf(composed.wrap((a: string, b: boolean) => (b ? a : ''))).toEqualTypeOf<
      (a: string, b: boolean) => Promise<string>
    >()
  })

  it('gains what a policy may answer in its place', () => {
    const fallback: Fallback<'nothing'> = {
      info: { kind: 'fallback', name: 'fallback' },
      answers: 'nothing',
      execute: <T>() => Promise.resolve('nothing') as Promise<T | 'nothing'>,
    }
    expectTypeOf(pipeline(fallback, new CircuitBreaker()).execute(work)).resolves.toEqualTypeOf<number | 'nothing'>()
  })
})

describe('the types of the policies', () => {
  it('keep arguments and results', () => {
    const wrapped = new CircuitBreaker().wrap(async (id: number) => ({ id }))
    expectTypeOf(wrapped).parameters.toEqualTypeOf<[id: number]>()
    expectTypeOf(wrapped).returns.resolves.toEqualTypeOf<{ id: number }>()
    expectTypeOf(new RetryPolicy().execute(() => 'x')).resolves.toEqualTypeOf<string>()
    expectTypeOf(timeout({ timeoutMs: 1 }).execute(() => true)).resolves.toEqualTypeOf<boolean>()
  })

  it('name the events and their payloads', () => {
    new CircuitBreaker().on('transition', (event) => {
      expectTypeOf(event.to).toEqualTypeOf<'closed' | 'open' | 'half-open'>()
    })
    // @ts-expect-error there is no such event
    new CircuitBreaker().on('transitoin', () => {})
  })
})
