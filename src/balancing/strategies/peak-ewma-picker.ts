import type { PeakEwmaMeter } from '../loads/peak-ewma-meter.ts'
import type { Member } from '../member.ts'
import type { Picker, StrategyContext } from '../strategy.ts'
import { MeteredPicker } from './sampled-picker.ts'

/** @internal What `peakEwma` can tell and take over besides picking. */
export class PeakEwmaPicker extends MeteredPicker {
  readonly #meter: PeakEwmaMeter
  readonly #clock: StrategyContext['clock']

  constructor(choices: number, meter: PeakEwmaMeter, { random, clock }: StrategyContext) {
    super(choices, meter, random, clock)
    this.#meter = meter
    this.#clock = clock
  }

  ewmaMs({ slot }: Member): number | undefined {
    return slot < 0 ? undefined : this.#meter.latencyMs(slot, this.#clock.now())
  }

  inherit(former: Picker): void {
    if (former instanceof PeakEwmaPicker) this.#meter.inherit(former.#meter)
  }
}
