/**
 * Cuts a byte stream into lines: at `\n`, a `\r` before it taken off. The last piece without an end is kept until more comes or
 * {@link LineSplitter.flush} asks for it.
 */
import { isAscii } from "node:buffer";

/** A longer line is delivered in pieces of this size: without it one endless line would fill the memory. */
export const LINE_BYTES_MAX = 1 << 20;

export class LineSplitter {
  #pending: Buffer[] = [];
  #pendingBytes = 0;
  /** Keeps nothing between calls. */
  readonly #decoder: TextDecoder;
  readonly #isUtf8: boolean;

  /** `encoding` is any that keeps `\n` as one byte, such as utf-8, windows-1252, shift_jis; or a decoder of it. */
  constructor(encoding: string | TextDecoder = "utf-8") {
    this.#decoder =
      typeof encoding === "string" ? new TextDecoder(encoding, { ignoreBOM: false }) : encoding;
    this.#isUtf8 = this.#decoder.encoding === "utf-8";
  }

  /** Another one that goes on from here; this one stays as it is. */
  fork(): LineSplitter {
    const fork = new LineSplitter(this.#decoder);
    fork.#pending = [...this.#pending];
    fork.#pendingBytes = this.#pendingBytes;
    return fork;
  }

  /** Bytes taken in that belong to no delivered line yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Takes a chunk (which may be reused afterwards) and appends the lines it completes to `lines`. */
  push(chunk: Buffer, lines: string[]): void {
    // Without a view and a decoder's call for each line.
    const isPlain = this.#isUtf8 && isAscii(chunk);
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(0x0a, start);
      if (end === -1) break;
      if (isPlain && this.#pendingBytes === 0) {
        const isCut = end > start && chunk[end - 1] === 0x0d;
        lines.push(chunk.toString("latin1", start, isCut ? end - 1 : end));
      } else lines.push(this.#complete(chunk.subarray(start, end)));
      start = end + 1;
    }
    if (start < chunk.length) {
      this.#pending.push(Buffer.from(chunk.subarray(start)));
      this.#pendingBytes += chunk.length - start;
    }
    while (this.#pendingBytes > LINE_BYTES_MAX) {
      const all = Buffer.concat(this.#pending);
      lines.push(this.#decoder.decode(all.subarray(0, LINE_BYTES_MAX)));
      this.#pending = [all.subarray(LINE_BYTES_MAX)];
      this.#pendingBytes = all.length - LINE_BYTES_MAX;
    }
  }

  /** The unfinished line, if there is one; afterwards nothing is pending. */
  flush(): string | undefined {
    if (this.#pendingBytes === 0) return undefined;
    return this.#complete(Buffer.alloc(0));
  }

  #complete(last: Buffer): string {
    let bytes = last;
    if (this.#pendingBytes > 0) {
      bytes = Buffer.concat([...this.#pending, last]);
      this.#pending = [];
      this.#pendingBytes = 0;
    }
    const end =
      bytes.length > 0 && bytes[bytes.length - 1] === 0x0d ? bytes.length - 1 : bytes.length;
    return this.#decoder.decode(bytes.subarray(0, end));
  }
}
