/**
 * Zstandard frames decompressed one after the other with one context: the counterpart of `log-page/zstd-pack.ts`. `zstdDecompressSync` makes a context and a
 * stream a call, which takes ten times as long as decompressing a few kilobytes. One context serves the thread, because no call lasts beyond its return.
 */
import { constants, createZstdDecompress, zstdDecompressSync } from "node:zlib";
import { CodecError } from "@finch/codec";
import { isDriven } from "./zstd-context.ts";
import type { ZstdContext } from "./zstd-context.ts";

/** Room that {@link ZstdUnpacker.unpack} needs beyond the content: it shows a frame that holds more. */
export const UNPACK_SURPLUS = 1;

export class ZstdUnpacker {
  readonly #context = createZstdDecompress() as unknown as ZstdContext;
  #fault: string | undefined;

  constructor() {
    const { _handle } = this.#context;
    if (_handle !== undefined)
      _handle.onerror = (message) => {
        this.#fault = message;
      };
  }

  get isKept(): boolean {
    return isDriven(this.#context);
  }

  /**
   * The content of one frame, which must have `length` bytes; anything else is a CodecError. It stands at the beginning of `output`, which has room for it and
   * for {@link UNPACK_SURPLUS}, or in memory of its own.
   */
  unpack(
    frame: Uint8Array,
    length: number,
    output: Uint8Array = new Uint8Array(Buffer.allocUnsafeSlow(length + UNPACK_SURPLUS).buffer),
  ): Uint8Array {
    if (!this.isKept) return unpackAlone(frame, length);
    const room = length + UNPACK_SURPLUS;
    const { _handle, _writeState } = this.#context;
    this.#fault = undefined;
    _handle!.writeSync!(constants.ZSTD_e_end, frame, 0, frame.length, output, 0, room);
    const [outputLeft, inputLeft] = _writeState!;
    if (this.#fault === undefined && outputLeft === UNPACK_SURPLUS && inputLeft === 0)
      return output.subarray(0, length);
    _handle!.reset!();
    throw faultOf(this.#fault ?? `${room - outputLeft!} bytes`, length);
  }
}

/** The one of this thread. */
export const zstdUnpacker = new ZstdUnpacker();

function unpackAlone(frame: Uint8Array, length: number): Uint8Array {
  const body = zstdDecompressSync(frame, {
    chunkSize: Math.max(64, length),
    maxOutputLength: Math.max(1, length),
  });
  if (body.length !== length) throw faultOf(`${body.length} bytes`, length);
  return body;
}

function faultOf(found: string, length: number): CodecError {
  return new CodecError("malformed", 0, `a zstd frame of ${length} bytes: ${found}`);
}
