/** Entries of a corpus in the shapes that engines take: Finch's batches, and blocks of ClickHouse's Native format. */
import { ByteWriter } from "@finch/codec";
import { Labels } from "@finch/model";
import type { LogBatch, LogBatchStream, LogColumns } from "@finch/model";
import { withDetectedLevels, withServiceName } from "@finch/server";
import type { Corpus, CorpusPart } from "./log-corpus.ts";

/** Entries of one push, as an agent that gathers for a second has them. */
export const PUSH_ENTRIES = 5000;

/** Label sets of the streams, as they are after ingest. */
export function labelsOf(corpus: Corpus): readonly Labels[] {
  return corpus.streams.map(({ labels }) => withServiceName(Labels.fromObject(labels)));
}

/** The entries of a part by stream, in memory of the batch, at the times that `retime` makes of theirs; levels are not yet detected. */
export function toBatch(
  part: CorpusPart,
  labels: readonly Labels[],
  retime: (ns: bigint) => bigint = (ns) => ns,
): LogBatch {
  const { count, lengths, streams } = part;
  const rowsOf = new Uint32Array(labels.length);
  const bytesOf = new Uint32Array(labels.length);
  for (let row = 0; row < count; row++) {
    const stream = streams[row]!;
    rowsOf[stream]!++;
    bytesOf[stream]! += lengths[row]!;
  }
  const columns = allocateColumns(rowsOf, bytesOf);
  fillColumns(part, columns, retime);
  const batch: LogBatchStream[] = [];
  for (const [stream, entries] of columns.entries())
    if (entries !== undefined) batch.push({ labels: labels[stream]!, entries });
  return { streams: batch };
}

/** The batch with what Finch's API adds to entries before it stores them. */
export function detectLevels(batch: LogBatch): LogBatch {
  return {
    streams: batch.streams.map((stream) => ({ ...stream, entries: withDetectedLevels(stream) })),
  };
}

/** Columns of the streams that have rows, in one piece of memory: what the collector does with it counts as the engine's. */
function allocateColumns(
  rowsOf: Uint32Array,
  bytesOf: Uint32Array,
): readonly (LogColumns | undefined)[] {
  const rows = rowsOf.reduce((sum, count) => sum + count, 0);
  const bytes = bytesOf.reduce((sum, count) => sum + count, 0);
  const timesNs = new BigInt64Array(rows);
  const bounds = new Uint32Array(rows + rowsOf.length);
  const lines = new Uint8Array(bytes);
  const metadataOf = new Uint32Array(rows);
  const metadataSets = [Labels.EMPTY];
  let row = 0;
  let byte = 0;
  return Array.from(rowsOf, (count, stream) => {
    if (count === 0) return undefined;
    const columns = {
      count,
      timestampsNs: timesNs.subarray(row, row + count),
      lines: lines.subarray(byte, byte + bytesOf[stream]!),
      lineBounds: bounds.subarray(row + stream, row + stream + count + 1),
      metadataSets,
      metadataOf: metadataOf.subarray(row, row + count),
    };
    row += count;
    byte += bytesOf[stream]!;
    return columns;
  });
}

function fillColumns(
  part: CorpusPart,
  columns: readonly (LogColumns | undefined)[],
  retime: (ns: bigint) => bigint,
): void {
  const { bytes, starts, lengths, timesNs, streams } = part;
  const next = new Uint32Array(columns.length);
  for (let row = 0; row < part.count; row++) {
    const stream = streams[row]!;
    const { lines, lineBounds, timestampsNs } = columns[stream]!;
    const at = next[stream]!++;
    timestampsNs[at] = retime(timesNs[row]!);
    const start = lineBounds[at]!;
    const length = lengths[row]!;
    lines.set(bytes.subarray(starts[row], starts[row]! + length), start);
    lineBounds[at + 1] = start + length;
  }
}

/** The columns ts, stream, level and line of a part, as one block; the level is the one Finch detects. */
export function toNativeBlock(part: CorpusPart, labels: readonly Labels[]): Uint8Array {
  const { count, bytes, starts, lengths } = part;
  const writer = new ByteWriter(part.bytes.length + 32 * count);
  const begin = (name: string, type: string) => {
    writeText(writer, name);
    writeText(writer, type);
  };
  writer.writeVarint(4);
  writer.writeVarint(count);
  begin("ts", "Int64");
  writer.writeBytes(new Uint8Array(part.timesNs.buffer, part.timesNs.byteOffset, 8 * count));
  begin("stream", "UInt16");
  writer.writeBytes(new Uint8Array(part.streams.buffer, part.streams.byteOffset, 2 * count));
  begin("level", "String");
  for (const level of levelsOf(part, labels)) writeText(writer, level);
  begin("line", "String");
  for (let row = 0; row < count; row++) {
    writer.writeVarint(lengths[row]!);
    writer.writeBytes(bytes.subarray(starts[row], starts[row]! + lengths[row]!));
  }
  return writer.finish();
}

function levelsOf(part: CorpusPart, labels: readonly Labels[]): readonly string[] {
  const byStream = new Map<number, string[]>();
  const batch = detectLevels(toBatch(part, labels));
  const numbers = new Map(labels.map((set, stream) => [set, stream]));
  for (const { labels: set, entries } of batch.streams) {
    const levels = Array.from(
      { length: entries.count },
      (_, row) => entries.metadataSets[entries.metadataOf[row]!]?.get("detected_level") ?? "",
    );
    byStream.set(numbers.get(set)!, levels.toReversed());
  }
  return Array.from(
    { length: part.count },
    (_, row) => byStream.get(part.streams[row]!)!.pop() ?? "",
  );
}

const UTF8 = new TextEncoder();

function writeText(writer: ByteWriter, text: string): void {
  const bytes = UTF8.encode(text);
  writer.writeVarint(bytes.length);
  writer.writeBytes(bytes);
}
