/** The times of a page, nanoseconds that ascend: differences in planes of bytes, which are cheap to add up. */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";

/** Bytes a difference has at most; with longer ones times stand as they are. */
const WIDTH_MAX = 6;
const RAW = 8;
const HEAD_BYTES = 9;

/** `width u8 · first time (8) · differences in planes`, or `8 · each time (8)`. */
export function encodeTimes(timesNs: BigInt64Array): Uint8Array {
  const count = timesNs.length;
  const words = new Uint32Array(timesNs.buffer, timesNs.byteOffset, 2 * count);
  const width = widthOf(words, count);
  if (width > WIDTH_MAX) {
    const writer = new ByteWriter(1 + 8 * count);
    writer.writeByte(RAW);
    for (const word of words) writer.writeUint32(word);
    return writer.finish();
  }
  const body = new Uint8Array(HEAD_BYTES + width * count);
  const head = new ByteWriter(HEAD_BYTES);
  head.writeByte(width);
  head.writeUint32(words[0] ?? 0);
  head.writeUint32(words[1] ?? 0);
  body.set(head.finish());
  for (let row = 1; row < count; row++) {
    const difference = differenceAt(words, row);
    let at = HEAD_BYTES + row;
    for (let rest = difference >>> 0; rest > 0; at += count) {
      body[at] = rest;
      rest >>>= 8;
    }
    if (difference < 2 ** 32) continue;
    at = HEAD_BYTES + row + 4 * count;
    for (let rest = Math.floor(difference / 2 ** 32); rest > 0; at += count) {
      body[at] = rest;
      rest >>>= 8;
    }
  }
  return body;
}

function widthOf(words: Uint32Array, count: number): number {
  let largest = 0;
  for (let row = 1; row < count; row++) {
    const difference = differenceAt(words, row);
    // Not a number of differences that doubles hold exactly, or times that do not ascend.
    if (!(difference >= 0 && difference < 2 ** (8 * WIDTH_MAX))) return RAW;
    if (difference > largest) largest = difference;
  }
  let width = 0;
  for (let bound = 1; bound <= largest; bound *= 256) width++;
  return width;
}

/** The time of a row less that of the row before. */
function differenceAt(words: Uint32Array, row: number): number {
  const high = (words[2 * row + 1]! | 0) - (words[2 * row - 1]! | 0);
  return high * 2 ** 32 + (words[2 * row]! - words[2 * row - 2]!);
}

/** Anything but what {@link encodeTimes} made of `count` times is a CodecError. */
export function decodeTimes(body: Uint8Array, count: number): BigInt64Array {
  const reader = new ByteReader(body);
  const width = reader.readByte();
  const times = new BigInt64Array(count);
  const words = new Int32Array(times.buffer);
  const expected = width === RAW ? 1 + 8 * count : HEAD_BYTES + width * count;
  if ((width > WIDTH_MAX && width !== RAW) || body.length !== expected)
    throw new CodecError(
      "malformed",
      0,
      `${body.length} bytes of ${width} each for ${count} times`,
    );
  if (width === RAW) {
    for (let i = 0; i < words.length; i++) words[i] = reader.readUint32();
    return times;
  }
  const first = { low: reader.readUint32(), high: reader.readUint32() | 0 };
  if (width <= 4) addShortDifferences(body, width, first, words);
  else addLongDifferences(body, width, first, words);
  return times;
}

interface FirstTime {
  readonly low: number;
  readonly high: number;
}

/** Differences of at most 32 bits. One pass, in whole numbers of 32 bits: doubles would take three times as long. */
function addShortDifferences(
  body: Uint8Array,
  width: number,
  first: FirstTime,
  words: Int32Array,
): void {
  const count = words.length >> 1;
  let low = first.low | 0;
  let high = first.high | 0;
  for (let row = 0, at = HEAD_BYTES; row < count; row++, at++) {
    let difference = 0;
    if (width > 0) difference = body[at]!;
    if (width > 1) difference |= body[at + count]! << 8;
    if (width > 2) difference |= body[at + 2 * count]! << 16;
    if (width > 3) difference |= body[at + 3 * count]! << 24;
    low = (low + difference) | 0;
    if (low >>> 0 < difference >>> 0) high = (high + 1) | 0;
    words[2 * row] = low;
    words[2 * row + 1] = high;
  }
}

/** Those of 40 or 48 bits. */
function addLongDifferences(
  body: Uint8Array,
  width: number,
  first: FirstTime,
  words: Int32Array,
): void {
  const count = words.length >> 1;
  let low = first.low | 0;
  let high = first.high | 0;
  for (let row = 0, at = HEAD_BYTES; row < count; row++, at++) {
    const short =
      body[at]! |
      (body[at + count]! << 8) |
      (body[at + 2 * count]! << 16) |
      (body[at + 3 * count]! << 24);
    low = (low + short) | 0;
    high = (high + body[at + 4 * count]!) | 0;
    if (width > 5) high = (high + (body[at + 5 * count]! << 8)) | 0;
    if (low >>> 0 < short >>> 0) high = (high + 1) | 0;
    words[2 * row] = low;
    words[2 * row + 1] = high;
  }
}
