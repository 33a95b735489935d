/** Pages that are in the form in which blocks hold them, and still in memory. */
import { LogPageKernel } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import { sliceColumns } from "../log-columns.ts";
import { LOG_PAGE_ROWS } from "../limits.ts";
import { KernelLines } from "../log-patterns/column-words.ts";
import { binRows, mineLines } from "../log-patterns/line-miner.ts";
import type { PatternClusters } from "../log-patterns/pattern-clusters.ts";
import { sizeOfPatterns } from "../log-patterns/page-patterns.ts";
import { filterOfKernel, GramCollector, makeFilter } from "./gram-filter.ts";
import type { PageFilter } from "./gram-filter.ts";
import { splitLines } from "./line-split.ts";
import { OpenPage } from "./open-page.ts";
import { PageEncoder } from "./page-encoder.ts";
import type { MinedPage } from "./page-encoder.ts";
import { readPageLayout } from "./page-layout.ts";

export interface ClosedPage extends MinedPage {
  readonly filter: PageFilter;
  /** Memory held. */
  readonly bytes: number;
}

/** Makes closed pages; holds what is needed for it. */
export class ClosedPages {
  readonly #kernel = new LogPageKernel();
  readonly #encoder = new PageEncoder(this.#kernel);

  /** Closes sorted entries: one page, or more when one filter cannot hold all their words: it would let most needles pass. */
  close(entries: LogColumns): ClosedPage[] {
    if (entries.count === 0) return [];
    const { lines, lineBounds, count } = entries;
    this.#kernel.load(lines, lineBounds, count);
    const mined = this.#encoder.encode(entries);
    if (mined === undefined) {
      const middle = count >> 1;
      return [
        ...this.close(sliceColumns(entries, 0, middle)),
        ...this.close(sliceColumns(entries, middle, count)),
      ];
    }
    const { page, patterns } = mined;
    const grams = this.#kernel.gramCount;
    const filter =
      grams === undefined
        ? makeFilter(new GramCollector().collect(lines, lineBounds, count))
        : filterOfKernel(this.#kernel, grams);
    let bytes = 512 + page.head.length + filter.bits.length + sizeOfPatterns(patterns);
    for (const { stored } of page.columns) bytes += 160 + stored.length;
    return [{ page, filter, patterns, bytes }];
  }

  /** The patterns of sorted entries, counted by bins of so many seconds, some thousand rows at a time. */
  *mine(entries: LogColumns, binSeconds: number): Generator<PatternClusters> {
    for (let from = 0; from < entries.count; from += LOG_PAGE_ROWS) {
      const some = sliceColumns(entries, from, Math.min(entries.count, from + LOG_PAGE_ROWS));
      this.#kernel.load(some.lines, some.lineBounds, some.count);
      const lines = new KernelLines(this.#kernel, splitLines(this.#kernel, some));
      yield mineLines(some, lines, binRows(some, binSeconds));
    }
  }
}

/** Opens a closed page for reading. */
export function openClosedPage({ page }: ClosedPage): OpenPage {
  const stored = new Map(page.columns.map((column) => [column.name, column.stored]));
  return new OpenPage(readPageLayout(page.head, page.rows, page.metadata), ({ name }) =>
    stored.get(name)!,
  );
}
