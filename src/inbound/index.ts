/** What a server needs: to tell its clients how busy it is. */
export {
  LoadResponder,
  type LoadResponderOptions,
  type ServedRequest,
  type ServerLoadReport,
} from './load-responder.ts'
