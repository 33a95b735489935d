/** Pages that are in the form in which blocks hold them, and still in memory. */
import type { LogColumns } from "@finch/model";
import { sliceColumns } from "../log-columns.ts";
import { GramCollector, makeFilter } from "./gram-filter.ts";
import type { PageFilter } from "./gram-filter.ts";
import { OpenPage } from "./open-page.ts";
import { PageEncoder } from "./page-encoder.ts";
import type { EncodedPage } from "./page-encoder.ts";
import { readPageLayout } from "./page-layout.ts";

export interface ClosedPage {
  readonly page: EncodedPage;
  readonly filter: PageFilter;
  /** Memory held. */
  readonly bytes: number;
}

/** Grams of one page; those of more would fill the largest filter so far that it lets most pass. */
const GRAMS_MAX = 180_000;

/** Makes closed pages; holds what is needed for it. */
export class ClosedPages {
  readonly #encoder = new PageEncoder();
  readonly #grams = new GramCollector();

  /** Closes sorted entries: one page, or more when one filter cannot hold all their words. */
  close(entries: LogColumns): ClosedPage[] {
    if (entries.count === 0) return [];
    const hashes = this.#grams.collect(entries.lines, entries.lineBounds, entries.count);
    if (hashes.length > GRAMS_MAX && entries.count > 1) {
      const middle = entries.count >> 1;
      return [
        ...this.close(sliceColumns(entries, 0, middle)),
        ...this.close(sliceColumns(entries, middle, entries.count)),
      ];
    }
    const filter = makeFilter(hashes);
    const page = this.#encoder.encode(entries);
    let bytes = 512 + page.head.length + filter.bits.length;
    for (const { stored } of page.columns) bytes += 160 + stored.length;
    return [{ page, filter, bytes }];
  }
}

/** Opens a closed page for reading. */
export function openClosedPage({ page }: ClosedPage): OpenPage {
  const stored = new Map(page.columns.map((column) => [column.name, column.stored]));
  return new OpenPage(readPageLayout(page.head, page.rows), ({ name }) => stored.get(name)!);
}
