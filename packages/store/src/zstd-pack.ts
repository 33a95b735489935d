/**
 * Zstandard frames made one after the other with one context. `zstdCompressSync` makes a context a call, which for the bodies of a page takes twice what compressing
 * them does; Node's stream keeps one, and what drives it can be called without the stream. A frame that is ended leaves the context ready for the next.
 */
import { constants, createZstdCompress, zstdCompressSync } from "node:zlib";
import { isDriven } from "./zstd-context.ts";
import type { ZstdContext } from "./zstd-context.ts";

export class ZstdPacker {
  readonly #level: number;
  readonly #context: ZstdContext;
  #output = new Uint8Array(64 * 1024);

  constructor(level: number) {
    this.#level = level;
    this.#context = createZstdCompress({ params: paramsOf(level) }) as unknown as ZstdContext;
  }

  get isKept(): boolean {
    return isDriven(this.#context);
  }

  /** A frame of `body`; a view, valid until the next. */
  compress(body: Uint8Array): Uint8Array {
    if (!this.isKept) return zstdCompressSync(body, { params: paramsOf(this.#level) });
    const room = boundOf(body.length);
    if (this.#output.length < room) this.#output = new Uint8Array(2 * room);
    const output = this.#output;
    const { _handle, _writeState } = this.#context;
    _handle!.writeSync!(constants.ZSTD_e_end, body, 0, body.length, output, 0, output.length);
    const [outputLeft, inputLeft] = _writeState!;
    if (inputLeft !== 0) throw new Error(`zstd left ${inputLeft} of ${body.length} bytes`);
    return output.subarray(0, output.length - outputLeft!);
  }
}

const paramsOf = (level: number) => ({ [constants.ZSTD_c_compressionLevel]: level });

/** Bytes that a frame has at most, as `ZSTD_compressBound` has it, and some. */
function boundOf(bytes: number): number {
  return bytes + (bytes >>> 8) + 512;
}
