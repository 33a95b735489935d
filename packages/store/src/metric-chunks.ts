/**
 * Sample memory of a head. Each series has one open slot (raw columns, appended in place) and a list of full chunks (encoded, immutable).
 * Slots and chunks live in pages; what a reader needs is (page, length), and nothing below that length changes until the slot is encoded.
 */
import { decodeFloats, decodeTimestamps, encodeFloats, encodeTimestamps } from "@finch/codec";
import { wordsOf } from "@finch/model";
import { OPEN_CHUNK_SAMPLES } from "./limits.ts";
import { growFloat64, growUint32 } from "./number-columns.ts";
import { NO_SAMPLES } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";

const SLOTS_PER_PAGE = 64;
const SLOT_DOUBLES = 2 * OPEN_CHUNK_SAMPLES;
const ARENA_PAGE_BYTES = 128 * 1024;

interface SlotPage {
  readonly doubles: Float64Array;
  readonly words: Uint32Array;
}

export class MetricChunks {
  /** Memory of the open slots: by series, however many samples they have. */
  slotBytes = 0;
  /** Memory of the full chunks: grows with samples. */
  chunkBytes = 0;
  /** In-order samples by series, and the newest of them. */
  totals = new Uint32Array(16) as Uint32Array;
  #lastMs = new Float64Array(16) as Float64Array;
  #openCounts = new Uint32Array(16) as Uint32Array;
  /** Newest chunk + 1 by series; each chunk knows the one before it. */
  #newestChunk = new Uint32Array(16) as Uint32Array;
  readonly #slotPages: SlotPage[] = [];
  #chunkCount = 0;
  #chunkPrevious = new Uint32Array(16) as Uint32Array;
  #chunkRows = new Uint32Array(16) as Uint32Array;
  #chunkMinMs = new Float64Array(16) as Float64Array;
  #chunkMaxMs = new Float64Array(16) as Float64Array;
  /** Arena page and place in it; the timestamps column, then the values column. */
  #chunkPage = new Uint32Array(16) as Uint32Array;
  #chunkStart = new Uint32Array(16) as Uint32Array;
  #chunkMiddle = new Uint32Array(16) as Uint32Array;
  #chunkEnd = new Uint32Array(16) as Uint32Array;
  readonly #arena: Uint8Array[] = [];
  #arenaUsed = ARENA_PAGE_BYTES;

  /** The newest in-order time of a series, or -Infinity. */
  newestMs(series: number): number {
    return series < this.totals.length && this.totals[series]! > 0
      ? this.#lastMs[series]!
      : -Infinity;
  }

  /** Appends a sample that is newer than `newestMs(series)`. */
  push(series: number, timestampMs: number, low: number, high: number): void {
    if (series >= this.totals.length) this.#growSeries(series);
    let count = this.#openCounts[series]!;
    if (count === OPEN_CHUNK_SAMPLES) {
      this.#encodeOpen(series);
      count = 0;
    }
    const page = this.#slotPage(series);
    const base = (series % SLOTS_PER_PAGE) * SLOT_DOUBLES;
    page.doubles[base + count] = timestampMs;
    const value = 2 * (base + OPEN_CHUNK_SAMPLES + count);
    page.words[value] = low;
    page.words[value + 1] = high;
    this.#openCounts[series] = count + 1;
    this.#lastMs[series] = timestampMs;
    this.totals[series]!++;
  }

  /** Whether an in-order sample at just this time is there, and if so whether it has this value. */
  look(
    series: number,
    timestampMs: number,
    low: number,
    high: number,
  ): "absent" | "equal" | "different" {
    const { timestampsMs, values } = this.read(series, {
      startMs: timestampMs,
      endMs: timestampMs,
      total: Infinity,
    });
    const index = timestampsMs.indexOf(timestampMs);
    if (index < 0) return "absent";
    const words = wordsOf(values);
    return words[2 * index] === low && words[2 * index + 1] === high ? "equal" : "different";
  }

  /** Whole chunks that hold the range, out of the first `total` samples; not clipped. A copy. */
  read(
    series: number,
    want: { readonly startMs: number; readonly endMs: number; readonly total: number },
  ): SampleColumns {
    const all = series < this.totals.length ? this.totals[series]! : 0;
    if (all === 0) return NO_SAMPLES;
    /** Samples before the part under consideration. */
    let before = all - this.#openCounts[series]!;
    const parts: SampleColumns[] = [];
    const open = this.#readOpen(series);
    const openWanted = Math.min(open.timestampsMs.length, want.total - before);
    if (openWanted > 0 && open.timestampsMs[0]! <= want.endMs)
      parts.push(firstRows(open, openWanted));
    for (
      let chunk = this.#newestChunk[series]!;
      chunk > 0;
      chunk = this.#chunkPrevious[chunk - 1]!
    ) {
      before -= this.#chunkRows[chunk - 1]!;
      if (this.#chunkMaxMs[chunk - 1]! < want.startMs) break;
      if (this.#chunkMinMs[chunk - 1]! > want.endMs || before >= want.total) continue;
      parts.push(firstRows(this.#readChunk(chunk - 1), want.total - before));
    }
    return joinBackwards(parts);
  }

  #readOpen(series: number): SampleColumns {
    const count = this.#openCounts[series]!;
    const { doubles } = this.#slotPage(series);
    const base = (series % SLOTS_PER_PAGE) * SLOT_DOUBLES;
    const valuesAt = base + OPEN_CHUNK_SAMPLES;
    return {
      timestampsMs: doubles.slice(base, base + count),
      values: doubles.slice(valuesAt, valuesAt + count),
    };
  }

  #readChunk(chunk: number): SampleColumns {
    const page = this.#arena[this.#chunkPage[chunk]!]!;
    const middle = this.#chunkMiddle[chunk]!;
    return {
      timestampsMs: decodeTimestamps(page.subarray(this.#chunkStart[chunk], middle)),
      values: decodeFloats(page.subarray(middle, this.#chunkEnd[chunk])),
    };
  }

  #slotPage(series: number): SlotPage {
    const index = Math.floor(series / SLOTS_PER_PAGE);
    while (this.#slotPages.length <= index) {
      const doubles = new Float64Array(SLOTS_PER_PAGE * SLOT_DOUBLES);
      this.#slotPages.push({ doubles, words: wordsOf(doubles) });
      this.slotBytes += doubles.byteLength;
    }
    return this.#slotPages[index]!;
  }

  #encodeOpen(series: number): void {
    const open = this.#readOpen(series);
    const times = encodeTimestamps(open.timestampsMs);
    const values = encodeFloats(open.values);
    const length = times.length + values.length;
    if (this.#arenaUsed + length > ARENA_PAGE_BYTES) {
      this.#arena.push(new Uint8Array(ARENA_PAGE_BYTES));
      this.#arenaUsed = 0;
      this.chunkBytes += ARENA_PAGE_BYTES;
    }
    const page = this.#arena.at(-1)!;
    const start = this.#arenaUsed;
    page.set(times, start);
    page.set(values, start + times.length);
    this.#arenaUsed = start + length;
    this.#addChunk(series, { open, start, middle: start + times.length, end: start + length });
    this.#openCounts[series] = 0;
  }

  #addChunk(
    series: number,
    chunk: { open: SampleColumns; start: number; middle: number; end: number },
  ): void {
    const number = this.#chunkCount++;
    if (number >= this.#chunkPrevious.length) this.#growChunks(number + 1);
    this.#chunkPrevious[number] = this.#newestChunk[series]!;
    this.#chunkRows[number] = chunk.open.timestampsMs.length;
    this.#chunkMinMs[number] = chunk.open.timestampsMs[0]!;
    this.#chunkMaxMs[number] = chunk.open.timestampsMs.at(-1)!;
    this.#chunkPage[number] = this.#arena.length - 1;
    this.#chunkStart[number] = chunk.start;
    this.#chunkMiddle[number] = chunk.middle;
    this.#chunkEnd[number] = chunk.end;
    this.#newestChunk[series] = number + 1;
  }

  #growSeries(series: number): void {
    this.totals = growUint32(this.totals, series + 1);
    this.#lastMs = growFloat64(this.#lastMs, series + 1);
    this.#openCounts = growUint32(this.#openCounts, series + 1);
    this.#newestChunk = growUint32(this.#newestChunk, series + 1);
  }

  #growChunks(count: number): void {
    const before = this.#chunkPrevious.length;
    this.#chunkPrevious = growUint32(this.#chunkPrevious, count);
    this.#chunkRows = growUint32(this.#chunkRows, count);
    this.#chunkMinMs = growFloat64(this.#chunkMinMs, count);
    this.#chunkMaxMs = growFloat64(this.#chunkMaxMs, count);
    this.#chunkPage = growUint32(this.#chunkPage, count);
    this.#chunkStart = growUint32(this.#chunkStart, count);
    this.#chunkMiddle = growUint32(this.#chunkMiddle, count);
    this.#chunkEnd = growUint32(this.#chunkEnd, count);
    this.chunkBytes += (this.#chunkPrevious.length - before) * 40;
  }
}

function firstRows(columns: SampleColumns, count: number): SampleColumns {
  if (count >= columns.timestampsMs.length) return columns;
  return {
    timestampsMs: columns.timestampsMs.subarray(0, count),
    values: columns.values.subarray(0, count),
  };
}

/** `parts` from newest to oldest, as one. */
function joinBackwards(parts: readonly SampleColumns[]): SampleColumns {
  if (parts.length === 1) return parts[0]!;
  let total = 0;
  for (const part of parts) total += part.timestampsMs.length;
  const timestampsMs = new Float64Array(total);
  const values = new Float64Array(total);
  for (const part of parts) {
    total -= part.timestampsMs.length;
    timestampsMs.set(part.timestampsMs, total);
    values.set(part.values, total);
  }
  return { timestampsMs, values };
}
