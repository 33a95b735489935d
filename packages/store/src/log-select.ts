/**
 * Reads log pages for queries in the order of the query, lazily: plans a window of time over the indexes of blocks and heads, leaves out pages whose filters say that they cannot
 * hold the needles, then loads one slice of overlapping pages after the other, so that a limited query stops early.
 */
import type { Labels, LogColumns, LogPage } from "@finch/model";
import type { LogSelect } from "./api.ts";
import type { Block } from "./block.ts";
import { hidingInBlock, hidingInHead } from "./hidden-lines.ts";
import type { HideLines } from "./hidden-lines.ts";
import { selectSeries } from "./label-select.ts";
import { askPayload, readSegmentRefs } from "./log-block.ts";
import { concatColumns, mergeRuns } from "./log-columns.ts";
import type { LogRun } from "./log-columns.ts";
import type { LogHead } from "./log-head.ts";
import { FilterMatrixReader } from "./log-page/filter-matrix.ts";
import type { FilterAnswer } from "./log-page/filter-matrix.ts";
import { gramsOfNeedle, mayHave } from "./log-page/gram-filter.ts";
import { SelectionEdges } from "./log-edges.ts";
import { FieldChoice } from "./log-page/page-fields.ts";
import { blockPiece, openPiece } from "./log-pieces.ts";
import { OpenSegments } from "./log-open-segments.ts";
import { ALL_LINES } from "./log-wish.ts";
import type { BlockPiece, LogPiece, PieceReader } from "./log-pieces.ts";
import type { LogReadStatistics, PieceRows, PieceWish } from "./log-wish.ts";
import { pickValued, valuesInLines } from "./log-values.ts";
import { slicePieces } from "./log-slices.ts";
import type { Slice } from "./log-slices.ts";
import { touches, windowsOf } from "./log-windows.ts";
import { largerNs, smallerNs } from "./nanoseconds.ts";
import type { Pacer } from "./pacer.ts";
import type { StoreView } from "./store-core.ts";
import { TimeHeap } from "./time-heap.ts";

export type Piece = LogPiece & { readonly hide: HideLines | undefined };

interface Stream {
  readonly labels: Labels;
  readonly pieces: Piece[];
}

interface Candidate {
  readonly labels: Labels;
  readonly slice: Slice<Piece>;
  /** Set when it was read and found to come later than its pages promised. */
  readonly rows: PieceRows | undefined;
}

export async function* selectLogs(
  view: StoreView<LogHead>,
  request: LogSelect,
  statistics: LogReadStatistics,
  pacer: Pacer,
): AsyncGenerator<LogPage> {
  const spans = [...view.heads, ...view.blocks.map(({ meta }) => meta)];
  for (const window of windowsOf(spans, request))
    yield* selectWindow(view, { ...request, ...window }, statistics, pacer);
}

async function* selectWindow(
  view: StoreView<LogHead>,
  request: LogSelect,
  statistics: LogReadStatistics,
  pacer: Pacer,
): AsyncGenerator<LogPage> {
  const { direction } = request;
  const loader = new SliceLoader(request, statistics);
  const streams = await planStreams(view, request, { statistics, pacer });
  const candidates: Candidate[] = [];
  for (const { labels, pieces } of streams) {
    for (const slice of slicePieces(pieces)) {
      if (slice.startNs >= request.endNs || slice.endNs <= request.startNs) continue;
      candidates.push({ labels, slice, rows: undefined });
      loader.expect(slice);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  if (direction === "any") yield* readAll(candidates, { request, loader, pacer });
  else yield* readInOrder(candidates, { request, loader, pacer });
}

interface Reading {
  readonly request: LogSelect;
  readonly loader: SliceLoader;
  readonly pacer: Pacer;
}

/** Stream by stream, so that pages of a segment come together. */
async function* readAll(
  candidates: readonly Candidate[],
  { request, loader, pacer }: Reading,
): AsyncGenerator<LogPage> {
  for (const { labels, slice } of candidates) {
    const loaded = await loader.load(labels, slice);
    if (pacer.isDue()) await pacer.rest();
    if (loaded.entries.count > 0) yield { ...pageOf(labels, loaded), span: spanOf(slice, request) };
  }
}

async function* readInOrder(
  candidates: readonly Candidate[],
  { request, loader, pacer }: Reading,
): AsyncGenerator<LogPage> {
  const isBackward = request.direction === "backward";
  const heap = new TimeHeap<Candidate>(isBackward);
  for (const candidate of candidates) {
    const { minNs, maxNs } = spanOf(candidate.slice, request);
    heap.push(isBackward ? maxNs : minNs, candidate);
  }
  for (let next = heap.pop(); next !== undefined; next = heap.pop()) {
    const { labels, slice, rows } = next;
    if (rows !== undefined) {
      yield pageOf(labels, rows);
      continue;
    }
    const loaded = await loader.load(labels, slice);
    if (pacer.isDue()) await pacer.rest();
    const { count } = loaded.entries;
    if (count === 0) continue;
    const actual = loaded.entries.timestampsNs[isBackward ? count - 1 : 0]!;
    if (heap.isNext(actual)) yield pageOf(labels, loaded);
    else heap.push(actual, { labels, slice, rows: loaded });
  }
}

function pageOf(labels: Labels, { entries, fields, tally }: PieceRows): LogPage {
  return { labels, entries, ...(fields && { fields }), ...(tally && { tally }) };
}

/** The times between which the rows of a slice lie. */
function spanOf(slice: Slice<Piece>, { startNs, endNs }: LogSelect): NonNullable<LogPage["span"]> {
  return {
    minNs: largerNs(slice.startNs, startNs),
    maxNs: smallerNs(slice.endNs, endNs) - 1n,
  };
}

/** Opens each page once, and holds it only until the last slice that it is part of. */
export class SliceLoader {
  readonly #request: LogSelect;
  readonly #segments: OpenSegments;
  /** Slices still to come, by page. */
  readonly #expected = new Map<Piece, number>();
  readonly #open = new Map<Piece, PieceReader>();
  readonly #fields: FieldChoice | undefined;
  readonly #edges: SelectionEdges | undefined;
  readonly #tallyKey: string | undefined;

  constructor(request: LogSelect, statistics: LogReadStatistics) {
    const needles = request.needles.filter((needle) => needle.length > 0);
    this.#request = { ...request, needles };
    this.#segments = new OpenSegments(statistics);
    if (request.fields !== undefined) this.#fields = new FieldChoice(request.fields);
    // In order of time, pages are told apart by their times.
    if (request.edges === undefined || request.direction !== "any") return;
    this.#edges = new SelectionEdges(request.edges, request);
    this.#tallyKey = tallyKeyOf(this.#request);
  }

  expect(slice: Slice<Piece>): void {
    for (const piece of slice.pieces) {
      this.#expected.set(piece, (this.#expected.get(piece) ?? 0) + 1);
      if (piece.kind === "block") this.#segments.expect(piece);
    }
  }

  /** The merged rows of a slice that was expected; once for each. */
  async load(labels: Labels, slice: Slice<Piece>): Promise<PieceRows> {
    const rows = await this.#read(labels, slice);
    for (const piece of slice.pieces) this.#done(piece);
    return rows;
  }

  async #read(labels: Labels, slice: Slice<Piece>): Promise<PieceRows> {
    const { needles, lines, labels: counted } = this.#request;
    const values = valuesInLines(labels, this.#request.values ?? []) ?? [];
    const range = {
      startNs: largerNs(slice.startNs, this.#request.startNs),
      endNs: smallerNs(slice.endNs, this.#request.endNs),
    };
    const [only, ...others] = slice.pieces;
    // Lines tell repetitions, and what is deleted.
    if (others.length === 0 && only!.hide === undefined) {
      const options = { needles, values, lines, fields: this.#fields, labels: counted };
      const counting = {
        edges: this.#edges,
        tallyKey: values.length > 0 ? undefined : this.#tallyKey,
      };
      return (
        (await this.#readPiece(labels, only!, { ...options, ...counting, ...range })) ?? NO_ROWS
      );
    }
    const wish = { ...ALL_LINES, needles, ...range };
    const instants = await this.#findInstants(labels, slice, { ...wish, values });
    const parts: LogColumns[] = [];
    for (const part of instants?.map(instantOf) ?? [range]) {
      const merged = await this.#merge(labels, slice, { ...wish, ...part });
      parts.push(pickValued(merged, values));
    }
    return parts.length === 0 ? NO_ROWS : { entries: concatColumns(parts), fields: undefined };
  }

  /** When there are rows with the values; undefined when it is not worth to look for them by themselves. A row may repeat another with other values. */
  async #findInstants(
    labels: Labels,
    { pieces }: Slice<Piece>,
    wish: PieceWish,
  ): Promise<readonly bigint[] | undefined> {
    if (wish.values.length === 0) return undefined;
    const aside = { ...wish, lines: "none", labels: NO_LABELS, isAside: true } as const;
    const instants = new Set<bigint>();
    for (const piece of pieces) {
      const rows = await this.#readPiece(labels, piece, aside);
      if (rows === undefined) continue;
      for (const timeNs of rows.entries.timestampsNs.subarray(0, rows.entries.count))
        instants.add(timeNs);
      if (instants.size > INSTANTS_MAX) return undefined;
    }
    return [...instants].sort((a, b) => (a < b ? -1 : 1));
  }

  async #merge(labels: Labels, { pieces }: Slice<Piece>, wish: PieceWish): Promise<LogColumns> {
    const runs: LogRun[] = [];
    for (const piece of pieces) {
      const rows = await this.#readPiece(labels, piece, wish);
      if (rows === undefined) continue;
      const columns = piece.hide === undefined ? rows.entries : piece.hide(rows.entries);
      if (columns.count > 0) runs.push({ columns, isSorted: true });
    }
    return mergeRuns(runs);
  }

  #readPiece(labels: Labels, piece: Piece, wish: PieceWish): Promise<PieceRows | undefined> {
    let reader = this.#open.get(piece);
    if (reader === undefined) {
      reader = openPiece(piece, labels, this.#segments);
      this.#open.set(piece, reader);
    }
    return reader.read(wish);
  }

  #done(piece: Piece): void {
    const left = this.#expected.get(piece)! - 1;
    this.#expected.set(piece, left);
    if (left > 0) return;
    this.#open.delete(piece);
    if (piece.kind === "block") this.#segments.done(piece);
  }
}

/** What counts of pages are remembered by: all but times that tells them apart. Undefined where rows are wanted one by one. */
function tallyKeyOf({ lines, needles, fields, labels }: LogSelect): string | undefined {
  if (lines === "all" || needles.length > 0 || fields?.keep !== undefined) return undefined;
  return [fields?.key ?? "", ...(labels === undefined ? ["*"] : [...labels].sort())].join("\u0001");
}

const NO_LABELS: ReadonlySet<string> = new Set();
/** Times of rows with the wanted values that are looked at one by one. */
const INSTANTS_MAX = 64;

function instantOf(timeNs: bigint): { readonly startNs: bigint; readonly endNs: bigint } {
  return { startNs: timeNs, endNs: timeNs + 1n };
}

const NO_ROWS: PieceRows = { entries: mergeRuns([]), fields: undefined };

interface Planning {
  readonly statistics: LogReadStatistics;
  readonly pacer: Pacer;
}

/** The pieces of all streams that match. */
export async function planStreams(
  view: StoreView<LogHead>,
  request: LogSelect,
  planning: Planning,
): Promise<Iterable<Stream>> {
  const { matchers, startNs, endNs, needles, values = [] } = request;
  const hashes = distinctGrams(needles);
  const streams = new Map<string, Stream>();
  const piecesOf = (labels: Labels): Piece[] => {
    let stream = streams.get(labels.key);
    if (stream === undefined) streams.set(labels.key, (stream = { labels, pieces: [] }));
    return stream.pieces;
  };
  // Heads at once, blocks first in each list: pieces stand in order of precedence.
  const headPieces: Stream[] = [];
  for (const head of view.heads) {
    if (!touches(head, request)) continue;
    const hiding = hidingInHead(view.hidden, head.minMs);
    for (const stream of await selectSeries(head.index, matchers, planning.pacer)) {
      const labels = head.labelsOf(stream);
      if (valuesInLines(labels, values) === undefined) continue;
      const all = head.pieces(stream, startNs, endNs);
      const some = all.filter(
        (piece) => piece.kind === "open" || mayHave(piece.page.filter, hashes),
      );
      planning.statistics.pagesSkipped += all.length - some.length;
      const hide = hiding?.(labels);
      if (some.length > 0)
        headPieces.push({ labels, pieces: some.map((piece) => ({ ...piece, hide })) });
    }
  }
  const blocks = view.blocks.filter(({ meta }) => touches(meta, request));
  const planned = workAhead(blocks, BLOCKS_AT_ONCE, async (block) => ({
    block,
    streams: await planBlock(block, request, hashes, planning),
  }));
  for await (const { block, streams: some } of planned) {
    const hiding = hidingInBlock(view.hidden, block.meta);
    for (const { labels, pieces } of some) {
      const hide = hiding?.(labels);
      piecesOf(labels).push(...pieces.map((piece) => ({ ...piece, hide })));
    }
  }
  for (const { labels, pieces } of headPieces) piecesOf(labels).push(...pieces);
  return streams.values();
}

/** Blocks that are asked at the same time: of a store that is larger than memory each waits for the disk. */
const BLOCKS_AT_ONCE = 8;

/** What `work` makes of the items, in their order, with so many under way. */
async function* workAhead<Item, Result>(
  items: readonly Item[],
  atOnce: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = [];
  for (let next = 0; next < items.length || underWay.length > 0;) {
    while (next < items.length && underWay.length < atOnce) {
      const result = work(items[next++]!);
      // One that fails while an earlier one is waited for.
      result.catch(() => {});
      underWay.push(result);
    }
    yield await underWay.shift()!;
  }
}

async function planBlock(
  block: Block,
  { matchers, startNs, endNs, values = [] }: LogSelect,
  hashes: Uint32Array,
  { statistics, pacer }: Planning,
): Promise<readonly { readonly labels: Labels; readonly pieces: readonly BlockPiece[] }[]> {
  const planned: { labels: Labels; pieces: BlockPiece[] }[] = [];
  const numbers = await block.index.select(matchers, pacer);
  if (numbers.length === 0) return planned;
  let answer: FilterAnswer | undefined;
  if (hashes.length > 0)
    answer = await new FilterMatrixReader(block).ask(hashes, (bytes) => {
      statistics.bytesRead += bytes;
    });
  const isPossible =
    answer &&
    ((payload: Uint8Array) => {
      const asked = askPayload(payload, answer);
      if (!asked.isPossible) statistics.pagesSkipped += asked.pages;
      return asked.isPossible;
    });
  for await (const page of block.index.seriesOf(numbers, isPossible)) {
    for (const { labels, payload } of page) {
      if (valuesInLines(labels, values) === undefined) continue;
      const pieces: BlockPiece[] = [];
      for (const segment of readSegmentRefs(payload))
        for (const [at, { minNs, maxNs, filter }] of segment.pages.entries()) {
          if (minNs >= endNs || maxNs < startNs) continue;
          if (answer?.has(filter.size, filter.column) === false) statistics.pagesSkipped++;
          else pieces.push(blockPiece(block, segment, at));
        }
      if (pieces.length > 0) planned.push({ labels, pieces });
    }
    if (pacer.isDue()) await pacer.rest();
  }
  return planned;
}

/** What pages must have in their filters to hold all needles. */
function distinctGrams(needles: readonly Uint8Array[]): Uint32Array {
  return Uint32Array.from(new Set(needles.flatMap((needle) => [...gramsOfNeedle(needle)])));
}
