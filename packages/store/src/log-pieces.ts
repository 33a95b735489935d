/** Reads pieces of streams for a selection, wherever they are: open pages of a head, closed ones, pages of blocks. Lines only as far as they are wanted. */
import { Labels } from "@finch/model";
import type { LogColumns, LogFields } from "@finch/model";
import { assert } from "@finch/runtime";
import type { LogSelect } from "./api.ts";
import type { Block } from "./block.ts";
import { PAGES_FILE } from "./file-names.ts";
import { readSegment } from "./log-block.ts";
import type { LogPageRef, SegmentRef } from "./log-block.ts";
import { clipColumns, lowerBoundNs, mergeRuns, pickRows } from "./log-columns.ts";
import type { LogHeadPiece } from "./log-head.ts";
import { openClosedPage } from "./log-page/closed-page.ts";
import { OpenPage } from "./log-page/open-page.ts";
import type { PageLines } from "./log-page/open-page.ts";
import { readFields } from "./log-page/page-fields.ts";
import type { FieldChoice } from "./log-page/page-fields.ts";
import type { PageLayout, StoredBody } from "./log-page/page-layout.ts";
import { planSearch } from "./log-page/search-plan.ts";
import { planReads } from "./log-page/segment.ts";
import type { SegmentPage } from "./log-page/segment.ts";
import { ascending, sharedAscending } from "./number-columns.ts";

export interface LogReadStatistics {
  pagesRead: number;
  pagesSkipped: number;
  bytesRead: number;
}

export interface BlockPiece {
  readonly kind: "block";
  readonly block: Block;
  readonly segment: SegmentRef;
  /** Its place in the segment. */
  readonly at: number;
  readonly minNs: bigint;
  readonly maxNs: bigint;
}

export type LogPiece = LogHeadPiece | BlockPiece;

export function blockPiece(block: Block, segment: SegmentRef, at: number): BlockPiece {
  const { minNs, maxNs }: LogPageRef = segment.pages[at]!;
  return { kind: "block", block, segment, at, minNs, maxNs };
}

/** What is wanted of each piece. */
export interface PieceWish {
  readonly needles: readonly Uint8Array[];
  readonly lines: LogSelect["lines"];
  readonly fields: FieldChoice | undefined;
  readonly labels: LogSelect["labels"];
  readonly needsTimes: LogSelect["needsTimes"];
  readonly startNs: bigint;
  readonly endNs: bigint;
}

/** All rows of a range, whole. */
export const ALL_LINES = {
  needles: [],
  lines: "all",
  fields: undefined,
  labels: undefined,
  needsTimes: undefined,
} as const;

/** What was read of a piece. */
export interface PieceRows {
  readonly entries: LogColumns;
  readonly fields: LogFields | undefined;
}

/** Reads one piece, as often as slices need parts of it; what was decompressed once is kept. */
export interface PieceReader {
  /** The rows with `startNs <= time < endNs` that contain all needles, ascending by time; undefined when there are none. */
  read(wish: PieceWish): Promise<PieceRows | undefined>;
}

/** `labels` are those of the stream, `segments` what the selection has open of blocks. */
export function openPiece(piece: LogPiece, labels: Labels, segments: OpenSegments): PieceReader {
  const { statistics } = segments;
  statistics.pagesRead++;
  if (piece.kind === "open") return openHeadPage(piece, statistics);
  if (piece.kind === "closed") {
    const page = openClosedPage(piece.page);
    return { read: (wish) => new PageRead(page, piece, labels, wish).rows() };
  }
  const { block, segment, at } = piece;
  let page: OpenPage | undefined;
  return {
    async read(wish) {
      try {
        const file = await segments.open(block, segment);
        page ??= file.page(at);
        const load: LoadBodies = (need) => file.load(at, need, wish);
        return await new PageRead(page, piece, labels, wish, load).rows();
      } catch (error) {
        throw block.nonsense(error, PAGES_FILE, segment.directory.offset);
      }
    },
  };
}

function openHeadPage(
  piece: LogPiece & { readonly kind: "open" },
  statistics: LogReadStatistics,
): PieceReader {
  statistics.bytesRead += piece.columns.lines.length;
  const sorted = mergeRuns([piece]);
  return {
    read: ({ needles, startNs, endNs }) => {
      const entries = readOpenColumns(clipColumns(sorted, startNs, endNs), needles);
      const isEmpty = entries === undefined || entries.count === 0;
      return Promise.resolve(isEmpty ? undefined : { entries, fields: undefined });
    },
  };
}

/** Of a page: `first` is what decides about rows, `all` the rest of it. */
type Need = "first" | "all";
type LoadBodies = (need: Need) => Promise<void>;

/** What is needed of any page to decide which rows are wanted, and to count them. */
function isNeededFirst(
  layout: PageLayout,
  wish: PieceWish,
  span: { readonly minNs: bigint; readonly maxNs: bigint },
): ((body: StoredBody) => boolean) | typeof WHOLE | undefined {
  const columns = new Set<number>();
  const wanted = wish.fields?.wanted(layout);
  for (const number of wanted?.keys() ?? []) columns.add(number);
  let isAll =
    wish.lines === "all" && wish.fields?.request.keep === undefined && wish.needles.length === 0;
  for (const needle of wish.needles) {
    const plan = planSearch(layout, needle);
    if (plan === undefined) return undefined;
    if (plan.columns === undefined) isAll = true;
    else for (const number of plan.columns) columns.add(number);
  }
  if (isAll) return WHOLE;
  const bodies = new Set<StoredBody>();
  for (const number of columns) bodies.add(layout.columns[number]!.body);
  if (columns.size > 0 || wanted !== undefined || wish.needles.length > 0)
    if (layout.templateOf !== undefined) bodies.add(layout.templateOf);
  if (needsTimes(span, wish)) bodies.add(layout.times);
  if (needsMetadata(layout, wish)) {
    if (layout.shapeOf !== undefined) bodies.add(layout.shapeOf);
    for (const { body } of layout.metadata) bodies.add(body);
  }
  return (body) => bodies.has(body);
}

const WHOLE = "whole";

/** Whether rows are told apart by their times: where the page lies at the end of the range, or whoever asks says so. */
function needsTimes(
  { minNs, maxNs }: { readonly minNs: bigint; readonly maxNs: bigint },
  { startNs, endNs, needsTimes: asked }: PieceWish,
): boolean {
  return minNs < startNs || maxNs >= endNs || asked?.(minNs, maxNs) !== false;
}

/** Whether the structured metadata of a page has a label that counts. */
function needsMetadata({ metadataNames }: PageLayout, { labels }: PieceWish): boolean {
  return labels === undefined || metadataNames.some((name) => labels.has(name));
}

/** One reading of a page in its encoded form. */
class PageRead {
  readonly #page: OpenPage;
  readonly #piece: { readonly minNs: bigint; readonly maxNs: bigint };
  readonly #labels: Labels;
  readonly #wish: PieceWish;
  readonly #load: LoadBodies;

  constructor(
    page: OpenPage,
    piece: { readonly minNs: bigint; readonly maxNs: bigint },
    labels: Labels,
    wish: PieceWish,
    load: LoadBodies = () => Promise.resolve(),
  ) {
    this.#page = page;
    this.#piece = piece;
    this.#labels = labels;
    this.#wish = wish;
    this.#load = load;
  }

  async rows(): Promise<PieceRows | undefined> {
    const page = this.#page;
    const { needles, lines, fields: choice } = this.#wish;
    const plans = [];
    for (const needle of needles) {
      const plan = planSearch(page.layout, needle);
      if (plan === undefined) return undefined;
      plans.push(plan);
    }
    await this.#load("first");
    let rows = this.#rowsInRange();
    for (const plan of plans) {
      if (rows.length === 0) return undefined;
      rows = page.find(plan, rows);
    }
    if (rows.length === 0) return undefined;
    const request = choice?.request;
    let fields =
      choice === undefined
        ? undefined
        : pickFields(readFields(page, choice.request, choice.wanted(page.layout)), rows);
    if (fields !== undefined && request?.keep !== undefined) {
      const entries = this.#columns(rows, NO_ROWS);
      const kept = request.keep({ labels: this.#labels, entries, fields });
      if (kept.length === 0) return undefined;
      if (kept.length < rows.length) {
        fields = pickFields(fields, kept);
        rows = pickNumbers(rows, kept);
      }
    }
    const made = lines === "all" ? undefined : fields === undefined ? NO_ROWS : unknownRows(fields);
    if (made === undefined || made.length > 0) await this.#load("all");
    return { entries: this.#columns(rows, made), fields };
  }

  #rowsInRange(): Uint32Array {
    const { startNs, endNs } = this.#wish;
    const { minNs, maxNs } = this.#piece;
    const isWhole = minNs >= startNs && maxNs < endNs;
    return isWhole
      ? sharedAscending(this.#page.layout.rows)
      : rowsBetween(this.#page.times, this.#wish);
  }

  /** The rows as columns; lines of those at the places `made`, of all when it is undefined. */
  #columns(rows: Uint32Array, made: Uint32Array | undefined): LogColumns {
    const page = this.#page;
    const isAll = rows.length === page.layout.rows;
    // An error in a line tells all labels.
    const hasLines = made === undefined || made.length > 0;
    const { sets, of } =
      hasLines || needsMetadata(page.layout, this.#wish)
        ? page.metadata
        : { sets: NO_METADATA, of: zerosOf(page.layout.rows) };
    return {
      count: rows.length,
      timestampsNs: this.#times(rows, isAll),
      metadataSets: sets,
      metadataOf: isAll ? of : pickNumbers(of, rows),
      ...this.#lines(rows, made),
    };
  }

  /** None when nobody looks at them. */
  #times(rows: Uint32Array, isAll: boolean): BigInt64Array {
    if (!needsTimes(this.#piece, this.#wish)) return NO_TIMES;
    return isAll ? this.#page.times : pickTimes(this.#page.times, rows);
  }

  #lines(rows: Uint32Array, made: Uint32Array | undefined): PageLines {
    if (made === undefined) return this.#page.lines(rows);
    if (made.length === 0) return { lines: NO_LINES, lineBounds: zerosOf(rows.length + 1) };
    const lineBounds = new Uint32Array(rows.length + 1);
    const some = this.#page.lines(pickNumbers(rows, made));
    for (let at = 0, next = 0; at < rows.length; at++) {
      if (made[next] === at) next++;
      lineBounds[at + 1] = some.lineBounds[next]!;
    }
    return { lines: some.lines, lineBounds };
  }
}

const NO_METADATA: readonly Labels[] = [Labels.EMPTY];
const NO_ROWS = new Uint32Array(0);
const NO_TIMES = new BigInt64Array(0);
const NO_LINES = new Uint8Array(0);
/** Bounds of lines that are not made, and numbers of empty sets: zeros that nobody writes. */
let zeros = new Uint32Array(65_536);

function zerosOf(count: number): Uint32Array {
  if (count > zeros.length) zeros = new Uint32Array(count);
  return zeros.subarray(0, count);
}

function rowsBetween(
  timesNs: BigInt64Array,
  { startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint },
): Uint32Array {
  const from = lowerBoundNs(timesNs, timesNs.length, startNs);
  const to = lowerBoundNs(timesNs, timesNs.length, endNs);
  return sharedAscending(Math.max(from, to)).subarray(from);
}

function pickTimes(timesNs: BigInt64Array, rows: Uint32Array): BigInt64Array {
  const picked = new BigInt64Array(rows.length);
  // Halves are moved: big integers would cost an allocation each.
  const from = new Uint32Array(timesNs.buffer, timesNs.byteOffset, 2 * timesNs.length);
  const to = new Uint32Array(picked.buffer);
  for (let i = 0; i < rows.length; i++) {
    to[2 * i] = from[2 * rows[i]!]!;
    to[2 * i + 1] = from[2 * rows[i]! + 1]!;
  }
  return picked;
}

function pickNumbers(numbers: Uint32Array, rows: Uint32Array): Uint32Array {
  const picked = new Uint32Array(rows.length);
  for (let i = 0; i < rows.length; i++) picked[i] = numbers[rows[i]!]!;
  return picked;
}

function pickFields({ isKnown, columns }: LogFields, rows: Uint32Array): LogFields {
  if (rows.length === isKnown.length) return { isKnown, columns };
  const known = new Uint8Array(rows.length);
  for (let i = 0; i < rows.length; i++) known[i] = isKnown[rows[i]!]!;
  return {
    isKnown: known,
    columns: columns.map(({ label, values, of }) => ({ label, values, of: pickNumbers(of, rows) })),
  };
}

function unknownRows({ isKnown }: LogFields): Uint32Array {
  return isKnown.includes(0)
    ? ascending(isKnown.length).filter((row) => isKnown[row] === 0)
    : NO_ROWS;
}

function readOpenColumns(
  columns: LogColumns,
  needles: readonly Uint8Array[],
): LogColumns | undefined {
  if (needles.length === 0) return columns;
  const { buffer, byteOffset, length } = columns.lines;
  const bytes = Buffer.from(buffer, byteOffset, length);
  if (!needles.every((needle) => bytes.includes(needle))) return undefined;
  const rows = ascending(columns.count).filter((row) => {
    const line = bytes.subarray(columns.lineBounds[row], columns.lineBounds[row + 1]);
    return needles.every((needle) => line.includes(needle));
  });
  return rows.length === 0 ? undefined : pickRows(columns, rows);
}

/** What a selection has open of the segments of blocks: what one page needs, its neighbours soon will. */
export class OpenSegments {
  readonly statistics: LogReadStatistics;
  readonly #files = new Map<SegmentRef, Promise<SegmentBodies>>();
  /** Pieces still to come. */
  readonly #expected = new Map<SegmentRef, Set<number>>();

  constructor(statistics: LogReadStatistics) {
    this.statistics = statistics;
  }

  /** A page of the segment will be read. */
  expect({ segment, at }: BlockPiece): void {
    const places = this.#expected.get(segment);
    if (places === undefined) this.#expected.set(segment, new Set([at]));
    else places.add(at);
  }

  /** A page of the segment is done with. */
  done({ segment, at }: BlockPiece): void {
    const places = this.#expected.get(segment);
    places?.delete(at);
    if (places === undefined || places.size > 0) return;
    this.#expected.delete(segment);
    this.#files.delete(segment);
  }

  open(block: Block, segment: SegmentRef): Promise<SegmentBodies> {
    let file = this.#files.get(segment);
    if (file === undefined) {
      const places = this.#expected.get(segment) ?? new Set<number>();
      file = readSegment(block, segment).then(
        (pages) =>
          new SegmentBodies(block, segment, { pages, places, statistics: this.statistics }),
      );
      this.#files.set(segment, file);
    }
    return file;
  }
}

/** Bodies of a segment, read as they are needed. */
class SegmentBodies {
  readonly #block: Block;
  readonly #start: number;
  readonly #of: {
    readonly pages: readonly SegmentPage[];
    /** Pages that are still to be read. */
    readonly places: ReadonlySet<number>;
    readonly statistics: LogReadStatistics;
  };
  readonly #bodies = new Map<StoredBody, Uint8Array>();

  constructor(
    block: Block,
    { directory }: SegmentRef,
    of: {
      readonly pages: readonly SegmentPage[];
      readonly places: ReadonlySet<number>;
      readonly statistics: LogReadStatistics;
    },
  ) {
    this.#block = block;
    this.#start = directory.offset + directory.length;
    this.#of = of;
  }

  page(at: number): OpenPage {
    return new OpenPage(this.#of.pages[at]!.layout, (body) => {
      const bytes = this.#bodies.get(body);
      assert(bytes !== undefined, "a body is loaded before it is opened");
      return bytes;
    });
  }

  /** Reads what is needed of a page and not there yet; of what is needed first, that of the other pages to come as well. */
  async load(at: number, need: Need, wish: PieceWish): Promise<void> {
    const { pages, places } = this.#of;
    const wanted = new Set<StoredBody>();
    const read: SegmentPage[] = [];
    for (const [place, page] of pages.entries()) {
      if (place !== at && (need === "all" || !places.has(place))) continue;
      // Of a neighbour what it will need if all of it is in the range.
      const own = place === at ? wish : { ...wish, startNs: page.minNs, endNs: page.maxNs + 1n };
      const needed = need === "all" ? WHOLE : isNeededFirst(page.layout, own, page);
      // Whole pages are read one by one: their neighbours may never be asked for.
      if (needed === undefined || (needed === WHOLE && place !== at)) continue;
      const before = wanted.size;
      for (const body of page.layout.bodies)
        if (!this.#bodies.has(body) && (needed === WHOLE || needed(body))) wanted.add(body);
      if (wanted.size > before) read.push(page);
    }
    if (read.length > 0) await this.#read(read, wanted);
  }

  async #read(pages: readonly SegmentPage[], wanted: ReadonlySet<StoredBody>): Promise<void> {
    const stretches = planReads(pages, (body) => wanted.has(body));
    const chunks = await Promise.all(
      stretches.map(({ start, end }) =>
        this.#block.read(PAGES_FILE, { offset: this.#start + start, length: end - start }),
      ),
    );
    for (const { start, end } of stretches) this.#of.statistics.bytesRead += end - start;
    for (const { layout, offsets } of pages) {
      for (const [i, body] of layout.bodies.entries()) {
        if (!wanted.has(body)) continue;
        const offset = offsets[i]!;
        const chunk = stretches.findIndex(
          ({ start, end }) => start <= offset && end >= offset + body.storedBytes,
        );
        const from = offset - stretches[chunk]!.start;
        this.#bodies.set(body, chunks[chunk]!.subarray(from, from + body.storedBytes));
      }
    }
  }
}
