/** Bodies of columns as they are stored, opened. */
import { crc32, zstdDecompressSync } from "node:zlib";
import { CodecError } from "@finch/codec";
import type { StoredBody } from "./page-layout.ts";

/** Checks and decompresses what is stored of a column. */
export function unpackBody({ zippedBytes, crc, name }: StoredBody, stored: Uint8Array): Uint8Array {
  if (crc32(stored) !== crc)
    throw new CodecError("malformed", 0, `the checksum of column ${JSON.stringify(name)} is wrong`);
  if (zippedBytes === 0) return stored;
  const body = zstdDecompressSync(stored, {
    chunkSize: Math.max(64, zippedBytes),
    maxOutputLength: zippedBytes,
  });
  if (body.length !== zippedBytes)
    throw new CodecError(
      "malformed",
      0,
      `decompressed to ${body.length} bytes, not ${zippedBytes}`,
    );
  return body;
}

/** Small numbers, one for each row, each below `distinct`. */
export function readNumbers(body: Uint8Array, rows: number, distinct: number): Uint16Array {
  const isWide = distinct > 256;
  if (body.length !== (isWide ? 2 * rows : rows))
    throw new CodecError("malformed", 0, `${body.length} bytes of numbers for ${rows} rows`);
  const numbers = new Uint16Array(rows);
  for (let row = 0; row < rows; row++) {
    const number = body[row]! + (isWide ? body[rows + row]! * 256 : 0);
    if (number >= distinct)
      throw new CodecError("malformed", row, `number ${number} of ${distinct}`);
    numbers[row] = number;
  }
  return numbers;
}
