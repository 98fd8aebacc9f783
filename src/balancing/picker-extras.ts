import type { Member } from './member.ts'
import type { Picker } from './strategy.ts'

/** What a picker may tell and take over besides; all of it optional. */
export interface PickerExtras extends Picker {
  /** How it rates a member: the lower, the sooner it is picked. For `explain()`, so it may cost something. */
  score?(member: Member): number | undefined
  /** Its average latency of a member, in milliseconds. For `explain()`. */
  ewmaMs?(member: Member): number | undefined
  /** Takes over what its predecessor learned, when the strategy is changed. `update` follows. */
  inherit?(former: Picker): void
}
