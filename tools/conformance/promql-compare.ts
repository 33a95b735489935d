/** Compares answers of the engine with what a script expects; a fault is a text, no fault is undefined. */
import type { Histogram, HistogramBuckets } from "@finch/model";
import { compactHistogram, formatHistogram } from "@finch/promql";
import type { InstantResult, MatrixResult, MatrixSeries, QueryReport } from "@finch/promql";
import type { Point } from "./promql-points.ts";
import type { EvalCommand, Expectation, ScriptSeries } from "./promql-script.ts";

const TOLERANCE = 1e-6;

function isAlmost(a: number, b: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const difference = Math.abs(a - b);
  const sum = Math.abs(a) + Math.abs(b);
  const smallest = 2.2250738585072014e-308;
  if (a === 0 || b === 0 || sum < smallest) return difference < TOLERANCE * smallest;
  return difference / Math.min(sum, Number.MAX_VALUE) < TOLERANCE;
}

/** A float or a histogram of a result. */
type Sample = number | Histogram;

function isSame(expected: Point | undefined, got: Sample): boolean {
  if (typeof expected === "number") return typeof got === "number" && isAlmost(expected, got);
  if (typeof expected !== "object" || typeof got === "number") return false;
  const { histogram, hasHint } = expected;
  return isSameHistogram(histogram, got) && (!hasHint || histogram.resetHint === got.resetHint);
}

/** The same layout without empty buckets, and numbers that are almost the same. */
function isSameHistogram(expected: Histogram, got: Histogram): boolean {
  const a = compactHistogram(expected);
  const b = compactHistogram(got);
  return (
    a.schema === b.schema &&
    a.zeroThreshold === b.zeroThreshold &&
    isAlmost(a.count, b.count) &&
    isAlmost(a.sum, b.sum) &&
    isAlmost(a.zeroCount, b.zeroCount) &&
    a.customBounds.join() === b.customBounds.join() &&
    isSameBuckets(a.positive, b.positive) &&
    isSameBuckets(a.negative, b.negative)
  );
}

function isSameBuckets(a: HistogramBuckets, b: HistogramBuckets): boolean {
  return (
    a.spans.join() === b.spans.join() && a.counts.every((count, i) => isAlmost(count, b.counts[i]!))
  );
}

function describe(sample: Point | Sample | undefined): string {
  if (typeof sample !== "object") return String(sample);
  const histogram = "histogram" in sample ? sample.histogram : sample;
  const { schema, zeroThreshold, resetHint, customBounds } = histogram;
  const rest = `schema ${schema}, zero ${zeroThreshold}, hint ${resetHint}, bounds ${customBounds.join()}`;
  return `${formatHistogram(histogram)} (${rest})`;
}

function samplesOf({ values, histograms }: Pick<MatrixSeries, "values" | "histograms">): Sample[] {
  return Array.from(values, (value, i) => histograms?.[i] ?? value);
}

/** Warnings and infos; `withPlaces` is false where the query was rewritten, which moves its parts. */
export function compareAnnotations(
  command: EvalCommand,
  report: QueryReport,
  withPlaces = true,
): string | undefined {
  for (const [kind, none, got] of [
    ["warn", "no_warn", report.warnings],
    ["info", "no_info", report.infos],
  ] as const) {
    const wanted = command.expectations.filter((expectation) => expectation.kind === kind);
    const mustBeNone = command.expectations.some((expectation) => expectation.kind === none);
    if (mustBeNone && got.length > 0) return `unexpected ${kind}: ${got.join("; ")}`;
    if (wanted.length > 0 && got.length === 0) return `no ${kind}`;
    const extra = got.find(
      (text) =>
        wanted.length > 0 && !wanted.some((expectation) => accepts(expectation, text, withPlaces)),
    );
    if (extra !== undefined) return `unexpected ${kind}: ${extra}`;
    const missing = wanted.find(
      (expectation) => !got.some((text) => accepts(expectation, text, withPlaces)),
    );
    if (missing !== undefined)
      return `missing ${kind}: ${missing.message ?? missing.pattern?.source}`;
  }
  return undefined;
}

function accepts({ message, pattern }: Expectation, text: string, withPlaces: boolean): boolean {
  if (!withPlaces) return true;
  return message === undefined ? (pattern?.test(text) ?? true) : message === text;
}

export function compareInstant(command: EvalCommand, result: InstantResult): string | undefined {
  switch (result.type) {
    case "string":
      return command.text === result.value
        ? undefined
        : `got the string ${JSON.stringify(result.value)}`;
    case "scalar":
      if (command.scalar === undefined) return `got the scalar ${result.value}`;
      return isAlmost(command.scalar, result.value)
        ? undefined
        : `expected ${command.scalar}, got ${result.value}`;
    case "matrix":
      return compareMatrix(command, result);
    case "vector":
      break;
  }
  if (command.scalar !== undefined) return "got a vector, not a scalar";
  const ordered = command.expectations.some(({ kind }) => kind === "ordered");
  const wanted = new Map(
    command.series.map((series, index) => [series.labels.key, { series, index }]),
  );
  for (const [index, labels] of result.labels.entries()) {
    const value = result.histograms?.[index] ?? result.values[index]!;
    const match = wanted.get(labels.key);
    if (match === undefined) return `unexpected ${labels.toString()} ${describe(value)}`;
    wanted.delete(labels.key);
    if (ordered && match.index !== index)
      return `${labels.toString()} came at place ${index + 1}, not ${match.index + 1}`;
    const expected = match.series.points[0];
    if (!isSame(expected, value))
      return `${labels.toString()}: expected ${describe(expected)}, got ${describe(value)}`;
  }
  for (const { series } of wanted.values()) return `missing ${series.labels.toString()}`;
  return undefined;
}

export function compareMatrix(command: EvalCommand, result: MatrixResult): string | undefined {
  const startMs = command.rangeVector?.startMs ?? command.startMs;
  const stepMs = command.rangeVector?.stepMs ?? command.stepMs ?? 1;
  const wanted = new Map(command.series.map((series) => [series.labels.key, series]));
  for (const series of result.series) {
    const { labels, timestampsMs } = series;
    const expected = wanted.get(labels.key);
    const samples = samplesOf(series);
    const got = samples.map(describe).join(" ");
    if (expected === undefined) return `unexpected ${labels.toString()} ${got}`;
    wanted.delete(labels.key);
    const fault = comparePoints(expectedPoints(expected, startMs, stepMs), timestampsMs, samples);
    if (fault !== undefined) return `${labels.toString()}: ${fault} (got ${got})`;
  }
  for (const series of wanted.values())
    if (series.points.some((point) => point !== "gap"))
      return `missing ${series.labels.toString()}`;
  return undefined;
}

type TimedPoint = readonly [timeMs: number, point: Point];

function expectedPoints(
  { points }: ScriptSeries,
  startMs: number,
  stepMs: number,
): readonly TimedPoint[] {
  return points
    .map((point, index): TimedPoint => [startMs + index * stepMs, point])
    .filter(([, point]) => point !== "gap");
}

function comparePoints(
  expected: readonly TimedPoint[],
  times: Float64Array,
  samples: readonly Sample[],
): string | undefined {
  if (expected.length !== samples.length)
    return `expected ${expected.length} points, got ${samples.length}`;
  for (const [index, [timeMs, point]] of expected.entries()) {
    if (times[index] !== timeMs)
      return `point ${index + 1} is at ${times[index]} ms, not ${timeMs}`;
    if (!isSame(point, samples[index]!))
      return `point ${index + 1} is ${describe(samples[index])}, not ${describe(point)}`;
  }
  return undefined;
}

/** One step of a range query as the answer of an instant query. */
export function matrixStep(
  result: MatrixResult,
  timeMs: number,
  type: "vector" | "scalar",
): InstantResult {
  const { warnings, infos, statistics } = result;
  const at = result.series.flatMap(({ labels, timestampsMs, values, histograms }) => {
    const index = timestampsMs.indexOf(timeMs);
    return index < 0 ? [] : [{ labels, value: values[index]!, histogram: histograms?.[index] }];
  });
  const report = { warnings, infos, statistics, timeMs };
  if (type === "scalar") return { type, value: at[0]?.value ?? NaN, ...report };
  return {
    type,
    labels: at.map(({ labels }) => labels),
    values: Float64Array.from(at, ({ value }) => value),
    histograms: at.map(({ histogram }) => histogram),
    ...report,
  };
}
