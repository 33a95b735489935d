/** Sums and means of many histograms, in the order they come. Rounding errors are compensated; a mean does not overflow where its sum would. */
import type { Histogram } from "@finch/model";
import { divideHistogram } from "./histogram-arithmetic.ts";
import { HistogramSum } from "./histogram-sum.ts";

export interface HistogramTotal {
  /** Empty buckets are kept. */
  readonly histogram: Histogram;
  /** Some terms say that their counter was reset, others that it was not. */
  readonly isCollided: boolean;
  /** Terms had different custom bounds. */
  readonly isReconciled: boolean;
}

/** Undefined when some terms have custom bounds and others an exponential schema. At least one term is needed. */
export function sumHistograms(terms: readonly Histogram[]): HistogramTotal | undefined {
  const sum = new HistogramSum(terms[0]!);
  for (let i = 1; i < terms.length; i++) if (!sum.add(terms[i]!)) return undefined;
  return finish(terms, sum);
}

/** As {@link sumHistograms}. */
export function averageHistograms(terms: readonly Histogram[]): HistogramTotal | undefined {
  const sum = new HistogramSum(terms[0]!);
  for (let i = 1; i < terms.length; i++) {
    if (!sum.add(terms[i]!)) return undefined;
    if (sum.isOverflowing()) return averageFrom(terms, i);
  }
  sum.divide(terms.length);
  return finish(terms, sum);
}

/** The mean where the sum of the first `next + 1` terms overflows: from there on each term moves the mean of those before. */
function averageFrom(terms: readonly Histogram[], next: number): HistogramTotal | undefined {
  const mean = new HistogramSum(terms[0]!);
  for (let i = 1; i < next; i++) mean.add(terms[i]!);
  mean.divide(next);
  for (let i = next; i < terms.length; i++) {
    mean.scale(i / (i + 1));
    if (!mean.add(divideHistogram(terms[i]!, i + 1))) return undefined;
  }
  return finish(terms, mean);
}

function finish(terms: readonly Histogram[], sum: HistogramSum): HistogramTotal {
  const isCollided =
    terms.some(({ resetHint }) => resetHint === "reset") &&
    terms.some(({ resetHint }) => resetHint === "not-reset");
  return { histogram: sum.total(), isCollided, isReconciled: sum.isReconciled };
}
