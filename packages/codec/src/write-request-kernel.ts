/**
 * Remote write requests decompressed and read into columns in one WebAssembly memory, with the hash of each series' key; `asm/write-request.ts`
 * says which form of message is read there and what is left to the caller.
 */
import { keyHashWords } from "./key-hash.ts";
import { KernelMemory, loadKernel } from "./kernels.ts";
import { readSnappyHeader } from "./snappy.ts";

/** Bytes that kernels may read or write behind their input and output. */
const SLACK = 64;
/** Fields of the parameter block in `asm/write-request.ts`, in order, four bytes each. */
const FIELDS = [
  "text",
  "words",
  "scratch",
  "timestampsMs",
  "values",
  "samplesMax",
  "sampleStarts",
  "keyBounds",
  "keyHashes",
  "ordinals",
  "seriesMax",
  "odd",
  "oddMax",
  "checked",
  "checkedMax",
  "checkedCount",
  "slots",
  "slotMask",
  "expected",
  "labelsMax",
  "nameBytesMax",
  "valueBytesMax",
  "seriesCount",
  "sampleCount",
  "oddCount",
  "seriesSeen",
  // For this side alone: the result of `hash`.
  "hash",
] as const;
const ODD_MAX = 4096;
const NONE_ODD: readonly OddField[] = [];
const LAYOUT_STEP_BYTES = 128 << 10;
/**
 * Hashes of labels that were checked: each set of labels is looked at once as long as there is room for its hash. Room grows with what comes, to at
 * most the larger number; with still more series they are looked at again and again.
 */
const CHECKED_MIN = 1 << 12;
const CHECKED_MAX = 1 << 18;

type Field = (typeof FIELDS)[number];

interface WriteRequestExports {
  hash(source: number, length: number, target: number, words: number, scratch: number): void;
  read(request: number, source: number, length: number, sizeMax: number): number;
}

export interface WriteRequestLimits {
  /** Bytes after decompression. */
  readonly decodedBytesMax: number;
  readonly seriesMax: number;
  readonly samplesMax: number;
  readonly labelsPerSeriesMax: number;
  readonly labelNameBytesMax: number;
  readonly labelValueBytesMax: number;
}

/** A field of the message that the kernel did not read: of the series fields before it there are `ordinal`. */
export interface OddField {
  readonly ordinal: number;
  readonly tag: number;
  readonly start: number;
  readonly end: number;
}

/** Views of the reader's memory, with room for more rows than are filled: `seriesCount` series with `sampleCount` samples. Valid until the next `read`. */
export interface WriteRequestColumns {
  readonly text: Uint8Array;
  readonly seriesCount: number;
  readonly sampleCount: number;
  /** Series fields in the message, the odd ones included. */
  readonly seriesSeen: number;
  readonly sampleStarts: Uint32Array;
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly keyBounds: Uint32Array;
  readonly keyHashes: Uint32Array;
  /** By series: its number among the series fields of the message. */
  readonly ordinals: Uint32Array;
  readonly odd: readonly OddField[];
}

/** Where everything is, for requests up to some size under the same limits. */
interface Layout {
  readonly limits: WriteRequestLimits;
  readonly bodyBytesMax: number;
  readonly textBytesMax: number;
  readonly checkedMax: number;
  /** Of the body. */
  readonly source: number;
  readonly fields: Readonly<Record<Field, number>>;
  /** The parameter block itself. */
  readonly block: Uint32Array;
  readonly views: Omit<
    WriteRequestColumns,
    "text" | "seriesCount" | "sampleCount" | "seriesSeen" | "odd"
  >;
}

const INDEX = Object.fromEntries(FIELDS.map((field, index) => [field, index])) as Readonly<
  Record<Field, number>
>;

/** Reads one request at a time, in memory that stays as large as the largest needed. */
export class WriteRequestReader {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<WriteRequestExports>("write-request", this.#memory);
  #layout: Layout | undefined;

  /** Memory held. */
  get bytes(): number {
    return this.#memory.bytes.length;
  }

  /** Undefined when the block or the message is malformed or beyond the limits; the caller's own decoder says what is wrong. */
  read(body: Uint8Array, limits: WriteRequestLimits): WriteRequestColumns | undefined {
    let size: number;
    try {
      ({ size } = readSnappyHeader(body));
    } catch {
      return undefined;
    }
    if (size > limits.decodedBytesMax || size > 32 * body.length) return undefined;
    const layout = this.#layoutFor(body.length, size, limits);
    this.#memory.bytes.set(body, layout.source);
    if (this.#kernel.read(0, layout.source, body.length, size) === 0) return undefined;
    const { block, fields, views } = layout;
    const text = new Uint8Array(block.buffer, fields.text, size);
    const seriesCount = block[INDEX.seriesCount]!;
    const sampleCount = block[INDEX.sampleCount]!;
    const seriesSeen = block[INDEX.seriesSeen]!;
    return { ...views, text, seriesCount, sampleCount, seriesSeen, odd: oddFieldsOf(layout) };
  }

  /** The hash of the bytes `text[start … end)` of the last request, four words; valid until the next call. */
  hash(start: number, end: number): Uint32Array {
    const { text, words, scratch, hash } = this.#layout!.fields;
    this.#kernel.hash(text + start, end - start, hash, words, scratch);
    return new Uint32Array(this.#memory.bytes.buffer, hash, 4);
  }

  /** The layout of the last request, if this one fits in, or a larger one. */
  #layoutFor(bodyBytes: number, textBytes: number, limits: WriteRequestLimits): Layout {
    const last = this.#layout;
    const checkedMax = last?.checkedMax ?? CHECKED_MIN;
    const isFull = last !== undefined && last.block[INDEX.checkedCount]! >= 0.9 * checkedMax;
    const grows = isFull && checkedMax < CHECKED_MAX;
    if (
      last?.limits === limits &&
      !grows &&
      bodyBytes <= last.bodyBytesMax &&
      textBytes <= last.textBytesMax
    )
      return last;
    // Hashes of checked labels are forgotten when they are of other limits, and when there is to be more room for them.
    const isForgotten = last?.limits !== limits || grows;
    const plan = layOut({
      limits,
      bodyBytesMax: roundUp(Math.max(bodyBytes, last?.bodyBytesMax ?? 0)),
      textBytesMax: roundUp(Math.max(textBytes, last?.textBytesMax ?? 0)),
      checkedMax: grows ? 4 * checkedMax : checkedMax,
    });
    if (last !== undefined && !isForgotten) {
      plan.fields.checkedCount = last.block[INDEX.checkedCount]!;
      plan.fields.expected = last.block[INDEX.expected]!;
    }
    this.#memory.reserve(plan.end);
    const { bytes } = this.#memory;
    bytes.set(keyHashWords(), plan.fields.words);
    if (isForgotten) bytes.fill(0, plan.fields.slots, plan.fields.slots + 8 * plan.checkedMax);
    const block = new Uint32Array(bytes.buffer, 0, FIELDS.length);
    for (const [index, field] of FIELDS.entries()) block[index] = plan.fields[field];
    this.#layout = { ...plan, block, views: viewsOf(bytes.buffer, plan.fields) };
    return this.#layout;
  }
}

/** A layout fits requests that are somewhat larger, so that few are made. */
function roundUp(bytes: number): number {
  return Math.ceil(bytes / LAYOUT_STEP_BYTES) * LAYOUT_STEP_BYTES;
}

/** The place of everything, from address 0: parameters, random words, checked hashes, columns, text, body. */
function layOut(of: Pick<Layout, "limits" | "bodyBytesMax" | "textBytesMax" | "checkedMax">): Pick<
  Layout,
  "limits" | "bodyBytesMax" | "textBytesMax" | "checkedMax" | "source"
> & {
  readonly fields: Record<Field, number>;
  readonly end: number;
} {
  const { limits, bodyBytesMax, textBytesMax, checkedMax } = of;
  const fields = Object.fromEntries(FIELDS.map((field) => [field, 0])) as Record<Field, number>;
  // Senders' series take hundreds of bytes and samples 18; what is denser is for the caller.
  fields.seriesMax = Math.min(limits.seriesMax, 64 + (textBytesMax >>> 6));
  fields.samplesMax = Math.min(limits.samplesMax, 64 + (textBytesMax >>> 4));
  fields.oddMax = ODD_MAX;
  fields.labelsMax = limits.labelsPerSeriesMax;
  fields.nameBytesMax = limits.labelNameBytesMax;
  fields.valueBytesMax = limits.labelValueBytesMax;
  fields.checkedMax = checkedMax;
  fields.slotMask = 2 * checkedMax - 1;
  let end = FIELDS.length * 4;
  const place = (bytes: number): number => {
    const at = (end + 15) & ~15;
    end = at + bytes;
    return at;
  };
  fields.words = place(keyHashWords().length + SLACK);
  fields.checked = place(16 * checkedMax);
  fields.slots = place(8 * checkedMax);
  fields.timestampsMs = place(8 * fields.samplesMax);
  fields.values = place(8 * fields.samplesMax);
  fields.sampleStarts = place(4 * fields.seriesMax + 4);
  fields.keyBounds = place(8 * fields.seriesMax);
  fields.keyHashes = place(16 * fields.seriesMax);
  fields.ordinals = place(4 * fields.seriesMax);
  fields.odd = place(16 * ODD_MAX);
  fields.scratch = place((textBytesMax >>> 5) + SLACK);
  fields.text = place(textBytesMax + SLACK);
  fields.hash = place(16);
  const source = place(bodyBytesMax + SLACK);
  return { ...of, source, fields, end };
}

function viewsOf(
  buffer: ArrayBufferLike,
  fields: Readonly<Record<Field, number>>,
): Layout["views"] {
  const { seriesMax, samplesMax } = fields;
  return {
    sampleStarts: new Uint32Array(buffer, fields.sampleStarts, seriesMax + 1),
    timestampsMs: new Float64Array(buffer, fields.timestampsMs, samplesMax),
    values: new Float64Array(buffer, fields.values, samplesMax),
    keyBounds: new Uint32Array(buffer, fields.keyBounds, 2 * seriesMax),
    keyHashes: new Uint32Array(buffer, fields.keyHashes, 4 * seriesMax),
    ordinals: new Uint32Array(buffer, fields.ordinals, seriesMax),
  };
}

function oddFieldsOf({ block, fields }: Layout): readonly OddField[] {
  const count = block[INDEX.oddCount]!;
  if (count === 0) return NONE_ODD;
  const list = new Uint32Array(block.buffer, fields.odd, 4 * count);
  return Array.from({ length: count }, (_, i): OddField => {
    const [ordinal, start, end, tag] = list.subarray(4 * i);
    return { ordinal: ordinal!, start: start!, end: end!, tag: tag! };
  });
}

/** Hashes keys as {@link WriteRequestReader} does, for batches that came another way. */
export class KeyHasher {
  readonly #memory = new KernelMemory();
  readonly #kernel = loadKernel<WriteRequestExports>("write-request", this.#memory);

  /** The hashes of the first `count` keys `bytes[bounds[2k] … bounds[2k + 1])`, four words each; valid until the next call. */
  hash(bytes: Uint8Array, bounds: Uint32Array, count: number): Uint32Array {
    const words = keyHashWords();
    const hashes = (words.length + SLACK + 15) & ~15;
    const scratch = hashes + 16 * count;
    const source = (scratch + (bytes.length >>> 5) + SLACK + 15) & ~15;
    this.#memory.reserve(source + bytes.length + SLACK);
    this.#memory.bytes.set(words);
    this.#memory.bytes.set(bytes, source);
    for (let key = 0; key < count; key++) {
      const start = bounds[2 * key]!;
      const length = bounds[2 * key + 1]! - start;
      this.#kernel.hash(source + start, length, hashes + 16 * key, 0, scratch);
    }
    return new Uint32Array(this.#memory.bytes.buffer, hashes, 4 * count);
  }
}
