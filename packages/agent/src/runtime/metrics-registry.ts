/** Counters, gauges and histograms of all components, and their text exposition. A component's series go when it goes. */
import type { Clock } from "@finch/runtime";
import type { ComponentMetrics, SeriesOptions } from "../component.ts";
import { COMPONENT_METRIC_SERIES_MAX } from "./limits.ts";

type Labels = Readonly<Record<string, string>>;

interface Series {
  readonly labels: Labels;
  readonly idleMs: number;
  touchedMs: number;
  /** The value; for a histogram, the sum. */
  value: number;
  /** Counts by bucket, not cumulative; the last is `+Inf`. Empty for counters and gauges. */
  readonly counts: number[];
}

interface Family {
  readonly type: "counter" | "gauge" | "histogram";
  readonly help: string;
  readonly buckets: readonly number[];
  readonly series: Map<string, Series>;
}

/** A metric for people. */
export interface ShownMetric {
  readonly name: string;
  readonly help: string;
  readonly labels: Labels;
  readonly value: number;
}

export class MetricsRegistry {
  readonly #clock: Clock;
  readonly #components = new Map<string, Map<string, Family>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The metrics of one component; asking for the same name and labels again gives the same series. Those that are not shown are not kept. */
  ofComponent(id: string, isShown = true): ComponentMetrics {
    const families = this.#components.get(id) ?? new Map<string, Family>();
    if (isShown) this.#components.set(id, families);
    const find = (
      type: Family["type"],
      name: string,
      help: string,
      rest: SeriesRequest,
    ): Series => {
      let family = families.get(name);
      if (family === undefined)
        families.set(
          name,
          (family = { type, help, buckets: rest.buckets ?? [], series: new Map() }),
        );
      return this.#series(id, family, rest);
    };
    const touched = (series: Series): Series => {
      series.touchedMs = this.#clock.monotonicMs();
      return series;
    };
    return {
      counter: (name, help, labels, options) => {
        const series = find("counter", name, help, { labels, options });
        return { add: (amount) => void (touched(series).value += amount) };
      },
      gauge: (name, help, labels, options) => {
        const series = find("gauge", name, help, { labels, options });
        return {
          set: (value) => void (touched(series).value = value),
          add: (amount) => void (touched(series).value += amount),
        };
      },
      histogram: (name, help, buckets, labels, options) => {
        const series = find("histogram", name, help, { labels, options, buckets });
        return { observe: (value) => observe(touched(series), buckets, value) };
      },
    };
  }

  #series(id: string, family: Family, request: SeriesRequest): Series {
    // A component in a module is told by the path of the module and its id there.
    const slash = id.lastIndexOf("/");
    const labels = {
      component_path: `/${id.slice(0, Math.max(0, slash))}`,
      component_id: id.slice(slash + 1),
      ...request.labels,
    };
    const key = JSON.stringify(Object.entries(labels));
    const known = family.series.get(key);
    if (known !== undefined) return known;
    const counts =
      family.type === "histogram" ? Array.from({ length: family.buckets.length + 1 }, () => 0) : [];
    const made = {
      labels,
      idleMs: request.options?.idleMs ?? Infinity,
      touchedMs: this.#clock.monotonicMs(),
      value: 0,
      counts,
    };
    // Beyond the bound a series still works for its owner, it is only not shown.
    if (family.series.size < COMPONENT_METRIC_SERIES_MAX) family.series.set(key, made);
    return made;
  }

  /** The metrics of one component, sorted by name; of a histogram, sum and count. */
  shown(id: string): readonly ShownMetric[] {
    const shown: ShownMetric[] = [];
    for (const [name, family] of this.#components.get(id) ?? []) {
      this.#removeIdle(family);
      for (const series of family.series.values()) {
        const { component_path: _path, component_id: _id, ...labels } = series.labels;
        const add = (suffix: string, value: number) =>
          shown.push({ name: `${name}${suffix}`, help: family.help, labels, value });
        if (family.type !== "histogram") add("", series.value);
        else {
          add("_sum", series.value);
          add(
            "_count",
            series.counts.reduce((sum, count) => sum + count, 0),
          );
        }
      }
    }
    return shown.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  }

  forget(id: string): void {
    this.#components.delete(id);
  }

  /** Prometheus text format; families sorted by name, each once. */
  text(): string {
    const merged = new Map<string, { readonly family: Family; readonly lines: string[] }>();
    for (const families of this.#components.values()) {
      for (const [name, family] of families) {
        this.#removeIdle(family);
        const entry = merged.get(name) ?? { family, lines: [] };
        if (entry.family.type !== family.type) continue;
        merged.set(name, entry);
        for (const series of family.series.values())
          entry.lines.push(...formatSeries(name, family, series));
      }
    }
    let text = "";
    for (const [name, { family, lines }] of [...merged].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      if (lines.length === 0) continue;
      const help = family.help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
      text += `# HELP ${name} ${help}\n# TYPE ${name} ${family.type}\n${lines.join("\n")}\n`;
    }
    return text;
  }

  #removeIdle(family: Family): void {
    const now = this.#clock.monotonicMs();
    for (const [key, series] of family.series)
      if (now - series.touchedMs > series.idleMs) family.series.delete(key);
  }
}

interface SeriesRequest {
  readonly labels: Labels | undefined;
  readonly options: SeriesOptions | undefined;
  readonly buckets?: readonly number[];
}

function observe(series: Series, buckets: readonly number[], value: number): void {
  series.value += value;
  const index = buckets.findIndex((bound) => value <= bound);
  const bucket = index < 0 ? buckets.length : index;
  series.counts[bucket] = (series.counts[bucket] ?? 0) + 1;
}

function formatSeries(name: string, family: Family, series: Series): string[] {
  if (family.type !== "histogram")
    return [`${name}${formatLabels(series.labels)} ${formatSample(series.value)}`];
  const lines: string[] = [];
  let count = 0;
  for (const [index, inBucket] of series.counts.entries()) {
    count += inBucket;
    const le = formatSample(family.buckets[index] ?? Infinity);
    lines.push(`${name}_bucket${formatLabels({ ...series.labels, le })} ${count}`);
  }
  const labels = formatLabels(series.labels);
  return [
    ...lines,
    `${name}_sum${labels} ${formatSample(series.value)}`,
    `${name}_count${labels} ${count}`,
  ];
}

function formatSample(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}

function formatLabels(labels: Labels): string {
  const escape = (value: string) =>
    value.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `{${Object.entries(labels)
    .map(([name, value]) => `${name}="${escape(value)}"`)
    .join(",")}}`;
}
