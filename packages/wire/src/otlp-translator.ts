/**
 * OTLP metrics into samples, by the rules that Prometheus applies: each number point is a sample, a histogram point its `_bucket`, `_sum` and `_count`
 * (or one native histogram), a summary point its quantiles; resources with more than their identity get `target_info`. What cannot be translated is
 * rejected point by point.
 */
import { formatFloat, Labels } from "@finch/model";
import type { Exemplar, MetricType, SampleBatch } from "@finch/model";
import { FaultList } from "./errors.ts";
import { EXEMPLAR_LABEL_CHARACTERS_MAX, labelCharacters } from "./exemplar-check.ts";
import { FAULTS_MAX } from "./limits.ts";
import { fromExplicitPoint, fromExponentialPoint } from "./otlp-histograms.ts";
import { OtlpLabels } from "./otlp-labels.ts";
import type { OtlpLabelOptions } from "./otlp-labels.ts";
import { formatOtlpValue } from "./otlp-model.ts";
import type {
  OtlpData,
  OtlpExemplar,
  OtlpExponentialPoint,
  OtlpHistogramPoint,
  OtlpMetric,
  OtlpNumberPoint,
  OtlpPoint,
  OtlpResourceMetrics,
  OtlpSummaryPoint,
} from "./otlp-model.ts";
import { metricNameOf, unitNameOf } from "./otlp-names.ts";
import type { OtlpNameKind } from "./otlp-names.ts";
import { SampleBatchBuilder } from "./sample-batch-builder.ts";
import type { BatchLimits } from "./sample-batch-builder.ts";

export interface OtlpTranslation extends OtlpLabelOptions {
  readonly limits: BatchLimits;
  /** Histograms with explicit bounds become native ones with these bounds, instead of classic series. */
  readonly convertHistograms: boolean;
  /** Samples of `target_info` come every half of it, so that queries find one anywhere; Infinity: one for each request. */
  readonly lookbackMs: number;
  /** Turns points of delta temporality into cumulative ones; without it they are rejected. */
  readonly deltas: OtlpDeltas | undefined;
}

/** Sums up points of delta temporality; `key` is that of the series. Returns the cumulative point, nothing for one that came before, or a fault. */
export interface OtlpDeltas {
  addNumber(key: string, point: OtlpNumberPoint): OtlpNumberPoint | undefined | string;
  addHistogram(key: string, point: OtlpHistogramPoint): OtlpHistogramPoint | undefined | string;
  addExponential(
    key: string,
    point: OtlpExponentialPoint,
  ): OtlpExponentialPoint | undefined | string;
}

export interface OtlpTranslated {
  readonly batch: SampleBatch;
  /** The number of the point that series `s` of the batch came from, -1 for `target_info`. */
  readonly pointOf: readonly number[];
  readonly pointCount: number;
  readonly rejectedPoints: number;
  /** The first reasons, each naming the metric. */
  readonly faults: readonly string[];
}

/** Samples of `target_info` for one resource; points at both ends of time would ask for millions. */
const TARGET_INFO_SAMPLES_MAX = 1000;

export function translateOtlpMetrics(
  resources: readonly OtlpResourceMetrics[],
  options: OtlpTranslation,
): OtlpTranslated {
  const translator = new Translator(options);
  for (const resource of resources) translator.addResource(resource);
  return translator.finish();
}

/** Whether the request has points that need {@link OtlpTranslation.deltas}. */
export function hasDeltas(resources: readonly OtlpResourceMetrics[]): boolean {
  return resources.some(({ scopes }) =>
    scopes.some(({ metrics }) => metrics.some(({ data }) => temporalityOfData(data) === "delta")),
  );
}

function temporalityOfData(data: OtlpData | undefined) {
  return data === undefined || data.kind === "gauge" || data.kind === "summary"
    ? undefined
    : data.temporality;
}

class Translator {
  readonly #options: OtlpTranslation;
  readonly #builder: SampleBatchBuilder;
  readonly #labels: OtlpLabels;
  readonly #faults = new FaultList(FAULTS_MAX);
  readonly #pointOf: number[] = [];
  /** `target_info` samples of this request, by labels and time: resources of one request may be the same. */
  readonly #targetInfo = new Set<string>();
  #points = 0;
  #rejected = 0;
  /** Oldest and newest point of the resource at hand. */
  #earliestMs = Infinity;
  #latestMs = -Infinity;

  constructor(options: OtlpTranslation) {
    this.#options = options;
    this.#builder = new SampleBatchBuilder(options.limits, 256);
    this.#labels = new OtlpLabels(options);
  }

  addResource({ attributes, scopes }: OtlpResourceMetrics): void {
    this.#labels.setResource(attributes);
    this.#earliestMs = Infinity;
    this.#latestMs = -Infinity;
    for (const scope of scopes) {
      this.#labels.setScope(scope);
      for (const metric of scope.metrics) this.#addMetric(metric);
    }
    if (this.#earliestMs <= this.#latestMs) this.#addTargetInfo();
  }

  finish(): OtlpTranslated {
    return {
      batch: this.#builder.finish(),
      pointOf: this.#pointOf,
      pointCount: this.#points,
      rejectedPoints: this.#rejected,
      faults: this.#faults.messages,
    };
  }

  #addMetric(metric: OtlpMetric): void {
    const { data } = metric;
    if (data === undefined || data.points.length === 0) return;
    for (const { timeMs } of data.points) {
      this.#earliestMs = Math.min(this.#earliestMs, timeMs);
      this.#latestMs = Math.max(this.#latestMs, timeMs);
    }
    const name = metricNameOf({ ...metric, kind: nameKindOf(data) }, this.#options.strategy);
    const fault =
      name === undefined
        ? "nothing of its name is left that a metric's name can hold"
        : temporalityFault(data, this.#options.deltas !== undefined);
    if (name === undefined || fault !== undefined) {
      this.#points += data.points.length;
      this.#reject(metric, fault ?? "", data.points.length);
      return;
    }
    this.#builder.addMetadata({
      family: name,
      type: typeOf(data),
      help: metric.description,
      unit: unitNameOf(metric.unit),
    });
    this.#addPoints(metric, data, name);
  }

  #addPoints(metric: OtlpMetric, data: OtlpData, name: string): void {
    for (const point of data.points) {
      const base = this.#labels.ofPoint(point.attributes);
      const fault = typeof base === "string" ? base : this.#addPoint(data, { point, name, base });
      if (fault !== undefined) this.#reject(metric, fault, 1);
      this.#points++;
    }
  }

  /** Adds the series of one point, all or none; returns what is wrong with it. */
  #addPoint(
    data: OtlpData,
    at: {
      readonly point: OtlpPoint;
      readonly name: string;
      readonly base: ReadonlyMap<string, string>;
    },
  ): string | undefined {
    const { name, base } = at;
    const summed = this.#summed(data, at);
    if (summed === undefined || typeof summed === "string") return summed;
    switch (data.kind) {
      case "gauge":
      case "sum":
        return this.#addNumber(summed as OtlpNumberPoint, name, base);
      case "histogram":
        return this.#options.convertHistograms
          ? this.#addNative(summed as OtlpHistogramPoint, {
              name,
              base,
              convert: fromExplicitPoint,
            })
          : this.#addClassic(summed as OtlpHistogramPoint, name, base);
      case "exponential-histogram":
        return this.#addNative(summed as OtlpExponentialPoint, {
          name,
          base,
          convert: fromExponentialPoint,
        });
      case "summary":
        return this.#addSummary(summed as OtlpSummaryPoint, name, base);
    }
  }

  /** The point, or of delta temporality the sum up to it: nothing for one that was summed before. */
  #summed(
    data: OtlpData,
    {
      point,
      name,
      base,
    }: {
      readonly point: OtlpPoint;
      readonly name: string;
      readonly base: ReadonlyMap<string, string>;
    },
  ): OtlpPoint | undefined | string {
    const { deltas } = this.#options;
    if (temporalityOfData(data) !== "delta" || deltas === undefined || point.noRecordedValue)
      return point;
    const labels = this.#labels.finish(base, name);
    if (typeof labels === "string") return labels;
    switch (data.kind) {
      case "sum":
        return deltas.addNumber(labels.key, point as OtlpNumberPoint);
      case "histogram":
        return deltas.addHistogram(labels.key, point as OtlpHistogramPoint);
      case "exponential-histogram":
        return deltas.addExponential(labels.key, point as OtlpExponentialPoint);
      default:
        return point;
    }
  }

  #addNumber(
    point: OtlpNumberPoint,
    name: string,
    base: ReadonlyMap<string, string>,
  ): string | undefined {
    const labels = this.#labels.finish(base, name);
    if (typeof labels === "string") return labels;
    this.#addSample(labels, point, point.value, exemplarsOf(point.exemplars));
    return undefined;
  }

  #addClassic(
    point: OtlpHistogramPoint,
    name: string,
    base: ReadonlyMap<string, string>,
  ): string | undefined {
    // The longest labels of all are those with `le`: when they are within the limits, so are the others.
    const infinite = this.#labels.finish(base, `${name}_bucket`, ["le", "+Inf"]);
    const count = this.#labels.finish(base, `${name}_count`);
    const sum = this.#labels.finish(base, `${name}_sum`);
    for (const labels of [infinite, count, sum]) if (typeof labels === "string") return labels;
    if (point.sum !== undefined) this.#addSample(sum as Labels, point, point.sum);
    this.#addSample(count as Labels, point, point.count);
    const exemplars = exemplarsOf(point.exemplars).toSorted((a, b) => a.value - b.value);
    let nextExemplar = 0;
    let cumulative = 0;
    const { bucketCounts, explicitBounds } = point;
    for (let i = 0; i < explicitBounds.length && i < bucketCounts.length; i++) {
      const bound = explicitBounds[i]!;
      if (bound === Infinity) break;
      cumulative += bucketCounts[i]!;
      const first = nextExemplar;
      while (nextExemplar < exemplars.length && exemplars[nextExemplar]!.value <= bound)
        nextExemplar++;
      const labels = this.#labels.finish(base, `${name}_bucket`, ["le", formatFloat(bound)]);
      if (typeof labels === "string") return labels;
      this.#addSample(labels, point, cumulative, exemplars.slice(first, nextExemplar));
    }
    this.#addSample(infinite as Labels, point, point.count, exemplars.slice(nextExemplar));
    return undefined;
  }

  #addNative<Point extends OtlpHistogramPoint | OtlpExponentialPoint>(
    point: Point,
    to: {
      readonly name: string;
      readonly base: ReadonlyMap<string, string>;
      readonly convert: (point: Point) => ReturnType<typeof fromExplicitPoint>;
    },
  ): string | undefined {
    const labels = this.#labels.finish(to.base, to.name);
    if (typeof labels === "string") return labels;
    if (point.noRecordedValue) {
      this.#addSample(labels, point, 0);
      return undefined;
    }
    const histogram = to.convert(point);
    if (typeof histogram === "string") return histogram;
    this.#openSeries(labels);
    this.#builder.addHistogram(point.timeMs, histogram, point.startMs);
    this.#closeSeries(exemplarsOf(point.exemplars));
    return undefined;
  }

  #addSummary(
    point: OtlpSummaryPoint,
    name: string,
    base: ReadonlyMap<string, string>,
  ): string | undefined {
    const sum = this.#labels.finish(base, `${name}_sum`);
    const count = this.#labels.finish(base, `${name}_count`);
    const quantiles: (readonly [labels: Labels, value: number])[] = [];
    for (const { quantile, value } of point.quantiles) {
      const labels = this.#labels.finish(base, name, ["quantile", formatFloat(quantile)]);
      if (typeof labels === "string") return labels;
      quantiles.push([labels, value]);
    }
    for (const labels of [sum, count]) if (typeof labels === "string") return labels;
    this.#addSample(sum as Labels, point, point.sum);
    this.#addSample(count as Labels, point, point.count);
    for (const [labels, value] of quantiles) this.#addSample(labels, point, value);
    return undefined;
  }

  #addSample(
    labels: Labels,
    point: OtlpPoint,
    value: number,
    exemplars: readonly Exemplar[] = [],
  ): void {
    this.#openSeries(labels);
    if (point.noRecordedValue) this.#builder.addStale(point.timeMs);
    else this.#builder.addValue(point.timeMs, value, point.startMs);
    this.#closeSeries(exemplars);
  }

  #openSeries(labels: Labels): void {
    this.#builder.beginSeries();
    this.#builder.writeLabels(labels);
  }

  #closeSeries(exemplars: readonly Exemplar[]): void {
    for (const exemplar of exemplars) this.#builder.addExemplar(exemplar);
    this.#builder.endSeries();
    this.#pointOf.push(this.#points);
  }

  #addTargetInfo(): void {
    const labels = this.#labels.targetInfo();
    if (labels === undefined) return;
    if (typeof labels === "string") {
      this.#faults.add(`target_info of a resource is left out: ${labels}`);
      return;
    }
    const stepMs = Math.max(1, Math.floor(this.#options.lookbackMs / 2));
    const latestMs = this.#latestMs;
    this.#openSeries(labels);
    let atMs = Math.max(this.#earliestMs, latestMs - stepMs * TARGET_INFO_SAMPLES_MAX);
    for (; stepMs < Infinity && atMs < latestMs; atMs += stepMs)
      this.#addTargetSample(labels, atMs);
    this.#addTargetSample(labels, latestMs);
    if (!this.#builder.endSeries()) return;
    this.#pointOf.push(-1);
    this.#builder.addMetadata({
      family: "target_info",
      type: "gauge",
      help: "Target metadata",
      unit: "",
    });
  }

  #addTargetSample(labels: Labels, timestampMs: number): void {
    const key = `${timestampMs} ${labels.key}`;
    if (this.#targetInfo.has(key)) return;
    this.#targetInfo.add(key);
    this.#builder.addValue(timestampMs, 1, 0);
  }

  #reject(metric: OtlpMetric, fault: string, points: number): void {
    this.#rejected += points;
    this.#faults.add(`metric ${JSON.stringify(metric.name.slice(0, 200))}: ${fault}`);
  }
}

function nameKindOf(data: OtlpData): OtlpNameKind {
  if (data.kind === "gauge") return "gauge";
  return data.kind === "sum" && data.isMonotonic ? "counter" : "other";
}

function typeOf(data: OtlpData): MetricType {
  switch (data.kind) {
    case "gauge":
      return "gauge";
    case "sum":
      return data.isMonotonic ? "counter" : "gauge";
    case "summary":
      return "summary";
    default:
      return "histogram";
  }
}

function temporalityFault(data: OtlpData, takesDeltas: boolean): string | undefined {
  const temporality = temporalityOfData(data);
  if (temporality === undefined || temporality === "cumulative") return undefined;
  if (temporality === "delta" && takesDeltas) return undefined;
  return `invalid temporality and type combination (${temporality} ${data.kind})`;
}

/** Attributes are left out when they would make the labels longer than an exemplar's may be. */
function exemplarsOf(exemplars: readonly OtlpExemplar[]): Exemplar[] {
  return exemplars.map(({ timeMs, value, traceId, spanId, attributes }) => {
    const ids = [
      ...(traceId === "" ? [] : ["trace_id", traceId]),
      ...(spanId === "" ? [] : ["span_id", spanId]),
    ];
    const pairs = [...ids];
    for (const [key, attribute] of attributes) {
      if (key !== "trace_id" && key !== "span_id" && key !== "")
        pairs.push(key, formatOtlpValue(attribute));
    }
    const fits = labelCharacters(pairs) <= EXEMPLAR_LABEL_CHARACTERS_MAX;
    return { labels: Labels.fromPairs(fits ? pairs : ids), value, timestampMs: timeMs };
  });
}
