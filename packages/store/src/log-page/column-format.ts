/** What is said of a column of values beside its body, and the classes of the bytes in it. Drawn in `docs/format/log-pages.md`. */
import { CodecError } from "@finch/codec";
import type { ByteReader, ByteWriter } from "@finch/codec";
import { readBytes } from "../byte-strings.ts";

/** All values are one: the body. */
export const CONSTANT = 0;
/** Up to 256 values, and the number of one of them for each row. */
export const DICTIONARY = 1;
/** Lower-case hexadecimal digits of one even width, two a byte. */
export const HEX = 2;
/** Lower-case UUIDs, 16 bytes each. */
export const UUID = 3;
/** `2026-11-27T18:46:48.123Z` as milliseconds. */
export const TIME = 4;
/** Decimal numbers with one count of decimals, and a prefix and suffix that are the same in all rows. */
export const NUMBER = 5;
/** Lengths, then the values back to back. */
export const BYTES = 6;

export type ColumnEncoding =
  | typeof CONSTANT
  | typeof DICTIONARY
  | typeof HEX
  | typeof UUID
  | typeof TIME
  | typeof NUMBER
  | typeof BYTES;

/** Numbers as planes: all lowest bytes, then all second bytes and so on. */
export interface Planes {
  /** Bytes a number. */
  readonly width: number;
  /** What is added to each; the first number when these are zigzag differences of neighbours. */
  readonly base: number;
  readonly isDelta: boolean;
}

export interface NumberText {
  readonly decimals: number;
  /** Digits of each number, leading zeros included; 0 when there are none in front. */
  readonly digits: number;
  readonly prefix: Uint8Array;
  readonly suffix: Uint8Array;
}

export interface ColumnHead {
  readonly encoding: ColumnEncoding;
  readonly rows: number;
  /** Classes of the bytes of all values. */
  readonly classes: number;
  readonly lengthMin: number;
  readonly lengthMax: number;
  /** Values of a dictionary. */
  readonly distinct: number;
  readonly planes: Planes | undefined;
  readonly text: NumberText | undefined;
}

export const DIGITS = 1;
export const HEX_LETTERS = 2;
export const LOWER_LETTERS = 4;
export const UPPER_LETTERS = 8;
export const DOTS = 16;
export const DASHES = 32;
export const OTHER_ASCII = 64;
export const BEYOND_ASCII = 128;

export const BYTE_CLASSES = new Uint8Array(256);
for (let c = 0; c < 256; c++) BYTE_CLASSES[c] = classOf(c);

function classOf(c: number): number {
  if (c >= 48 && c <= 57) return DIGITS;
  if (c >= 97 && c <= 102) return HEX_LETTERS;
  if (c >= 103 && c <= 122) return LOWER_LETTERS;
  if (c >= 65 && c <= 90) return UPPER_LETTERS;
  if (c === 46) return DOTS;
  if (c === 45) return DASHES;
  return c > 127 ? BEYOND_ASCII : OTHER_ASCII;
}

/** Classes of the bytes of `bytes[start … end)`. */
export function classesOf(bytes: Uint8Array, start = 0, end = bytes.length): number {
  let classes = 0;
  for (let i = start; i < end; i++) classes |= BYTE_CLASSES[bytes[i]!]!;
  return classes;
}

const WIDTH_MAX = 7;

export function writeColumnHead(writer: ByteWriter, head: ColumnHead): void {
  writer.writeByte(head.encoding);
  writer.writeVarint(head.rows);
  writer.writeByte(head.classes);
  writer.writeVarint(head.lengthMin);
  writer.writeVarint(head.lengthMax - head.lengthMin);
  if (head.encoding === DICTIONARY) writer.writeVarint(head.distinct);
  if (head.planes !== undefined) {
    writer.writeByte(head.planes.width | (head.planes.isDelta ? 8 : 0));
    writer.writeZigzag(head.planes.base);
  }
  if (head.text === undefined) return;
  writer.writeByte(head.text.decimals);
  writer.writeByte(head.text.digits);
  for (const part of [head.text.prefix, head.text.suffix]) {
    writer.writeByte(part.length);
    writer.writeBytes(part);
  }
}

export function readColumnHead(reader: ByteReader): ColumnHead {
  const at = reader.position;
  const encoding = reader.readByte();
  if (encoding > BYTES) throw new CodecError("malformed", at, `unknown encoding ${encoding}`);
  const rows = reader.readVarint();
  const classes = reader.readByte();
  const lengthMin = reader.readVarint();
  const lengthMax = lengthMin + reader.readVarint();
  const distinct = encoding === DICTIONARY ? reader.readVarint() : 0;
  const planes = encoding === TIME || encoding === NUMBER ? readPlanes(reader) : undefined;
  const text = encoding === NUMBER ? readNumberText(reader) : undefined;
  return {
    encoding: encoding as ColumnEncoding,
    rows,
    classes,
    lengthMin,
    lengthMax,
    distinct,
    planes,
    text,
  };
}

function readPlanes(reader: ByteReader): Planes {
  const at = reader.position;
  const flags = reader.readByte();
  const width = flags & 7;
  if (flags > 15 || width > WIDTH_MAX)
    throw new CodecError("malformed", at, `numbers of ${flags} bytes`);
  return { width, isDelta: (flags & 8) !== 0, base: reader.readZigzag() };
}

function readNumberText(reader: ByteReader): NumberText {
  const decimals = reader.readByte();
  const digits = reader.readByte();
  const prefix = readAffix(reader);
  const suffix = readAffix(reader);
  return { decimals, digits, prefix, suffix };
}

const NO_AFFIX = new Uint8Array(0);

function readAffix(reader: ByteReader): Uint8Array {
  const length = reader.readByte();
  return length === 0 ? NO_AFFIX : readBytes(reader, length);
}
