/** Evaluates jobs on an engine, in a worker or on the main thread: what both do the same way. */
import type { Engine, InstantResult, SeriesSource } from "@finch/promql";
import type { QueryFigures, QueryJob } from "./query-protocol.ts";
import { describeStatistics } from "./query-report.ts";
import { writeAnswer } from "./result-json.ts";
import { refuseLargeAnswer } from "./result-size.ts";

/** The result of a job; refused when its answer would be too long. */
export async function evaluateJob(
  engine: Engine,
  job: QueryJob,
  options: {
    readonly source: SeriesSource;
    readonly signal: AbortSignal;
    readonly resultBytesMax: number;
  },
): Promise<InstantResult> {
  const { source, signal, resultBytesMax } = options;
  const { query, startMs, endMs, stepMs, lookbackMs, limit } = job;
  const countSamples = job.statistics !== "none";
  const shared = { source, query, lookbackMs, signal, countSamples };
  const result =
    job.kind === "instant"
      ? await engine.instantQuery({ ...shared, timeMs: startMs })
      : await engine.rangeQuery({ ...shared, startMs, endMs, stepMs });
  refuseLargeAnswer(result, limit, resultBytesMax);
  return result;
}

/** The answer in pieces, which are the caller's. `queuedMs` is how long the job waited. */
export function writeJobAnswer(
  result: InstantResult,
  job: QueryJob,
  queuedMs: number,
): Generator<Uint8Array<ArrayBuffer>> {
  return writeAnswer(result, job.limit, describeStatistics(result.statistics, job, queuedMs));
}

export function figuresOf({ statistics }: InstantResult, answerBytes: number): QueryFigures {
  const { series, samples, bytesPeak, timeMs } = statistics;
  return { series, samples, bytesPeak, answerBytes, evaluateMs: timeMs.evaluate };
}
