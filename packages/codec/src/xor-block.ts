/**
 * A block of doubles that are no short decimals: each is XORed with the one before, and of the result only the bits between its leading and
 * trailing zeros are kept (the scheme of Facebook's Gorilla). Bit-exact for every pattern. Layout: docs/format/columns.md.
 */
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";

/** Writes doubles `from … from + count` given by their words (low first), after a byte count. */
export function writeXorBlock(
  writer: ByteWriter,
  words: Uint32Array,
  from: number,
  count: number,
): void {
  const bits = new BitWriter(count * 10 + 16);
  let low = 0;
  let high = 0;
  let leading = 65;
  let trailing = 0;
  for (let i = from; i < from + count; i++) {
    const xorLow = (words[2 * i]! ^ low) >>> 0;
    const xorHigh = (words[2 * i + 1]! ^ high) >>> 0;
    low = words[2 * i]!;
    high = words[2 * i + 1]!;
    if (xorLow === 0 && xorHigh === 0) {
      bits.write(0, 1);
      continue;
    }
    const zerosBefore = xorHigh === 0 ? 32 + Math.clz32(xorLow) : Math.clz32(xorHigh);
    const zerosAfter = xorLow === 0 ? 32 + countTrailing(xorHigh) : countTrailing(xorLow);
    if (zerosBefore >= leading && zerosAfter >= trailing) {
      bits.write(0b01, 2);
    } else {
      leading = zerosBefore;
      trailing = zerosAfter;
      bits.write(0b11, 2);
      bits.write(leading, 6);
      bits.write(63 - leading - trailing, 6);
    }
    const length = 64 - leading - trailing;
    const shiftedLow =
      trailing === 0
        ? xorLow
        : trailing < 32
          ? (xorLow >>> trailing) | (xorHigh << (32 - trailing))
          : xorHigh >>> (trailing - 32);
    bits.write(shiftedLow >>> 0, Math.min(32, length));
    if (length > 32) bits.write(trailing === 0 ? xorHigh : xorHigh >>> trailing, length - 32);
  }
  const packed = bits.finish();
  writer.writeVarint(packed.length);
  writer.writeBytes(packed);
}

/** Reads what {@link writeXorBlock} wrote into the words of doubles `from … from + count`. */
export function readXorBlock(
  reader: ByteReader,
  words: Uint32Array,
  from: number,
  count: number,
): void {
  const size = reader.readVarint();
  const at = reader.take(size);
  const bits = new BitReader(reader.bytes, at, at + size);
  let low = 0;
  let high = 0;
  let leading = 0;
  let trailing = 65;
  for (let i = from; i < from + count; i++) {
    if (bits.read(1) === 1) {
      if (bits.read(1) === 1) {
        leading = bits.read(6);
        trailing = 63 - bits.read(6) - leading;
      }
      if (trailing < 0 || leading + trailing > 63)
        throw new CodecError("malformed", at, "an XOR block with a window outside of 64 bits");
      const length = 64 - leading - trailing;
      const partLow = bits.read(Math.min(32, length));
      const partHigh = length > 32 ? bits.read(length - 32) : 0;
      if (trailing === 0) {
        low ^= partLow;
        high ^= partHigh;
      } else if (trailing < 32) {
        low ^= partLow << trailing;
        high ^= (partHigh << trailing) | (partLow >>> (32 - trailing));
      } else {
        high ^= partLow << (trailing - 32);
      }
    }
    words[2 * i] = low;
    words[2 * i + 1] = high;
  }
}

function countTrailing(word: number): number {
  return 31 - Math.clz32(word & -word);
}

/** Bits, least significant first. */
class BitWriter {
  #bytes: Uint8Array;
  #length = 0;
  #pending = 0;
  #pendingBits = 0;

  constructor(capacity: number) {
    this.#bytes = new Uint8Array(capacity);
  }

  /** Appends the low `count` (1 to 32) bits of `value`. */
  write(value: number, count: number): void {
    if (count > 16) {
      this.write(value & 0xffff, 16);
      this.write(value >>> 16, count - 16);
      return;
    }
    this.#pending |= (value & ((1 << count) - 1)) << this.#pendingBits;
    this.#pendingBits += count;
    while (this.#pendingBits >= 8) {
      this.#bytes[this.#length++] = this.#pending;
      this.#pending >>>= 8;
      this.#pendingBits -= 8;
    }
  }

  finish(): Uint8Array {
    if (this.#pendingBits > 0) this.#bytes[this.#length++] = this.#pending;
    return this.#bytes.subarray(0, this.#length);
  }
}

class BitReader {
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #at: number;
  #pending = 0;
  #pendingBits = 0;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  /** The next `count` (1 to 32) bits, unsigned. */
  read(count: number): number {
    if (count > 16) {
      const low = this.read(16);
      return (low | (this.read(count - 16) << 16)) >>> 0;
    }
    while (this.#pendingBits < count) {
      if (this.#at >= this.#end)
        throw new CodecError("truncated", this.#at, "an XOR block ends early");
      this.#pending |= this.#bytes[this.#at++]! << this.#pendingBits;
      this.#pendingBits += 8;
    }
    const value = this.#pending & ((1 << count) - 1);
    this.#pending >>>= count;
    this.#pendingBits -= count;
    return value;
  }
}
