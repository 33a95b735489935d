/** Counts lines and their bytes: what pages know of themselves is enough where they lie in the range as a whole, overlap no other and hide nothing; others are read. */
import type { Labels } from "@finch/model";
import type { LogCount, LogCountRequest } from "./api.ts";
import type { LogHead } from "./log-head.ts";
import { planStreams, SliceLoader } from "./log-select.ts";
import type { Piece } from "./log-select.ts";
import { slicePieces } from "./log-slices.ts";
import type { Slice } from "./log-slices.ts";
import type { LogReadStatistics } from "./log-wish.ts";
import type { Pacer } from "./pacer.ts";
import type { StoreView } from "./store-core.ts";

export async function* countLogs(
  view: StoreView<LogHead>,
  request: LogCountRequest,
  statistics: LogReadStatistics,
  pacer: Pacer,
): AsyncGenerator<LogCount> {
  const { startNs, endNs } = request;
  const select = { ...request, needles: [], lines: "all", direction: "any" } as const;
  const loader = new SliceLoader(select, statistics);
  const rest: { readonly labels: Labels; readonly slice: Slice<Piece> }[] = [];
  for (const { labels, pieces } of await planStreams(view, select, { statistics, pacer })) {
    for (const slice of slicePieces(pieces)) {
      if (slice.startNs >= endNs || slice.endNs <= startNs) continue;
      const piece = wholePiece(slice, request);
      if (piece !== undefined) {
        statistics.pagesSkipped++;
        yield { kind: "counted", labels, minNs: piece.minNs, ...sizeOf(piece) };
        continue;
      }
      rest.push({ labels, slice });
      loader.expect(slice);
    }
    if (pacer.isDue()) await pacer.rest();
  }
  for (const { labels, slice } of rest) {
    const { entries } = await loader.load(labels, slice);
    if (entries.count > 0) yield { kind: "lines", labels, entries };
    if (pacer.isDue()) await pacer.rest();
  }
}

/** The page that the slice is, when all of it counts as one. */
function wholePiece(
  { startNs, endNs, pieces }: Slice<Piece>,
  request: LogCountRequest,
): Piece | undefined {
  const [piece, ...others] = pieces;
  if (others.length > 0 || piece!.hide !== undefined) return undefined;
  const { minNs, maxNs } = piece!;
  if (minNs !== startNs || maxNs + 1n !== endNs) return undefined;
  if (minNs < request.startNs || maxNs >= request.endNs) return undefined;
  return request.isOne(minNs, maxNs) ? piece : undefined;
}

function sizeOf(piece: Piece): { readonly lines: number; readonly bytes: number } {
  switch (piece.kind) {
    case "open": {
      const { count, lineBytes } = piece.rows;
      return { lines: count, bytes: lineBytes };
    }
    case "closed": {
      const { rows, lineBytes } = piece.page.page;
      return { lines: rows, bytes: lineBytes };
    }
    case "block": {
      const { rows, lineBytes } = piece.segment.pages[piece.at]!;
      return { lines: rows, bytes: lineBytes };
    }
  }
}
