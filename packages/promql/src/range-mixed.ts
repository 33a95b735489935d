/**
 * Windows over series with histograms: functions of floats see the floats alone, functions of histograms the histograms alone, each in
 * the windows of the series; where a window has both, that is noted.
 */
import type { Histogram } from "@finch/model";
import { resetFinder } from "./range-histograms.ts";
import type { HistogramFunction } from "./range-histograms.ts";
import { ABSENT, countPresent, HISTOGRAM } from "./values.ts";
import type { RangeSeries } from "./values.ts";
import type { RangeFunction, WindowInput, WindowOutput } from "./window.ts";

/** The two kinds of samples of a series apart. */
export interface SplitSeries {
  readonly floats: SampleColumns & { readonly values: Float64Array };
  readonly histograms: SampleColumns & { readonly samples: readonly Histogram[] };
}

interface SampleColumns {
  readonly timestampsMs: Float64Array;
  readonly startTimestampsMs: Float64Array | undefined;
}

const NONE = new Float64Array(0);

function isThere(histogram: Histogram | undefined): histogram is Histogram {
  return histogram !== undefined;
}

export function splitSeries(
  series: Pick<RangeSeries, "timestampsMs" | "values" | "histograms" | "startTimestampsMs">,
): SplitSeries {
  const { timestampsMs, values, startTimestampsMs } = series;
  const histograms = series.histograms ?? [];
  if (histograms.length === timestampsMs.length && histograms.every(isThere))
    return {
      floats: { timestampsMs: NONE, values: NONE, startTimestampsMs: startTimestampsMs && NONE },
      histograms: { timestampsMs, samples: histograms, startTimestampsMs },
    };
  const isFloat = (_: number, i: number) => histograms[i] === undefined;
  const isHistogram = (_: number, i: number) => histograms[i] !== undefined;
  return {
    floats: {
      timestampsMs: timestampsMs.filter(isFloat),
      values: values.filter(isFloat),
      startTimestampsMs: startTimestampsMs?.filter(isFloat),
    },
    histograms: {
      timestampsMs: timestampsMs.filter(isHistogram),
      samples: histograms.filter((histogram) => histogram !== undefined),
      startTimestampsMs: startTimestampsMs?.filter(isHistogram),
    },
  };
}

/** The windows over the floats and over the histograms of a series. */
function splitWindows(input: WindowInput) {
  const { floats, histograms } = splitSeries(input);
  const isHistogram = (i: number) => input.histograms?.[i] !== undefined;
  const floatBounds = boundsAmong(input, floats.timestampsMs.length, (i) => !isHistogram(i));
  const bounds = boundsAmong(input, histograms.timestampsMs.length, isHistogram);
  const ofFloats: WindowInput = {
    ...input,
    ...floats,
    ...floatBounds,
    histograms: undefined,
    isRising: false,
    shared: {},
  };
  const isReset = resetFinder(histograms.samples, histograms);
  const ofHistograms = { ...input, ...histograms, ...bounds, shared: {}, isReset };
  return { ofFloats, ofHistograms };
}

type Bounds = Pick<WindowInput, "first" | "last">;

/** The windows over those of the samples that are wanted, `count` of them. */
function boundsAmong(
  { first, last, steps, timestampsMs }: WindowInput,
  count: number,
  isWanted: (i: number) => boolean,
): Bounds {
  if (count === timestampsMs.length) return { first, last };
  if (count === 0) {
    const none = new Int32Array(steps);
    return { first: none, last: none };
  }
  const wantedBefore = new Int32Array(timestampsMs.length + 1);
  for (let i = 0; i < timestampsMs.length; i++)
    wantedBefore[i + 1] = wantedBefore[i]! + (isWanted(i) ? 1 : 0);
  return {
    first: first.map((at) => wantedBefore[at]!),
    last: last.map((at) => wantedBefore[at]!),
  };
}

/** A function of floats over a series with histograms: leaves those out, and says so where a window has both. */
export function ignoringHistograms(run: RangeFunction): RangeFunction {
  return (input, output) => {
    const { ofFloats, ofHistograms } = splitWindows(input);
    for (let step = 0; step < input.steps; step++)
      if (isFilled(ofFloats, step) && isFilled(ofHistograms, step)) input.notes.ignoredHistograms();
    return run(ofFloats, output);
  };
}

/** A function of windows that are all floats or all histograms; others have no answer. */
export function eitherKind(run: RangeFunction, ofWindow: HistogramFunction): RangeFunction {
  return (input, output: WindowOutput) => {
    const { ofFloats, ofHistograms } = splitWindows(input);
    run(ofFloats, output);
    for (let step = 0; step < input.steps; step++) {
      if (!isFilled(ofHistograms, step)) continue;
      output.present[step] = ABSENT;
      if (isFilled(ofFloats, step)) {
        input.notes.mixedSamples();
        continue;
      }
      const histogram = ofWindow(ofHistograms, step);
      if (histogram === undefined) continue;
      output.histograms![step] = histogram;
      output.present[step] = HISTOGRAM;
    }
    return countPresent(output.present);
  };
}

function isFilled({ first, last }: Pick<WindowInput, "first" | "last">, step: number): boolean {
  return last[step]! > first[step]!;
}
