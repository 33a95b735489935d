/** Assertions state what must hold; a failure is a bug in Finch, stops the program and is never caught. */

export class AssertionFailure extends Error {
  override readonly name = "AssertionFailure";
}

/** Throws an {@link AssertionFailure} unless `condition` holds; `what` says what must hold. */
export function assert(condition: unknown, what: string): asserts condition {
  if (!condition) throw new AssertionFailure(`must hold: ${what}`);
}

/** For the `default` of a `switch` that covers every case of a union. */
export function unreachable(value: never): never {
  throw new AssertionFailure(`unreachable value: ${JSON.stringify(value)}`);
}
