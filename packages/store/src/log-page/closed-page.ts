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
    const { lines, lineBounds, count } = entries;
    this.#kernel.load(lines, lineBounds, count);
    const page = this.#encoder.encode(entries);
    if (page === undefined) {
      const middle = count >> 1;
      return [
        ...this.close(sliceColumns(entries, 0, middle)),
        ...this.close(sliceColumns(entries, middle, count)),
      ];
    }
    const grams = this.#kernel.gramCount;
    const filter =
      grams === undefined
        ? makeFilter(new GramCollector().collect(lines, lineBounds, count))
        : filterOfKernel(this.#kernel, grams);
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
