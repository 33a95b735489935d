/** Bodies of columns as they are stored, opened. */
import { crc32 } from "node:zlib";
import { CodecError } from "@finch/codec";
import { UNPACK_SURPLUS, zstdUnpacker } from "../zstd-unpack.ts";
import type { StoredBody } from "./page-layout.ts";

/** Bytes of a body when it is decompressed. */
export function bytesOfBody({ storedBytes, zippedBytes }: StoredBody): number {
  return zippedBytes === 0 ? storedBytes : zippedBytes;
}

/** Decompresses a body into memory that has room for it and for {@link UNPACK_SURPLUS}. */
export function unpackInto(body: StoredBody, stored: Uint8Array, to: Uint8Array): void {
  const bytes = unpackBody(body, stored, to);
  if (bytes.buffer !== to.buffer) to.set(bytes);
}

let scratch: Uint8Array = new Uint8Array(64 * 1024);

/** As {@link unpackBody}, valid until the next call: for what is made into something else at once. */
export function unpackBriefly(body: StoredBody, stored: Uint8Array): Uint8Array {
  const room = body.zippedBytes + UNPACK_SURPLUS;
  if (scratch.length < room) scratch = new Uint8Array(2 * room);
  return unpackBody(body, stored, scratch);
}

/**
 * Checks and decompresses what is stored of a column, into `memory` or some of its own. The latter may be shared with other bodies: it is not to be kept for long.
 */
export function unpackBody(
  { zippedBytes, crc, name }: StoredBody,
  stored: Uint8Array,
  memory?: Uint8Array,
): Uint8Array {
  if (crc32(stored) !== crc)
    throw new CodecError("malformed", 0, `the checksum of column ${JSON.stringify(name)} is wrong`);
  if (zippedBytes === 0) return stored;
  return zstdUnpacker.unpack(
    stored,
    zippedBytes,
    memory ?? takeMemory(zippedBytes + UNPACK_SURPLUS),
  );
}

/** Small bodies stand behind each other in memory: to make one for each costs more than to fill it, and is garbage. */
const SLAB_BYTES = 128 * 1024;
const SLAB_SHARE_MAX = SLAB_BYTES / 8;

let slab: Uint8Array = new Uint8Array(0);
let slabUsed = 0;

/** Memory that is nobody else's. */
function takeMemory(bytes: number): Uint8Array {
  if (bytes > SLAB_SHARE_MAX) return new Uint8Array(Buffer.allocUnsafeSlow(bytes).buffer);
  if (slabUsed + bytes > slab.length) {
    slab = new Uint8Array(SLAB_BYTES);
    slabUsed = 0;
  }
  const memory = slab.subarray(slabUsed, slabUsed + bytes);
  slabUsed += bytes;
  return memory;
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
