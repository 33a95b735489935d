/** Answers to PromQL queries in one shape, whether the engine gave them or the HTTP API: what scripts are compared with. */
import { Labels, parseFloatText } from "@finch/model";
import type { Histogram } from "@finch/model";
import type { InstantResult, QueryReport } from "@finch/promql";

/** A histogram as JSON has it: populated buckets with their bounds, neither schema nor hint. */
export interface JsonHistogram {
  readonly count: number;
  readonly sum: number;
  readonly buckets: readonly (readonly [
    flags: number,
    lower: number,
    upper: number,
    count: number,
  ])[];
}

export type Sample = number | Histogram | JsonHistogram;

export interface AnswerSeries {
  readonly labels: Labels;
  /** Unix milliseconds; one for an element of a vector. */
  readonly timesMs: readonly number[];
  readonly samples: readonly Sample[];
}

type Remarks = Pick<QueryReport, "warnings" | "infos">;

export type Answer = Remarks &
  (
    | { readonly type: "string"; readonly text: string }
    | { readonly type: "scalar"; readonly value: number }
    | { readonly type: "vector" | "matrix"; readonly series: readonly AnswerSeries[] }
  );

export function answerOf(result: InstantResult): Answer {
  const { warnings, infos } = result;
  switch (result.type) {
    case "string":
      return { type: "string", text: result.value, warnings, infos };
    case "scalar":
      return { type: "scalar", value: result.value, warnings, infos };
    case "vector": {
      const { labels, values, histograms, timeMs } = result;
      const series = labels.map((one, i) => ({
        labels: one,
        timesMs: [timeMs],
        samples: [histograms?.[i] ?? values[i]!],
      }));
      return { type: "vector", series, warnings, infos };
    }
    case "matrix": {
      const series = result.series.map(({ labels, timestampsMs, values, histograms }) => ({
        labels,
        timesMs: [...timestampsMs],
        samples: Array.from(values, (value, i) => histograms?.[i] ?? value),
      }));
      return { type: "matrix", series, warnings, infos };
    }
  }
}

type JsonSample = readonly [seconds: number, value: string];
type JsonHistogramSample = readonly [
  seconds: number,
  histogram: {
    readonly count: string;
    readonly sum: string;
    readonly buckets?: readonly (readonly [number, string, string, string])[];
  },
];

interface JsonSeries {
  readonly metric: Readonly<Record<string, string>>;
  readonly value?: JsonSample;
  readonly histogram?: JsonHistogramSample;
  readonly values?: readonly JsonSample[];
  readonly histograms?: readonly JsonHistogramSample[];
}

/** A successful answer of `query` or `query_range`. */
export interface JsonAnswer {
  readonly data: {
    readonly resultType: "string" | "scalar" | "vector" | "matrix";
    readonly result: unknown;
  };
  readonly warnings?: readonly string[];
  readonly infos?: readonly string[];
}

export function answerFromJson({ data, warnings = [], infos = [] }: JsonAnswer): Answer {
  const { resultType: type, result } = data;
  if (type === "string") return { type, text: (result as JsonSample)[1], warnings, infos };
  if (type === "scalar")
    return { type, value: numberOf((result as JsonSample)[1]), warnings, infos };
  const series = (result as readonly JsonSeries[]).map((one): AnswerSeries => {
    const { metric, value, histogram, values = [], histograms = [] } = one;
    const floats = [...values, ...(value === undefined ? [] : [value])];
    const others = [...histograms, ...(histogram === undefined ? [] : [histogram])];
    const samples = [
      ...floats.map(([seconds, text]) => ({ seconds, sample: numberOf(text) })),
      ...others.map(([seconds, json]) => ({ seconds, sample: histogramOf(json) })),
    ].toSorted((a, b) => a.seconds - b.seconds);
    return {
      labels: Labels.fromObject(metric),
      timesMs: samples.map(({ seconds }) => Math.round(seconds * 1000)),
      samples: samples.map(({ sample }) => sample),
    };
  });
  return { type, series, warnings, infos };
}

function histogramOf({ count, sum, buckets = [] }: JsonHistogramSample[1]): JsonHistogram {
  return {
    count: numberOf(count),
    sum: numberOf(sum),
    buckets: buckets.map(([flags, lower, upper, inside]) => [
      flags,
      numberOf(lower),
      numberOf(upper),
      numberOf(inside),
    ]),
  };
}

function numberOf(text: string): number {
  const value = parseFloatText(text);
  if (value === undefined) throw new Error(`not a number: ${text}`);
  return value;
}

/** One step of a range query as the answer of an instant query. */
export function stepOf(answer: Answer, timeMs: number, type: "vector" | "scalar"): Answer {
  if (answer.type !== "matrix") throw new Error(`a range query answered a ${answer.type}`);
  const { warnings, infos } = answer;
  const series = answer.series.flatMap(({ labels, timesMs, samples }) => {
    const at = timesMs.indexOf(timeMs);
    return at < 0 ? [] : [{ labels, timesMs: [timeMs], samples: [samples[at]!] }];
  });
  if (type === "vector") return { type, series, warnings, infos };
  const value = series[0]?.samples[0] ?? NaN;
  return { type, value: typeof value === "number" ? value : NaN, warnings, infos };
}
