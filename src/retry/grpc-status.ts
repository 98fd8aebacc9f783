/** The status codes of gRPC, by number (grpc/grpc, doc/statuscodes.md). */
const NAMES = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/** @internal The number of a status given by number or, in any case, by name; undefined for anything else. */
export function grpcStatusOf(given: unknown): number | undefined {
  if (typeof given === 'number')
    return Number.isInteger(given) && given >= 0 && given < NAMES.length ? given : undefined
  const code = typeof given === 'string' ? NAMES.indexOf(given.toUpperCase()) : -1
  return code < 0 ? undefined : code
}

/** @internal The status an error of a gRPC client carries in `code`. */
export function grpcStatusIn(error: unknown): number | undefined {
  return typeof error === 'object' && error !== null ? grpcStatusOf((error as { code?: unknown }).code) : undefined
}
