/**
 * Cuts a TCP stream of syslog into messages, by either framing of RFC 6587, told apart at each message: a count of bytes and a blank, or a line that ends with
 * LF or NUL. Messages over the limit are passed over and counted; a connection holds at most one message's bytes.
 */

const LF = 0x0a;
const NUL = 0;
const SPACE = 0x20;
const COUNT_DIGITS_MAX = 10;

type State =
  | { readonly kind: "between" }
  /** Bytes that are still to pass of a counted message over the limit. */
  | { readonly kind: "skip-count"; readonly left: number }
  /** A line over the limit, up to its end. */
  | { readonly kind: "skip-line" };

const BETWEEN: State = { kind: "between" };

/** What ends a message that is not counted. */
export type SyslogDelimiter = "lf" | "nul" | "either";

export class SyslogFraming {
  readonly #messageBytesMax: number;
  readonly #delimiter: SyslogDelimiter;
  #held: Uint8Array = new Uint8Array(0);
  #state: State = BETWEEN;
  /** Messages passed over because of their size. */
  oversized = 0;

  constructor(messageBytesMax: number, delimiter: SyslogDelimiter = "either") {
    this.#messageBytesMax = messageBytesMax;
    this.#delimiter = delimiter;
  }

  /** The messages that `chunk` completes, as views of it where possible. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const messages: Uint8Array[] = [];
    let at = 0;
    while (at < bytes.length) {
      const next = this.#step(bytes, at, messages);
      if (next === at) break;
      at = next;
    }
    this.#held = bytes.slice(at);
    return messages;
  }

  /** What is left when the stream ends: a line whose end never came. */
  finish(): Uint8Array[] {
    const rest = this.#held;
    this.#held = new Uint8Array(0);
    if (this.#state.kind !== "between" || rest.length === 0) return [];
    // Half of a counted message is no message.
    return isDigit(rest[0]!) ? [] : [rest];
  }

  /** Where to go on; `at` when more bytes are needed. */
  #step(bytes: Uint8Array, at: number, messages: Uint8Array[]): number {
    const state = this.#state;
    switch (state.kind) {
      case "skip-count": {
        const passed = Math.min(state.left, bytes.length - at);
        const left = state.left - passed;
        this.#state = left === 0 ? BETWEEN : { kind: "skip-count", left };
        return at + passed;
      }
      case "skip-line": {
        const end = lineEnd(bytes, at, this.#delimiter);
        if (end < 0) return bytes.length;
        this.#state = BETWEEN;
        return end + 1;
      }
      case "between":
        return this.#readMessage(bytes, at, messages);
    }
  }

  #readMessage(bytes: Uint8Array, at: number, messages: Uint8Array[]): number {
    const first = bytes[at]!;
    // Some senders end counted messages with a newline as well.
    if (first === LF || first === NUL) return at + 1;
    const count = isDigit(first) ? readCount(bytes, at) : undefined;
    if (count === "more") return at;
    if (count === undefined) return this.#readLine(bytes, at, messages);
    const { start, size } = count;
    if (size > this.#messageBytesMax) {
      this.oversized++;
      this.#state = { kind: "skip-count", left: size };
      return start;
    }
    if (start + size > bytes.length) return at;
    messages.push(bytes.subarray(start, start + size));
    return start + size;
  }

  #readLine(bytes: Uint8Array, at: number, messages: Uint8Array[]): number {
    const end = lineEnd(bytes, at, this.#delimiter);
    const size = (end < 0 ? bytes.length : end) - at;
    if (size > this.#messageBytesMax) {
      this.oversized++;
      if (end >= 0) return end + 1;
      this.#state = { kind: "skip-line" };
      return bytes.length;
    }
    if (end < 0) return at;
    messages.push(bytes.subarray(at, end));
    return end + 1;
  }
}

/** The count of a message and where the message begins; undefined where digits begin a line. */
function readCount(
  bytes: Uint8Array,
  at: number,
): { readonly start: number; readonly size: number } | "more" | undefined {
  let size = 0;
  for (let i = at; i < bytes.length; i++) {
    const byte = bytes[i]!;
    if (byte === SPACE) return size === 0 ? undefined : { start: i + 1, size };
    if (!isDigit(byte) || i - at >= COUNT_DIGITS_MAX) return undefined;
    size = size * 10 + byte - 0x30;
  }
  return "more";
}

function lineEnd(bytes: Uint8Array, from: number, delimiter: SyslogDelimiter): number {
  if (delimiter !== "either") return bytes.indexOf(delimiter === "lf" ? LF : NUL, from);
  const lf = bytes.indexOf(LF, from);
  const nul = (lf < 0 ? bytes : bytes.subarray(0, lf)).indexOf(NUL, from);
  return nul < 0 ? lf : nul;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}
