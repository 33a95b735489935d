/**
 * Writes log blocks anew, several as one: lines of each stream joined in order of time, hidden ones left out, repetitions dropped, pages filled up. Memory
 * does not grow with lines: of a stream a page or two of each block are held at a time.
 */
import type { Labels, LogColumns } from "@finch/model";
import { compareLabels } from "@finch/model";
import type { Block } from "./block.ts";
import { orderSeries, writeIndex } from "./block-index-writer.ts";
import type { BlockFile } from "./block-writer.ts";
import { ByteRuns } from "./byte-strings.ts";
import { FILTERS_FILE, INDEX_FILE, PAGES_FILE } from "./file-names.ts";
import { hidingInBlock } from "./hidden-lines.ts";
import type { HideLines } from "./hidden-lines.ts";
import type { HiddenRows } from "./hidden-rows.ts";
import { LabelIndex } from "./label-index.ts";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import { LogBlockWriter, readSegmentRefs } from "./log-block.ts";
import { mergeRuns, sliceColumns } from "./log-columns.ts";
import type { LogRun } from "./log-columns.ts";
import type { ClosedPages } from "./log-page/closed-page.ts";
import { ALL_LINES, blockPiece, openPiece, OpenSegments } from "./log-pieces.ts";
import type { LogPiece, LogReadStatistics, PieceReader } from "./log-pieces.ts";
import { slicePieces } from "./log-slices.ts";
import type { CompactionResult, CompactionSources } from "./metric-compaction.ts";
import { ascending } from "./number-columns.ts";
import type { Pacer } from "./pacer.ts";

const NS_PER_MS = 1_000_000n;

/** A stream in one of the blocks. */
interface StreamPart {
  readonly block: Block;
  /** What the index of the block keeps with it. */
  readonly payload: Uint8Array;
  readonly hide: HideLines | undefined;
}

interface Stream {
  readonly labels: Labels;
  /** In order of precedence. */
  readonly parts: StreamPart[];
}

type Piece = LogPiece & { readonly hide: HideLines | undefined };

/** Writes the files of the block that takes the place of the sources. */
export async function compactLogs(
  { blocks, hidden }: CompactionSources,
  createFile: (name: string) => Promise<BlockFile>,
  pacer: Pacer,
  closer: ClosedPages,
): Promise<CompactionResult> {
  const writer = new LogBlockWriter(await createFile(PAGES_FILE), pacer);
  /** Streams that have something left: labels that were deleted must not stay on disk. */
  const index = new LabelIndex();
  const payloads: Uint8Array[] = [];
  let minNs = 2n ** 63n;
  let maxNs = -(2n ** 63n);
  for (const { labels, parts } of await readStreams(blocks, hidden, pacer)) {
    const stream = writer.openStream();
    for await (const columns of joinedPages(labels, piecesOf(parts), pacer)) {
      for (const page of closer.close(columns)) {
        await stream.add(page);
        if (page.page.minNs < minNs) minNs = page.page.minNs;
        if (page.page.maxNs > maxNs) maxNs = page.page.maxNs;
      }
      if (pacer.isDue()) await pacer.rest();
    }
    const payload = await stream.finish();
    if (payload !== undefined) payloads[index.intern(labels)] = payload;
  }
  await writer.writeFilters(await createFile(FILTERS_FILE));
  const order = await orderSeries(index, ascending(index.seriesCount), pacer);
  const runs = new ByteRuns();
  for (const number of order.series) runs.add(payloads[number]!);
  await writeIndex(await createFile(INDEX_FILE), index, order, runs, pacer);
  const { rows } = writer;
  if (rows === 0) return { series: 0, rows, minMs: Infinity, maxMs: -Infinity };
  // The newest is rounded up, as in a head.
  const times = { minMs: Number(minNs / NS_PER_MS), maxMs: Number(maxNs / NS_PER_MS) + 1 };
  return { series: order.series.length, rows, ...times };
}

/** Whether any line of the block is hidden: writing it anew costs much more than to look. */
export async function hasHiddenLines(
  block: Block,
  hidden: HiddenRows,
  pacer: Pacer,
): Promise<boolean> {
  for (const { labels, parts } of await readStreams([block], hidden, pacer)) {
    if (parts[0]!.hide === undefined) continue;
    for (const piece of piecesOf(parts)) {
      const reader = openPiece(piece, labels, new OpenSegments({ ...NOT_COUNTED }));
      const columns = await readLines(reader, { startNs: piece.minNs, endNs: piece.maxNs + 1n });
      if (columns !== undefined && piece.hide!(columns) !== columns) return true;
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return false;
}

/** All streams, in the order of their labels. */
async function readStreams(
  blocks: readonly Block[],
  hidden: HiddenRows,
  pacer: Pacer,
): Promise<readonly Stream[]> {
  const streams = new Map<string, Stream>();
  for (const block of blocks) {
    const hiding = hidingInBlock(hidden, block.meta);
    for await (const page of block.index.seriesOf(await block.index.select([], pacer))) {
      for (const { labels, payload } of page) {
        let stream = streams.get(labels.key);
        if (stream === undefined) streams.set(labels.key, (stream = { labels, parts: [] }));
        stream.parts.push({ block, payload, hide: hiding?.(labels) });
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return [...streams.values()].sort((a, b) => compareLabels(a.labels, b.labels));
}

function piecesOf(parts: readonly StreamPart[]): readonly Piece[] {
  return parts.flatMap(({ block, payload, hide }) =>
    readSegmentRefs(payload).flatMap((segment) =>
      segment.pages.map((_, at) => ({ ...blockPiece(block, segment, at), hide })),
    ),
  );
}

/** The lines of a stream in order, in pages that are as full as may be. */
async function* joinedPages(
  labels: Labels,
  pieces: readonly Piece[],
  pacer: Pacer,
): AsyncGenerator<LogColumns> {
  const readers = new PieceReaders(labels);
  const slices = slicePieces(pieces);
  for (const slice of slices) readers.expect(slice.pieces);
  let waiting: LogRun[] = [];
  let waitingBytes = 0;
  for (const slice of slices) {
    const runs: LogRun[] = [];
    for (const piece of slice.pieces) {
      const columns = await readLines(readers.take(piece), slice);
      const seen = columns === undefined ? undefined : (piece.hide?.(columns) ?? columns);
      if (seen !== undefined && seen.count > 0) runs.push({ columns: seen, isSorted: true });
      if (pacer.isDue()) await pacer.rest();
    }
    if (runs.length === 0) continue;
    const columns = mergeRuns(runs);
    const bytes = columns.lineBounds[columns.count]! - columns.lineBounds[0]!;
    if (waiting.length > 0 && waitingBytes + bytes > LOG_PAGE_BYTES) {
      yield* splitColumns(mergeRuns(waiting));
      waiting = [];
      waitingBytes = 0;
    }
    waiting.push({ columns, isSorted: true });
    waitingBytes += bytes;
  }
  if (waiting.length > 0) yield* splitColumns(mergeRuns(waiting));
}

/** Opens each page once, and holds it only until the last slice that it is part of. */
class PieceReaders {
  readonly #labels: Labels;
  /** Slices still to come, by page. */
  readonly #expected = new Map<Piece, number>();
  readonly #open = new Map<Piece, PieceReader>();

  constructor(labels: Labels) {
    this.#labels = labels;
  }

  expect(pieces: readonly Piece[]): void {
    for (const piece of pieces) this.#expected.set(piece, (this.#expected.get(piece) ?? 0) + 1);
  }

  /** Once for each slice that was expected. */
  take(piece: Piece): PieceReader {
    const reader =
      this.#open.get(piece) ?? openPiece(piece, this.#labels, new OpenSegments({ ...NOT_COUNTED }));
    const left = this.#expected.get(piece)! - 1;
    this.#expected.set(piece, left);
    if (left > 0) this.#open.set(piece, reader);
    else this.#open.delete(piece);
    return reader;
  }
}

/** Statistics are for queries. */
const NOT_COUNTED: LogReadStatistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };

async function readLines(
  reader: PieceReader,
  { startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint },
): Promise<LogColumns | undefined> {
  return (await reader.read({ ...ALL_LINES, startNs, endNs }))?.entries;
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
