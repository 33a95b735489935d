/** Reads pieces of streams for a selection, wherever they are: open pages of a head, closed ones, pages of blocks. Lines only as far as they are wanted. */
import type { Labels, LogColumns, LogFields } from "@finch/model";
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
import type { FieldChoice, WantedFields } from "./log-page/page-fields.ts";
import { SHAPE_OF, TEMPLATE_OF, TIMES } from "./log-page/page-encoder.ts";
import type { StoredBody } from "./log-page/page-layout.ts";
import { planReads } from "./log-page/segment.ts";
import type { SegmentPage } from "./log-page/segment.ts";
import { ascending } from "./number-columns.ts";

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
  readonly startNs: bigint;
  readonly endNs: bigint;
}

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

/** `labels` are those of the stream. */
export function openPiece(
  piece: LogPiece,
  labels: Labels,
  statistics: LogReadStatistics,
): PieceReader {
  statistics.pagesRead++;
  if (piece.kind === "open") return openHeadPage(piece, statistics);
  if (piece.kind === "closed") {
    const page = openClosedPage(piece.page);
    return { read: (wish) => new PageRead(page, labels, wish, () => Promise.resolve()).rows() };
  }
  const { block, segment, at } = piece;
  const file = new SegmentBodies(block, segment, statistics);
  let opened: { readonly page: OpenPage; readonly stored: SegmentPage } | undefined;
  return {
    async read(wish) {
      try {
        if (opened === undefined) {
          const stored = (await readSegment(block, segment))[at]!;
          opened = { page: new OpenPage(stored.layout, (body) => file.stored(body)), stored };
        }
        const { page, stored } = opened;
        const load = (isWanted: (body: StoredBody) => boolean) => file.load(stored, isWanted);
        return await new PageRead(page, labels, wish, load).rows();
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

type LoadBodies = (isWanted: (body: StoredBody) => boolean) => Promise<void>;

/** One reading of a page in its encoded form: first what decides about rows, then the rest of it if rows are left. */
class PageRead {
  readonly #page: OpenPage;
  readonly #labels: Labels;
  readonly #wish: PieceWish;
  readonly #load: LoadBodies;

  constructor(page: OpenPage, labels: Labels, wish: PieceWish, load: LoadBodies) {
    this.#page = page;
    this.#labels = labels;
    this.#wish = wish;
    this.#load = load;
  }

  async rows(): Promise<PieceRows | undefined> {
    const page = this.#page;
    const { needles, lines, fields: choice } = this.#wish;
    const request = choice?.request;
    const wanted = choice?.wanted(page.layout);
    const hasNeedles = needles.length > 0;
    const isAllWanted = hasNeedles || (lines === "all" && request?.keep === undefined);
    await this.#load((body) => isAllWanted || this.#isNeededFirst(body, wanted));
    let rows = rowsBetween(page.times, this.#wish);
    if (rows.length === 0) return undefined;
    for (const needle of needles) {
      rows = page.find(needle, rows);
      if (rows.length === 0) return undefined;
    }
    let fields =
      wanted === undefined ? undefined : pickFields(readFields(page, request!, wanted), rows);
    if (fields !== undefined && request!.keep !== undefined) {
      const entries = this.#columns(rows, NO_ROWS);
      const kept = request!.keep({ labels: this.#labels, entries, fields });
      if (kept.length === 0) return undefined;
      if (kept.length < rows.length) {
        fields = pickFields(fields, kept);
        rows = Uint32Array.from(kept, (at) => rows[at]!);
      }
    }
    const made = lines === "all" ? undefined : fields === undefined ? NO_ROWS : unknownRows(fields);
    if (!isAllWanted && (made === undefined || made.length > 0)) await this.#load(() => true);
    return { entries: this.#columns(rows, made), fields };
  }

  #isNeededFirst(body: StoredBody, wanted: WantedFields | undefined): boolean {
    const { layout } = this.#page;
    const { name } = body;
    if (name === TIMES || name === SHAPE_OF || name.startsWith("m")) return true;
    if (wanted === undefined) return false;
    if (name === TEMPLATE_OF) return true;
    for (const number of wanted.keys()) if (layout.columns[number]!.body === body) return true;
    return false;
  }

  /** The rows as columns; lines of those at the places `made`, of all when it is undefined. */
  #columns(rows: Uint32Array, made: Uint32Array | undefined): LogColumns {
    const page = this.#page;
    const { sets, of } = page.metadata;
    const isAll = rows.length === page.layout.rows;
    return {
      count: rows.length,
      timestampsNs: isAll ? page.times : pickTimes(page.times, rows),
      metadataSets: sets,
      metadataOf: isAll ? of : pickNumbers(of, rows),
      ...this.#lines(rows, made),
    };
  }

  #lines(rows: Uint32Array, made: Uint32Array | undefined): PageLines {
    if (made === undefined) return this.#page.lines(rows);
    const lineBounds = new Uint32Array(rows.length + 1);
    if (made.length === 0) return { lines: new Uint8Array(0), lineBounds };
    const some = this.#page.lines(pickNumbers(rows, made));
    for (let at = 0, next = 0; at < rows.length; at++) {
      if (made[next] === at) next++;
      lineBounds[at + 1] = some.lineBounds[next]!;
    }
    return { lines: some.lines, lineBounds };
  }
}

const NO_ROWS = new Uint32Array(0);

function rowsBetween(
  timesNs: BigInt64Array,
  { startNs, endNs }: { readonly startNs: bigint; readonly endNs: bigint },
): Uint32Array {
  const from = lowerBoundNs(timesNs, timesNs.length, startNs);
  const to = lowerBoundNs(timesNs, timesNs.length, endNs);
  const rows = new Uint32Array(Math.max(0, to - from));
  for (let i = 0; i < rows.length; i++) rows[i] = from + i;
  return rows;
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

/** Bodies of a segment, read as they are wanted. */
class SegmentBodies {
  readonly #block: Block;
  readonly #start: number;
  readonly #statistics: LogReadStatistics;
  readonly #bodies = new Map<StoredBody, Uint8Array>();

  constructor(block: Block, { directory }: SegmentRef, statistics: LogReadStatistics) {
    this.#block = block;
    this.#start = directory.offset + directory.length;
    this.#statistics = statistics;
  }

  stored(body: StoredBody): Uint8Array {
    const bytes = this.#bodies.get(body);
    assert(bytes !== undefined, "a body is loaded before it is opened");
    return bytes;
  }

  /** Reads the wanted bodies of a page that are not there yet. */
  async load(page: SegmentPage, isWanted: (body: StoredBody) => boolean): Promise<void> {
    const isMissing = (body: StoredBody) => !this.#bodies.has(body) && isWanted(body);
    const stretches = planReads([page], isMissing);
    const chunks = await Promise.all(
      stretches.map(({ start, end }) =>
        this.#block.read(PAGES_FILE, { offset: this.#start + start, length: end - start }),
      ),
    );
    for (const { start, end } of stretches) this.#statistics.bytesRead += end - start;
    for (const [i, body] of page.layout.bodies.entries()) {
      if (!isMissing(body)) continue;
      const offset = page.offsets[i]!;
      const chunk = stretches.findIndex(
        ({ start, end }) => start <= offset && end >= offset + body.storedBytes,
      );
      const from = offset - stretches[chunk]!.start;
      this.#bodies.set(body, chunks[chunk]!.subarray(from, from + body.storedBytes));
    }
  }
}
