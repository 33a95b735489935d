/** The one error of this package: bytes that do not hold what they should. Callers translate it; nothing here knows of protocols. */

/** `truncated`: the bytes end early · `malformed`: they say something impossible · `too-large`: they declare more than the caller allows. */
export type CodecFault = "truncated" | "malformed" | "too-large";

/** Bytes that cannot be decoded; `offset` is the byte, counted from the start of the decoded buffer, where it showed. */
export class CodecError extends Error {
  readonly fault: CodecFault;
  readonly offset: number;

  constructor(fault: CodecFault, offset: number, what: string) {
    super(`${what} at byte ${offset}`);
    this.name = "CodecError";
    this.fault = fault;
    this.offset = offset;
  }
}
