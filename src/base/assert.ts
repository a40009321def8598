/**
 * Assertions that stay on in production. A broken invariant in a replicated state machine must stop the member before
 * it can diverge from the others, so a failed assertion throws an error that no caller is expected to handle.
 */

export class AssertionError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "AssertionError";
  }
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Ends an exhaustive switch. The compiler proves that no value arrives here, and this checks it again at run time. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable value: ${String(value)}`);
}

export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new AssertionError(message);
  return value;
}
