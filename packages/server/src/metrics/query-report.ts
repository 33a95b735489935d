/** What `stats` of a query tells: Prometheus' names for times and samples. */
import type { QueryReport } from "@finch/promql";
import type { QueryJob } from "./query-protocol.ts";

/** The `stats` of an answer, or undefined when the query did not ask for them. */
export function describeStatistics(
  { timeMs, counted, samplesPeak }: QueryReport["statistics"],
  job: QueryJob,
  queuedMs: number,
): object | undefined {
  if (job.statistics === "none" || counted === undefined) return undefined;
  const eachStep = job.statistics === "each-step";
  const evaluatedMs = timeMs.parse + timeMs.select + timeMs.evaluate;
  const pairs = (counts: Float64Array) =>
    Array.from(counts, (count, step) => [(job.startMs + step * job.stepMs) / 1000, count]);
  return {
    timings: {
      evalTotalTime: evaluatedMs / 1000,
      // Results come in order; sorting them is part of the evaluation.
      resultSortTime: 0,
      queryPreparationTime: (timeMs.parse + timeMs.select) / 1000,
      innerEvalTime: timeMs.evaluate / 1000,
      execQueueTime: queuedMs / 1000,
      execTotalTime: (queuedMs + evaluatedMs) / 1000,
    },
    samples: {
      ...(eachStep ? { totalQueryableSamplesPerStep: pairs(counted.looked) } : undefined),
      totalQueryableSamples: sum(counted.looked),
      ...(eachStep ? { samplesReadPerStep: pairs(counted.read) } : undefined),
      samplesRead: sum(counted.read),
      peakSamples: samplesPeak,
    },
  };
}

function sum(counts: Float64Array): number {
  return counts.reduce((all, count) => all + count, 0);
}
