export { FakeClock } from './fake-clock.ts'
export { seededRandom } from '../time/random.ts'
