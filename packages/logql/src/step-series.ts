/** Results of metric expressions: a number a step and series, all steps at once. A missing number is told apart from NaN by `present`. */
import type { Labels } from "@finch/model";

export interface StepSeries {
  readonly labels: Labels;
  readonly values: Float64Array;
  /** 1 where `values` has a number. */
  readonly present: Uint8Array;
}

export type StepValue =
  | { readonly kind: "scalar"; readonly value: number }
  /** The order of the series is part of the result where a `sort` made it. */
  | { readonly kind: "vector"; readonly series: readonly StepSeries[] };

export function vectorOf(series: readonly StepSeries[]): StepValue {
  return { kind: "vector", series };
}

export function newSeries(labels: Labels, steps: number): StepSeries {
  return { labels, values: new Float64Array(steps), present: new Uint8Array(steps) };
}

/** Whether any step has a number. */
export function isPresent(series: StepSeries): boolean {
  return series.present.includes(1);
}
