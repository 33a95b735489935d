/**
 * Reads log pages for queries in the order of the query, lazily: plans over the indexes of blocks and heads, then loads one slice of
 * overlapping pages after the other, skipping pages that cannot hold the needles, so that a limited query stops early.
 */
import type { Labels, LogColumns, LogPage } from "@finch/model";
import type { LogSelect } from "./api.ts";
import type { Block } from "./block.ts";
import { FILTERS_FILE } from "./file-names.ts";
import { hidingInBlock, hidingInHead } from "./hidden-lines.ts";
import type { HideLines } from "./hidden-lines.ts";
import { selectSeries } from "./label-select.ts";
import { mayContain, NEEDLE_BYTES_MIN } from "./line-filter.ts";
import { readLogPage, readLogPageList } from "./log-block.ts";
import type { LogPageRef } from "./log-block.ts";
import { clipColumns, mergeRuns } from "./log-columns.ts";
import type { LogRun } from "./log-columns.ts";
import type { LogHead, LogHeadPiece } from "./log-head.ts";
import { slicePieces } from "./log-slices.ts";
import type { Slice } from "./log-slices.ts";
import type { Pacer } from "./pacer.ts";
import type { StoreView } from "./store-core.ts";
import { TimeHeap } from "./time-heap.ts";

export interface LogReadStatistics {
  pagesRead: number;
  pagesSkipped: number;
  bytesRead: number;
}

type Piece = { readonly hide: HideLines | undefined } & (
  | (LogHeadPiece & { readonly kind: "head" })
  | {
      readonly kind: "block";
      readonly block: Block;
      readonly ref: LogPageRef;
      readonly minNs: bigint;
      readonly maxNs: bigint;
    }
);

interface Candidate {
  readonly labels: Labels;
  readonly slice: Slice<Piece>;
  /** Set when it was read and found to come later than its pages promised. */
  readonly columns: LogColumns | undefined;
}

export async function* selectLogs(
  view: StoreView<LogHead>,
  request: LogSelect,
  statistics: LogReadStatistics,
  pacer: Pacer,
): AsyncGenerator<LogPage> {
  const { startNs, endNs, direction } = request;
  const loader = new PieceLoader(request.needles, statistics);
  const streams = await planStreams(view, request, pacer);
  const heap = new TimeHeap<Candidate>(direction === "backward");
  for (const { labels, pieces } of streams) {
    for (const slice of slicePieces(pieces)) {
      if (slice.startNs >= endNs || slice.endNs <= startNs) continue;
      const first =
        direction === "backward"
          ? smaller(slice.endNs, endNs) - 1n
          : larger(slice.startNs, startNs);
      heap.push(first, { labels, slice, columns: undefined });
      loader.expect(slice);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    const { labels, slice, columns } = next;
    if (columns !== undefined) {
      yield { labels, entries: columns };
      continue;
    }
    const loaded = await loader.load(
      slice,
      larger(slice.startNs, startNs),
      smaller(slice.endNs, endNs),
    );
    if (pacer.isDue()) await pacer.rest();
    if (loaded.count === 0) continue;
    const actual = loaded.timestampsNs[direction === "backward" ? loaded.count - 1 : 0]!;
    if (heap.isNext(actual)) yield { labels, entries: loaded };
    else heap.push(actual, { labels, slice, columns: loaded });
  }
}

/** Reads each page once, and holds it only until the last slice that it is part of. */
class PieceLoader {
  readonly #needles: readonly Uint8Array[];
  readonly #statistics: LogReadStatistics;
  /** Slices still to come, by page. */
  readonly #expected = new Map<Piece, number>();
  readonly #held = new Map<Piece, LogColumns | undefined>();

  constructor(needles: readonly Uint8Array[], statistics: LogReadStatistics) {
    this.#needles = needles.filter((needle) => needle.length > 0);
    this.#statistics = statistics;
  }

  expect(slice: Slice<Piece>): void {
    for (const piece of slice.pieces)
      this.#expected.set(piece, (this.#expected.get(piece) ?? 0) + 1);
  }

  /** The merged rows with `startNs <= time < endNs` of a slice that was expected; once for each. */
  async load(slice: Slice<Piece>, startNs: bigint, endNs: bigint): Promise<LogColumns> {
    const runs: LogRun[] = [];
    for (const piece of slice.pieces) {
      const columns = this.#held.has(piece) ? this.#held.get(piece) : await this.#seen(piece);
      const left = this.#expected.get(piece)! - 1;
      this.#expected.set(piece, left);
      if (left > 0) this.#held.set(piece, columns);
      else this.#held.delete(piece);
      if (columns === undefined) continue;
      const clipped = clipColumns(columns, startNs, endNs);
      if (clipped.count > 0) runs.push({ columns: clipped, isSorted: true });
    }
    return mergeRuns(runs);
  }

  /** All rows that readers may see, sorted; undefined when the page cannot hold the needles. */
  async #seen(piece: Piece): Promise<LogColumns | undefined> {
    const columns = await this.#read(piece);
    return columns === undefined ? undefined : (piece.hide?.(columns) ?? columns);
  }

  /** All rows, sorted; undefined when the page cannot hold the needles. */
  async #read(piece: Piece): Promise<LogColumns | undefined> {
    const statistics = this.#statistics;
    if (!(await canHold(piece, this.#needles, statistics))) {
      statistics.pagesSkipped++;
      return undefined;
    }
    statistics.pagesRead++;
    if (piece.kind === "block") {
      statistics.bytesRead += piece.ref.page.length;
      return readLogPage(piece.block, piece.ref);
    }
    statistics.bytesRead += piece.columns.lines.length;
    return mergeRuns([piece]);
  }
}

async function planStreams(
  view: StoreView<LogHead>,
  request: LogSelect,
  pacer: Pacer,
): Promise<Iterable<{ readonly labels: Labels; readonly pieces: Piece[] }>> {
  const { matchers, startNs, endNs } = request;
  const streams = new Map<string, { labels: Labels; pieces: Piece[] }>();
  const piecesOf = (labels: Labels): Piece[] => {
    let stream = streams.get(labels.key);
    if (stream === undefined) streams.set(labels.key, (stream = { labels, pieces: [] }));
    return stream.pieces;
  };
  // Heads at once, blocks first in each list: pieces stand in order of precedence.
  const headPieces: { labels: Labels; pieces: Piece[] }[] = [];
  for (const head of view.heads) {
    const hiding = hidingInHead(view.hidden, head.minMs);
    for (const stream of await selectSeries(head.index, matchers, pacer)) {
      const labels = head.labelsOf(stream);
      const hide = hiding?.(labels);
      const pieces = head
        .pieces(stream, startNs, endNs)
        .map((piece) => ({ ...piece, kind: "head" as const, hide }));
      if (pieces.length > 0) headPieces.push({ labels, pieces });
    }
  }
  for (const block of view.blocks) {
    const hiding = hidingInBlock(view.hidden, block.meta);
    const numbers = await block.index.select(matchers, pacer);
    for await (const page of block.index.seriesOf(numbers)) {
      for (const { labels, payload } of page) {
        const hide = hiding?.(labels);
        for (const ref of readLogPageList(payload)) {
          if (ref.minNs >= endNs || ref.maxNs < startNs) continue;
          const { minNs, maxNs } = ref;
          piecesOf(labels).push({ kind: "block", block, ref, minNs, maxNs, hide });
        }
      }
      if (pacer.isDue()) await pacer.rest();
    }
  }
  for (const { labels, pieces } of headPieces) piecesOf(labels).push(...pieces);
  return streams.values();
}

async function canHold(
  piece: Piece,
  needles: readonly Uint8Array[],
  statistics: LogReadStatistics,
): Promise<boolean> {
  if (needles.length === 0) return true;
  if (piece.kind === "head") {
    const { buffer, byteOffset, length } = piece.columns.lines;
    const lines = Buffer.from(buffer, byteOffset, length);
    return needles.every((needle) => lines.includes(needle));
  }
  const useful = needles.filter((needle) => needle.length >= NEEDLE_BYTES_MIN);
  if (useful.length === 0) return true;
  const filter = await piece.block.readPage(FILTERS_FILE, piece.ref.filter);
  statistics.bytesRead += filter.length;
  return mayContain(filter, useful);
}

function smaller(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function larger(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
