/**
 * A chunk of float samples as Prometheus' store and remote read have it: the number of samples (two bytes, big-endian), the first time and
 * value, the second time as a difference, and from the third on the difference of differences of times in 1, 16, 20, 24 or 68 bits; values by
 * {@link XorWindow}.
 */
import { ByteWriter } from "@finch/codec";
import { wordsOf } from "@finch/model";
import { BitReader, BitWriter } from "./bit-stream.ts";
import { XorWindow } from "./xor-window.ts";

/** Samples of a chunk are counted in two bytes. */
const CHUNK_SAMPLES_MAX = 0xffff;

/** Samples `from` up to `to` as one chunk. */
export function encodeXorChunk(
  timestampsMs: Float64Array,
  values: Float64Array,
  { from, to }: { readonly from: number; readonly to: number },
): Uint8Array {
  if (to <= from || to - from > CHUNK_SAMPLES_MAX)
    throw new RangeError(`a chunk of ${to - from} samples: give 1 to ${CHUNK_SAMPLES_MAX}`);
  const words = wordsOf(values);
  const out = new BitWriter(16 + (to - from) * 4);
  const value = new XorWindow();
  out.write(to - from, 16);
  let delta = 0;
  for (let i = from; i < to; i++) {
    const timestampMs = timestampsMs[i]!;
    const low = words[2 * i]!;
    const high = words[2 * i + 1]!;
    if (i === from) {
      writeVarint(out, timestampMs < 0 ? -2 * timestampMs - 1 : 2 * timestampMs);
      value.writeFirst(out, low, high);
      continue;
    }
    const nextDelta = timestampMs - timestampsMs[i - 1]!;
    if (i === from + 1) writeVarint(out, nextDelta);
    else writeTimeDifference(out, nextDelta - delta);
    delta = nextDelta;
    value.writeNext(out, low, high);
  }
  return out.finish();
}

/** The samples of a chunk. A damaged one throws a `RangeError`. */
export function decodeXorChunk(chunk: Uint8Array): {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
} {
  const input = new BitReader(chunk);
  const count = input.read(16);
  // No sample takes less than two bits; more would be memory for nothing.
  if (count > chunk.length * 4)
    throw new RangeError(`chunk: ${count} samples in ${chunk.length} bytes`);
  const timestampsMs = new Float64Array(count);
  const values = new Float64Array(count);
  const words = wordsOf(values);
  const value = new XorWindow();
  let delta = 0;
  for (let i = 0; i < count; i++) {
    if (i === 0) {
      const zigzag = readVarint(input);
      timestampsMs[0] = zigzag % 2 === 1 ? -(zigzag + 1) / 2 : zigzag / 2;
      value.readFirst(input);
    } else {
      delta = i === 1 ? readVarint(input) : delta + readTimeDifference(input);
      timestampsMs[i] = timestampsMs[i - 1]! + delta;
      value.readNext(input);
    }
    value.store(words, i);
  }
  return { timestampsMs, values };
}

function writeVarint(out: BitWriter, value: number): void {
  const bytes = new ByteWriter(10);
  bytes.writeVarint(value);
  for (const byte of bytes.finish()) out.write(byte, 8);
}

function readVarint(input: BitReader): number {
  let value = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = input.read(8);
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  throw new RangeError("chunk: a number of more than ten bytes");
}

/** Sizes with the prefixes that tell them. A number of n bits lies above -2^(n-1): the lowest pattern stands for the highest number. */
const TIME_SIZES = [
  { bits: 14, prefix: 0b10, prefixBits: 2 },
  { bits: 17, prefix: 0b110, prefixBits: 3 },
  { bits: 20, prefix: 0b1110, prefixBits: 4 },
] as const;

function writeTimeDifference(out: BitWriter, difference: number): void {
  if (difference === 0) {
    out.write(0, 1);
    return;
  }
  for (const { bits, prefix, prefixBits } of TIME_SIZES) {
    if (!fitsBits(difference, bits)) continue;
    out.write(prefix, prefixBits);
    out.write(difference, bits);
    return;
  }
  out.write(0b1111, 4);
  out.writeInteger(difference, 64);
}

function readTimeDifference(input: BitReader): number {
  if (input.read(1) === 0) return 0;
  for (const { bits } of TIME_SIZES) if (input.read(1) === 0) return readBits(input, bits);
  return input.readInteger(64);
}

/** Whether `value` lies from -(2^(bits-1) - 1) to 2^(bits-1). */
export function fitsBits(value: number, bits: number): boolean {
  return value > -(2 ** (bits - 1)) && value <= 2 ** (bits - 1);
}

/** A number written in `bits` (up to 56) bits, within the range of {@link fitsBits}. */
export function readBits(input: BitReader, bits: number): number {
  const value = input.readInteger(bits);
  return value === -(2 ** (bits - 1)) ? -value : value;
}
