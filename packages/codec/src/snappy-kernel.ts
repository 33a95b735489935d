/** Snappy blocks decoded in WebAssembly: the block is copied in, the decoded bytes are read where they lie. */
import { KernelMemory, loadKernel } from "./kernels.ts";
import { decodeSnappy, readSnappyHeader } from "./snappy.ts";

/** As `asm/snappy.ts` says. */
const SOURCE_SLACK = 16;
const TARGET_SLACK = 64;

interface SnappyExports {
  decodeSnappy(source: number, length: number, target: number, sizeMax: number): number;
}

/** Decodes one block at a time in memory of its own, which stays as large as the largest block. */
export class SnappyDecoder {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<SnappyExports>("snappy", this.#memory);

  /** As {@link decodeSnappy}, errors included. The result is valid until the next call. */
  decode(input: Uint8Array, sizeMax: number): Uint8Array {
    const { size } = readSnappyHeader(input);
    const target = input.length + SOURCE_SLACK;
    // A size that cannot be true takes no memory.
    if (size <= Math.min(sizeMax, 32 * input.length)) {
      this.#memory.reserve(target + size + TARGET_SLACK);
      this.#memory.bytes.set(input);
      const length = this.#kernel.decodeSnappy(0, input.length, target, size);
      if (length >= 0) return this.#memory.bytes.subarray(target, target + length);
    }
    return decodeSnappy(input, { sizeMax });
  }
}
