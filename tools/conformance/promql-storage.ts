/**
 * The samples that the `load` commands of a script have built up. Reset hints of histograms are those that Prometheus' storage would give
 * back, which the scripts assume: known within a run of histograms that could share a chunk, unknown at the start of one.
 */
import { CUSTOM_BOUNDS_SCHEMA, parseFloatText, setStaleAt, wordsOf } from "@finch/model";
import type { CounterResetHint, Histogram, Labels, Series } from "@finch/model";
import { compactHistogram, createMemorySource, detectReset } from "@finch/promql";
import type { SeriesSource } from "@finch/promql";
import type { Point } from "./promql-points.ts";
import type { LoadCommand, ScriptSeries } from "./promql-script.ts";

interface StoredPoint {
  readonly point: Exclude<Point, "gap">;
  /** Unix milliseconds, 0 where unknown. */
  readonly startMs: number;
}

interface StoredSeries {
  readonly labels: Labels;
  readonly points: Map<number, StoredPoint>;
}

export class ScriptStorage {
  readonly #series = new Map<string, StoredSeries>();
  #source: SeriesSource | undefined;

  load(command: LoadCommand): void {
    this.#source = undefined;
    // Within one command a series given twice is what it was given last.
    const last = new Map(command.series.map((series) => [series.labels.key, series]));
    for (const { labels, points, startOffsetsMs } of last.values()) {
      const stored = this.#stored(labels);
      for (const [index, point] of points.entries()) {
        if (point === "gap") continue;
        const timeMs = index * command.stepMs;
        const offsetMs = startOffsetsMs?.[index];
        stored.points.set(timeMs, {
          point,
          startMs: offsetMs === undefined ? 0 : timeMs + offsetMs,
        });
      }
    }
    if (!command.withHistograms) return;
    for (const { labels, points } of customBucketSeries([...last.values()])) {
      const stored = this.#stored(labels);
      for (const [index, histogram] of points) {
        const point = { histogram, hasHint: false };
        stored.points.set(index * command.stepMs, { point, startMs: 0 });
      }
    }
  }

  #stored(labels: Labels): StoredSeries {
    const known = this.#series.get(labels.key);
    if (known !== undefined) return known;
    const stored = { labels, points: new Map<number, StoredPoint>() };
    this.#series.set(labels.key, stored);
    return stored;
  }

  get source(): SeriesSource {
    return (this.#source ??= createMemorySource([...this.#series.values()].map(columnsOf)));
  }

  /** All series as they stand, for whoever sends them elsewhere. */
  get series(): readonly Series[] {
    return [...this.#series.values()].map(columnsOf);
  }
}

function columnsOf({ labels, points }: StoredSeries): Series {
  const sorted = [...points].toSorted(([a], [b]) => a - b);
  const timestampsMs = Float64Array.from(sorted, ([timeMs]) => timeMs);
  const values = Float64Array.from(sorted, ([, { point }]) =>
    typeof point === "number" ? point : 0,
  );
  const words = wordsOf(values);
  for (const [index, [, { point }]] of sorted.entries())
    if (point === "stale") setStaleAt(words, index);
  const histograms = sorted.map(([, { point }]) =>
    typeof point === "object" ? point.histogram : undefined,
  );
  const startTimestampsMs = Float64Array.from(sorted, ([, { startMs }]) => startMs);
  return {
    labels,
    timestampsMs,
    values,
    ...(histograms.some((histogram) => histogram !== undefined) && {
      histograms: withStoredHints(histograms),
    }),
    ...(startTimestampsMs.some((startMs) => startMs !== 0) && { startTimestampsMs }),
  };
}

function withStoredHints(
  histograms: readonly (Histogram | undefined)[],
): readonly (Histogram | undefined)[] {
  return histograms.map((histogram, index) => {
    if (histogram === undefined || histogram.resetHint === "gauge") return histogram;
    const previous = histograms[index - 1];
    const sharesChunk =
      previous !== undefined &&
      previous.resetHint !== "gauge" &&
      histogram.resetHint !== "reset" &&
      histogram.schema === previous.schema &&
      histogram.zeroThreshold === previous.zeroThreshold &&
      histogram.customBounds.join() === previous.customBounds.join() &&
      !detectReset(hinted(histogram, "unknown"), previous);
    return hinted(histogram, sharesChunk ? "not-reset" : "unknown");
  });
}

function hinted(histogram: Histogram, resetHint: CounterResetHint): Histogram {
  return { ...histogram, resetHint };
}

interface CustomBucketSeries {
  readonly labels: Labels;
  readonly points: Map<number, Histogram>;
}

/** The histograms with custom bounds that classic ones amount to, by series and number of the point. */
function customBucketSeries(series: readonly ScriptSeries[]): readonly CustomBucketSeries[] {
  const groups = new Map<string, { labels: Labels; members: ScriptSeries[] }>();
  for (const one of series) {
    const name = /^(.*)_(?:bucket|sum|count)$/.exec(one.labels.get("__name__"))?.[1];
    if (name === undefined) continue;
    const labels = one.labels.drop(new Set(["le"])).with("__name__", name);
    const group = groups.get(labels.key);
    if (group === undefined) groups.set(labels.key, { labels, members: [one] });
    else group.members.push(one);
  }
  return Array.from(groups.values(), ({ labels, members }) => {
    const points = new Map<number, Histogram>();
    const length = Math.max(...members.map((member) => member.points.length));
    for (let index = 0; index < length; index++) {
      const histogram = customBucketHistogram(members, index);
      if (histogram !== undefined) points.set(index, histogram);
    }
    return { labels, points };
  });
}

function customBucketHistogram(
  members: readonly ScriptSeries[],
  index: number,
): Histogram | undefined {
  const cumulative = new Map<number, number>();
  let count: number | undefined;
  let sum = 0;
  for (const { labels, points } of members) {
    const point = points[index];
    if (typeof point !== "number") continue;
    const name = labels.get("__name__");
    const bound = parseFloatText(labels.get("le"));
    if (name.endsWith("_sum")) sum = point;
    else if (name.endsWith("_count")) count = point;
    else if (bound !== undefined && !Number.isNaN(bound) && !cumulative.has(bound))
      cumulative.set(bound, point);
  }
  if (cumulative.size === 0 && count === undefined) return undefined;
  const sorted = [...cumulative].toSorted(([a], [b]) => a - b);
  count ??= sorted.at(-1)![1];
  if (sorted.at(-1)?.[0] !== Infinity) sorted.push([Infinity, count]);
  const counts = sorted.map(([, total], at) => total - (at > 0 ? sorted[at - 1]![1] : 0));
  return compactHistogram({
    schema: CUSTOM_BOUNDS_SCHEMA,
    resetHint: "unknown",
    zeroThreshold: 0,
    zeroCount: 0,
    count,
    sum,
    positive: { spans: Int32Array.of(0, counts.length), counts: Float64Array.from(counts) },
    negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
    customBounds: Float64Array.from(sorted.slice(0, -1), ([bound]) => bound),
  });
}
