/** Log columns of a block: pages of entries by stream, sorted by time, each with a line filter. Drawn in `docs/format/blocks.md`. */
import {
  ByteReader,
  ByteWriter,
  CodecError,
  decodeInt64Deltas,
  encodeInt64Deltas,
} from "@finch/codec";
import type { LogColumns } from "@finch/model";
import { ByteRuns, readBytes, readLabels, writeLabels } from "./byte-strings.ts";
import type { Block } from "./block.ts";
import { compressBytes, decompressBytes, framePage } from "./block-format.ts";
import type { PageRef } from "./block-format.ts";
import { orderSeries, writeIndex } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { FILTERS_FILE, INDEX_FILE, PAGES_FILE } from "./file-names.ts";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import { buildLineFilter } from "./line-filter.ts";
import { clipColumns, mergeRuns, MetadataSets, sliceColumns } from "./log-columns.ts";
import type { LogRun } from "./log-columns.ts";
import type { LogHead } from "./log-head.ts";
import { slicePieces } from "./log-slices.ts";
import type { Pacer } from "./pacer.ts";
import { ascending } from "./number-columns.ts";

const EVER_NS = 2n ** 63n - 1n;

export interface LogPageRef {
  readonly page: PageRef;
  readonly filter: PageRef;
  readonly count: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

export async function sealLogs(
  head: LogHead,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
): Promise<{ readonly series: number; readonly rows: number }> {
  const { index } = head;
  const wanted = ascending(index.seriesCount).filter((stream) => head.hasRows(stream));
  const order = await orderSeries(index, wanted, pacer);
  const files = { pages: await createFile(PAGES_FILE), filters: await createFile(FILTERS_FILE) };
  const payloads = new ByteRuns();
  let rows = 0;
  for (const stream of order.series) {
    const list = new ByteWriter(64);
    let lastNs = 0n;
    let count = 0;
    for await (const columns of sealedPages(head, stream, pacer)) {
      lastNs = await writePage(files, { list, columns, lastNs }, pacer);
      rows += columns.count;
      count++;
    }
    const payload = new ByteWriter(8 + list.length);
    payload.writeVarint(count);
    payload.writeBytes(list.bytes.subarray(0, list.length));
    payloads.add(payload.finish());
  }
  await writeIndex(await createFile(INDEX_FILE), index, order, payloads, pacer);
  return { series: order.series.length, rows };
}

/** All rows of a stream of a frozen head, sorted, in pages for a block. */
async function* sealedPages(
  head: LogHead,
  stream: number,
  pacer: Pacer,
): AsyncGenerator<LogColumns> {
  /** Each page of the head sorted by itself, once. */
  const pieces = [];
  for (const piece of head.pieces(stream, -EVER_NS, EVER_NS)) {
    pieces.push({ ...piece, columns: mergeRuns([piece]) });
    if (pacer.isDue()) await pacer.rest();
  }
  /** Small slices wait for their neighbours. */
  let waiting: LogRun[] = [];
  let waitingBytes = 0;
  for (const slice of slicePieces(pieces)) {
    const runs = slice.pieces.map(({ columns }) => ({
      columns: clipColumns(columns, slice.startNs, slice.endNs),
      isSorted: true,
    }));
    const columns = mergeRuns(runs.filter((run) => run.columns.count > 0));
    if (columns.count === 0) continue;
    const bytes = columns.lineBounds[columns.count]! - columns.lineBounds[0]!;
    if (waiting.length > 0 && waitingBytes + bytes > LOG_PAGE_BYTES) {
      yield* splitColumns(mergeRuns(waiting));
      waiting = [];
      waitingBytes = 0;
    }
    waiting.push({ columns, isSorted: true });
    waitingBytes += bytes;
    if (pacer.isDue()) await pacer.rest();
  }
  yield* splitColumns(mergeRuns(waiting));
}

/** Parts of about a page each; rows stay whole. */
function* splitColumns(columns: LogColumns): Generator<LogColumns> {
  const { count, lineBounds } = columns;
  for (let from = 0; from < count;) {
    let to = from + 1;
    while (
      to < count &&
      to - from < LOG_PAGE_ROWS &&
      lineBounds[to + 1]! - lineBounds[from]! <= LOG_PAGE_BYTES
    )
      to++;
    yield sliceColumns(columns, from, to);
    from = to;
  }
}

async function writePage(
  files: { readonly pages: BlockFile; readonly filters: BlockFile },
  entry: { readonly list: ByteWriter; readonly columns: LogColumns; readonly lastNs: bigint },
  pacer: Pacer,
): Promise<bigint> {
  const { list, columns, lastNs } = entry;
  const lines = columns.lines.subarray(columns.lineBounds[0], columns.lineBounds[columns.count]);
  const head = await compressBytes(encodeRows(columns));
  const packed = await compressBytes(lines);
  const body = new ByteWriter(8 + head.length + packed.length);
  body.writeVarint(columns.count);
  body.writeVarint(head.length);
  body.writeBytes(head);
  body.writeBytes(packed);
  const page = await files.pages.append(framePage(body.finish()));
  await pacer.rest();
  const filter = await files.filters.append(framePage(buildLineFilter(lines)));
  const minNs = columns.timestampsNs[0]!;
  const maxNs = columns.timestampsNs[columns.count - 1]!;
  for (const place of [page, filter]) {
    list.writeVarint(place.offset);
    list.writeVarint(place.length);
  }
  list.writeVarint(columns.count);
  writeNs(list, minNs - lastNs);
  writeNs(list, maxNs - minNs);
  return maxNs;
}

/** Times, line lengths, metadata. */
function encodeRows(columns: LogColumns): Uint8Array {
  const { count, lineBounds } = columns;
  const writer = new ByteWriter(64 + 4 * count);
  const times = encodeInt64Deltas(columns.timestampsNs.slice(0, count));
  writer.writeVarint(times.length);
  writer.writeBytes(times);
  for (let i = 0; i < count; i++) writer.writeVarint(lineBounds[i + 1]! - lineBounds[i]!);
  const sets = new MetadataSets();
  const numbers = columns.metadataOf
    .slice(0, count)
    .map((set) => (set === 0 ? 0 : sets.numberOf(columns.metadataSets[set]!)));
  writer.writeVarint(sets.sets.length - 1);
  for (const set of sets.sets.slice(1)) writeLabels(writer, set);
  if (sets.sets.length > 1) for (const number of numbers) writer.writeVarint(number);
  return writer.finish();
}

export async function readLogPage(block: Block, ref: LogPageRef): Promise<LogColumns> {
  const reader = new ByteReader(await block.readPage(PAGES_FILE, ref.page));
  const count = reader.readVarint();
  const rows = new ByteReader(await decompressBytes(readBytes(reader, reader.readVarint())));
  const timestampsNs = decodeInt64Deltas(readBytes(rows, rows.readVarint()));
  if (timestampsNs.length !== count)
    throw new CodecError("malformed", 0, `${timestampsNs.length} times for ${count} rows`);
  const lineBounds = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) lineBounds[i + 1] = lineBounds[i]! + rows.readVarint();
  const metadataSets = new MetadataSets().sets;
  for (let left = rows.readVarint(); left > 0; left--) metadataSets.push(readLabels(rows));
  const metadataOf = new Uint32Array(count);
  if (metadataSets.length > 1) for (let i = 0; i < count; i++) metadataOf[i] = rows.readVarint();
  const lines = await decompressBytes(reader.bytes.subarray(reader.position));
  if (lines.length !== lineBounds[count])
    throw new CodecError(
      "malformed",
      0,
      `${lines.length} bytes of lines, not ${lineBounds[count]}`,
    );
  return { count, timestampsNs, lines, lineBounds, metadataSets, metadataOf };
}

export function readLogPageList(payload: Uint8Array): LogPageRef[] {
  const reader = new ByteReader(payload);
  const pages: LogPageRef[] = [];
  let lastNs = 0n;
  for (let left = reader.readVarint(); left > 0; left--) {
    const page = { offset: reader.readVarint(), length: reader.readVarint() };
    const filter = { offset: reader.readVarint(), length: reader.readVarint() };
    const count = reader.readVarint();
    const minNs = lastNs + readNs(reader);
    lastNs = minNs + readNs(reader);
    pages.push({ page, filter, count, minNs, maxNs: lastNs });
  }
  return pages;
}

/** Any 64-bit number: seconds, then the nanoseconds left over. */
function writeNs(writer: ByteWriter, ns: bigint): void {
  const seconds = ns / 1_000_000_000n;
  writer.writeZigzag(Number(seconds));
  writer.writeZigzag(Number(ns - seconds * 1_000_000_000n));
}

function readNs(reader: ByteReader): bigint {
  return BigInt(reader.readZigzag()) * 1_000_000_000n + BigInt(reader.readZigzag());
}
