/**
 * Rows that no reader is to see although they stand in a block or a head: deleted ones, and those of series that are kept less long than the
 * others. Found by the index of each; a series then has gaps, spans of time that are left out. Merges leave out the same.
 */
import type { RetentionRule } from "./api.ts";
import type { Block } from "./block.ts";
import { concerns } from "./deletes.ts";
import type { Delete, RowSelection, TimeSpan } from "./deletes.ts";
import { selectSeries } from "./label-select.ts";
import type { PostingSource } from "./label-select.ts";
import type { Pacer } from "./pacer.ts";

/** The gaps of the series of one index. */
export class Gaps {
  readonly #lists: { readonly series: Uint32Array; readonly span: TimeSpan }[] = [];

  get isEmpty(): boolean {
    return this.#lists.length === 0;
  }

  /** `series` ascends. */
  add(series: Uint32Array, span: TimeSpan): void {
    if (series.length > 0) this.#lists.push({ series, span });
  }

  /** Spans of a series in order of time, apart from each other; undefined when there are none. */
  of(series: number): readonly TimeSpan[] | undefined {
    let spans: TimeSpan[] | undefined;
    for (const list of this.#lists) if (has(list.series, series)) (spans ??= []).push(list.span);
    return spans === undefined || spans.length === 1 ? spans : joinSpans(spans);
  }
}

function has(ascending: Uint32Array, wanted: number): boolean {
  let low = 0;
  let high = ascending.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (ascending[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return ascending[low] === wanted;
}

function joinSpans(spans: TimeSpan[]): TimeSpan[] {
  spans.sort((a, b) => a.startMs - b.startMs);
  const joined: TimeSpan[] = [];
  for (const { startMs, endMs } of spans) {
    const last = joined.at(-1);
    if (last === undefined || startMs > last.endMs + 1) joined.push({ startMs, endMs });
    else if (endMs > last.endMs) joined[joined.length - 1] = { startMs: last.startMs, endMs };
  }
  return joined;
}

/** Whether all of `startMs … endMs` lies in one of the gaps of a series. */
export function isInGap(
  spans: readonly TimeSpan[] | undefined,
  startMs: number,
  endMs: number,
): boolean {
  return spans?.some((span) => span.startMs <= startMs && span.endMs >= endMs) ?? false;
}

/** What the rules hide at `nowMs`. */
export function expiredBy(rules: readonly RetentionRule[], nowMs: number): RowSelection[] {
  return rules.map(({ matchers, maxAgeMs }) => ({
    matchers,
    startMs: -Infinity,
    endMs: nowMs - maxAgeMs - 1,
  }));
}

/** What is hidden at one moment. */
export class HiddenRows {
  readonly deletes: readonly Delete[];
  /** What rules hide, whole. */
  readonly expired: readonly RowSelection[];

  constructor(deletes: readonly Delete[], expired: readonly RowSelection[]) {
    this.deletes = deletes;
    this.expired = expired;
  }

  /** Undefined when nothing of the block is hidden. */
  async inBlock({ meta, index }: Block, pacer: Pacer): Promise<Gaps | undefined> {
    const selections = [
      ...this.deletes.filter((entry) => concerns(entry, meta)).flatMap(wholeSeries),
      ...this.expired.filter(({ endMs }) => meta.minMs <= endMs),
    ];
    return gapsOf(selections, (matchers) => index.select(matchers, pacer));
  }

  /** Undefined when nothing is hidden. Heads have no deleted rows: what is deleted is sealed first. */
  async inHead(
    head: { readonly index: PostingSource; readonly minMs: number },
    pacer: Pacer,
  ): Promise<Gaps | undefined> {
    const selections = this.expired.filter(({ endMs }) => head.minMs <= endMs);
    return gapsOf(selections, (matchers) => selectSeries(head.index, matchers, pacer));
  }
}

/** What a delete leaves nothing of; lines that a query finds among others make no gap. */
function wholeSeries(entry: Delete): readonly RowSelection[] {
  const { matchers, lines } = entry;
  if (lines === undefined) return [entry];
  if (lines.rows !== undefined) return [];
  // Milliseconds that are meant from their first nanosecond to their last.
  const startMs = Number((lines.startNs + 999_999n) / 1_000_000n);
  const endMs = Number((lines.endNs + 1n) / 1_000_000n) - 1;
  return startMs <= endMs ? [{ matchers, startMs, endMs }] : [];
}

async function gapsOf(
  selections: readonly RowSelection[],
  select: (matchers: RowSelection["matchers"]) => Promise<Uint32Array>,
): Promise<Gaps | undefined> {
  if (selections.length === 0) return undefined;
  const gaps = new Gaps();
  for (const selection of selections) gaps.add(await select(selection.matchers), selection);
  return gaps.isEmpty ? undefined : gaps;
}
