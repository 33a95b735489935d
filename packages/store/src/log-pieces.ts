/** Pieces of streams that a selection reads, wherever they are: open pages of a head, closed ones, pages of blocks. */
import type { Labels, LogColumns } from "@finch/model";
import type { Block } from "./block.ts";
import { PAGES_FILE } from "./file-names.ts";
import type { LogPageRef, SegmentRef } from "./log-block.ts";
import { clipColumns, mergeRuns, pickRows } from "./log-columns.ts";
import type { LogHeadPiece } from "./log-head.ts";
import { IN_MEMORY, PageRead } from "./log-page-read.ts";
import type { PageFile } from "./log-page-read.ts";
import { openClosedPage } from "./log-page/closed-page.ts";
import type { OpenPage } from "./log-page/open-page.ts";
import type { OpenSegments } from "./log-open-segments.ts";
import type { LogReadStatistics, PieceRows, PieceWish } from "./log-wish.ts";
import { pickValued } from "./log-values.ts";
import { ascending } from "./number-columns.ts";

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
    const { rows } = page.layout;
    const span = { rows, minNs: piece.minNs, maxNs: piece.maxNs };
    return { read: (wish) => new PageRead(() => page, span, labels, wish, IN_MEMORY).rows() };
  }
  const { block, segment, at } = piece;
  const name = `${segment.directory.offset}.${at}`;
  let page: OpenPage | undefined;
  return {
    async read(wish) {
      try {
        const bodies = await segments.open(block, segment);
        const file: PageFile = {
          load: (need) => bodies.load(at, need, wish),
          remember: (key, find) =>
            block.cached(PAGES_FILE, `page ${name} ${key}`, async () => {
              const { value, bytes } = await find();
              return { value, bytes: 200 + bytes };
            }),
        };
        const open = () => (page ??= bodies.page(at));
        return await new PageRead(open, segment.pages[at]!, labels, wish, file).rows();
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
  const { rows, isSorted } = piece;
  statistics.bytesRead += rows.lineBytes;
  const sorted = mergeRuns([{ columns: rows.columns(), isSorted }]);
  return {
    read: ({ needles, values, startNs, endNs }) => {
      const valued = pickValued(clipColumns(sorted, startNs, endNs), values);
      const entries = readOpenColumns(valued, needles);
      const isEmpty = entries === undefined || entries.count === 0;
      return Promise.resolve(isEmpty ? undefined : { entries, fields: undefined });
    },
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
