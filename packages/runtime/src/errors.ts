/**
 * Faults the world causes, as opposed to bugs (see `assert.ts`). Every package lists its codes in its own
 * `src/errors.ts`; only the edge (an HTTP API, a command) turns a kind into a status or an exit code.
 */

/**
 * What sort of fault it is, in the terms of the edge:
 * `invalid` bad input (400) · `unauthenticated` who asks has not shown that they may (401) · `forbidden` who asks is known and may not (403) · `unsupported` valid, but not built yet (400 or 501) · `not-found` (404) · `conflict` (409)
 * `too-large` (413) · `unsupported-media` (415) · `limited` a rate or size limit for now (429) · `unprocessable` (422)
 * `unavailable` cannot now, try again (503) · `timeout` (503 or 504) · `canceled` the caller left (499) · `corrupt` data on disk
 * does not check out (500) · `internal` anything else (500)
 */
export type FaultKind =
  | "invalid"
  | "unauthenticated"
  | "forbidden"
  | "unsupported"
  | "not-found"
  | "conflict"
  | "too-large"
  | "unsupported-media"
  | "limited"
  | "unprocessable"
  | "unavailable"
  | "timeout"
  | "canceled"
  | "corrupt"
  | "internal";

export interface FinchErrorOptions {
  readonly cause?: unknown;
  /** Seconds after which a retry makes sense; sent as `Retry-After`. Only for `limited` and `unavailable`. */
  readonly retryAfterSeconds?: number;
  /** Scalars for the log line; never secrets or bodies. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
}

/** A fault with a stable `code` (`package/what-happened`), a kind, and a message for a person that names the place and the remedy. */
export class FinchError extends Error {
  readonly code: string;
  readonly kind: FaultKind;
  readonly retryAfterSeconds: number | undefined;
  readonly fields: Readonly<Record<string, string | number | boolean>>;

  constructor(kind: FaultKind, code: string, message: string, options: FinchErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "FinchError";
    this.kind = kind;
    this.code = code;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.fields = options.fields ?? {};
  }
}

/** The message of anything that was thrown, with the messages of its causes. */
export function describeError(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  if (thrown.cause === undefined) return thrown.message;
  return `${thrown.message}: ${describeError(thrown.cause)}`;
}
