/** Warnings and infos of an evaluation: each text once, in Prometheus' words, with the place in the query. */
import { formatGoFloat } from "@finch/model";
import { formatPosition } from "./errors.ts";
import type { Position } from "./errors.ts";

/** Annotations kept of each sort. Without it a query over many metrics answers more warnings than data. */
const ANNOTATIONS_MAX = 50;

export class Annotations {
  readonly #query: string;
  readonly #warnings = new Set<string>();
  readonly #infos = new Set<string>();

  constructor(query: string) {
    this.#query = query;
  }

  get warnings(): readonly string[] {
    return [...this.#warnings];
  }

  get infos(): readonly string[] {
    return [...this.#infos];
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
      `bucket label "le" is missing or has a malformed value of ${JSON.stringify(value)}${forMetric(metric)}`,
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
    this.info(`${text}: ${JSON.stringify(metric)}`, position);
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

  #add(set: Set<string>, text: string, position: Position): void {
    if (set.size < ANNOTATIONS_MAX)
      set.add(`${text} (${formatPosition(this.#query, position.start)})`);
  }
}

function forMetric(metric: string): string {
  return metric === "" ? "" : ` for metric name ${JSON.stringify(metric)}`;
}
