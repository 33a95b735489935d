/** Warnings and infos of an evaluation: each text once, in Prometheus' words, with the place in the query that had it last. */
import { formatGoFloat } from "@finch/model";
import { formatPosition } from "./errors.ts";
import type { Position } from "./errors.ts";
import type { HistogramOperation } from "./range-notes.ts";
import { quoteString } from "./quote.ts";

/** Annotations kept of each sort. Without it a query over many metrics answers more warnings than data. */
const ANNOTATIONS_MAX = 1000;

export class Annotations {
  readonly #query: string;
  readonly #warnings = new Map<string, Position>();
  readonly #infos = new Map<string, Position>();
  /** By metric: where start times overlapped, and how often. */
  readonly #overlaps = new Map<string, { readonly position: Position; count: number }>();

  constructor(query: string) {
    this.#query = query;
  }

  get warnings(): readonly string[] {
    const overlaps = [...this.#overlaps].map(([metric, { position, count }]) => {
      const text = `PromQL warning: sample has start time that overlaps with previous sample timestamp for metric ${quoteString(metric)}`;
      return this.#withPlace(count > 1 ? `${text} (${count} occurrences)` : text, position);
    });
    return [...this.#texts(this.#warnings), ...overlaps];
  }

  get infos(): readonly string[] {
    return this.#texts(this.#infos);
  }

  warn(text: string, position: Position): void {
    this.#add(this.#warnings, `PromQL warning: ${text}`, position);
  }

  info(text: string, position: Position): void {
    this.#add(this.#infos, `PromQL info: ${text}`, position);
  }

  invalidQuantile(quantile: number, position: Position): void {
    this.warn(`quantile value should be between 0 and 1, got ${formatGoFloat(quantile)}`, position);
  }

  invalidRatio(ratio: number, cap: number, position: Position): void {
    const text = `ratio value should be between -1 and 1, got ${formatGoFloat(ratio)}, capping to ${formatGoFloat(cap)}`;
    this.warn(text, position);
  }

  badBucketLabel(metric: string, value: string, position: Position): void {
    this.warn(
      `bucket label "le" is missing or has a malformed value of ${quoteString(value)}${forMetric(metric)}`,
      position,
    );
  }

  sortInRange(position: Position): void {
    this.warn(
      "sort is ineffective for range queries since results are always ordered by labels",
      position,
    );
  }

  possibleNonCounter(metric: string, position: Position): void {
    const text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket";
    this.info(`${text}: ${quoteString(metric)}`, position);
  }

  incompatibleTypes(
    operator: string,
    types: readonly [left: string, right: string],
    position: Position,
  ): void {
    const [left, right] = types;
    this.info(
      `incompatible sample types encountered for binary operator "${operator}": ${left} ${operator} ${right}`,
      position,
    );
  }

  forcedMonotonicity(metric: string, details: string, position: Position): void {
    const text =
      "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
    this.info(`${text}${forMetric(metric)}${details}`, position);
  }

  mixedSamples(metric: string, position: Position): void {
    this.warn(
      `encountered a mix of histograms and floats for metric name ${quoteString(metric)}`,
      position,
    );
  }

  mixedInAggregation(position: Position): void {
    this.warn("encountered a mix of histograms and floats for aggregation", position);
  }

  mixedClassicAndNative(metric: string, position: Position): void {
    const text = "vector contains a mix of classic and native histograms";
    this.warn(`${text}${forMetric(metric)}`, position);
  }

  mixedLayouts(metric: string, position: Position): void {
    const text =
      "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
    this.warn(`${text} ${quoteString(metric)}`, position);
  }

  incompatibleLayouts(operator: string, position: Position): void {
    this.warn(`incompatible bucket layout encountered for binary operator ${operator}`, position);
  }

  notCounter(metric: string, position: Position): void {
    this.warn(`this native histogram metric is not a counter: ${quoteString(metric)}`, position);
  }

  notGauge(metric: string, position: Position): void {
    this.warn(`this native histogram metric is not a gauge: ${quoteString(metric)}`, position);
  }

  collidingResets(operation: HistogramOperation, position: Position): void {
    this.warn(`conflicting counter resets during histogram ${operation}`, position);
  }

  reconciledBounds(operation: HistogramOperation, position: Position): void {
    this.info(`mismatched custom buckets were reconciled during ${operation}`, position);
  }

  ignoredInAggregation(aggregation: string, position: Position): void {
    this.info(`ignored histogram in ${aggregation} aggregation`, position);
  }

  ignoredInRange(metric: string, position: Position): void {
    const text = "ignored histograms in a range containing both floats and histograms";
    this.info(`${text} for metric name ${quoteString(metric)}`, position);
  }

  nonCounterType(metric: string, type: string, position: Position): void {
    const text =
      'metric might not be a counter, __type__ label is not set to "counter" or "histogram"';
    this.info(`${text}, got ${quoteString(type)}: ${quoteString(metric)}`, position);
  }

  quantileOfNaN(metric: string, effect: "result-is-nan" | "skewed", position: Position): void {
    const result = effect === "skewed" ? "result is skewed higher" : "result is NaN";
    const text = `input to histogram_quantile has NaN observations, ${result}`;
    this.info(`${text}${forMetric(metric)}`, position);
  }

  fractionOfNaN(metric: string, position: Position): void {
    const text =
      "input to histogram_fraction has NaN observations, which are excluded from all fractions";
    this.info(`${text}${forMetric(metric)}`, position);
  }

  overlappingStarts(metric: string, position: Position): void {
    const known = this.#overlaps.get(metric);
    if (known !== undefined) known.count++;
    else if (this.#overlaps.size < ANNOTATIONS_MAX)
      this.#overlaps.set(metric, { position, count: 1 });
  }

  #add(texts: Map<string, Position>, text: string, position: Position): void {
    if (texts.size < ANNOTATIONS_MAX || texts.has(text)) texts.set(text, position);
  }

  #texts(texts: ReadonlyMap<string, Position>): readonly string[] {
    return Array.from(texts, ([text, position]) => this.#withPlace(text, position));
  }

  #withPlace(text: string, position: Position): string {
    return `${text} (${formatPosition(this.#query, position.start)})`;
  }
}

function forMetric(metric: string): string {
  return metric === "" ? "" : ` for metric name ${quoteString(metric)}`;
}
