import { describe, expectTypeOf, it } from 'vitest'
import {
  cache,
  chaos,
  CircuitBreaker,
  coalesce,
  fallback,
  type FallbackAlternative,
  FallbackPolicy,
  Hedge,
  pipeline,
} from 'gateless'

interface Device {
  readonly id: string
}

const work = (): Promise<Device> => Promise.resolve({ id: 'd1' })

describe('the type of an answer', () => {
  it('gains what a fallback may answer', () => {
    expectTypeOf(fallback({ value: undefined }).execute(work)).resolves.toEqualTypeOf<Device | undefined>()
    expectTypeOf(fallback({ run: async () => 5 }).execute(work)).resolves.toEqualTypeOf<Device | number>()
    expectTypeOf(fallback({ run: () => true }, { value: 5 }).execute(work)).resolves.toEqualTypeOf<
      Device | boolean | number
    >()
    expectTypeOf(fallback({ value: null }).wrap((id: string): Device => ({ id }))).toEqualTypeOf<
      (id: string) => Promise<Device | null>
    >()
  })

  it('is what it was when a fallback answers with the same', () => {
    const listed = fallback({ value: [] }).execute((): Device[] => [{ id: 'd1' }])
    expectTypeOf(listed).resolves.toExtend<Device[]>()
    expectTypeOf(fallback({ run: work }).execute(work)).resolves.toEqualTypeOf<Device>()
  })

  it('is known for a list made elsewhere too', () => {
    const alternatives: FallbackAlternative<Device>[] = [{ run: work }]
    expectTypeOf(fallback(...alternatives).execute(() => 1)).resolves.toEqualTypeOf<number | Device>()
    expectTypeOf(
      new FallbackPolicy({ alternatives: [{ value: 1 }, { run: work }] }).execute(() => 'x'),
    ).resolves.toEqualTypeOf<string | number | Device>()
  })

  it('gains what chaos may answer', () => {
    expectTypeOf(chaos({ outcome: { result: () => 5 } }).execute(work)).resolves.toEqualTypeOf<Device | number>()
    expectTypeOf(chaos({ fault: {} }).execute(work)).resolves.toEqualTypeOf<Device>()
    expectTypeOf(chaos().execute(work)).resolves.toEqualTypeOf<Device>()
  })

  it('is the work’s own under the others', () => {
    expectTypeOf(cache({ ttlMs: 1 }).execute(work)).resolves.toEqualTypeOf<Device>()
    expectTypeOf(coalesce().execute(work)).resolves.toEqualTypeOf<Device>()
    expectTypeOf(new Hedge().execute(work)).resolves.toEqualTypeOf<Device>()
  })

  it('adds up in a pipeline', () => {
    const composed = pipeline(
      fallback({ value: null }),
      cache({ ttlMs: 1 }),
      coalesce(),
      new Hedge(),
      new CircuitBreaker(),
      chaos({ outcome: { result: () => 5 } }),
    )
    expectTypeOf(composed.execute(work)).resolves.toEqualTypeOf<Device | null | number>()
    expectTypeOf(pipeline(cache({ ttlMs: 1 }), chaos()).execute(work)).resolves.toEqualTypeOf<Device>()
  })
})
