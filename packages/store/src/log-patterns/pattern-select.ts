/**
 * Answers which patterns lines have: from what is kept with the pages of blocks and the closed pages of heads, without reading a line; open pages and streams that have
 * hidden lines are mined as they are asked for, and so is everything where not all lines of the streams are meant.
 */
import type { Labels, LogColumns } from "@finch/model";
import type { PatternAnswer, PatternRequest } from "../api.ts";
import type { Block } from "../block.ts";
import { INDEX_FILE } from "../file-names.ts";
import { hidingInBlock, hidingInHead } from "../hidden-lines.ts";
import type { HideLines } from "../hidden-lines.ts";
import { selectSeries } from "../label-select.ts";
import { readSegmentRefs } from "../log-block.ts";
import type { SegmentRef } from "../log-block.ts";
import { pickRows } from "../log-columns.ts";
import type { LogHead } from "../log-head.ts";
import { OpenSegments } from "../log-open-segments.ts";
import type { ClosedPages } from "../log-page/closed-page.ts";
import { blockPiece, openPiece } from "../log-pieces.ts";
import type { LogPiece } from "../log-pieces.ts";
import { selectLogs } from "../log-select.ts";
import { ALL_LINES } from "../log-wish.ts";
import type { Pacer } from "../pacer.ts";
import type { StoreView } from "../store-core.ts";
import { PatternSum } from "./pattern-sum.ts";
import { PatternsReader } from "./patterns-file.ts";

export async function selectPatterns(
  view: StoreView<LogHead>,
  request: PatternRequest,
  closer: ClosedPages,
  pacer: Pacer,
): Promise<PatternAnswer> {
  const selection = new PatternSelection(view, request, closer, pacer);
  const sinceNs = await (request.rows === undefined ? selection.sumPages() : selection.mineLines());
  return { ...selection.sum.finish(), sinceNs };
}

class PatternSelection {
  readonly sum: PatternSum;
  readonly #view: StoreView<LogHead>;
  readonly #request: PatternRequest;
  readonly #closer: ClosedPages;
  readonly #pacer: Pacer;

  constructor(
    view: StoreView<LogHead>,
    request: PatternRequest,
    closer: ClosedPages,
    pacer: Pacer,
  ) {
    this.sum = new PatternSum(request, request.stepSeconds);
    this.#view = view;
    this.#request = request;
    this.#closer = closer;
    this.#pacer = pacer;
  }

  /** Mines the lines that are chosen, the newest first; answers from when on all were looked at when it became too late. */
  async mineLines(): Promise<bigint | undefined> {
    const { matchers, rows, startNs, endNs, signal, isLate } = this.#request;
    const select = {
      matchers,
      startNs,
      endNs,
      needles: [],
      lines: "all",
      direction: "backward",
      signal,
    } as const;
    const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
    for await (const page of selectLogs(this.#view, select, statistics, this.#pacer)) {
      const { entries } = page;
      const chosen = rows!(page);
      this.#mine(chosen.length === entries.count ? entries : pickRows(entries, chosen));
      // Pages come by their newest line: what is newer than that has been seen.
      if (isLate()) return entries.timestampsNs[entries.count - 1]!;
      if (this.#pacer.isDue()) await this.#pacer.rest();
    }
    return undefined;
  }

  /** Sums what is kept with pages, the newest blocks first; answers likewise. */
  async sumPages(): Promise<bigint | undefined> {
    const { heads, blocks, hidden } = this.#view;
    const { matchers, startNs, endNs, isLate } = this.#request;
    for (const head of heads) {
      const hiding = hidingInHead(hidden, head.minMs);
      for (const stream of await selectSeries(head.index, matchers, this.#pacer)) {
        const labels = head.labelsOf(stream);
        const hide = hiding?.(labels);
        for (const piece of head.pieces(stream, startNs, endNs)) {
          if (piece.kind === "closed" && hide === undefined)
            this.sum.addPage(piece.page.patterns, piece);
          else await this.#minePiece(piece, labels, hide);
          if (this.#pacer.isDue()) await this.#pacer.rest();
        }
      }
    }
    const newestFirst = blocks.toSorted((a, b) => b.meta.maxMs - a.meta.maxMs);
    for (const [at, block] of newestFirst.entries()) {
      await this.#sumBlock(block);
      const next = newestFirst[at + 1];
      if (next !== undefined && isLate()) return BigInt(next.meta.maxMs) * 1_000_000n;
    }
    return undefined;
  }

  async #sumBlock(block: Block): Promise<void> {
    const { matchers, startNs, endNs } = this.#request;
    const hiding = hidingInBlock(this.#view.hidden, block.meta);
    const reader = new PatternsReader(block);
    const numbers = await block.index.select(matchers, this.#pacer);
    for await (const page of block.index.seriesOf(numbers))
      for (const { number, labels, payload } of page) {
        const hide = hiding?.(labels);
        let place = 0;
        for (const segment of readRefs(block, payload))
          for (const [at, { minNs, maxNs }] of segment.pages.entries()) {
            const ofStream = place++;
            if (minNs >= endNs || maxNs < startNs) continue;
            if (hide === undefined)
              this.sum.addPage(await reader.page(number, ofStream), { minNs, maxNs });
            else await this.#minePiece(blockPiece(block, segment, at), labels, hide);
            if (this.#pacer.isDue()) await this.#pacer.rest();
          }
      }
  }

  /** Mines the lines of a page that are not hidden. */
  async #minePiece(piece: LogPiece, labels: Labels, hide: HideLines | undefined): Promise<void> {
    const { startNs, endNs } = this.#request;
    const segments = new OpenSegments({ pagesRead: 0, pagesSkipped: 0, bytesRead: 0 });
    if (piece.kind === "block") segments.expect(piece);
    const rows = await openPiece(piece, labels, segments).read({ ...ALL_LINES, startNs, endNs });
    if (rows !== undefined) this.#mine(hide?.(rows.entries) ?? rows.entries);
  }

  #mine(entries: LogColumns): void {
    for (const mined of this.#closer.mine(entries, this.#request.stepSeconds))
      this.sum.addCounted(mined);
  }
}

function readRefs(block: Block, payload: Uint8Array): readonly SegmentRef[] {
  try {
    return readSegmentRefs(payload);
  } catch (error) {
    throw block.nonsense(error, INDEX_FILE, 0);
  }
}
