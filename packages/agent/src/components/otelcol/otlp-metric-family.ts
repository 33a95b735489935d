/** One metric while samples of it are collected: points of numbers, or of distributions that come as several series. */
import type { Labels, MetricMetadata } from "@finch/model";
import type {
  Attributes,
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
  Metric,
  NumberDataPoint,
  OtlpTreeExemplar,
  SummaryDataPoint,
} from "@finch/wire";

export type FamilyType = "counter" | "gauge" | "histogram" | "summary" | "native";

/** Where a sample goes. */
export interface PointPlace {
  readonly attributes: Attributes;
  readonly timeNs: bigint;
  readonly flags: number;
  /** The same for all series of one distribution. */
  readonly key: string;
  /** When it began to be counted, for a value that has been counted up to now. */
  readonly startNs: (counted: number) => bigint;
}

/** A classic histogram or a summary whose series come one by one. */
interface Parts {
  readonly place: PointPlace;
  count: number | undefined;
  sum: number | undefined;
  /** Cumulative counts by bound, values by quantile. */
  readonly values: Map<number, number>;
}

const CUMULATIVE = 2;

export class MetricFamily {
  readonly name: string;
  readonly type: FamilyType;
  readonly #metadata: MetricMetadata | undefined;
  readonly #numbers: NumberDataPoint[] = [];
  readonly #explicit: HistogramDataPoint[] = [];
  readonly #exponential: ExponentialHistogramDataPoint[] = [];
  readonly #parts = new Map<string, Parts>();
  /** Exemplars of points, by the key of their place. */
  readonly #exemplars = new Map<string, OtlpTreeExemplar[]>();

  constructor(name: string, type: FamilyType, metadata: MetricMetadata | undefined) {
    this.name = name;
    this.type = type;
    this.#metadata = metadata;
  }

  /** `value` is undefined for a stale marker. */
  addNumber(place: PointPlace, value: number | undefined): void {
    const isCounted = this.type === "counter" && value !== undefined;
    this.#numbers.push({
      attributes: place.attributes,
      startTimeUnixNano: isCounted ? place.startNs(value) : 0n,
      timeUnixNano: place.timeNs,
      asDouble: value,
      asInt: undefined,
      exemplars: this.#exemplarsOf(place),
      flags: place.flags,
    });
  }

  addDistribution(point: {
    readonly explicit?: HistogramDataPoint;
    readonly exponential?: ExponentialHistogramDataPoint;
  }): void {
    if (point.explicit !== undefined) this.#explicit.push(point.explicit);
    if (point.exponential !== undefined) this.#exponential.push(point.exponential);
  }

  /** A series of a classic histogram or a summary. */
  addPart(
    place: PointPlace,
    part: { readonly name: string; readonly labels: Labels; readonly value: number | undefined },
  ): void {
    const key = `${place.key} ${place.timeNs}`;
    let parts = this.#parts.get(key);
    if (parts === undefined) {
      parts = { place, count: undefined, sum: undefined, values: new Map() };
      this.#parts.set(key, parts);
      this.#exemplarsOf(place);
    }
    const { name, labels, value } = part;
    if (value === undefined) return;
    if (name === `${this.name}_count`) parts.count = value;
    else if (name === `${this.name}_sum`) parts.sum = value;
    else {
      const at = Number(
        (labels.get(this.type === "summary" ? "quantile" : "le") ?? "").replace("+Inf", "Infinity"),
      );
      if (!Number.isNaN(at)) parts.values.set(at, value);
    }
  }

  /** At the point with this key, when it is there. */
  addExemplar(key: string, exemplar: OtlpTreeExemplar): void {
    this.#exemplars.get(key)?.push(exemplar);
  }

  /** The list of a point, which {@link addExemplar} fills. */
  #exemplarsOf({ key }: PointPlace): OtlpTreeExemplar[] {
    let list = this.#exemplars.get(key);
    if (list === undefined) this.#exemplars.set(key, (list = []));
    return list;
  }

  finish(): Metric {
    const metric: Metric = {
      name: this.name,
      description: this.#metadata?.help ?? "",
      unit: this.#metadata?.unit ?? "",
      gauge: undefined,
      sum: undefined,
      histogram: undefined,
      exponentialHistogram: undefined,
      summary: undefined,
      metadata: new Map([["prometheus.type", this.#metadata?.type ?? "unknown"]]),
    };
    const aggregationTemporality = CUMULATIVE;
    if (this.type === "gauge") metric.gauge = { dataPoints: this.#numbers };
    else if (this.type === "counter")
      metric.sum = { dataPoints: this.#numbers, aggregationTemporality, isMonotonic: true };
    else if (this.type === "summary")
      metric.summary = { dataPoints: [...this.#parts.values()].map(summaryPoint) };
    else if (this.type === "histogram") {
      const dataPoints = [...this.#parts.values()].map((parts) => this.#histogramPoint(parts));
      metric.histogram = { dataPoints, aggregationTemporality };
    } else if (this.#exponential.length > 0)
      metric.exponentialHistogram = { dataPoints: this.#exponential, aggregationTemporality };
    else metric.histogram = { dataPoints: this.#explicit, aggregationTemporality };
    return metric;
  }

  #histogramPoint({ place, count, sum, values }: Parts): HistogramDataPoint {
    const bounds = [...values.keys()]
      .filter((bound) => bound !== Infinity)
      .toSorted((a, b) => a - b);
    const total = count ?? values.get(Infinity) ?? 0;
    let below = 0;
    const bucketCounts = bounds.map((bound) => {
      const own = Math.max(0, values.get(bound)! - below);
      below = Math.max(below, values.get(bound)!);
      return toCount(own);
    });
    const isEmpty = place.flags !== 0;
    return {
      attributes: place.attributes,
      startTimeUnixNano: isEmpty ? 0n : place.startNs(total),
      timeUnixNano: place.timeNs,
      count: toCount(total),
      sum: isEmpty ? undefined : sum,
      bucketCounts: isEmpty ? [] : [...bucketCounts, toCount(Math.max(0, total - below))],
      explicitBounds: isEmpty ? [] : bounds,
      exemplars: this.#exemplarsOf(place),
      flags: place.flags,
      min: undefined,
      max: undefined,
    };
  }
}

/** The labels of a series but those that tell parts of one distribution apart. */
export function keyOf(labels: Labels, type: FamilyType): string {
  const pairs: string[] = [];
  for (const [name, value] of labels)
    if (name !== "__name__" && !isPart(name, type)) pairs.push(name, value);
  return JSON.stringify(pairs);
}

/** Whether a label tells parts of one distribution apart. */
export function isPart(label: string, type: FamilyType): boolean {
  return (label === "le" && type === "histogram") || (label === "quantile" && type === "summary");
}

function summaryPoint({ place, count, sum, values }: Parts): SummaryDataPoint {
  const isEmpty = place.flags !== 0;
  return {
    attributes: place.attributes,
    startTimeUnixNano: isEmpty ? 0n : place.startNs(count ?? 0),
    timeUnixNano: place.timeNs,
    count: toCount(count ?? 0),
    sum: sum ?? 0,
    quantileValues: [...values]
      .toSorted(([a], [b]) => a - b)
      .map(([quantile, value]) => ({ quantile, value })),
    flags: place.flags,
  };
}

function toCount(value: number): bigint {
  return BigInt(Math.max(0, Math.round(value)));
}
