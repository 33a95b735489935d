/**
 * Doubles as differences to the one before, as chunks write them (Gorilla): a bit for "the same", else the bits of the XOR that are not zero,
 * within the window of the last difference where they fit, else with a window of their own: 5 bits for the zeros before, 6 for the length.
 */
import type { BitReader, BitWriter } from "./bit-stream.ts";

const NO_WINDOW = 0xff;
/** Zeros before are counted in five bits. */
const LEADING_MAX = 31;

/** State of one row of doubles. Values are words, for NaNs must keep their bits. */
export class XorWindow {
  #low = 0;
  #high = 0;
  #leading = NO_WINDOW;
  #trailing = 0;

  /** The first value, as it is. */
  writeFirst(out: BitWriter, low: number, high: number): void {
    out.writeWords(low, high, 64);
    this.#low = low;
    this.#high = high;
  }

  writeNext(out: BitWriter, low: number, high: number): void {
    const xorLow = (low ^ this.#low) >>> 0;
    const xorHigh = (high ^ this.#high) >>> 0;
    this.#low = low;
    this.#high = high;
    if (xorLow === 0 && xorHigh === 0) {
      out.write(0, 1);
      return;
    }
    const leading = Math.min(LEADING_MAX, leadingZeros(xorLow, xorHigh));
    const trailing = trailingZeros(xorLow, xorHigh);
    const fits =
      this.#leading !== NO_WINDOW && leading >= this.#leading && trailing >= this.#trailing;
    if (fits) out.write(0b10, 2);
    else {
      this.#leading = leading;
      this.#trailing = trailing;
      out.write(0b11, 2);
      out.write(leading, 5);
      // 64 does not fit into six bits and is written as 0.
      out.write(64 - leading - trailing, 6);
    }
    const length = 64 - this.#leading - this.#trailing;
    const shift = this.#trailing;
    out.writeWords(
      shift === 0
        ? xorLow
        : shift >= 32
          ? xorHigh >>> (shift - 32)
          : shiftLow(xorLow, xorHigh, shift),
      shift === 0 ? xorHigh : shift >= 32 ? 0 : xorHigh >>> shift,
      length,
    );
  }

  readFirst(input: BitReader): void {
    input.readWords(64);
    this.#low = input.low;
    this.#high = input.high;
  }

  readNext(input: BitReader): void {
    if (input.read(1) === 0) return;
    if (input.read(1) === 1) {
      this.#leading = input.read(5);
      const length = input.read(6) || 64;
      this.#trailing = 64 - this.#leading - length;
      if (this.#trailing < 0) throw new RangeError("chunk: a difference longer than a double");
    } else if (this.#leading === NO_WINDOW)
      throw new RangeError("chunk: a window before any was set");
    const shift = this.#trailing;
    input.readWords(64 - this.#leading - shift);
    const { low, high } = input;
    if (shift >= 32) this.#high ^= low << (shift - 32);
    else if (shift === 0) {
      this.#low ^= low;
      this.#high ^= high;
    } else {
      this.#low ^= low << shift;
      this.#high ^= (high << shift) | (low >>> (32 - shift));
    }
  }

  /** Puts the value last read where it belongs: words `2 * index` and the one after. */
  store(words: Uint32Array, index: number): void {
    words[2 * index] = this.#low;
    words[2 * index + 1] = this.#high;
  }
}

function shiftLow(low: number, high: number, shift: number): number {
  return ((low >>> shift) | (high << (32 - shift))) >>> 0;
}

function leadingZeros(low: number, high: number): number {
  return high === 0 ? 32 + Math.clz32(low) : Math.clz32(high);
}

function trailingZeros(low: number, high: number): number {
  // Of a word that is not zero; -word & word keeps its lowest bit.
  const ofWord = (word: number) => 31 - Math.clz32(-word & word);
  return low === 0 ? 32 + ofWord(high) : ofWord(low);
}
