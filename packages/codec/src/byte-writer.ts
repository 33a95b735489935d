/** A growing byte buffer for encoders. Little-endian throughout. */

const FIRST_BYTES = 256;

/** Appends bytes; `finish` hands out a copy of just what was written, so a writer can be used again after `clear`. */
export class ByteWriter {
  bytes: Uint8Array;
  length = 0;

  /** Writes into `memory` as long as that is large enough. */
  constructor(capacity = FIRST_BYTES, memory: Uint8Array = new Uint8Array(Math.max(16, capacity))) {
    this.bytes = memory;
  }

  clear(): void {
    this.length = 0;
  }

  finish(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }

  /** Makes room for `count` more bytes, which the caller may then write into `bytes` itself before moving `length`. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    grown.set(this.bytes.subarray(0, this.length));
    this.bytes = grown;
  }

  writeByte(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  writeBytes(source: Uint8Array): void {
    this.reserve(source.length);
    this.bytes.set(source, this.length);
    this.length += source.length;
  }

  writeUint32(value: number): void {
    this.reserve(4);
    const { bytes, length } = this;
    bytes[length] = value;
    bytes[length + 1] = value >>> 8;
    bytes[length + 2] = value >>> 16;
    bytes[length + 3] = value >>> 24;
    this.length += 4;
  }

  /** LEB128 of a whole number from 0 to 2^53. */
  writeVarint(value: number): void {
    this.reserve(8);
    let rest = value;
    while (rest >= 0x80000000) {
      this.bytes[this.length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    let low = rest;
    while (low >= 0x80) {
      this.bytes[this.length++] = (low & 0x7f) | 0x80;
      low >>>= 7;
    }
    this.bytes[this.length++] = low;
  }

  /** Zigzag, then LEB128, of a whole number between -2^53 and 2^53. */
  writeZigzag(value: number): void {
    const isNegative = value < 0;
    const magnitude = isNegative ? -value - 1 : value;
    // The low six bits beside the sign; doubling the whole could lose a bit.
    const low = ((magnitude % 64) << 1) | (isNegative ? 1 : 0);
    if (magnitude < 64) {
      this.writeByte(low);
      return;
    }
    this.writeByte(low | 0x80);
    this.writeVarint(Math.floor(magnitude / 64));
  }

  /** LEB128 of the unsigned 64-bit number `high * 2^32 + low`. */
  writeVarint64(low: number, high: number): void {
    this.reserve(10);
    let lo = low >>> 0;
    let hi = high >>> 0;
    while (hi !== 0 || lo >= 0x80) {
      this.bytes[this.length++] = (lo & 0x7f) | 0x80;
      lo = ((lo >>> 7) | (hi << 25)) >>> 0;
      hi >>>= 7;
    }
    this.bytes[this.length++] = lo;
  }
}
