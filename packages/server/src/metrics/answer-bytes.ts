/** The bytes of an answer under way, gathered into chunks that are worth a message or a write to a socket. */

/** Bytes gathered before a chunk is handed on. */
export const CHUNK_BYTES = 48 * 1024;
const FIRST_BYTES = 4096;
const UTF8 = new TextEncoder();
/** The most bytes of UTF-8 that a UTF-16 code unit becomes. */
const UNIT_BYTES_MAX = 3;

export class AnswerBytes {
  #bytes = new Uint8Array(FIRST_BYTES);
  #length = 0;

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

  #reserve(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, 2 * this.#bytes.length));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }
}
