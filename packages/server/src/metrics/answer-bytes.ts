/** The bytes of an answer under way, gathered into chunks that are worth a message or a write to a socket. */

/** Bytes gathered before a chunk is handed on. */
export const CHUNK_BYTES = 48 * 1024;
const FIRST_BYTES = 4096;
const UTF8 = new TextEncoder();
/** The most bytes of UTF-8 that a UTF-16 code unit becomes. */
const UNIT_BYTES_MAX = 3;
/** Room that an answer has grown to, of at most this size, is kept for the next one. */
const KEPT_BYTES_MAX = 4 * CHUNK_BYTES;

const NO_ROOM = new Uint8Array(0);

/** Of the last answer that was finished; empty while another has it. */
let room = NO_ROOM;

export class AnswerBytes {
  #bytes = room;
  #length = 0;

  constructor() {
    // Another answer may begin before this one is finished.
    room = NO_ROOM;
  }

  get isFull(): boolean {
    return this.#length >= CHUNK_BYTES;
  }

  text(text: string): void {
    this.#reserve(text.length * UNIT_BYTES_MAX);
    this.#length += UTF8.encodeInto(text, this.#bytes.subarray(this.#length)).written;
  }

  bytes(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was gathered since the last time, in a buffer of its own. */
  take(): Uint8Array<ArrayBuffer> {
    const taken = this.#bytes.slice(0, this.#length);
    this.#length = 0;
    return taken;
  }

  /** The last {@link take}. Nothing may be added after. */
  finish(): Uint8Array<ArrayBuffer> {
    const taken = this.take();
    if (this.#bytes.length <= KEPT_BYTES_MAX) room = this.#bytes;
    this.#bytes = NO_ROOM;
    return taken;
  }

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length, FIRST_BYTES));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
