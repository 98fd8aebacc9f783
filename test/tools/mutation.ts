import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'

/** `npm run mutation -- breaker retry`: breaks each line of a room in many ways, and sees whether its own tests notice. */

const rooms = process.argv.slice(2)
const unknown = rooms.filter((room) => !existsSync(`src/${room}`) || !existsSync(`test/${room}`))
if (rooms.length === 0 || unknown.length > 0) {
  console.error(
    `mutation: name rooms, like breaker retry limits answers${unknown.map((room) => `; no room ${room}`).join('')}`,
  )
  process.exit(2)
}

let failed = 0
for (const room of rooms) {
  const args = ['stryker', 'run', '--mutate', `src/${room}/**/*.ts,!src/${room}/**/index.ts`]
  // One memory per room: the tests that judge it differ.
  args.push('--incrementalFile', `node_modules/.cache/stryker/${room}.json`)
  const { status } = spawnSync('npx', args, { stdio: 'inherit', env: { ...process.env, MUTATION_ROOM: room } })
  if (status !== 0) failed += 1
}
process.exit(failed === 0 ? 0 : 1)
