/** `count_values`: how many series of a group have each value, the value as a label. */
import { formatFloat } from "@finch/model";
import type { Histogram, Labels } from "@finch/model";
import type { Evaluation } from "./evaluation.ts";
import { formatHistogram } from "./histogram-text.ts";
import { ABSENT, emptySeries, FLOAT, HISTOGRAM } from "./values.ts";
import type { OutputSeries } from "./values.ts";

export async function countValues(
  evaluation: Evaluation,
  input: readonly OutputSeries[],
  options: { readonly label: string; readonly grouping: (labels: Labels) => Labels },
): Promise<readonly OutputSeries[]> {
  const counts = new Map<string, OutputSeries>();
  for (const { labels, values, present, histograms } of input) {
    // Values repeat from step to step: the series to count in is looked up when the value changes.
    let lastValue: number | Histogram | undefined;
    let target: OutputSeries | undefined;
    for (let step = 0; step < values.length; step++) {
      if (present[step] === ABSENT) continue;
      const value = present[step] === HISTOGRAM ? histograms![step]! : values[step]!;
      if (target === undefined || !Object.is(value, lastValue)) {
        const text = typeof value === "number" ? formatFloat(value) : formatHistogram(value);
        const named = options.grouping(labels.with(options.label, text));
        target = counts.get(named.key);
        if (target === undefined) {
          evaluation.spend(values.length);
          target = emptySeries(named, false, values.length);
          counts.set(named.key, target);
        }
        lastValue = value;
      }
      target.values[step] = target.values[step]! + 1;
      target.present[step] = FLOAT;
    }
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return [...counts.values()];
}
