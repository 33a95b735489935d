/** Bits in the order that chunks of samples are written in: the highest of a byte first. For the chunks of remote read. */

/** Appends bits to a growing buffer. */
export class BitWriter {
  #bytes: Uint8Array;
  /** Bits written. */
  #length = 0;

  constructor(capacity = 256) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** The low `count` (up to 32) bits of `value`. */
  write(value: number, count: number): void {
    this.#reserve(count);
    const bytes = this.#bytes;
    let rest = count;
    while (rest > 0) {
      const free = 8 - (this.#length & 7);
      const taken = Math.min(free, rest);
      const bits = (value >>> (rest - taken)) & ((1 << taken) - 1);
      bytes[this.#length >>> 3]! |= bits << (free - taken);
      this.#length += taken;
      rest -= taken;
    }
  }

  /** The low `count` (up to 64) bits of a number in two words. */
  writeWords(low: number, high: number, count: number): void {
    if (count > 32) this.write(high, count - 32);
    this.write(low, Math.min(32, count));
  }

  /** A whole number between -2^53 and 2^53, the low `count` bits of its two's complement. */
  writeInteger(value: number, count: number): void {
    this.writeWords((value % 2 ** 32) | 0, Math.floor(value / 2 ** 32) | 0, count);
  }

  /** All bits so far, the last byte filled up with zeros. A copy. */
  finish(): Uint8Array {
    return this.#bytes.slice(0, (this.#length + 7) >>> 3);
  }

  #reserve(count: number): void {
    const needed = (this.#length + count + 7) >>> 3;
    if (needed <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}

/** Reads bits; past the end it throws a `RangeError`. */
export class BitReader {
  readonly #bytes: Uint8Array;
  /** Bits read. */
  #position: number;
  /** Of the last {@link readWords}. */
  low = 0;
  high = 0;

  constructor(bytes: Uint8Array, start = 0) {
    this.#bytes = bytes;
    this.#position = start * 8;
  }

  /** Up to 32 bits, unsigned. */
  read(count: number): number {
    if (this.#position + count > this.#bytes.length * 8)
      throw new RangeError(`chunk: cut off at byte ${this.#bytes.length}`);
    let value = 0;
    let rest = count;
    while (rest > 0) {
      const left = 8 - (this.#position & 7);
      const taken = Math.min(left, rest);
      const byte = this.#bytes[this.#position >>> 3]!;
      value = value * 2 ** taken + ((byte >>> (left - taken)) & ((1 << taken) - 1));
      this.#position += taken;
      rest -= taken;
    }
    return value;
  }

  /** Up to 64 bits into `low` and `high`, unsigned. */
  readWords(count: number): void {
    this.high = count > 32 ? this.read(count - 32) : 0;
    this.low = this.read(Math.min(32, count));
  }

  /** `count` bits as a two's complement; exact between -2^53 and 2^53. */
  readInteger(count: number): number {
    this.readWords(count);
    // The sign is that of the upper word: a sum of both would be rounded before it could be told.
    if (count <= 32) return this.low >= 2 ** (count - 1) ? this.low - 2 ** count : this.low;
    const upper = 2 ** (count - 32);
    return (this.high >= upper / 2 ? this.high - upper : this.high) * 2 ** 32 + this.low;
  }
}
