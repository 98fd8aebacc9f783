import { expect, it, vi } from 'vitest'
import { InFlight } from '../../src/client/in-flight.ts'

it('tells whoever waits as soon as the last call is gone, and not before', () => {
  const calls = new InFlight()
  const [a, b] = [{ close: vi.fn<() => void>() }, { close: vi.fn<() => void>() }]
  calls.add(a)
  calls.add(b)
  const onEmpty = vi.fn<() => void>()
  calls.whenEmpty(onEmpty)
  calls.delete(a)
  expect(onEmpty).not.toHaveBeenCalled()
  expect([...calls]).toEqual([b])
  calls.delete(b)
  expect(onEmpty).toHaveBeenCalledOnce()
})

it('tells at once when there is nobody to wait for', () => {
  const onEmpty = vi.fn<() => void>()
  new InFlight().whenEmpty(onEmpty)
  expect(onEmpty).toHaveBeenCalledOnce()
})
