/** Compares answers of the engine with what a script expects; a fault is a text, no fault is undefined. */
import type { Histogram, HistogramBuckets } from "@finch/model";
import { compactHistogram, formatHistogram, populatedBuckets } from "@finch/promql";
import type { Answer, AnswerSeries, JsonHistogram, Sample } from "./promql-answer.ts";
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

function isSame(expected: Point | undefined, got: Sample): boolean {
  if (typeof expected === "number") return typeof got === "number" && isAlmost(expected, got);
  if (typeof expected !== "object" || typeof got === "number") return false;
  const { histogram, hasHint } = expected;
  if (!("schema" in got)) return isSameAsJson(histogram, got);
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

/** What JSON tells of a histogram: flags and bounds of its populated buckets, and numbers. */
function isSameAsJson(expected: Histogram, got: JsonHistogram): boolean {
  const buckets = populatedBuckets(expected, { cutAtZero: true });
  return (
    isAlmost(expected.count, got.count) &&
    isAlmost(expected.sum, got.sum) &&
    buckets.length === got.buckets.length &&
    buckets.every(({ lower, upper, includesLower, includesUpper, count }, i) => {
      const [flags, gotLower, gotUpper, gotCount] = got.buckets[i]!;
      const wanted = includesLower ? (includesUpper ? 3 : 1) : includesUpper ? 0 : 2;
      return (
        flags === wanted &&
        isAlmost(lower, gotLower) &&
        isAlmost(upper, gotUpper) &&
        isAlmost(count, gotCount)
      );
    })
  );
}

function isSameBuckets(a: HistogramBuckets, b: HistogramBuckets): boolean {
  return (
    a.spans.join() === b.spans.join() && a.counts.every((count, i) => isAlmost(count, b.counts[i]!))
  );
}

function describe(sample: Point | Sample | undefined): string {
  if (typeof sample !== "object") return String(sample);
  if ("buckets" in sample) return JSON.stringify(sample);
  const histogram = "histogram" in sample ? sample.histogram : sample;
  const { schema, zeroThreshold, resetHint, customBounds } = histogram;
  const rest = `schema ${schema}, zero ${zeroThreshold}, hint ${resetHint}, bounds ${customBounds.join()}`;
  return `${formatHistogram(histogram)} (${rest})`;
}

/** Warnings and infos; `withPlaces` is false where the query was rewritten, which moves its parts. */
export function compareAnnotations(
  command: EvalCommand,
  report: Pick<Answer, "warnings" | "infos">,
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

export function compareAnswer(command: EvalCommand, answer: Answer): string | undefined {
  switch (answer.type) {
    case "string":
      return command.text === answer.text
        ? undefined
        : `got the string ${JSON.stringify(answer.text)}`;
    case "scalar":
      if (command.scalar === undefined) return `got the scalar ${answer.value}`;
      return isAlmost(command.scalar, answer.value)
        ? undefined
        : `expected ${command.scalar}, got ${answer.value}`;
    case "vector":
      return compareVector(command, answer.series);
    case "matrix":
      return compareMatrix(command, answer.series);
  }
}

function compareVector(
  command: EvalCommand,
  elements: readonly AnswerSeries[],
): string | undefined {
  if (command.scalar !== undefined) return "got a vector, not a scalar";
  const ordered = command.expectations.some(({ kind }) => kind === "ordered");
  const wanted = new Map(
    command.series.map((series, index) => [series.labels.key, { series, index }]),
  );
  for (const [index, { labels, samples }] of elements.entries()) {
    const value = samples[0]!;
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

function compareMatrix(command: EvalCommand, all: readonly AnswerSeries[]): string | undefined {
  const startMs = command.rangeVector?.startMs ?? command.startMs;
  const stepMs = command.rangeVector?.stepMs ?? command.stepMs ?? 1;
  const wanted = new Map(command.series.map((series) => [series.labels.key, series]));
  for (const series of all) {
    const { labels, samples } = series;
    const expected = wanted.get(labels.key);
    const got = samples.map(describe).join(" ");
    if (expected === undefined) return `unexpected ${labels.toString()} ${got}`;
    wanted.delete(labels.key);
    const fault = comparePoints(expectedPoints(expected, startMs, stepMs), series);
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
  { timesMs, samples }: AnswerSeries,
): string | undefined {
  if (expected.length !== samples.length)
    return `expected ${expected.length} points, got ${samples.length}`;
  for (const [index, [timeMs, point]] of expected.entries()) {
    if (timesMs[index] !== timeMs)
      return `point ${index + 1} is at ${timesMs[index]} ms, not ${timeMs}`;
    if (!isSame(point, samples[index]!))
      return `point ${index + 1} is ${describe(samples[index])}, not ${describe(point)}`;
  }
  return undefined;
}
