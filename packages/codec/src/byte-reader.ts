/** A bounds-checked cursor over bytes for decoders. Little-endian throughout; running off the end is a CodecError with the offset. */
import { CodecError } from "./errors.ts";

/** Reads `bytes[position … end)`, forwards. */
export class ByteReader {
  readonly bytes: Uint8Array;
  position: number;
  readonly end: number;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
  }

  readByte(): number {
    if (this.position >= this.end) throw this.truncated(1);
    return this.bytes[this.position++]!;
  }

  readUint32(): number {
    const at = this.take(4);
    const { bytes } = this;
    return (
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
    );
  }

  /** Moves past `count` bytes and returns where they began. */
  take(count: number): number {
    if (count > this.end - this.position) throw this.truncated(count);
    const at = this.position;
    this.position += count;
    return at;
  }

  /** LEB128 of at most 2^53; more is malformed. */
  readVarint(): number {
    const start = this.position;
    let value = 0;
    let factor = 1;
    for (let i = 0; i < 8; i++) {
      const byte = this.readByte();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER + 1) break;
        return value;
      }
      factor *= 128;
    }
    throw new CodecError("malformed", start, "a variable-length number over 2^53");
  }

  /** Zigzag, then LEB128, of a number between -2^53 and 2^53. */
  readZigzag(): number {
    const low = this.readByte();
    const high = low < 0x80 ? 0 : this.readVarint();
    const magnitude = ((low & 0x7f) >>> 1) + 64 * high;
    if (magnitude > Number.MAX_SAFE_INTEGER)
      throw new CodecError("malformed", this.position, "a signed number over 2^53");
    return (low & 1) === 1 ? -magnitude - 1 : magnitude;
  }

  truncated(count: number): CodecError {
    return new CodecError(
      "truncated",
      this.position,
      `${count} more bytes expected, ${this.end - this.position} are left`,
    );
  }
}
