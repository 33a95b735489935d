/** The points of a series in PromQL test scripts: numbers, gaps, stale markers, native histograms, and sequences of them. */
import { CUSTOM_BOUNDS_SCHEMA, parseDuration } from "@finch/model";
import type { CounterResetHint, Histogram, HistogramBuckets } from "@finch/model";
import { combineHistograms } from "@finch/promql";

/** A histogram as written; its hint matters to comparisons only when it was written too. */
export interface HistogramPoint {
  readonly histogram: Histogram;
  readonly hasHint: boolean;
}

export type Point = number | "gap" | "stale" | HistogramPoint;

const NUMBER = String.raw`[+-]?(?:inf|nan|(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)`;
const PLAIN = new RegExp(`^${NUMBER}$`, "i");
const SEQUENCE = new RegExp(
  `^(${NUMBER})([+-](?:inf|nan|(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?))?x(\\d+)$`,
  "i",
);
const GAPS = /^_(?:x(\d+))?$/;
const HISTOGRAMS = /^\{\{(.*?)\}\}(?:([+-])\{\{(.*?)\}\})?(?:x(\d+))?$/;
const ITEMS = /(?:\{\{.*?\}\}|\S)+/g;

export function parseNumber(text: string): number | undefined {
  if (!PLAIN.test(text)) return undefined;
  const word = text.replace(/^[+-]/, "").toLowerCase();
  if (word === "nan") return NaN;
  const value = word === "inf" ? Infinity : Number(word);
  return text.startsWith("-") ? -value : value;
}

export function parsePoints(text: string): readonly Point[] {
  const points: Point[] = [];
  for (const item of text.match(ITEMS) ?? []) pushPoints(points, item);
  return points;
}

function pushPoints(points: Point[], item: string): void {
  const gaps = GAPS.exec(item);
  const histograms = HISTOGRAMS.exec(item);
  const sequence = SEQUENCE.exec(item);
  const number = parseNumber(item);
  if (item === "stale") points.push("stale");
  else if (gaps !== null) for (let i = 0; i < Number(gaps[1] ?? 1); i++) points.push("gap");
  else if (histograms !== null) pushHistograms(points, histograms);
  else if (number !== undefined) points.push(number);
  else if (sequence !== null) {
    let value = parseNumber(sequence[1]!)!;
    const step = sequence[2] === undefined ? 0 : parseNumber(sequence[2])!;
    for (let i = 0; i <= Number(sequence[3]); i++) {
      points.push(value);
      value += step;
    }
  } else throw new Error(`cannot read the point ${item}`);
}

function pushHistograms(points: Point[], [, first, sign, step, times]: RegExpExecArray): void {
  let point = parseHistogram(first!);
  const change = step === undefined ? undefined : parseHistogram(step);
  points.push(change === undefined ? point : { ...point, hasHint: change.hasHint });
  for (let i = 0; i < Number(times ?? 0); i++) {
    if (change !== undefined) {
      const next = combineHistograms(point.histogram, change.histogram, sign === "-" ? -1 : 1);
      if (next === undefined) throw new Error("histograms of different kinds in one sequence");
      point = { histogram: next.histogram, hasHint: change.hasHint };
    }
    points.push(point);
  }
}

const HINTS: Readonly<Record<string, CounterResetHint>> = {
  unknown: "unknown",
  reset: "reset",
  not_reset: "not-reset",
  gauge: "gauge",
};

/** `schema:1 sum:3 count:22 buckets:[5 10] …`, the inside of the double braces. */
function parseHistogram(text: string): HistogramPoint {
  const fields = new Map<string, string>();
  for (const [, key, list, value] of text.matchAll(/(\w+):(?:\[([^\]]*)\]|(\S+))/g))
    fields.set(key!, list ?? value!);
  const numberOf = (key: string) => parseNumber(fields.get(key) ?? "0")!;
  const listOf = (key: string) =>
    Float64Array.from((fields.get(key) ?? "").split(/\s+/).filter(Boolean), (one) =>
      parseNumber(one)!,
    );
  const buckets = (key: string, offsetKey: string): HistogramBuckets => {
    const counts = listOf(key);
    const spans = counts.length > 0 ? [numberOf(offsetKey), counts.length] : [];
    return { spans: Int32Array.from(spans), counts };
  };
  const hint = fields.get("counter_reset_hint");
  const resetHint = HINTS[hint ?? "unknown"];
  if (resetHint === undefined) throw new Error(`unknown counter_reset_hint ${hint}`);
  const schema = numberOf("schema");
  return {
    hasHint: hint !== undefined,
    histogram: {
      schema,
      resetHint,
      zeroThreshold: numberOf("z_bucket_w"),
      zeroCount: numberOf("z_bucket"),
      count: numberOf("count"),
      sum: numberOf("sum"),
      positive: buckets("buckets", "offset"),
      negative: buckets("n_buckets", "n_offset"),
      customBounds: schema === CUSTOM_BOUNDS_SCHEMA ? listOf("custom_values") : new Float64Array(0),
    },
  };
}

const OFFSET = String.raw`[+-]?(?:0|(?:\d+(?:ms|[smhdwy]))+)`;
const OFFSETS = new RegExp(`^(${OFFSET})(?:([+-]${OFFSET}))?(?:x(\\d+))?$`);

/** Start times as offsets from the samples' own times, in milliseconds; undefined where none is given. */
export function parseOffsets(text: string): readonly (number | undefined)[] {
  const offsets: (number | undefined)[] = [];
  for (const item of text.match(/\S+/g) ?? []) {
    const gaps = GAPS.exec(item);
    const sequence = OFFSETS.exec(item);
    if (gaps !== null) for (let i = 0; i < Number(gaps[1] ?? 1); i++) offsets.push(undefined);
    else if (sequence !== null) {
      const [, first, step, times] = sequence;
      for (let i = 0; i <= Number(times ?? 0); i++)
        offsets.push(offsetMs(first!) + i * (step === undefined ? 0 : offsetMs(step)));
    } else throw new Error(`cannot read the start time ${item}`);
  }
  return offsets;
}

function offsetMs(text: string): number {
  const plain = text.replace(/^[+-]/, "");
  const ms = plain === "0" ? 0 : parseDuration(plain);
  return text.startsWith("-") ? -ms : ms;
}
