/**
 * The LZ4 frame format, decoding alone: a header, blocks of literals and copies, and checksums. Frames may follow one another, and
 * skippable ones are passed over. Sizes, offsets and checksums are checked, so hostile input costs no more memory than the caller allows.
 */
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import { xxHash32 } from "./xxhash32.ts";

const MAGIC = 0x184d2204;
const SKIPPABLE = 0x184d2a50;
const MIN_MATCH = 4;

interface Frame {
  readonly hasBlockChecksums: boolean;
  readonly hasContentChecksum: boolean;
  readonly areBlocksLinked: boolean;
  readonly blockBytesMax: number;
  readonly contentBytes: number | undefined;
}

/** Decodes all frames of `input`; more than `sizeMax` bytes is a CodecError `too-large`. */
export function decodeLz4Frames(
  input: Uint8Array,
  { sizeMax }: { readonly sizeMax: number },
): Uint8Array {
  const output = new ByteWriter(Math.min(sizeMax, Math.max(64, 4 * input.length)));
  const cursor: Cursor = { input, at: 0 };
  while (cursor.at < input.length) {
    const magic = readUint32(cursor);
    // Its last four bits are the user's.
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE) skip(cursor, readUint32(cursor));
    else if (magic === MAGIC) decodeFrame(cursor, output, sizeMax);
    else throw malformed(cursor.at - 4, "no frame begins");
  }
  return output.bytes.subarray(0, output.length);
}

interface Cursor {
  readonly input: Uint8Array;
  at: number;
}

function decodeFrame(cursor: Cursor, output: ByteWriter, sizeMax: number): void {
  const frame = readHeader(cursor);
  const start = output.length;
  for (;;) {
    const word = readUint32(cursor);
    if (word === 0) break;
    const size = word & 0x7fffffff;
    if (size > frame.blockBytesMax)
      throw malformed(cursor.at - 4, `a block of ${size} bytes is larger than its frame allows`);
    const at = cursor.at;
    skip(cursor, size);
    const block = cursor.input.subarray(at, at + size);
    if (frame.hasBlockChecksums && readUint32(cursor) !== xxHash32(block, 0))
      throw malformed(at, "the checksum of the block is wrong");
    const before = output.length;
    const sizes = { sizeMax, blockEndMax: before + frame.blockBytesMax };
    if (word >= 0x80000000) {
      admit(output.length + size, sizes, at);
      output.writeBytes(block);
    } else
      decodeBlock(block, at, output, {
        ...sizes,
        windowStart: frame.areBlocksLinked ? start : before,
      });
  }
  const content = output.bytes.subarray(start, output.length);
  if (frame.hasContentChecksum && readUint32(cursor) !== xxHash32(content, 0))
    throw malformed(cursor.at - 4, "the checksum of the content is wrong");
  if (frame.contentBytes !== undefined && frame.contentBytes !== content.length)
    throw malformed(cursor.at, `${content.length} bytes decoded, ${frame.contentBytes} declared`);
}

function readHeader(cursor: Cursor): Frame {
  const start = cursor.at;
  skip(cursor, 2);
  const flags = cursor.input[start]!;
  const sizes = cursor.input[start + 1]!;
  if (flags >> 6 !== 1 || (flags & 2) !== 0) throw malformed(start, "unknown version or flags");
  const sizeClass = (sizes >> 4) & 7;
  if ((sizes & 0x8f) !== 0 || sizeClass < 4) throw malformed(start + 1, "unknown block size");
  let contentBytes: number | undefined;
  if ((flags & 8) !== 0) {
    const low = readUint32(cursor);
    contentBytes = readUint32(cursor) * 2 ** 32 + low;
  }
  if ((flags & 1) !== 0) throw malformed(start, "dictionaries are not supported");
  const at = cursor.at;
  skip(cursor, 1);
  if (cursor.input[at] !== ((xxHash32(cursor.input.subarray(start, at), 0) >>> 8) & 0xff))
    throw malformed(at, "the checksum of the header is wrong");
  return {
    areBlocksLinked: (flags & 32) === 0,
    hasBlockChecksums: (flags & 16) !== 0,
    hasContentChecksum: (flags & 4) !== 0,
    blockBytesMax: 1 << (2 * sizeClass + 8),
    contentBytes,
  };
}

interface BlockSizes {
  readonly sizeMax: number;
  readonly blockEndMax: number;
  /** Where copies may reach back to. */
  readonly windowStart: number;
}

function decodeBlock(block: Uint8Array, base: number, output: ByteWriter, sizes: BlockSizes): void {
  let at = 0;
  const readLength = (nibble: number): number => {
    let length = nibble;
    if (nibble < 15) return length;
    for (;;) {
      const byte = block[at++];
      if (byte === undefined) throw truncated(base + block.length);
      length += byte;
      if (byte < 255) return length;
    }
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = readLength(token >> 4);
    if (at + literals > block.length) throw truncated(base + block.length);
    admit(output.length + literals, sizes, base + at);
    output.writeBytes(block.subarray(at, at + literals));
    at += literals;
    if (at === block.length) return;
    if (at + 2 > block.length) throw truncated(base + block.length);
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const length = readLength(token & 15) + MIN_MATCH;
    const from = output.length - offset;
    if (offset === 0 || from < sizes.windowStart)
      throw malformed(base + at, "a copy reaches back behind the start");
    admit(output.length + length, sizes, base + at);
    copyBack(output, from, length);
  }
}

/** Bytes may be their own source: a copy longer than its distance repeats. */
function copyBack(output: ByteWriter, from: number, length: number): void {
  let left = length;
  while (left > 0) {
    const size = Math.min(left, output.length - from);
    output.writeBytes(output.bytes.subarray(from, from + size));
    left -= size;
  }
}

function admit(
  size: number,
  { sizeMax, blockEndMax }: { readonly sizeMax: number; readonly blockEndMax: number },
  at: number,
): void {
  if (size > sizeMax)
    throw new CodecError("too-large", at, `lz4: more than ${sizeMax} decoded bytes`);
  if (size > blockEndMax) throw malformed(at, "a block decodes to more than its frame allows");
}

function readUint32(cursor: Cursor): number {
  const { input } = cursor;
  const { at } = cursor;
  skip(cursor, 4);
  return (
    (input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24)) >>> 0
  );
}

function skip(cursor: Cursor, count: number): void {
  if (cursor.at + count > cursor.input.length) throw truncated(cursor.input.length);
  cursor.at += count;
}

function truncated(at: number): CodecError {
  return new CodecError("truncated", at, "lz4: the data is cut off");
}

function malformed(at: number, what: string): CodecError {
  return new CodecError("malformed", at, `lz4: ${what}`);
}
