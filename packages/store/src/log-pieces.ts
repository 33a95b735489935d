/** Reads pieces of streams for a selection, wherever they are: open pages of a head, closed ones, pages of blocks. Lines only as far as they are wanted. */
import type { LogColumns } from "@finch/model";
import type { LogSelect } from "./api.ts";
import type { Block } from "./block.ts";
import { PAGES_FILE } from "./file-names.ts";
import { readSegment } from "./log-block.ts";
import type { LogPageRef, SegmentRef } from "./log-block.ts";
import { mergeRuns, pickRows } from "./log-columns.ts";
import type { LogHeadPiece } from "./log-head.ts";
import { openClosedPage } from "./log-page/closed-page.ts";
import { OpenPage } from "./log-page/open-page.ts";
import { SHAPE_OF, TIMES } from "./log-page/page-encoder.ts";
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
}

/** Rows of a piece that contain all needles, ascending by time; undefined when there are none. */
export async function readPiece(
  piece: LogPiece,
  wish: PieceWish,
  statistics: LogReadStatistics,
): Promise<LogColumns | undefined> {
  if (piece.kind === "open") {
    statistics.pagesRead++;
    statistics.bytesRead += piece.columns.lines.length;
    return readOpenColumns(mergeRuns([piece]), wish.needles);
  }
  const page =
    piece.kind === "closed"
      ? openClosedPage(piece.page)
      : await openBlockPage(piece, wish, statistics);
  statistics.pagesRead++;
  try {
    return readPage(page, wish);
  } catch (error) {
    if (piece.kind === "closed") throw error;
    throw piece.block.nonsense(error, PAGES_FILE, piece.segment.directory.offset);
  }
}

function readPage(
  page: OpenPage,
  { needles, lines: wantsLines }: PieceWish,
): LogColumns | undefined {
  let rows = ascending(page.layout.rows);
  for (const needle of needles) {
    rows = page.find(needle, rows);
    if (rows.length === 0) return undefined;
  }
  const { sets, of } = page.metadata;
  const isAll = rows.length === page.layout.rows;
  const lines =
    wantsLines === "all"
      ? page.lines(rows)
      : { lines: new Uint8Array(0), lineBounds: new Uint32Array(rows.length + 1) };
  return {
    count: rows.length,
    timestampsNs: isAll ? page.times : BigInt64Array.from(rows, (row) => page.times[row]!),
    metadataSets: sets,
    metadataOf: isAll ? of : Uint32Array.from(rows, (row) => of[row]!),
    ...lines,
  };
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

async function openBlockPage(
  { block, segment, at }: BlockPiece,
  wish: PieceWish,
  statistics: LogReadStatistics,
): Promise<OpenPage> {
  const pages = await readSegment(block, segment);
  const page = pages[at]!;
  const isWanted =
    wish.lines === "all" || wish.needles.length > 0
      ? () => true
      : ({ name }: StoredBody) => name === TIMES || name === SHAPE_OF || name.startsWith("m");
  const read = await readBodies(block, segment, page, isWanted);
  statistics.bytesRead += read.bytes;
  return new OpenPage(page.layout, read.stored);
}

/** Reads the wanted bodies of a page. */
async function readBodies(
  block: Block,
  { directory }: SegmentRef,
  page: SegmentPage,
  isWanted: (body: StoredBody) => boolean,
): Promise<{ readonly stored: (body: StoredBody) => Uint8Array; readonly bytes: number }> {
  const start = directory.offset + directory.length;
  const stretches = planReads([page], isWanted);
  const chunks = await Promise.all(
    stretches.map(({ start: from, end }) =>
      block.read(PAGES_FILE, { offset: start + from, length: end - from }),
    ),
  );
  const places = new Map(page.layout.bodies.map((body, i) => [body, page.offsets[i]!]));
  const stored = (body: StoredBody): Uint8Array => {
    const offset = places.get(body)!;
    const chunk = stretches.findIndex(
      ({ start: from, end }) => from <= offset && end >= offset + body.storedBytes,
    );
    const from = offset - stretches[chunk]!.start;
    return chunks[chunk]!.subarray(from, from + body.storedBytes);
  };
  return { stored, bytes: stretches.reduce((sum, { start: from, end }) => sum + end - from, 0) };
}
