/** Pages that are in the form in which blocks hold them, and still in memory. */
import { LogPageKernel } from "@finch/codec/kernels";
import type { LogColumns } from "@finch/model";
import { sliceColumns } from "../log-columns.ts";
import { filterOfKernel, GramCollector, makeFilter } from "./gram-filter.ts";
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

/** Makes closed pages; holds what is needed for it. */
export class ClosedPages {
  readonly #kernel = new LogPageKernel();
  readonly #encoder = new PageEncoder(this.#kernel);

  /** Closes sorted entries: one page, or more when one filter cannot hold all their words: it would let most needles pass. */
  close(entries: LogColumns): ClosedPage[] {
    if (entries.count === 0) return [];
    const filter = this.#filter(entries);
    if (filter === undefined) {
      const middle = entries.count >> 1;
      return [
        ...this.close(sliceColumns(entries, 0, middle)),
        ...this.close(sliceColumns(entries, middle, entries.count)),
      ];
    }
    const page = this.#encoder.encode(entries);
    let bytes = 512 + page.head.length + filter.bits.length;
    for (const { stored } of page.columns) bytes += 160 + stored.length;
    return [{ page, filter, bytes }];
  }

  /** Undefined when the entries have more grams than a page may have, unless they are one. */
  #filter({ lines, lineBounds, count }: LogColumns): PageFilter | undefined {
    this.#kernel.load(lines, lineBounds, count);
    const grams = this.#kernel.collectGrams();
    if (grams !== undefined) return filterOfKernel(this.#kernel, grams);
    if (count > 1) return undefined;
    return makeFilter(new GramCollector().collect(lines, lineBounds, count));
  }
}

/** Opens a closed page for reading. */
export function openClosedPage({ page }: ClosedPage): OpenPage {
  const stored = new Map(page.columns.map((column) => [column.name, column.stored]));
  return new OpenPage(readPageLayout(page.head, page.rows), ({ name }) => stored.get(name)!);
}
