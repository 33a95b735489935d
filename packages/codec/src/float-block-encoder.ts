/** Column blocks of doubles by the kernel `asm/float-block-encode.ts`: the same bytes as `writeFloatBlock`, some ten times as fast. */
import type { ByteWriter } from "./byte-writer.ts";
import { scaleFactors } from "./float-block.ts";
import { BLOCK_ROWS } from "./integer-block.ts";
import { KernelMemory, loadKernel } from "./kernels.ts";

interface FloatBlockEncodeExports {
  encodeFloatBlock(
    source: number,
    count: number,
    target: number,
    factors: number,
    scratch: number,
  ): number;
}

/** Memory: factors, rows, scratch, then the bytes. */
const FACTORS = 64;
const ROWS = FACTORS + 8 * 256;
const SCRATCH = ROWS + 8 * BLOCK_ROWS;
const TARGET = SCRATCH + 8 * 2200;
const TARGET_BYTES = 8192;

/** Holds nothing between calls. */
export class FloatBlockEncoder {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<FloatBlockEncodeExports>("float-block-encode", this.#memory);
  readonly #rows: Float64Array;

  constructor() {
    this.#memory.reserve(TARGET + TARGET_BYTES);
    const doubles = new Float64Array(this.#memory.memory.buffer);
    doubles.set(scaleFactors(), FACTORS / 8);
    this.#rows = doubles.subarray(ROWS / 8, ROWS / 8 + BLOCK_ROWS);
  }

  /** Appends the block of `values[from … to)`, 1 to 512 rows. */
  write(writer: ByteWriter, values: Float64Array, from: number, to: number): void {
    this.#rows.set(values.subarray(from, to));
    const length = this.#kernel.encodeFloatBlock(ROWS, to - from, TARGET, FACTORS, SCRATCH);
    writer.writeBytes(this.#memory.bytes.subarray(TARGET, TARGET + length));
  }
}
