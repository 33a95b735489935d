/**
 * A batch of series on its way to another thread. Values that lie in shared memory stay where they are, everything else is in one buffer that
 * changes hands without being copied: labels as numbers of symbols, and columns of times that several series share once. Values keep their bits.
 *
 * Layout of the buffer, little-endian: header (8 × u32: series, labels, doubles, integers, first double of histograms, three unused), doubles
 * (f64), label numbers (u32), table of series (7 × u32: end of its labels, first double of times, where its values lie (0 in the buffer, n in
 * shared memory n - 1), first double of values there, first double of start times or NONE, samples, end of its histograms among the integers),
 * integers of histograms (i32).
 */
import { Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { HistogramReader, HistogramWriter } from "./histogram-frame.ts";
import type { FreshSymbols, SymbolReceiver, SymbolSender } from "./label-symbols.ts";

export interface SeriesFrame {
  readonly buffer: ArrayBuffer;
  /** Memory that holds values; who reads the store sees to it that they stay until the query is over. */
  readonly shared: readonly SharedArrayBuffer[];
  readonly symbols: FreshSymbols;
}

const HEADER_WORDS = 8;
const SERIES_WORDS = 7;
const NONE = 0xffff_ffff;
/** Columns of times looked at for one that is the same: series of one scrape share theirs, and neighbours come from few targets. */
const RECENT_COLUMNS = 32;

/** Packs a batch. The symbols go with the frame: post it before the next one is packed. */
export function packSeries(batch: readonly Series[], symbols: SymbolSender): SeriesFrame {
  symbols.begin();
  const labels: number[] = [];
  const table = new Uint32Array(batch.length * SERIES_WORDS);
  const columns = new ColumnList();
  const shared: SharedArrayBuffer[] = [];
  const histograms = new HistogramWriter();
  let at = 0;
  for (const series of batch) {
    const { pairs } = series.labels;
    for (let i = 0; i < pairs.length; i++) labels.push(symbols.numberOf(pairs[i]!));
    const starts = series.startTimestampsMs;
    if (series.histograms !== undefined) histograms.add(series.histograms);
    table[at++] = labels.length;
    table[at++] = columns.addShared(series.timestampsMs);
    const place = sharedPlace(series.values, shared);
    table[at++] = place;
    table[at++] = place > 0 ? series.values.byteOffset / 8 : columns.add(series.values);
    table[at++] = starts === undefined ? NONE : columns.add(starts);
    table[at++] = series.timestampsMs.length;
    table[at++] = histograms.integers.length;
  }
  const { integers, doubles } = histograms;
  const doubleCount = columns.length + doubles.length;
  const words = HEADER_WORDS + 2 * doubleCount + labels.length + table.length + integers.length;
  const buffer = new ArrayBuffer(4 * words);
  new Uint32Array(buffer).set([
    batch.length,
    labels.length,
    doubleCount,
    integers.length,
    columns.length,
  ]);
  const parts = partsOf(buffer);
  columns.copyTo(parts.doubles);
  parts.doubles.set(doubles, columns.length);
  parts.labels.set(labels);
  parts.table.set(table);
  parts.integers.set(integers);
  return { buffer, shared, symbols: symbols.finish() };
}

/** The number + 1 of the shared memory that a column lies in, or 0. */
function sharedPlace({ buffer }: Float64Array, shared: SharedArrayBuffer[]): number {
  if (!(buffer instanceof SharedArrayBuffer)) return 0;
  const known = shared.lastIndexOf(buffer);
  return known >= 0 ? known + 1 : shared.push(buffer);
}

/** The batch again; columns are views of the frame's buffer and of shared memory. */
export function unpackSeries(frame: SeriesFrame, symbols: SymbolReceiver): readonly Series[] {
  symbols.take(frame.symbols);
  const { doubles, labels, table, integers, histogramsAt } = partsOf(frame.buffer);
  const histograms = new HistogramReader(integers, doubles.subarray(histogramsAt));
  const batch: Series[] = [];
  const memories = [doubles, ...frame.shared.map((memory) => new Float64Array(memory))];
  const knownTimes = new Map<number, Float64Array>();
  let labelAt = 0;
  let integerAt = 0;
  for (let at = 0; at < table.length; at += SERIES_WORDS) {
    const labelEnd = table[at]!;
    const pairs: string[] = [];
    for (; labelAt < labelEnd; labelAt++) pairs.push(symbols.textOf(labels[labelAt]!));
    const count = table[at + 5]!;
    const column = (first: number) => doubles.subarray(first, first + count);
    const timesAt = table[at + 1]!;
    let timestampsMs = knownTimes.get(timesAt);
    // A column without samples has the place of the one after it.
    if (timestampsMs?.length !== count) knownTimes.set(timesAt, (timestampsMs = column(timesAt)));
    const valuesAt = table[at + 3]!;
    const startsAt = table[at + 4]!;
    const integerEnd = table[at + 6]!;
    batch.push({
      labels: Labels.adopt(pairs),
      timestampsMs,
      values: memories[table[at + 2]!]!.subarray(valuesAt, valuesAt + count),
      ...(startsAt === NONE ? undefined : { startTimestampsMs: column(startsAt) }),
      ...(integerEnd === integerAt
        ? undefined
        : { histograms: histograms.take(count, integerEnd) }),
    });
    integerAt = integerEnd;
  }
  return batch;
}

interface FrameParts {
  readonly doubles: Float64Array;
  readonly labels: Uint32Array;
  readonly table: Uint32Array;
  readonly integers: Int32Array;
  readonly histogramsAt: number;
}

function partsOf(buffer: ArrayBuffer): FrameParts {
  const [series = 0, labelCount = 0, doubleCount = 0, integerCount = 0, histogramsAt = 0] =
    new Uint32Array(buffer, 0, HEADER_WORDS);
  let offset = 4 * HEADER_WORDS;
  const doubles = new Float64Array(buffer, offset, doubleCount);
  offset += doubles.byteLength;
  const labels = new Uint32Array(buffer, offset, labelCount);
  offset += labels.byteLength;
  const table = new Uint32Array(buffer, offset, series * SERIES_WORDS);
  offset += table.byteLength;
  return {
    doubles,
    labels,
    table,
    integers: new Int32Array(buffer, offset, integerCount),
    histogramsAt,
  };
}

/** Columns one after the other, with the place of each. */
class ColumnList {
  readonly #columns: Float64Array[] = [];
  readonly #recent: { readonly column: Float64Array; readonly at: number }[] = [];
  #oldest = 0;
  length = 0;

  add(column: Float64Array): number {
    const at = this.length;
    this.#columns.push(column);
    this.length += column.length;
    return at;
  }

  /** The place of an equal column of late, or that of `column` added. */
  addShared(column: Float64Array): number {
    for (const known of this.#recent) if (isEqual(known.column, column)) return known.at;
    const at = this.add(column);
    const entry = { column, at };
    if (this.#recent.length < RECENT_COLUMNS) this.#recent.push(entry);
    else {
      this.#recent[this.#oldest] = entry;
      this.#oldest = (this.#oldest + 1) % RECENT_COLUMNS;
    }
    return at;
  }

  copyTo(target: Float64Array): void {
    let at = 0;
    for (const column of this.#columns) {
      target.set(column, at);
      at += column.length;
    }
  }
}

/** Times are whole numbers, so plain comparison decides. */
function isEqual(a: Float64Array, b: Float64Array): boolean {
  if (a === b) return true;
  const { length } = a;
  if (length !== b.length || a[0] !== b[0] || a[length - 1] !== b[length - 1]) return false;
  for (let i = 1; i < length; i++) if (a[i] !== b[i]) return false;
  return true;
}
