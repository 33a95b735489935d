/**
 * The pages of one stream from several blocks, in order of time. Full pages that overlap no other are copied as they are; small ones are joined as soon as that
 * makes a page or spares many; lines of pages that overlap are merged a slice at a time, repetitions dropped; hidden lines are left out. Memory does not grow with the
 * stream: a segment of each block that overlaps, and two pages of lines.
 */
import type { LogColumns } from "@finch/model";
import { freeMemory } from "./byte-memory.ts";
import type { HideLines } from "./hidden-lines.ts";
import { LOG_PAGE_BYTES, LOG_PAGE_ROWS } from "./limits.ts";
import type { LogPageRef, SegmentRef, WrittenPage } from "./log-block.ts";
import { concatColumns, mergeRuns, sliceColumns } from "./log-columns.ts";
import type { LogRun } from "./log-columns.ts";
import type { ClosedPages } from "./log-page/closed-page.ts";
import type { FilterMatrixReader } from "./log-page/filter-matrix.ts";
import type { PagePatterns } from "./log-patterns/page-patterns.ts";
import { SEGMENT_PAGES_MAX } from "./log-page/segment.ts";
import type { PageParts, SegmentReader, StoredSegment } from "./log-segment.ts";
import { slicePieces } from "./log-slices.ts";
import type { Slice } from "./log-slices.ts";
import type { Pacer } from "./pacer.ts";

/** A stream in one of the blocks. */
export interface StreamPart {
  readonly reader: SegmentReader;
  readonly filters: FilterMatrixReader;
  /** Patterns of a page, by its number in the stream. */
  readonly patternsOf: (page: number) => Promise<PagePatterns>;
  readonly segments: readonly SegmentRef[];
  readonly hide: HideLines | undefined;
}

/** A page that has half of what may be in one is left as it is. */
const FULL_BYTES = LOG_PAGE_BYTES / 2;
const FULL_ROWS = LOG_PAGE_ROWS / 2;
/** So is one with a filter for more than 52,000 grams: few of them would have room in one. */
const FULL_FILTER_SIZE = 60;

/** So many pages are joined even if that makes no full page: what they stand in is held. */
const WAITING_MAX = 64;

/** A page, and the time that is looked at to find out which pages overlap. */
interface Piece {
  readonly part: StreamPart;
  readonly segment: SegmentRef;
  readonly at: number;
  /** Its number in the stream. */
  readonly number: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

/** What waits to become a page: a page as it is stored, or lines. */
type Waiting =
  | { readonly kind: "page"; readonly stored: StoredSegment; readonly piece: Piece }
  | { readonly kind: "lines"; readonly columns: LogColumns };

/** Joins one stream after the other. */
export class StreamJoiner {
  readonly #closer: ClosedPages;
  readonly #pacer: Pacer;
  readonly #segments = new Segments();
  #waiting: Waiting[] = [];
  #rows = 0;
  #bytes = 0;

  constructor(closer: ClosedPages, pacer: Pacer) {
    this.#closer = closer;
    this.#pacer = pacer;
  }

  /** The pages of a stream that is in these blocks, in order of precedence. */
  async *join(parts: readonly StreamPart[]): AsyncGenerator<WrittenPage> {
    const slices = slicePieces(await this.#separate(parts.flatMap(piecesOf)));
    for (const slice of slices) this.#segments.expect(slice.pieces, isWhole(slice));
    for (const slice of slices) {
      if (isWhole(slice)) yield* this.#addPage(slice.pieces[0]!);
      else yield* this.#addLines(await this.#mergeSlice(slice));
      if (this.#pacer.isDue()) await this.#pacer.rest();
    }
    yield* this.#flush();
  }

  /**
   * Pages of lines with the time of a second touch: the last lines of one have the time of the first of the next. Where they repeat nothing in that instant, the
   * second counts as if it began behind it.
   */
  async #separate(pieces: readonly Piece[]): Promise<readonly Piece[]> {
    const separate = [...pieces];
    for (const { first, second } of findTouching(pieces)) {
      const [a, b] = [pieces[first]!, pieces[second]!];
      const runs: LogRun[] = [];
      for (const { part, segment, at } of [a, b]) {
        const stored = await part.reader.read(segment);
        const columns = stored.parts(at).between(b.minNs, b.minNs + 1n);
        runs.push({ columns, isSorted: true });
        if (this.#pacer.isDue()) await this.#pacer.rest();
      }
      const rows = runs.reduce((sum, { columns }) => sum + columns.count, 0);
      if (mergeRuns(runs).count === rows) separate[second] = { ...b, minNs: b.minNs + 1n };
    }
    return separate;
  }

  /** Adds a page that overlaps no other. */
  async *#addPage(piece: Piece): AsyncGenerator<WrittenPage> {
    const stored = await this.#segments.take(piece);
    const { rows, lineBytes } = refOf(piece);
    const { hide } = piece.part;
    if (hide !== undefined) {
      const columns = stored.columns(piece.at);
      const left = hide(columns);
      if (left !== columns) {
        yield* this.#addLines(left);
        return;
      }
    }
    if (isFull(refOf(piece))) {
      yield* this.#flush();
      yield await copyOf(stored, piece);
      return;
    }
    this.#waiting.push({ kind: "page", stored, piece });
    this.#rows += rows;
    this.#bytes += lineBytes;
    if (this.#isTooMuch) yield* this.#cut();
  }

  *#addLines(columns: LogColumns): Generator<WrittenPage> {
    if (columns.count === 0) return;
    this.#waiting.push({ kind: "lines", columns });
    this.#rows += columns.count;
    this.#bytes += bytesOf(columns);
    if (this.#isTooMuch) yield* this.#cut();
  }

  get #isTooMuch(): boolean {
    return (
      this.#bytes > LOG_PAGE_BYTES ||
      this.#rows > LOG_PAGE_ROWS ||
      this.#waiting.length >= WAITING_MAX
    );
  }

  /** Makes full pages of what waits; what is left goes on waiting. */
  *#cut(): Generator<WrittenPage> {
    const columns = this.#takeWaiting();
    const parts = splitColumns(columns);
    const rest = parts.at(-1)!;
    const isLeft = rest.count < FULL_ROWS && bytesOf(rest) < FULL_BYTES;
    for (const part of isLeft ? parts.slice(0, -1) : parts) yield* this.#closer.close(part);
    if (isLeft) yield* this.#addLines(rest);
    else freeMemory(columns.lines.buffer);
  }

  /** Ends what waits. Few small pages stay as they are: to be joined when there are more of them, so that a line is seldom encoded again. */
  async *#flush(): AsyncGenerator<WrittenPage> {
    const waiting = this.#waiting;
    const isFew =
      waiting.length === 1 ||
      (waiting.length < SEGMENT_PAGES_MAX && this.#bytes < FULL_BYTES && this.#rows < FULL_ROWS);
    if (waiting.length === 0) return;
    if (isFew && waiting.every(({ kind }) => kind === "page")) {
      for (const item of waiting)
        if (item.kind === "page") yield await copyOf(item.stored, item.piece);
      this.#clear();
    } else {
      const columns = this.#takeWaiting();
      yield* this.#closer.close(columns);
      freeMemory(columns.lines.buffer);
    }
  }

  #takeWaiting(): LogColumns {
    const columns = this.#waiting.map((item) =>
      item.kind === "page" ? item.stored.columns(item.piece.at) : item.columns,
    );
    this.#clear();
    const joined = concatColumns(columns);
    for (const { lines } of columns) if (lines !== joined.lines) freeMemory(lines.buffer);
    return joined;
  }

  #clear(): void {
    this.#waiting = [];
    this.#rows = 0;
    this.#bytes = 0;
  }

  /** What is to be seen of a slice, in order, each once. */
  async #mergeSlice({ startNs, endNs, pieces }: Slice<Piece>): Promise<LogColumns> {
    const runs: LogRun[] = [];
    for (const piece of pieces) {
      // A page that counts as beginning later than it does has what stands before in its first slice.
      const fromNs = startNs === piece.minNs ? refOf(piece).minNs : startNs;
      const columns = (await this.#segments.takeParts(piece)).between(fromNs, endNs);
      const left = piece.part.hide?.(columns) ?? columns;
      if (left.count > 0) runs.push({ columns: left, isSorted: true });
      if (this.#pacer.isDue()) await this.#pacer.rest();
    }
    return mergeRuns(runs);
  }
}

/** Segments as long as slices to come need pages of them. */
class Segments {
  readonly #expected = new Map<SegmentRef, number>();
  readonly #held = new Map<SegmentRef, StoredSegment>();
  readonly #expectedParts = new Map<Piece, number>();
  readonly #heldParts = new Map<Piece, PageParts>();

  expect(pieces: readonly Piece[], isWholePage: boolean): void {
    for (const piece of pieces) {
      count(this.#expected, piece.segment, 1);
      if (!isWholePage) count(this.#expectedParts, piece, 1);
    }
  }

  async take({ part, segment }: Piece): Promise<StoredSegment> {
    const held = this.#held.get(segment) ?? (await part.reader.read(segment));
    if (count(this.#expected, segment, -1) === 0) this.#held.delete(segment);
    else this.#held.set(segment, held);
    return held;
  }

  async takeParts(piece: Piece): Promise<PageParts> {
    const stored = await this.take(piece);
    const parts = this.#heldParts.get(piece) ?? stored.parts(piece.at);
    if (count(this.#expectedParts, piece, -1) === 0) this.#heldParts.delete(piece);
    else this.#heldParts.set(piece, parts);
    return parts;
  }
}

function count<T>(counts: Map<T, number>, key: T, change: number): number {
  const left = (counts.get(key) ?? 0) + change;
  if (left === 0) counts.delete(key);
  else counts.set(key, left);
  return left;
}

function piecesOf(part: StreamPart): readonly Piece[] {
  let number = 0;
  return part.segments.flatMap((segment) =>
    segment.pages.map(({ minNs, maxNs }, at) => ({
      part,
      segment,
      at,
      number: number++,
      minNs,
      maxNs,
    })),
  );
}

/** Pairs of pages, by their places, of which the first ends in the instant in which the second begins; no other page has a part in it. */
function* findTouching(
  pieces: readonly Piece[],
): Generator<{ readonly first: number; readonly second: number }> {
  const order = [...pieces.keys()].sort((a, b) => {
    const difference = pieces[a]!.minNs - pieces[b]!.minNs;
    return difference < 0n ? -1 : difference > 0n ? 1 : a - b;
  });
  /** Of the pages so far, one that ends last, and whether another does. */
  let last: number | undefined;
  let isShared = false;
  for (const [i, place] of order.entries()) {
    const { minNs, maxNs } = pieces[place]!;
    const before = last === undefined ? undefined : pieces[last]!;
    const next = order[i + 1];
    const isAlone = next === undefined || pieces[next]!.minNs > minNs;
    const isLong = maxNs > minNs && before !== undefined && before.minNs < before.maxNs;
    if (isLong && isAlone && !isShared && before.maxNs === minNs && last! < place)
      yield { first: last!, second: place };
    if (before === undefined || maxNs > before.maxNs) {
      last = place;
      isShared = false;
    } else if (maxNs === before.maxNs) isShared = true;
  }
}

function refOf({ segment, at }: Piece): LogPageRef {
  return segment.pages[at]!;
}

/** Whether the slice is just one page. */
function isWhole({ startNs, endNs, pieces }: Slice<Piece>): boolean {
  const [only, ...others] = pieces;
  return others.length === 0 && only!.minNs === startNs && only!.maxNs + 1n === endNs;
}

function isFull({ rows, lineBytes, filter }: LogPageRef): boolean {
  return rows >= FULL_ROWS || lineBytes >= FULL_BYTES || filter.size >= FULL_FILTER_SIZE;
}

async function copyOf(stored: StoredSegment, piece: Piece): Promise<WrittenPage> {
  const { at, number, part } = piece;
  const filter = { from: part.filters, place: refOf(piece).filter };
  return { page: stored.encoded(at), filter, patterns: await part.patternsOf(number) };
}

function bytesOf({ lineBounds, count: rows }: LogColumns): number {
  return lineBounds[rows]! - lineBounds[0]!;
}

/** Parts of a page each, but for the last; rows stay whole. */
function splitColumns(columns: LogColumns): LogColumns[] {
  const { count: rows, lineBounds, timestampsNs } = columns;
  const parts: LogColumns[] = [];
  for (let from = 0; from < rows;) {
    let to = from + 1;
    while (
      to < rows &&
      to - from < LOG_PAGE_ROWS &&
      lineBounds[to + 1]! - lineBounds[from]! <= LOG_PAGE_BYTES
    )
      to++;
    if (to < rows) to = endOfInstant(timestampsNs, from, to);
    parts.push(sliceColumns(columns, from, to));
    from = to;
  }
  return parts;
}

/** A place before `to` at which time goes on, if there is one behind `from`: pages that touch are more work. */
function endOfInstant(timestampsNs: BigInt64Array, from: number, to: number): number {
  for (let end = to; end > from; end--) if (timestampsNs[end] !== timestampsNs[end - 1]) return end;
  return to;
}
