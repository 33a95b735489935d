/** Column blocks of doubles by the kernel `asm/float-block.ts`: a page of bytes is loaded once, then any block in it is decoded. */
import { ByteReader } from "./byte-reader.ts";
import { CodecError } from "./errors.ts";
import { readFloatBlock, scaleFactors } from "./float-block.ts";
import { BLOCK_ROWS } from "./integer-block.ts";
import { KernelMemory, loadKernel } from "./kernels.ts";

interface FloatBlockExports {
  decodeFloatBlock(
    source: number,
    limit: number,
    target: number,
    count: number,
    factors: number,
    scratch: number,
  ): number;
  isRising(at: number, end: number): number;
}

/** Memory: factors, scratch, rows, then the page. Behind each is the room that the kernel may touch. */
const FACTORS = 64;
const SCRATCH = FACTORS + 8 * 256;
const ROWS = SCRATCH + 8 * (BLOCK_ROWS + 8);
const PAGE = ROWS + 8 * (BLOCK_ROWS + 8);
const PAGE_SLACK = 64;

/** Not to be shared by calls that overlap: it holds one page. */
export class FloatBlockDecoder {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<FloatBlockExports>("float-block", this.#memory);
  #page: Uint8Array = new Uint8Array(0);
  /** Decoded rows from `#skipped` on. */
  #rows: Float64Array;
  #skipped = 0;

  constructor() {
    this.#memory.reserve(PAGE);
    new Float64Array(this.#memory.memory.buffer).set(scaleFactors(), FACTORS / 8);
    this.#rows = new Float64Array(this.#memory.memory.buffer, ROWS, BLOCK_ROWS);
  }

  /** The page that blocks are decoded of; held until the next. */
  load(page: Uint8Array): void {
    const before = this.#memory.bytes;
    this.#memory.reserve(PAGE + page.length + PAGE_SLACK);
    if (this.#memory.bytes !== before) {
      this.#rows = new Float64Array(this.#memory.memory.buffer, ROWS, BLOCK_ROWS);
      this.#skipped = 0;
    }
    this.#memory.bytes.set(page, PAGE);
    this.#page = page;
  }

  /**
   * Decodes the block of `count` rows at byte `from` of the page, and copies rows `skip … skip + take` of them to `values[at …)`; returns where the
   * block ends. Nonsense is a CodecError.
   */
  decode(
    from: number,
    count: number,
    values: Float64Array,
    at: number,
    skip = 0,
    take = count,
  ): number {
    const end = this.#kernel.decodeFloatBlock(
      PAGE + from,
      PAGE + this.#page.length,
      ROWS,
      count,
      FACTORS,
      SCRATCH,
    );
    if (end === 0) this.#refuse(from, count);
    // Blocks of one length follow each other: a new view for each would cost as much as the rows.
    if (this.#rows.length !== take || this.#skipped !== skip) {
      this.#rows = new Float64Array(this.#memory.memory.buffer, ROWS + 8 * skip, take);
      this.#skipped = skip;
    }
    values.set(this.#rows, at);
    return end - PAGE;
  }

  /** Whether none of the values that the last {@link decode} copied is NaN or below the one before. */
  get isRising(): boolean {
    const first = this.#rows.byteOffset;
    return this.#kernel.isRising(first, first + this.#rows.byteLength) === 1;
  }

  #refuse(from: number, count: number): never {
    const values = new Float64Array(count);
    const reader = new ByteReader(this.#page, from);
    const words = new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
    readFloatBlock(reader, { values, words }, 0, values.length);
    throw new CodecError("malformed", from, "a column block that only the slow reader takes");
  }
}
