import { setTimeout as sleep } from 'node:timers/promises'
import { CallError, ResponseError } from 'gateless'
import { childInput, onParent, signOff, tellParent } from './child.ts'
import { attemptsText, recordDecisions } from './decisions.ts'
import { demoClient, GatelessLane } from './gateless-lane.ts'
import { activeHandles, handlesSince } from './handles.ts'
import { type AttemptEnd, type Lane, shortReason } from './lane.ts'
import { arrivalMs, openLoop, plannedCall } from './load.ts'
import type { CallerInput } from './messages.ts'
import { PlainLane } from './plain-lane.ts'
import { Recorder } from './recorder.ts'
import { RATE } from './scene.ts'

/** One caller: makes the calls of the load through its lane, keeps the books, and shows what it leaves behind. */

const WARM_UP_CALLS = 200
/** Nothing takes longer than a second by right. What is still under way after three is reported as left over. */
const STRAGGLERS_MS = 3_000
/** How often whoever watches gets the seconds that are complete. */
const HAND_OUT_MS = 200

const input = childInput() as CallerInput
let startAt = Number.NaN
const now = (): number => performance.timeOrigin + performance.now() - startAt

onParent(({ type, ...message }) => {
  if (type === 'start' && 'startAt' in message) startAt = message.startAt
})
const atRest = activeHandles()

const recorder = new Recorder(input.lane, now, {
  second: (second) => tellParent({ type: 'second', lane: input.lane, second }),
  decision: (decision) => tellParent({ type: 'decision', decision }),
})
const { lane, observe } = input.lane === 'plain' ? plainLane() : gatelessLane()

await warmUp()
tellParent({ type: 'ready', port: 0 })
while (Number.isNaN(startAt)) await sleep(5)
await sleep(Math.max(0, -now()))
await run()
await lane.close()
const handles = await handlesSince(atRest)
tellParent({ type: 'report', lane: input.lane, report: recorder.report({ handles }) })
signOff()

function plainLane(): { lane: Lane; observe: () => void } {
  // While it warms up nothing is written down: the run has no time yet.
  const book = {
    attempt: (scheduledMs: number, instance: string, end: AttemptEnd): void => {
      if (scheduledMs >= 0) recorder.attempt(scheduledMs, instance, end)
    },
  }
  return { lane: new PlainLane(input.origins, book), observe: () => {} }
}

function gatelessLane(): { lane: Lane; observe: () => void } {
  const client = demoClient(input.registryUrl, input.seconds)
  const lastMs = arrivalMs(RATE * input.seconds - 1, RATE)
  return { lane: new GatelessLane(client), observe: () => recordDecisions(client, recorder, now, lastMs) }
}

/** Both lanes start with open connections and compiled code, as a service does that has been running for a minute. */
async function warmUp(): Promise<void> {
  for (let index = 0; index < WARM_UP_CALLS; index += 1) {
    await lane.call(plannedCall(index), -1)
  }
}

async function run(): Promise<void> {
  observe()
  const flushing = setInterval(() => recorder.flush(), 1_000)
  const handingOut = setInterval(() => recorder.handOut(), HAND_OUT_MS)
  await openLoop({ rate: RATE, seconds: input.seconds }, now, (index, scheduledMs) => void make(index, scheduledMs))
  const giveUpAt = now() + STRAGGLERS_MS
  while (recorder.inFlight > 0 && now() < giveUpAt) await sleep(5)
  clearInterval(flushing)
  clearInterval(handingOut)
  recorder.flush()
}

async function make(index: number, scheduledMs: number): Promise<void> {
  const planned = plannedCall(index)
  const call = `${planned.method} ${planned.path}`
  recorder.started(scheduledMs)
  try {
    await lane.call(planned, scheduledMs)
    recorder.ended({ scheduledMs, call, why: undefined, attempts: '' })
  } catch (error) {
    const known = error instanceof CallError || error instanceof ResponseError
    const refused = error instanceof CallError && error.notRetried !== undefined ? ` (${error.notRetried})` : ''
    recorder.ended({
      scheduledMs,
      call,
      why: `${shortReason(error)}${refused}`,
      attempts: known ? attemptsText(error.attempts) : '',
    })
  }
}
