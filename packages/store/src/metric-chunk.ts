/**
 * One chunk of a series in a block: its values as a column block, and where there are any its start times and native histograms. The times
 * stand elsewhere, shared with other series (`time-rows.ts`). Layout: `docs/format/blocks.md`.
 */
import { readFloatBlock, writeFloatBlock } from "@finch/codec";
import type { ByteReader, ByteWriter } from "@finch/codec";
import { wordsOf } from "@finch/model";
import type { Histogram } from "@finch/model";
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
  writeFloatBlock(writer, { values, words: wordsOf(values) }, from, to - from);
  const hasStartTimes = startTimestampsMs?.subarray(from, to).some((ms) => ms !== 0) === true;
  const rows = histograms?.slice(from, to);
  const hasHistograms = rows?.some((histogram) => histogram !== undefined) === true;
  if (!hasStartTimes && !hasHistograms) return;
  writer.bytes[at]! |= FLAG_MORE;
  writer.writeByte((hasStartTimes ? HAS_START_TIMES : 0) | (hasHistograms ? HAS_HISTOGRAMS : 0));
  if (hasStartTimes) {
    const words = wordsOf(startTimestampsMs);
    writeFloatBlock(writer, { values: startTimestampsMs, words }, from, to - from);
  }
  if (hasHistograms) writeHistograms(writer, rows);
}

/** What a chunk has besides its values. */
export interface ChunkExtras {
  readonly histograms: (Histogram | undefined)[] | undefined;
  readonly startTimestampsMs: Float64Array | undefined;
}

const NO_EXTRAS: ChunkExtras = { histograms: undefined, startTimestampsMs: undefined };

/** Reads a chunk of as many rows as `values` has into it, and returns what else the chunk has. */
export function readChunk(reader: ByteReader, values: Float64Array): ChunkExtras {
  const hasMore = (reader.bytes[reader.position] ?? 0) >= FLAG_MORE;
  readFloatBlock(reader, { values, words: wordsOf(values) }, 0, values.length);
  if (!hasMore) return NO_EXTRAS;
  const kinds = reader.readByte();
  let startTimestampsMs: Float64Array | undefined;
  if ((kinds & HAS_START_TIMES) !== 0) {
    startTimestampsMs = new Float64Array(values.length);
    const words = wordsOf(startTimestampsMs);
    readFloatBlock(reader, { values: startTimestampsMs, words }, 0, values.length);
  }
  const histograms = (kinds & HAS_HISTOGRAMS) === 0 ? undefined : readHistograms(reader, values);
  return { histograms, startTimestampsMs };
}
