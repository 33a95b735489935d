/** The series that events made, until they are scraped: counters, gauges, summaries and histograms by name and labels. */
import { Family } from "../unix/family.ts";
import type { Observer } from "./mapping-config.ts";
import { SlidingQuantiles } from "./quantiles.ts";

export type SeriesType = "counter" | "gauge" | "summary" | "histogram";

/** Of all names; what is more is refused and counted, since names are made of what anybody sends. */
const SERIES_MAX = 100_000;
/** Observations that a piece of a summary keeps as they are. */
const EXACT_MAX = 128;

interface Series {
  readonly labels: readonly string[];
  ttlMs: number;
  changedMs: number;
  /** Of counters and gauges; of others their sum. */
  value: number;
  count: number;
  readonly quantiles: SlidingQuantiles | undefined;
  /** How many observations were at most each bound. */
  readonly buckets: Float64Array | undefined;
}

interface Named {
  readonly type: SeriesType;
  readonly help: string;
  readonly observer: Observer;
  readonly byLabels: Map<string, Series>;
}

export interface SeriesKey {
  readonly type: SeriesType;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly help: string;
  readonly observer: Observer;
  readonly ttlMs: number;
}

/** `conflict`: the name belongs to series of another type. */
export type Refusal = "conflict" | "too_many_series";

export class StatsdSeries {
  readonly #named = new Map<string, Named>();
  #count = 0;

  /** Names in use, by type. */
  countNames(type: SeriesType): number {
    return [...this.#named.values()].filter((one) => one.type === type).length;
  }

  /** Adds to a counter or a relative gauge, sets a gauge, observes; answers why it was not done. */
  update(
    key: SeriesKey,
    { value, adds }: { readonly value: number; readonly adds: boolean },
    nowMs: number,
  ): Refusal | undefined {
    const found = this.#take(key, nowMs);
    if (typeof found === "string") return found;
    const { named, series } = found;
    series.changedMs = nowMs;
    series.ttlMs = key.ttlMs;
    if (named.type === "gauge") series.value = adds ? series.value + value : value;
    else series.value += value;
    series.count++;
    series.quantiles?.observe(value, nowMs);
    if (series.buckets !== undefined)
      for (const [index, bound] of named.observer.buckets.entries())
        if (value <= bound) series.buckets[index]!++;
    return undefined;
  }

  families(nowMs: number): readonly Family[] {
    this.#expire(nowMs);
    return [...this.#named].map(([name, named]) => {
      const family = new Family(named.type, name, named.help);
      for (const series of named.byLabels.values()) addRows(family, { named, series, nowMs });
      return family;
    });
  }

  #take(
    key: SeriesKey,
    nowMs: number,
  ): { readonly named: Named; readonly series: Series } | Refusal {
    let named = this.#named.get(key.name);
    if (named !== undefined && named.type !== key.type) return "conflict";
    const pairs = Object.entries(key.labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const labels = pairs.flat();
    const id = labels.join("\u0001");
    const known = named?.byLabels.get(id);
    if (named !== undefined && known !== undefined) return { named, series: known };
    if (named === undefined && this.#clashes(key)) return "conflict";
    if (this.#count >= SERIES_MAX) this.#expire(nowMs);
    if (this.#count >= SERIES_MAX) return "too_many_series";
    const { type, help, observer } = key;
    named = this.#named.get(key.name) ?? { type, help, observer, byLabels: new Map() };
    this.#named.set(key.name, named);
    const series = newSeries(named, labels, nowMs);
    named.byLabels.set(id, series);
    this.#count++;
    return { named, series };
  }

  /** Whether the name is one that a summary or histogram makes, or makes one that there is. */
  #clashes({ name, type }: SeriesKey): boolean {
    const isObserver = type === "summary" || type === "histogram";
    for (const suffix of ["_bucket", "_sum", "_count"]) {
      if (isObserver && this.#named.has(name + suffix)) return true;
      const base = name.endsWith(suffix)
        ? this.#named.get(name.slice(0, -suffix.length))
        : undefined;
      if (base?.type === "summary" || base?.type === "histogram") return true;
    }
    return false;
  }

  #expire(nowMs: number): void {
    for (const [name, { byLabels }] of this.#named) {
      for (const [id, { ttlMs, changedMs }] of byLabels) {
        if (ttlMs === 0 || nowMs - changedMs <= ttlMs) continue;
        byLabels.delete(id);
        this.#count--;
      }
      if (byLabels.size === 0) this.#named.delete(name);
    }
  }
}

function newSeries({ type, observer }: Named, labels: readonly string[], nowMs: number): Series {
  const { maxAgeMs, pieces } = observer.summary;
  return {
    labels,
    ttlMs: 0,
    changedMs: nowMs,
    value: 0,
    count: 0,
    quantiles:
      type === "summary"
        ? new SlidingQuantiles({ maxAgeMs, pieces, exactMax: EXACT_MAX })
        : undefined,
    buckets: type === "histogram" ? new Float64Array(observer.buckets.length) : undefined,
  };
}

function addRows(
  family: Family,
  {
    named,
    series,
    nowMs,
  }: { readonly named: Named; readonly series: Series; readonly nowMs: number },
): void {
  const { labels, value, count, quantiles, buckets } = series;
  if (quantiles === undefined && buckets === undefined) {
    family.add(value, ...labels);
    return;
  }
  const { observer } = named;
  if (quantiles !== undefined) {
    const wanted = observer.summary.quantiles;
    for (const [index, found] of quantiles.values(wanted, nowMs).entries())
      family.add(found, ...sorted([...labels, "quantile", String(wanted[index])]));
  }
  if (buckets !== undefined) {
    for (const [index, bound] of observer.buckets.entries())
      family.addSuffixed("_bucket", buckets[index]!, sorted([...labels, "le", String(bound)]));
    family.addSuffixed("_bucket", count, sorted([...labels, "le", "+Inf"]));
  }
  family.addSuffixed("_sum", value, labels);
  family.addSuffixed("_count", count, labels);
}

function sorted(pairs: readonly string[]): string[] {
  const entries: [string, string][] = [];
  for (let i = 0; i < pairs.length; i += 2) entries.push([pairs[i]!, pairs[i + 1]!]);
  return entries.toSorted(([a], [b]) => (a < b ? -1 : 1)).flat();
}
