/** The times of a page, nanoseconds that ascend: differences in planes of bytes, which are cheap to add up. */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { LogTimesAdder } from "@finch/codec/kernels";

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

/** The one of this thread: no call lasts beyond its return. */
let adder: LogTimesAdder | undefined;

/** Anything but what {@link encodeTimes} made of `count` times is a CodecError. */
export function decodeTimes(body: Uint8Array, count: number): BigInt64Array {
  const reader = new ByteReader(body);
  const width = reader.readByte();
  const expected = width === RAW ? 1 + 8 * count : HEAD_BYTES + width * count;
  if ((width > WIDTH_MAX && width !== RAW) || body.length !== expected)
    throw new CodecError(
      "malformed",
      0,
      `${body.length} bytes of ${width} each for ${count} times`,
    );
  if (width === RAW) {
    const times = new BigInt64Array(count);
    new Uint8Array(times.buffer).set(body.subarray(1));
    return times;
  }
  const [low, high] = [reader.readUint32(), reader.readUint32()];
  adder ??= new LogTimesAdder();
  return adder.add(body.subarray(HEAD_BYTES), count, { width, low, high });
}

/** What codec's kernel `log-times` does, in plain TypeScript: tests hold the kernel to it. */
export function addDifferencesPlainly(
  planes: Uint8Array,
  count: number,
  first: { readonly width: number; readonly low: number; readonly high: number },
): BigInt64Array {
  let time = (BigInt(first.high | 0) << 32n) | BigInt(first.low);
  return BigInt64Array.from({ length: count }, (_, row) => {
    for (let plane = 0; plane < first.width; plane++)
      time += BigInt(planes[plane * count + row]!) << BigInt(8 * plane);
    return time;
  });
}
