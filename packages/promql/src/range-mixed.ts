/**
 * Windows over series with histograms: functions of floats see the floats alone, functions of histograms the histograms alone, each with
 * windows of their own; where a window has both, that is noted.
 */
import type { Histogram } from "@finch/model";
import { resetFinder } from "./range-histograms.ts";
import type { HistogramFunction } from "./range-histograms.ts";
import { ABSENT, countPresent, HISTOGRAM } from "./values.ts";
import type { RangeSeries } from "./values.ts";
import { slideWindows } from "./window.ts";
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

/** The moments windows end and how far they reach back, extended edges included. */
export interface WindowEnds {
  readonly ends: Float64Array;
  readonly windowMs: number;
}

/** The windows over the floats and over the histograms of a series. */
function splitWindows(input: WindowInput, { ends, windowMs }: WindowEnds) {
  const { floats, histograms } = splitSeries(input);
  const slide = (timestampsMs: Float64Array) => {
    const bounds = { first: new Int32Array(input.steps), last: new Int32Array(input.steps) };
    slideWindows(timestampsMs, ends, windowMs, bounds);
    return bounds;
  };
  const ofFloats: WindowInput = {
    ...input,
    ...floats,
    ...slide(floats.timestampsMs),
    histograms: undefined,
    isRising: false,
    shared: {},
  };
  const windows = slide(histograms.timestampsMs);
  const isReset = resetFinder(histograms.samples, histograms);
  const ofHistograms = { ...input, ...histograms, ...windows, shared: {}, isReset };
  return { ofFloats, ofHistograms };
}

/** A function of floats over a series with histograms: leaves those out, and says so where a window has both. */
export function ignoringHistograms(run: RangeFunction, ends: WindowEnds): RangeFunction {
  return (input, output) => {
    const { ofFloats, ofHistograms } = splitWindows(input, ends);
    for (let step = 0; step < input.steps; step++)
      if (isFilled(ofFloats, step) && isFilled(ofHistograms, step)) input.notes.ignoredHistograms();
    return run(ofFloats, output);
  };
}

/** A function of windows that are all floats or all histograms; others have no answer. */
export function eitherKind(
  run: RangeFunction,
  ofWindow: HistogramFunction,
  ends: WindowEnds,
): RangeFunction {
  return (input, output: WindowOutput) => {
    const { ofFloats, ofHistograms } = splitWindows(input, ends);
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
