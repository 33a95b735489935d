/**
 * A chunk of native histograms with counts as doubles, as Prometheus' store and remote read have it: the number of samples (two bytes,
 * big-endian), a byte whose first two bits tell of counter resets, the layout that all its histograms share, then sample by sample time,
 * count, count around zero, sum and buckets, each as a difference to the sample before.
 */
import { CUSTOM_BOUNDS_SCHEMA, wordsOf } from "@finch/model";
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";
import { BitReader, BitWriter } from "./bit-stream.ts";
import { fitsBits, readBits } from "./xor-chunk.ts";
import { XorWindow } from "./xor-window.ts";

/** What the first two bits of the third byte say of the first sample; with `gauge` of all. */
const RESET_BITS: Readonly<Record<CounterResetHint, number>> = {
  unknown: 0b00,
  "not-reset": 0b01,
  reset: 0b10,
  gauge: 0b11,
};
const HINTS = ["unknown", "not-reset", "reset", "gauge"] as const;

export interface HistogramSample {
  readonly timestampMs: number;
  readonly histogram: Histogram;
}

/** Whether `next` may stand behind `previous` in one chunk: the same layout, and no counter reset between, unless both are gauges. */
export function sharesChunk(previous: Histogram, next: Histogram): boolean {
  if (
    previous.schema !== next.schema ||
    previous.zeroThreshold !== next.zeroThreshold ||
    (previous.resetHint === "gauge") !== (next.resetHint === "gauge") ||
    !sameNumbers(previous.positive.spans, next.positive.spans) ||
    !sameNumbers(previous.negative.spans, next.negative.spans) ||
    !sameNumbers(previous.customBounds, next.customBounds)
  )
    return false;
  if (next.resetHint === "gauge") return true;
  return (
    next.resetHint !== "reset" &&
    next.count >= previous.count &&
    next.zeroCount >= previous.zeroCount &&
    grows(previous.positive.counts, next.positive.counts) &&
    grows(previous.negative.counts, next.negative.counts)
  );
}

function sameNumbers(a: Int32Array | Float64Array, b: Int32Array | Float64Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function grows(before: Float64Array, after: Float64Array): boolean {
  for (let i = 0; i < before.length; i++) if (!(after[i]! >= before[i]!)) return false;
  return true;
}

/** Samples, each of which {@link sharesChunk} with the one before. */
export function encodeHistogramChunk(samples: readonly HistogramSample[]): Uint8Array {
  const first = samples[0]?.histogram;
  if (first === undefined || samples.length > 0xffff)
    throw new RangeError(`a chunk of ${samples.length} histograms: give 1 to 65535`);
  const out = new BitWriter(512);
  out.write(samples.length, 16);
  out.write(RESET_BITS[first.resetHint] << 6, 8);
  writeLayout(out, first);
  const numbers = numbersOf(first);
  const windows = Array.from(numbers, () => new XorWindow());
  let delta = 0;
  for (const [index, { timestampMs, histogram }] of samples.entries()) {
    const words = wordsOf(numbersOf(histogram));
    if (index === 0) writeVarbit(out, timestampMs);
    else {
      const nextDelta = timestampMs - samples[index - 1]!.timestampMs;
      writeVarbit(out, index === 1 ? nextDelta : nextDelta - delta);
      delta = nextDelta;
    }
    for (const [row, window] of windows.entries()) {
      const low = words[2 * row]!;
      const high = words[2 * row + 1]!;
      if (index === 0) window.writeFirst(out, low, high);
      else window.writeNext(out, low, high);
    }
  }
  return out.finish();
}

/** The samples of a chunk. A damaged one throws a `RangeError`. */
export function decodeHistogramChunk(chunk: Uint8Array): readonly HistogramSample[] {
  const input = new BitReader(chunk);
  const count = input.read(16);
  const hint = HINTS[input.read(8) >>> 6]!;
  const layout = readLayout(input, chunk.length);
  const positiveBuckets = bucketsOf(layout.positiveSpans);
  const negativeBuckets = bucketsOf(layout.negativeSpans);
  const windows = Array.from(
    { length: 3 + positiveBuckets + negativeBuckets },
    () => new XorWindow(),
  );
  const samples: HistogramSample[] = [];
  let timestampMs = 0;
  let delta = 0;
  for (let index = 0; index < count; index++) {
    if (index === 0) timestampMs = readVarbit(input);
    else {
      delta = index === 1 ? readVarbit(input) : delta + readVarbit(input);
      timestampMs += delta;
    }
    const numbers = new Float64Array(windows.length);
    const words = wordsOf(numbers);
    for (const [row, window] of windows.entries()) {
      if (index === 0) window.readFirst(input);
      else window.readNext(input);
      window.store(words, row);
    }
    const positive = numbers.slice(3, 3 + positiveBuckets);
    const histogram: Histogram = {
      schema: layout.schema,
      resetHint: index > 0 && hint !== "gauge" ? "not-reset" : hint,
      zeroThreshold: layout.zeroThreshold,
      zeroCount: numbers[1]!,
      count: numbers[0]!,
      sum: numbers[2]!,
      positive: { spans: layout.positiveSpans, counts: positive },
      negative: { spans: layout.negativeSpans, counts: numbers.slice(3 + positiveBuckets) },
      customBounds: layout.customBounds,
    };
    samples.push({ timestampMs, histogram });
  }
  return samples;
}

/** Count, count around zero, sum, positive buckets, negative buckets: the order of rows in a sample. */
function numbersOf({ count, zeroCount, sum, positive, negative }: Histogram): Float64Array {
  const { length } = positive.counts;
  const numbers = new Float64Array(3 + length + negative.counts.length);
  const words = wordsOf(numbers);
  numbers[0] = count;
  numbers[1] = zeroCount;
  numbers[2] = sum;
  words.set(wordsOf(positive.counts), 6);
  words.set(wordsOf(negative.counts), 6 + 2 * length);
  return numbers;
}

function bucketsOf(spans: Int32Array): number {
  let count = 0;
  for (let i = 1; i < spans.length; i += 2) count += spans[i]!;
  return count;
}

interface Layout {
  readonly schema: number;
  readonly zeroThreshold: number;
  readonly positiveSpans: Int32Array;
  readonly negativeSpans: Int32Array;
  readonly customBounds: Float64Array;
}

function writeLayout(out: BitWriter, histogram: Histogram): void {
  writeZeroThreshold(out, histogram.zeroThreshold);
  writeVarbit(out, histogram.schema);
  writeSpans(out, histogram.positive);
  writeSpans(out, histogram.negative);
  if (histogram.schema !== CUSTOM_BOUNDS_SCHEMA) return;
  writeVarbitUnsigned(out, histogram.customBounds.length);
  for (const bound of histogram.customBounds) writeBound(out, bound);
}

function readLayout(input: BitReader, bytes: number): Layout {
  const zeroThreshold = readZeroThreshold(input);
  const schema = readVarbit(input);
  const positiveSpans = readSpans(input, bytes);
  const negativeSpans = readSpans(input, bytes);
  const bounds: number[] = [];
  if (schema === CUSTOM_BOUNDS_SCHEMA) {
    const count = readVarbitUnsigned(input);
    for (let i = 0; i < count; i++) bounds.push(readBound(input));
  }
  const customBounds = Float64Array.from(bounds);
  return { schema, zeroThreshold, positiveSpans, negativeSpans, customBounds };
}

/** Length before offset, the other way round than in memory. */
function writeSpans(out: BitWriter, { spans }: HistogramBuckets): void {
  writeVarbitUnsigned(out, spans.length / 2);
  for (let i = 0; i < spans.length; i += 2) {
    writeVarbitUnsigned(out, spans[i + 1]!);
    writeVarbit(out, spans[i]!);
  }
}

function readSpans(input: BitReader, bytes: number): Int32Array {
  const count = readVarbitUnsigned(input);
  const spans: number[] = [];
  let buckets = 0;
  for (let i = 0; i < count; i++) {
    const length = readVarbitUnsigned(input);
    spans.push(readVarbit(input), length);
    buckets += length;
    // The first sample has eight bytes for each bucket.
    if (buckets * 8 > bytes) throw new RangeError(`chunk: ${buckets} buckets in ${bytes} bytes`);
  }
  return Int32Array.from(spans);
}

/** A byte for 0 and for powers of two from 2^-243 to 2^10 (their exponent and 244), else 255 and the double. */
function writeZeroThreshold(out: BitWriter, threshold: number): void {
  const exponent = Math.round(Math.log2(threshold));
  if (threshold === 0) out.write(0, 8);
  else if (2 ** exponent === threshold && exponent >= -243 && exponent <= 10)
    out.write(exponent + 244, 8);
  else {
    out.write(255, 8);
    writeDouble(out, threshold);
  }
}

function readZeroThreshold(input: BitReader): number {
  const byte = input.read(8);
  if (byte === 0) return 0;
  return byte === 255 ? readDouble(input) : 2 ** (byte - 244);
}

/** Thousandths up to 33554.430, plus one so that it is not 0; else a 0 and the double. */
function writeBound(out: BitWriter, bound: number): void {
  const thousandths = Math.round(bound * 1000);
  if (bound >= 0 && bound * 1000 <= 33_554_430 && thousandths / 1000 === bound)
    writeVarbitUnsigned(out, thousandths + 1);
  else {
    out.write(0, 1);
    writeDouble(out, bound);
  }
}

function readBound(input: BitReader): number {
  const written = readVarbitUnsigned(input);
  return written === 0 ? readDouble(input) : (written - 1) / 1000;
}

const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = wordsOf(DOUBLE);

function writeDouble(out: BitWriter, value: number): void {
  DOUBLE[0] = value;
  out.writeWords(DOUBLE_WORDS[0]!, DOUBLE_WORDS[1]!, 64);
}

function readDouble(input: BitReader): number {
  input.readWords(64);
  DOUBLE_WORDS[0] = input.low;
  DOUBLE_WORDS[1] = input.high;
  return DOUBLE[0]!;
}

/** Sizes of numbers of variable length; n ones and a zero stand before the n-th, eight ones before 64 bits. */
const VARBIT_SIZES = [3, 6, 9, 12, 18, 25, 56] as const;

function writeVarbit(out: BitWriter, value: number): void {
  writeSized(
    out,
    value,
    value === 0 ? -1 : VARBIT_SIZES.findIndex((size) => fitsBits(value, size)),
  );
}

function writeVarbitUnsigned(out: BitWriter, value: number): void {
  writeSized(out, value, value === 0 ? -1 : VARBIT_SIZES.findIndex((size) => value < 2 ** size));
}

/** `size` is -1 for zero itself; all numbers that come here fit into 56 bits. */
function writeSized(out: BitWriter, value: number, size: number): void {
  if (size < 0) {
    out.write(0, 1);
    return;
  }
  const ones = size + 1;
  out.write((2 ** ones - 1) * 2, ones + 1);
  out.writeInteger(value, VARBIT_SIZES[size]!);
}

/** Bits of the number that follows; 0 when it is zero. */
function readSize(input: BitReader): number {
  let ones = 0;
  while (ones < 8 && input.read(1) === 1) ones++;
  return ones === 0 ? 0 : (VARBIT_SIZES[ones - 1] ?? 64);
}

function readVarbit(input: BitReader): number {
  const size = readSize(input);
  if (size === 0) return 0;
  return size === 64 ? input.readInteger(64) : readBits(input, size);
}

function readVarbitUnsigned(input: BitReader): number {
  input.readWords(readSize(input));
  return input.high * 2 ** 32 + input.low;
}
