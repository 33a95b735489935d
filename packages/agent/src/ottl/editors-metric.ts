/** Editors of the transform processor that make metrics of other kinds, or new ones beside them. */
import type {
  ExponentialHistogramDataPoint,
  HistogramDataPoint,
  Metric,
  NumberDataPoint,
  SummaryDataPoint,
} from "@finch/wire";
import { OttlRunFault } from "./fault.ts";
import { aggregatedOf, pointsOf } from "./fields-of-metrics.ts";
import {
  boolean,
  defineFunction,
  double,
  oneOf,
  optional,
  text,
  type OttlFunction,
} from "./signature.ts";
import type { ContextName, Subject } from "./subject.ts";

const METRICS: readonly ContextName[] = ["metric"];
const TEMPORALITIES = ["unspecified", "delta", "cumulative"];
const CUMULATIVE = 2;
const temporality = oneOf(["delta", "cumulative"]);

type SummedPoint = HistogramDataPoint | ExponentialHistogramDataPoint | SummaryDataPoint;

export const METRIC_EDITORS: readonly OttlFunction[] = [
  defineFunction(
    "convert_sum_to_gauge",
    {},
    (_, subject) => {
      const metric = subject.metric!;
      if (metric.sum === undefined) return null;
      metric.gauge = { dataPoints: metric.sum.dataPoints };
      metric.sum = undefined;
      return null;
    },
    { contexts: METRICS },
  ),
  defineFunction(
    "convert_gauge_to_sum",
    { aggregation_temporality: temporality, is_monotonic: boolean },
    ({ aggregation_temporality, is_monotonic }, subject) => {
      const metric = subject.metric!;
      if (metric.gauge === undefined) return null;
      const { dataPoints } = metric.gauge;
      metric.sum = {
        dataPoints,
        aggregationTemporality: TEMPORALITIES.indexOf(aggregation_temporality),
        isMonotonic: is_monotonic,
      };
      metric.gauge = undefined;
      return null;
    },
    { contexts: METRICS },
  ),
  defineFunction(
    "extract_sum_metric",
    { is_monotonic: boolean, suffix: optional(text) },
    ({ is_monotonic, suffix = "_sum" }, subject) => {
      const points = summedPoints("extract_sum_metric", subject);
      const made = points.flatMap((point) =>
        point.sum === undefined ? [] : [numberPoint(point, { asDouble: point.sum })],
      );
      addSum(subject, made, { suffix, isMonotonic: is_monotonic });
      return null;
    },
    { contexts: METRICS },
  ),
  defineFunction(
    "extract_count_metric",
    { is_monotonic: boolean, suffix: optional(text) },
    ({ is_monotonic, suffix = "_count" }, subject) => {
      const points = summedPoints("extract_count_metric", subject);
      const made = points.map((point) => numberPoint(point, { asInt: point.count }));
      // A count of things has the unit 1, whatever is measured.
      addSum(subject, made, { suffix, isMonotonic: is_monotonic, unit: "1" });
      return null;
    },
    { contexts: METRICS },
  ),
  summaryToSum("convert_summary_count_val_to_sum", "_count", (point) => ({ asInt: point.count })),
  summaryToSum("convert_summary_sum_val_to_sum", "_sum", (point) => ({ asDouble: point.sum })),
  defineFunction(
    "copy_metric",
    { name: optional(text), description: optional(text), unit: optional(text) },
    (changes, subject) => {
      const copy = structuredClone(subject.metric!);
      copy.name = changes.name ?? copy.name;
      copy.description = changes.description ?? copy.description;
      copy.unit = changes.unit ?? copy.unit;
      subject.metrics.push(copy);
      return null;
    },
    { contexts: METRICS },
  ),
  defineFunction(
    "scale_metric",
    { factor: double, unit: optional(text) },
    ({ factor, unit }, subject) => {
      const metric = subject.metric!;
      if (metric.exponentialHistogram !== undefined)
        throw new OttlRunFault("scale_metric cannot scale an exponential histogram");
      for (const point of pointsOf(metric) ?? []) scalePoint(point as ScalablePoint, factor);
      metric.unit = unit ?? metric.unit;
      return null;
    },
    { contexts: METRICS },
  ),
];

function summaryToSum(
  name: string,
  suffixByDefault: string,
  valueOf: (point: SummaryDataPoint) => { asInt?: bigint; asDouble?: number },
): OttlFunction {
  return defineFunction(
    name,
    { aggregation_temporality: temporality, is_monotonic: boolean, suffix: optional(text) },
    ({ aggregation_temporality, is_monotonic, suffix = suffixByDefault }, subject) => {
      const points = subject.metric!.summary?.dataPoints ?? [];
      const made = points.map((point) => numberPoint(point, valueOf(point)));
      addSum(subject, made, {
        suffix,
        isMonotonic: is_monotonic,
        temporality: TEMPORALITIES.indexOf(aggregation_temporality),
      });
      return null;
    },
    { contexts: METRICS },
  );
}

function summedPoints(name: string, { metric }: Subject): readonly SummedPoint[] {
  const data = metric!.histogram ?? metric!.exponentialHistogram ?? metric!.summary;
  if (data === undefined)
    throw new OttlRunFault(`${name} is for histograms, exponential histograms and summaries`);
  return data.dataPoints;
}

function numberPoint(
  point: SummedPoint,
  { asInt, asDouble }: { readonly asInt?: bigint; readonly asDouble?: number },
): NumberDataPoint {
  return {
    attributes: structuredClone(point.attributes),
    startTimeUnixNano: point.startTimeUnixNano,
    timeUnixNano: point.timeUnixNano,
    asInt,
    asDouble,
    exemplars: [],
    flags: 0,
  };
}

/** A new metric behind the others, which statements come to later. None without points. */
function addSum(
  { metric, metrics }: Subject,
  dataPoints: NumberDataPoint[],
  options: {
    readonly suffix: string;
    readonly isMonotonic: boolean;
    readonly unit?: string;
    readonly temporality?: number;
  },
): void {
  if (dataPoints.length === 0) return;
  const { name, description, unit } = metric!;
  const added: Metric = {
    name: name + options.suffix,
    description,
    unit: options.unit ?? unit,
    gauge: undefined,
    sum: {
      dataPoints,
      aggregationTemporality:
        options.temporality ?? aggregatedOf(metric!)?.aggregationTemporality ?? CUMULATIVE,
      isMonotonic: options.isMonotonic,
    },
    histogram: undefined,
    exponentialHistogram: undefined,
    summary: undefined,
    metadata: new Map(),
  };
  metrics.push(added);
}

type ScalablePoint = NumberDataPoint | HistogramDataPoint | SummaryDataPoint;

/** Whole numbers become doubles: a factor is one. */
function scalePoint(point: ScalablePoint, factor: number): void {
  if ("asInt" in point) {
    const value = point.asDouble ?? (point.asInt === undefined ? undefined : Number(point.asInt));
    if (value === undefined) return;
    point.asDouble = value * factor;
    point.asInt = undefined;
    scaleExemplars(point, factor);
    return;
  }
  if (point.sum !== undefined) point.sum *= factor;
  if ("quantileValues" in point) {
    for (const quantile of point.quantileValues) quantile.value *= factor;
    return;
  }
  point.explicitBounds = point.explicitBounds.map((bound) => bound * factor);
  if (point.min !== undefined) point.min *= factor;
  if (point.max !== undefined) point.max *= factor;
  scaleExemplars(point, factor);
}

function scaleExemplars({ exemplars }: NumberDataPoint | HistogramDataPoint, factor: number): void {
  for (const exemplar of exemplars) {
    const value = exemplar.asDouble ?? Number(exemplar.asInt ?? 0n);
    exemplar.asDouble = value * factor;
    exemplar.asInt = undefined;
  }
}
