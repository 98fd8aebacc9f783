import { expect, it, vi } from 'vitest'
import { InFlight, type InFlightCall } from '../../src/client/in-flight.ts'

const call = (): InFlightCall => ({ close: () => {}, before: undefined, after: undefined })

it('knows who is left, whoever goes first', () => {
  const inFlight = new InFlight()
  const [a, b, c] = [call(), call(), call()]
  for (const each of [a, b, c]) inFlight.add(each)
  inFlight.delete(b)
  expect(inFlight.all()).toEqual([c, a])
  inFlight.delete(c)
  inFlight.add(b)
  expect(inFlight.all()).toEqual([b, a])
  inFlight.delete(a)
  expect(inFlight.all()).toEqual([b])
})

it('tells whoever waits as soon as the last call is gone, and not before', () => {
  const calls = new InFlight()
  const [a, b] = [call(), call()]
  calls.add(a)
  calls.add(b)
  const onEmpty = vi.fn<() => void>()
  calls.whenEmpty(onEmpty)
  calls.delete(a)
  expect(onEmpty).not.toHaveBeenCalled()
  expect(calls.all()).toEqual([b])
  calls.delete(b)
  expect(onEmpty).toHaveBeenCalledOnce()
})

it('tells at once when there is nobody to wait for', () => {
  const onEmpty = vi.fn<() => void>()
  new InFlight().whenEmpty(onEmpty)
  expect(onEmpty).toHaveBeenCalledOnce()
})
