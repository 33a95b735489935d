/**
 * The Snappy block format: a length, then literals and copies from what was decoded before. Not the framed stream format.
 * Sizes and every offset are checked, so hostile input costs no more memory than the caller allows.
 */
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";

/** The decoded size that a block declares, and where its elements begin. */
export function readSnappyHeader(input: Uint8Array): {
  readonly size: number;
  readonly bodyStart: number;
} {
  let size = 0;
  for (let i = 0; i < 5; i++) {
    const byte = input[i];
    if (byte === undefined) throw new CodecError("truncated", i, "snappy: the length is cut off");
    if (i === 4 && byte > 0x0f) break;
    size += (byte & 0x7f) * 2 ** (7 * i);
    if (byte < 0x80) return { size, bodyStart: i + 1 };
  }
  throw new CodecError("malformed", 0, "snappy: the length is over 32 bits");
}

/**
 * Decodes a block. The declared size is held against `sizeMax` before memory is taken. The result lies in `scratch` when that is large
 * enough (first touch of fresh memory costs more than decoding), else in new memory.
 */
export function decodeSnappy(
  input: Uint8Array,
  options: { readonly sizeMax: number; readonly scratch?: Uint8Array | undefined },
): Uint8Array {
  const { size, bodyStart } = readSnappyHeader(input);
  if (size > options.sizeMax) {
    throw new CodecError(
      "too-large",
      0,
      `snappy: ${size} decoded bytes declared, ${options.sizeMax} allowed`,
    );
  }
  // No element yields more than 64 bytes from 3 (a copy) or more than it holds (a literal).
  if (size > 0 && size / 32 > input.length) {
    throw new CodecError(
      "malformed",
      0,
      `snappy: ${size} bytes cannot come out of ${input.length}`,
    );
  }
  const { scratch } = options;
  const output =
    scratch !== undefined && scratch.length >= size
      ? scratch.subarray(0, size)
      : new Uint8Array(size);
  decodeElements(input, bodyStart, output);
  return output;
}

function decodeElements(input: Uint8Array, bodyStart: number, output: Uint8Array): void {
  // Copies without a view for each literal.
  const source = Buffer.from(input.buffer, input.byteOffset, input.length);
  const inputEnd = input.length;
  const outputEnd = output.length;
  let at = bodyStart;
  let to = 0;
  while (at < inputEnd) {
    const tag = input[at]!;
    const start = at;
    at++;
    let length: number;
    let offset: number;
    if ((tag & 3) === 0) {
      length = (tag >>> 2) + 1;
      if (length > 60) {
        const extra = length - 60;
        if (at + extra > inputEnd)
          throw new CodecError("truncated", start, "snappy: a literal's length is cut off");
        length = 1;
        for (let i = 0, factor = 1; i < extra; i++, factor *= 256)
          length += input[at + i]! * factor;
        at += extra;
      }
      if (length > inputEnd - at)
        throw new CodecError("truncated", start, `snappy: a literal of ${length} bytes is cut off`);
      if (length > outputEnd - to) throw overrun(start);
      if (length > 24) source.copy(output, to, at, at + length);
      else for (let i = 0; i < length; i++) output[to + i] = input[at + i]!;
      at += length;
      to += length;
      continue;
    }
    if ((tag & 3) === 1) {
      if (at >= inputEnd) throw new CodecError("truncated", start, "snappy: a copy is cut off");
      length = ((tag >>> 2) & 7) + 4;
      offset = ((tag >>> 5) << 8) | input[at]!;
      at++;
    } else if ((tag & 3) === 2) {
      if (at + 2 > inputEnd) throw new CodecError("truncated", start, "snappy: a copy is cut off");
      length = (tag >>> 2) + 1;
      offset = input[at]! | (input[at + 1]! << 8);
      at += 2;
    } else {
      if (at + 4 > inputEnd) throw new CodecError("truncated", start, "snappy: a copy is cut off");
      length = (tag >>> 2) + 1;
      offset =
        (input[at]! | (input[at + 1]! << 8) | (input[at + 2]! << 16) | (input[at + 3]! << 24)) >>>
        0;
      at += 4;
    }
    if (offset === 0 || offset > to)
      throw new CodecError(
        "malformed",
        start,
        `snappy: a copy reaches ${offset} bytes back of ${to}`,
      );
    if (length > outputEnd - to) throw overrun(start);
    // Forwards byte by byte: a copy may overlap what it writes, which repeats it.
    for (let from = to - offset, stop = to + length; to < stop;) output[to++] = output[from++]!;
  }
  if (to !== outputEnd)
    throw new CodecError(
      "truncated",
      inputEnd,
      `snappy: ${to} bytes decoded, ${outputEnd} declared`,
    );
}

function overrun(at: number): CodecError {
  return new CodecError("malformed", at, "snappy: more bytes than declared");
}

const FRAGMENT_BYTES = 65_536;
const TABLE_BITS = 14;

/** Encodes a block: greedy matching of four bytes and more within fragments of 64 KiB. */
export function encodeSnappy(input: Uint8Array): Uint8Array {
  const writer = new ByteWriter(32 + input.length + Math.ceil(input.length / 6));
  writer.writeVarint(input.length);
  const table = new Uint16Array(1 << TABLE_BITS);
  for (let start = 0; start < input.length; start += FRAGMENT_BYTES) {
    table.fill(0);
    encodeFragment(writer, {
      input,
      start,
      end: Math.min(input.length, start + FRAGMENT_BYTES),
      table,
    });
  }
  return writer.finish();
}

function encodeFragment(
  writer: ByteWriter,
  fragment: {
    readonly input: Uint8Array;
    readonly start: number;
    readonly end: number;
    readonly table: Uint16Array;
  },
): void {
  const { input, start, end, table } = fragment;
  let literalStart = start;
  let at = start;
  let misses = 32;
  while (at + 4 <= end) {
    const word = wordAt(input, at);
    const slot = Math.imul(word, 0x1e35a7bd) >>> (32 - TABLE_BITS);
    const candidate = start + table[slot]!;
    table[slot] = at - start;
    if (candidate >= at || wordAt(input, candidate) !== word) {
      // Ever longer steps through what does not compress.
      at += misses++ >>> 5;
      continue;
    }
    let length = 4;
    while (at + length < end && input[candidate + length] === input[at + length]) length++;
    if (at > literalStart) writeLiteral(writer, input.subarray(literalStart, at));
    writeCopy(writer, at - candidate, length);
    at += length;
    literalStart = at;
    misses = 32;
  }
  if (literalStart < end) writeLiteral(writer, input.subarray(literalStart, end));
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

function writeLiteral(writer: ByteWriter, literal: Uint8Array): void {
  const last = literal.length - 1;
  if (last < 60) {
    writer.writeByte(last << 2);
  } else if (last < 256) {
    writer.writeByte(60 << 2);
    writer.writeByte(last);
  } else {
    writer.writeByte(61 << 2);
    writer.writeByte(last & 0xff);
    writer.writeByte(last >>> 8);
  }
  writer.writeBytes(literal);
}

function writeCopy(writer: ByteWriter, offset: number, length: number): void {
  let rest = length;
  while (rest > 0) {
    // A copy of 61 to 63 would leave a rest shorter than the four bytes that the short form needs.
    const part = rest > 64 && rest < 68 ? 60 : Math.min(64, rest);
    if (part >= 4 && part < 12 && offset < 2048) {
      writer.writeByte(1 | ((part - 4) << 2) | ((offset >>> 8) << 5));
      writer.writeByte(offset & 0xff);
    } else {
      writer.writeByte(2 | ((part - 1) << 2));
      writer.writeByte(offset & 0xff);
      writer.writeByte(offset >>> 8);
    }
    rest -= part;
  }
}
