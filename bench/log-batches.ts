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

/** Memory of one batch after the other: what the collector does about it would count as the engine's. */
export class BatchMemory {
  #bytes = new Uint8Array(0);

  /** Zeroed pieces of so many bytes, each aligned. */
  take(sizes: readonly number[]): readonly { readonly buffer: ArrayBuffer; readonly at: number }[] {
    let length = 0;
    const places = sizes.map((size) => {
      const at = length;
      length += Math.ceil(size / 8) * 8;
      return at;
    });
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(2 * length);
    else this.#bytes.fill(0, 0, length);
    const { buffer } = this.#bytes;
    return places.map((at) => ({ buffer, at }));
  }
}

/** The entries of a part by stream, in `memory`, at the times that `retime` makes of theirs; levels are not yet detected. */
export function toBatch(
  part: CorpusPart,
  labels: readonly Labels[],
  {
    retime = (ns) => ns,
    memory = new BatchMemory(),
  }: { readonly retime?: (ns: bigint) => bigint; readonly memory?: BatchMemory } = {},
): LogBatch {
  const { count, lengths, streams } = part;
  const rowsOf = new Uint32Array(labels.length);
  const bytesOf = new Uint32Array(labels.length);
  for (let row = 0; row < count; row++) {
    const stream = streams[row]!;
    rowsOf[stream]!++;
    bytesOf[stream]! += lengths[row]!;
  }
  const columns = allocateColumns(memory, rowsOf, bytesOf);
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

/** Columns of the streams that have rows. */
function allocateColumns(
  memory: BatchMemory,
  rowsOf: Uint32Array,
  bytesOf: Uint32Array,
): readonly (LogColumns | undefined)[] {
  const rows = rowsOf.reduce((sum, count) => sum + count, 0);
  const bytes = bytesOf.reduce((sum, count) => sum + count, 0);
  const boundCount = rows + rowsOf.length;
  const [ofTimes, ofBounds, ofMetadata, ofLines] = memory.take([
    8 * rows,
    4 * boundCount,
    4 * rows,
    bytes,
  ]);
  const timesNs = new BigInt64Array(ofTimes!.buffer, ofTimes!.at, rows);
  const bounds = new Uint32Array(ofBounds!.buffer, ofBounds!.at, boundCount);
  const metadataOf = new Uint32Array(ofMetadata!.buffer, ofMetadata!.at, rows);
  const lines = new Uint8Array(ofLines!.buffer, ofLines!.at, bytes);
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
  // Copies without a view for each line.
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let row = 0; row < part.count; row++) {
    const stream = streams[row]!;
    const { lines, lineBounds, timestampsNs } = columns[stream]!;
    const at = next[stream]!++;
    timestampsNs[at] = retime(timesNs[row]!);
    const start = lineBounds[at]!;
    const length = lengths[row]!;
    source.copy(lines, start, starts[row]!, starts[row]! + length);
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
