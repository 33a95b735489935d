/** The samples that the `load` commands of a script have built up. */
import { setStaleAt, wordsOf } from "@finch/model";
import type { Labels, Series } from "@finch/model";
import { createMemorySource } from "@finch/promql";
import type { SeriesSource } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import type { LoadCommand, Point } from "./promql-script.ts";

interface StoredSeries {
  readonly labels: Labels;
  readonly points: Map<number, Point>;
}

export class ScriptStorage {
  readonly #series = new Map<string, StoredSeries>();
  #source: SeriesSource | undefined;
  /** A command gave start times, which nothing here can hold. */
  hasStartTimes = false;

  load(command: LoadCommand): void {
    this.#source = undefined;
    this.hasStartTimes ||= command.hasStartTimes;
    // Within one command a series given twice is what it was given last.
    const last = new Map(command.series.map((series) => [series.labels.key, series]));
    for (const { labels, points } of last.values()) {
      const stored = this.#stored(labels);
      for (const [index, point] of points.entries())
        if (point !== "gap") stored.points.set(index * command.stepMs, point);
      if (command.withHistograms) this.#addHistograms(labels, points, command.stepMs);
    }
  }

  #stored(labels: Labels): StoredSeries {
    const known = this.#series.get(labels.key);
    if (known !== undefined) return known;
    const stored = { labels, points: new Map<number, Point>() };
    this.#series.set(labels.key, stored);
    return stored;
  }

  /** Marks where the histogram would be that the buckets amount to. */
  #addHistograms(labels: Labels, points: readonly Point[], stepMs: number): void {
    const name = labels.get("__name__");
    if (!name.endsWith("_bucket")) return;
    const base = labels.drop(new Set(["le"])).with("__name__", name.slice(0, -"_bucket".length));
    const stored = this.#stored(base);
    for (const [index, point] of points.entries())
      if (point !== "gap") stored.points.set(index * stepMs, "histogram");
  }

  get source(): SeriesSource {
    return (this.#source ??= this.#makeSource());
  }

  #makeSource(): SeriesSource {
    const floats: Series[] = [];
    const histograms: Series[] = [];
    for (const { labels, points } of this.#series.values()) {
      const sorted = [...points].toSorted(([a], [b]) => a - b);
      floats.push(
        column(
          labels,
          sorted.filter(([, point]) => point !== "histogram"),
        ),
      );
      const times = sorted.filter(([, point]) => point === "histogram");
      if (times.length > 0) histograms.push(column(labels, times));
    }
    const floatSource = createMemorySource(floats);
    const histogramSource = createMemorySource(histograms);
    return {
      async *select(request) {
        for await (const batch of histogramSource.select(request)) {
          if (batch.length > 0)
            throw new FinchError(
              "unsupported",
              "conformance/native-histograms",
              "not supported yet: native histograms",
            );
        }
        yield* floatSource.select(request);
      },
    };
  }
}

function column(
  labels: Labels,
  points: readonly (readonly [timeMs: number, point: Point])[],
): Series {
  const values = Float64Array.from(points, ([, point]) => (typeof point === "number" ? point : 0));
  const words = wordsOf(values);
  for (const [index, [, point]] of points.entries())
    if (point === "stale") setStaleAt(words, index);
  return { labels, timestampsMs: Float64Array.from(points, ([timeMs]) => timeMs), values };
}
