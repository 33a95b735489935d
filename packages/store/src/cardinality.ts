/** Counts series by metric name, label name and label pair: what a person looks at who has too many of them. */
import type { Matcher } from "@finch/model";
import type { Labels } from "@finch/model";
import type { Cardinality } from "./api.ts";
import { queueFull } from "./errors.ts";
import { selectSeries } from "./label-select.ts";
import { CARDINALITY_PAIRS_MAX } from "./limits.ts";
import type { Pacer } from "./pacer.ts";
import type { Head, StoreView } from "./store-core.ts";

export interface CardinalityRequest {
  readonly matchers: readonly Matcher[];
  readonly limit: number;
}

interface LabelCount {
  series: number;
  readonly values: Map<string, number>;
}

/** Counts the series of a view, each once. */
export async function countCardinality(
  view: StoreView<Head>,
  { matchers, limit }: CardinalityRequest,
  pacer: Pacer,
): Promise<Cardinality> {
  const counts = new Counts();
  const isOnly = view.heads.length + view.blocks.length === 1;
  for (const head of view.heads) {
    for (const series of await selectSeries(head.index, matchers, pacer)) {
      counts.add(head.index.labelsOf(series), isOnly);
      if (pacer.isDue()) await pacer.rest();
    }
  }
  for (const block of view.blocks) {
    for await (const page of block.index.seriesOf(await block.index.select(matchers, pacer))) {
      for (const { labels } of page) counts.add(labels, isOnly);
      if (pacer.isDue()) await pacer.rest();
    }
  }
  return counts.finish(limit);
}

class Counts {
  #series = 0;
  #pairs = 0;
  readonly #labels = new Map<string, LabelCount>();
  /** Hashes of label sets; two of a million share one with a chance of 1 in 20,000. */
  readonly #seen = new Set<number>();

  add(labels: Labels, isNew: boolean): void {
    if (!isNew) {
      const hash = hashOf(labels.key);
      if (this.#seen.has(hash)) return;
      this.#seen.add(hash);
    }
    this.#series++;
    for (const [name, value] of labels) {
      let label = this.#labels.get(name);
      if (label === undefined) this.#labels.set(name, (label = { series: 0, values: new Map() }));
      label.series++;
      const known = label.values.get(value);
      if (known === undefined && ++this.#pairs > CARDINALITY_PAIRS_MAX)
        throw queueFull(
          "distinct label values to count; narrow it with a matcher",
          CARDINALITY_PAIRS_MAX,
        );
      label.values.set(value, (known ?? 0) + 1);
    }
  }

  finish(limit: number): Cardinality {
    const names = this.#labels.get("__name__")?.values ?? new Map<string, number>();
    const pairs: { name: string; value: string; series: number }[] = [];
    for (const [name, { values }] of this.#labels)
      for (const [value, series] of largest(values, (count) => count, limit))
        pairs.push({ name, value, series });
    return {
      series: this.#series,
      metricNames: largest(names, (count) => count, limit).map(([name, series]) => ({
        name,
        series,
      })),
      labelNames: largest(this.#labels, ({ values }) => values.size, limit).map(
        ([name, { series, values }]) => ({ name, values: values.size, series }),
      ),
      labelPairs: pairs
        .sort((a, b) => b.series - a.series || compare(a.name, b.name) || compare(a.value, b.value))
        .slice(0, limit),
    };
  }
}

/** The entries with the largest numbers; of equal ones the first by name. */
function largest<T>(
  entries: ReadonlyMap<string, T>,
  numberOf: (value: T) => number,
  limit: number,
): (readonly [string, T])[] {
  return [...entries]
    .sort((a, b) => numberOf(b[1]) - numberOf(a[1]) || compare(a[0], b[0]))
    .slice(0, limit);
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** 53 bits out of two multiplicative hashes. */
function hashOf(text: string): number {
  let low = 0x811c9dc5;
  let high = 0x9747b28c;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    low = Math.imul(low ^ unit, 0x01000193);
    high = Math.imul(high ^ unit, 0x85ebca6b);
    high ^= high >>> 13;
  }
  return (high >>> 0) * 2 ** 21 + (low >>> 11);
}
