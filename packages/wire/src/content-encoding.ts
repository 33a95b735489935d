/** Undoes the content encoding of a request body, never into more bytes than allowed. */
import { gunzipSync, inflateRawSync, inflateSync, zstdDecompressSync } from "node:zlib";
import { CodecError, decodeLz4Frames } from "@finch/codec";
import { badBody, tooLarge } from "./errors.ts";

export type BodyEncoding = "gzip" | "deflate" | "zstd" | "lz4";

/** `gzip`, `zstd`, `lz4` in frames, or `deflate` with or without the zlib header (senders differ). More than `sizeMax` decoded bytes is a FinchError `too-large`. */
export function decompressBody(
  body: Uint8Array,
  encoding: BodyEncoding,
  sizeMax: number,
): Uint8Array {
  const options = { maxOutputLength: sizeMax };
  try {
    if (encoding === "gzip") return gunzipSync(body, options);
    if (encoding === "lz4") return decodeLz4Frames(body, { sizeMax });
    if (encoding === "zstd") return zstdDecompressSync(body, options);
    return hasZlibHeader(body) ? inflateSync(body, options) : inflateRawSync(body, options);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const isTooLarge = error instanceof CodecError && error.fault === "too-large";
    if (code === "ERR_BUFFER_TOO_LARGE" || isTooLarge) {
      throw tooLarge(
        `the ${encoding} body decodes to more than ${sizeMax} bytes: send smaller batches`,
        error,
      );
    }
    throw badBody(`the body is not valid ${encoding}: ${message}`, error);
  }
}

function hasZlibHeader(body: Uint8Array): boolean {
  return body.length >= 2 && (body[0]! & 0x0f) === 8 && ((body[0]! << 8) | body[1]!) % 31 === 0;
}
