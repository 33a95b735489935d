/** Compares answers of the engine with what a script expects; a fault is a text, no fault is undefined. */
import type { InstantResult, MatrixResult, QueryReport } from "@finch/promql";
import type { EvalCommand, Expectation, Point, ScriptSeries } from "./promql-script.ts";

const TOLERANCE = 1e-6;

function isAlmost(a: number, b: number): boolean {
  if (a === b || (Number.isNaN(a) && Number.isNaN(b))) return true;
  const difference = Math.abs(a - b);
  const sum = Math.abs(a) + Math.abs(b);
  const smallest = 2.2250738585072014e-308;
  if (a === 0 || b === 0 || sum < smallest) return difference < TOLERANCE * smallest;
  return difference / Math.min(sum, Number.MAX_VALUE) < TOLERANCE;
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
    const value = result.values[index]!;
    const match = wanted.get(labels.key);
    if (match === undefined) return `unexpected ${labels.toString()} ${value}`;
    wanted.delete(labels.key);
    if (ordered && match.index !== index)
      return `${labels.toString()} came at place ${index + 1}, not ${match.index + 1}`;
    const expected = match.series.points[0];
    if (typeof expected !== "number" || !isAlmost(expected, value))
      return `${labels.toString()}: expected ${expected}, got ${value}`;
  }
  for (const { series } of wanted.values()) return `missing ${series.labels.toString()}`;
  return undefined;
}

export function compareMatrix(command: EvalCommand, result: MatrixResult): string | undefined {
  const startMs = command.rangeVector?.startMs ?? command.startMs;
  const stepMs = command.rangeVector?.stepMs ?? command.stepMs ?? 1;
  const wanted = new Map(command.series.map((series) => [series.labels.key, series]));
  for (const { labels, timestampsMs, values } of result.series) {
    const expected = wanted.get(labels.key);
    if (expected === undefined) return `unexpected ${labels.toString()} ${[...values].join(" ")}`;
    wanted.delete(labels.key);
    const fault = comparePoints(expectedPoints(expected, startMs, stepMs), timestampsMs, values);
    if (fault !== undefined) return `${labels.toString()}: ${fault} (got ${[...values].join(" ")})`;
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
  values: Float64Array,
): string | undefined {
  if (expected.length !== values.length)
    return `expected ${expected.length} points, got ${values.length}`;
  for (const [index, [timeMs, point]] of expected.entries()) {
    if (times[index] !== timeMs)
      return `point ${index + 1} is at ${times[index]} ms, not ${timeMs}`;
    if (typeof point !== "number" || !isAlmost(point, values[index]!))
      return `point ${index + 1} is ${values[index]}, not ${point}`;
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
  const at = result.series.flatMap(({ labels, timestampsMs, values }) => {
    const index = timestampsMs.indexOf(timeMs);
    return index < 0 ? [] : [{ labels, value: values[index]! }];
  });
  const report = { warnings, infos, statistics, timeMs };
  if (type === "scalar") return { type, value: at[0]?.value ?? NaN, ...report };
  return {
    type,
    labels: at.map(({ labels }) => labels),
    values: Float64Array.from(at, ({ value }) => value),
    ...report,
  };
}
