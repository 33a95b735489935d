/**
 * What one target exposed last time, so that a series that vanishes can be ended with a stale marker. One cache for each target; not shared.
 * Also where exposed labels and the target's labels become the labels of a sample.
 */
import { Labels, parseFloatText } from "@finch/model";
import type { Exemplar, MetricMetadata, MetricType } from "@finch/model";
import { boundText, metadataOfSeries } from "@finch/wire/exposition";
import { relabel, type RelabelRule } from "../../relabel.ts";

/** What an exposition says of a family. */
export type MetadataOf = (family: string) => MetricMetadata | undefined;

interface Known {
  /** Of the sample, as it is forwarded; undefined when relabelling drops it. */
  readonly labels: Labels | undefined;
  readonly firstSeenAt: number;
  seenAt: number;
  /** Samples with a timestamp of their own end without a marker, unless asked for. */
  isTracked: boolean;
  /** Those of the last scrape that showed any, as text: targets show an exemplar until there is a newer one. */
  exemplars?: ReadonlySet<string>;
}

export class SeriesCache {
  readonly #known = new Map<string, Known>();
  readonly #targetLabels: Labels;
  readonly #honorLabels: boolean;
  readonly #addsTypeAndUnit: boolean;
  readonly #metricRelabelings: readonly RelabelRule[];
  #round = 0;
  #added = 0;

  constructor(
    targetLabels: Labels,
    options: {
      readonly honorLabels: boolean;
      readonly addsTypeAndUnit: boolean;
      readonly metricRelabelings: readonly RelabelRule[];
    },
  ) {
    this.#targetLabels = targetLabels;
    this.#honorLabels = options.honorLabels;
    this.#addsTypeAndUnit = options.addsTypeAndUnit;
    this.#metricRelabelings = options.metricRelabelings;
  }

  beginScrape(): void {
    this.#round++;
    this.#added = 0;
  }

  /**
   * The labels that a sample exposed as `exposed` is forwarded with; undefined when it is dropped. `metadataOf` tells of a family, for series seen
   * first.
   */
  see(
    exposed: Labels,
    options: { readonly isTracked: boolean; readonly metadataOf: MetadataOf },
  ): Labels | undefined {
    const key = exposed.key;
    let known = this.#known.get(key);
    if (known === undefined) {
      const { metadataOf } = options;
      const typeOf = (family: string) => metadataOf(family)?.type ?? "unknown";
      const normal = withNormalBound(exposed, typeOf);
      const merged = mergeLabels(
        this.#addsTypeAndUnit ? withTypeAndUnit(normal, metadataOf) : normal,
        this.#targetLabels,
        { honorLabels: this.#honorLabels },
      );
      const labels = relabel(merged, this.#metricRelabelings);
      known = {
        labels,
        firstSeenAt: this.#round,
        seenAt: this.#round,
        isTracked: options.isTracked,
      };
      this.#known.set(key, known);
      if (labels !== undefined) this.#added++;
    } else {
      known.seenAt = this.#round;
      known.isTracked = options.isTracked;
    }
    return known.labels;
  }

  /** The labels that a series seen before is forwarded with, if it is. */
  labelsOf(exposed: Labels): Labels | undefined {
    return this.#known.get(exposed.key)?.labels;
  }

  /** Of a series' exemplars in this scrape, those that its last ones were not. */
  newExemplars(exposed: Labels, exemplars: readonly Exemplar[]): readonly Exemplar[] {
    const known = this.#known.get(exposed.key);
    if (known === undefined) return exemplars;
    const before = known.exemplars;
    const texts = exemplars.map(({ labels, value, timestampMs }) =>
      [labels.key, value, timestampMs].join("\u0000"),
    );
    known.exemplars = new Set(texts);
    return before === undefined ? exemplars : exemplars.filter((_, i) => !before.has(texts[i]!));
  }

  /** Series forwarded for the first time since {@link beginScrape}. */
  get added(): number {
    return this.#added;
  }

  /** Forgets the series that this scrape did not show, and gives those that must be ended. */
  takeVanished(): readonly Labels[] {
    const vanished: Labels[] = [];
    for (const [key, known] of this.#known) {
      if (known.seenAt === this.#round) continue;
      if (known.isTracked && known.labels !== undefined) vanished.push(known.labels);
      this.#known.delete(key);
    }
    return vanished;
  }

  /** Forgets everything after a failed scrape; what only that scrape showed was never forwarded and needs no end. */
  takeForwarded(): readonly Labels[] {
    return this.#takeAll((known) => known.firstSeenAt < this.#round);
  }

  /** Forgets everything, when the target is gone. */
  takeAll(): readonly Labels[] {
    return this.#takeAll(() => true);
  }

  #takeAll(isForwarded: (known: Known) => boolean): readonly Labels[] {
    const all: Labels[] = [];
    for (const known of this.#known.values())
      if (known.isTracked && known.labels !== undefined && isForwarded(known))
        all.push(known.labels);
    this.#known.clear();
    return all;
  }
}

/** With `__type__` and `__unit__`, as far as they are known. */
function withTypeAndUnit(labels: Labels, metadataOf: MetadataOf): Labels {
  const metadata = metadataOfSeries(labels.get("__name__"), metadataOf);
  if (metadata === undefined) return labels;
  const { type, unit } = metadata;
  return labels.with("__type__", type === "unknown" ? "" : type).with("__unit__", unit);
}

/** Bounds of buckets and quantiles the way Prometheus 3 stores them whatever the target writes: `1` and `1.0` are one series, `le="1.0"`. */
function withNormalBound(labels: Labels, typeOf: (family: string) => MetricType): Labels {
  for (const name of ["le", "quantile"] as const) {
    const text = labels.get(name);
    if (text === "") continue;
    const metric = labels.get("__name__");
    const family = name === "le" ? metric.replace(/_bucket$/, "") : metric;
    const isBound =
      name === "quantile"
        ? typeOf(family) === "summary"
        : metric !== family && ["histogram", "gaugehistogram"].includes(typeOf(family));
    const bound = isBound ? parseFloatText(text) : undefined;
    if (bound === undefined) continue;
    const normal = boundText(bound);
    return normal === text ? labels : labels.with(name, normal);
  }
  return labels;
}

/**
 * Adds the target's labels to those of a sample. Where both have one, the sample's is renamed `exported_NAME` (again, while that is taken),
 * or wins when `honorLabels`.
 */
export function mergeLabels(
  exposed: Labels,
  target: Labels,
  options: { readonly honorLabels: boolean },
): Labels {
  const merged = new Map<string, string>(exposed);
  if (options.honorLabels) {
    for (const [name, value] of target) if (!merged.has(name)) merged.set(name, value);
    return Labels.fromPairs([...merged].flat());
  }
  const conflicting: [string, string][] = [];
  for (const [name, value] of target) {
    const own = merged.get(name);
    if (own !== undefined && own !== "") conflicting.push([name, own]);
    merged.set(name, value);
  }
  // Shorter names first, so that `exported_x` itself, when it clashes, finds its place before it is renamed again.
  for (const [name, value] of conflicting.sort((a, b) => a[0].length - b[0].length)) {
    let renamed = `exported_${name}`;
    while (merged.has(renamed) || target.has(renamed)) renamed = `exported_${renamed}`;
    merged.set(renamed, value);
  }
  return Labels.fromPairs([...merged].flat());
}
