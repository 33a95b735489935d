/** What a page of log lines is made into, computed in WebAssembly: the lines are copied in once, results are read where they lie. */
import { KernelMemory, loadKernel } from "./kernels.ts";

/** Bytes that kernels may read behind the lines. */
const SLACK = 64;
/** More than the grams there may be, so that some are always free. */
const GRAM_SLOTS = 1 << 18;
/** Grams of a page; so many fill the slots to two thirds. */
export const PAGE_GRAMS_MAX = 180_000;
/** Of the largest filter. */
const FILTER_BYTES_MAX = 1 << 16;

interface GramExports {
  collectGrams(
    lines: number,
    bounds: number,
    count: number,
    table: number,
    tableSlots: number,
    hashes: number,
    max: number,
  ): number;
  setGrams(hashes: number, count: number, bits: number, bitCount: number): void;
}

const GRAM_TABLE_AT = 0;
const GRAM_HASHES_AT = GRAM_TABLE_AT + 4 * GRAM_SLOTS;
const FILTER_AT = GRAM_HASHES_AT + 4 * PAGE_GRAMS_MAX;
const LINES_AT = FILTER_AT + FILTER_BYTES_MAX;

/** Works on one page after the other in memory of its own, which stays as large as the largest page needed. */
export class LogPageKernel {
  readonly #memory = new KernelMemory();
  readonly #grams = loadKernel<GramExports>("grams", this.#memory);
  #count = 0;
  #boundsAt = 0;
  #gramCount = 0;

  /** Takes the lines of a page in. `bounds`: where each of the `count` lines begins, and where the last ends. */
  load(lines: Uint8Array, bounds: Uint32Array, count: number): void {
    const length = bounds[count]!;
    this.#count = count;
    this.#gramCount = 0;
    this.#boundsAt = align(LINES_AT + length + SLACK);
    this.#memory.reserve(this.#boundsAt + 4 * (count + 1));
    const { bytes } = this.#memory;
    bytes.set(lines.subarray(0, length), LINES_AT);
    new Uint32Array(bytes.buffer, this.#boundsAt, count + 1).set(bounds.subarray(0, count + 1));
  }

  /** How many distinct grams the lines have; more than {@link PAGE_GRAMS_MAX} are undefined. */
  collectGrams(): number | undefined {
    const found = this.#grams.collectGrams(
      LINES_AT,
      this.#boundsAt,
      this.#count,
      GRAM_TABLE_AT,
      GRAM_SLOTS,
      GRAM_HASHES_AT,
      PAGE_GRAMS_MAX,
    );
    this.#gramCount = Math.max(0, found);
    return found < 0 ? undefined : found;
  }

  /** Hashes of the grams that were collected; valid until the next page. */
  gramHashes(): Uint32Array {
    return new Uint32Array(this.#memory.bytes.buffer, GRAM_HASHES_AT, this.#gramCount);
  }

  /** A filter of so many bits, at most half a million, of the grams that were collected. */
  gramFilter(bits: number): Uint8Array {
    const { bytes } = this.#memory;
    bytes.fill(0, FILTER_AT, FILTER_AT + bits / 8);
    this.#grams.setGrams(GRAM_HASHES_AT, this.#gramCount, FILTER_AT, bits);
    return bytes.slice(FILTER_AT, FILTER_AT + bits / 8);
  }
}

function align(at: number): number {
  return Math.ceil(at / 16) * 16;
}
