/**
 * One chunk of a series in a block: its values as a column block, and where there are any its start times and native histograms. The times
 * stand elsewhere, shared with other series (`time-rows.ts`). Layout: `docs/format/blocks.md`.
 */
import { ByteReader, readFloatBlock } from "@finch/codec";
import type { ByteWriter } from "@finch/codec";
import { FloatBlockDecoder } from "@finch/codec/kernels";
import { wordsOf } from "@finch/model";
import type { Histogram } from "@finch/model";
import { writeColumn } from "./column-encoder.ts";
import { readHistograms, writeHistograms } from "./metric-histograms.ts";
import type { SampleColumns } from "./sample-columns.ts";

/** In the first byte of the column block of the values. */
const FLAG_MORE = 128;
/** What follows it. */
const HAS_START_TIMES = 1;
const HAS_HISTOGRAMS = 2;

/** Appends rows `from … to` of a series. */
export function writeChunk(
  writer: ByteWriter,
  columns: SampleColumns,
  from: number,
  to: number,
): void {
  const { values, histograms, startTimestampsMs } = columns;
  const at = writer.length;
  writeColumn(writer, values, from, to);
  const hasStartTimes = startTimestampsMs?.subarray(from, to).some((ms) => ms !== 0) === true;
  const rows = histograms?.slice(from, to);
  const hasHistograms = rows?.some((histogram) => histogram !== undefined) === true;
  if (!hasStartTimes && !hasHistograms) return;
  writer.bytes[at]! |= FLAG_MORE;
  writer.writeByte((hasStartTimes ? HAS_START_TIMES : 0) | (hasHistograms ? HAS_HISTOGRAMS : 0));
  if (hasStartTimes) writeColumn(writer, startTimestampsMs, from, to);
  if (hasHistograms) writeHistograms(writer, rows);
}

/** What a chunk has besides its values. */
export interface ChunkExtras {
  readonly histograms: (Histogram | undefined)[] | undefined;
  readonly startTimestampsMs: Float64Array | undefined;
}

export const NO_EXTRAS: ChunkExtras = { histograms: undefined, startTimestampsMs: undefined };

/** Of a chunk of `rows` rows those wanted, `skip … skip + take`, and where they go: `values[at …)`. */
export interface ChunkTarget {
  readonly rows: number;
  readonly skip: number;
  readonly take: number;
  readonly values: Float64Array;
  readonly at: number;
  /** Set when they are read: whether none of them is NaN or below the one before. */
  isRising: boolean;
}

let decoder: FloatBlockDecoder | undefined;

/** Reads chunks out of one page; makes no sense once another page was opened, so nothing may be awaited in between. */
export class ChunkPageReader {
  readonly #page: Uint8Array;
  readonly #decoder: FloatBlockDecoder;

  constructor(page: Uint8Array) {
    this.#page = page;
    this.#decoder = decoder ??= new FloatBlockDecoder();
    this.#decoder.load(page);
  }

  /** Decodes the wanted values of the chunk that begins at byte `from`, and returns what else the chunk has, of all its rows. */
  read(from: number, target: ChunkTarget): ChunkExtras {
    const { rows, skip, take, values, at } = target;
    const end = this.#decoder.decode(from, rows, values, at, skip, take);
    target.isRising = this.#decoder.isRising;
    if (this.#page[from]! < FLAG_MORE) return NO_EXTRAS;
    const sums = new Float64Array(rows);
    this.#decoder.decode(from, rows, sums, 0);
    return readExtras(new ByteReader(this.#page, end), sums);
  }

  /** Decodes column blocks that stand one behind the other from byte `from` on into all of `values`, `step` rows each. */
  readColumn(from: number, values: Float64Array, step: number): void {
    let position = from;
    for (let at = 0; at < values.length; at += step)
      position = this.#decoder.decode(position, Math.min(step, values.length - at), values, at);
  }
}

function readExtras(reader: ByteReader, sums: Float64Array): ChunkExtras {
  const kinds = reader.readByte();
  let startTimestampsMs: Float64Array | undefined;
  if ((kinds & HAS_START_TIMES) !== 0) {
    startTimestampsMs = new Float64Array(sums.length);
    const words = wordsOf(startTimestampsMs);
    readFloatBlock(reader, { values: startTimestampsMs, words }, 0, sums.length);
  }
  const histograms = (kinds & HAS_HISTOGRAMS) === 0 ? undefined : readHistograms(reader, sums);
  return { histograms, startTimestampsMs };
}
