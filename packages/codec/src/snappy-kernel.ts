/** Snappy blocks in WebAssembly: what is to be decoded or encoded is copied in. */
import { ByteWriter } from "./byte-writer.ts";
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

/** As `asm/snappy-encode.ts` says. */
const TABLE_BYTES = 32_768;

interface SnappyEncodeExports {
  encodeSnappy(source: number, length: number, table: number, target: number): number;
}

/** Encodes one block at a time; memory is kept as long as no block is larger than `keptBytesMax`. */
export class SnappyEncoder {
  readonly #keptBytesMax: number;
  #memory = new KernelMemory();
  #kernel = loadKernel<SnappyEncodeExports>("snappy-encode", this.#memory);

  constructor(keptBytesMax: number = 4 << 20) {
    this.#keptBytesMax = keptBytesMax;
  }

  /** The block of the parts, one behind the other: the same bytes as of {@link encodeSnappy}. */
  encode(parts: readonly Uint8Array[]): Uint8Array {
    const length = parts.reduce((sum, part) => sum + part.length, 0);
    const target = TABLE_BYTES + length;
    const header = new ByteWriter(8);
    header.writeVarint(length);
    this.#memory.reserve(target + length + Math.ceil(length / 6) + 32);
    const { bytes } = this.#memory;
    let at = TABLE_BYTES;
    for (const part of parts) {
      bytes.set(part, at);
      at += part.length;
    }
    const encoded = this.#kernel.encodeSnappy(TABLE_BYTES, length, 0, target);
    const block = new Uint8Array(header.length + encoded);
    block.set(header.bytes.subarray(0, header.length));
    block.set(bytes.subarray(target, target + encoded), header.length);
    if (bytes.length > 3 * this.#keptBytesMax) {
      this.#memory = new KernelMemory();
      this.#kernel = loadKernel<SnappyEncodeExports>("snappy-encode", this.#memory);
    }
    return block;
  }
}
