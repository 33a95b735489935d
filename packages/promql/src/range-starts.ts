/**
 * Start times: when the counter behind a sample began. A start behind the sample before it is a reset, whatever the values say; a start
 * within the window is where the counter was zero, so that nothing needs to be extrapolated to the left.
 */
import { FLOAT } from "./values.ts";
import type { WindowInput, WindowOutput } from "./window.ts";
import type { GrowthOptions } from "./range-rate.ts";

type Starts = Pick<WindowInput, "timestampsMs" | "startTimestampsMs">;

/** Whether the start time of sample `i` says that the counter was reset since sample `i - 1`. */
export function isStartReset({ timestampsMs, startTimestampsMs }: Starts, i: number): boolean {
  if (startTimestampsMs === undefined) return false;
  const start = startTimestampsMs[i]!;
  const before = timestampsMs[i - 1]!;
  // Unknown, or no start at all: OpenTelemetry gives the sample's own time where it does not know.
  if (start === 0 || start >= timestampsMs[i]! || start < before) return false;
  if (start > before) return true;
  // A start at the very time of the sample before: a delta, unless that sample's start was unknown or wrong as well.
  const startBefore = startTimestampsMs[i - 1]!;
  return startBefore !== 0 && startBefore < before;
}

/** Whether sample `i` claims to have begun before sample `i - 1`, yet not where that one began. */
export function isOverlapping({ timestampsMs, startTimestampsMs }: Starts, i: number): boolean {
  if (startTimestampsMs === undefined) return false;
  const start = startTimestampsMs[i]!;
  return start !== 0 && start < timestampsMs[i - 1]! && start !== startTimestampsMs[i - 1];
}

/** What extrapolation knows of a window before it looks at values. All in seconds. */
export interface WindowEdges {
  readonly sampled: number;
  readonly toStart: number;
  readonly toEnd: number;
  /** Average distance of samples; 0 with one. */
  readonly average: number;
  /** The counter began within the window, before its first sample. */
  readonly hasStart: boolean;
}

/** `a` and `b` are the first and the last sample of the window at `step`; undefined when one sample says nothing. */
export function edgesOf(
  input: WindowInput,
  step: number,
  { a, b, isCounter }: { readonly a: number; readonly b: number; readonly isCounter: boolean },
): WindowEdges | undefined {
  const { timestampsMs, startTimestampsMs, references, rangeMs } = input;
  const end = references[step]!;
  const start = end - rangeMs;
  const firstMs = timestampsMs[a]!;
  const lastMs = timestampsMs[b]!;
  const average = b > a ? (lastMs - firstMs) / 1000 / (b - a) : 0;
  const toEnd = (end - lastMs) / 1000;
  const began = isCounter ? (startTimestampsMs?.[a] ?? 0) : 0;
  if (began !== 0 && began > start && began < firstMs)
    return { sampled: (lastMs - began) / 1000, toStart: 0, toEnd, average, hasStart: true };
  if (a === b) return undefined;
  const toStart = (firstMs - start) / 1000;
  return { sampled: (lastMs - firstMs) / 1000, toStart, toEnd, average, hasStart: false };
}

/** By what the growth of the samples is multiplied. `firstCount` is the counter at the first sample; NaN for gauges. */
export function extrapolationFactor(
  edges: WindowEdges,
  growth: number,
  firstCount: number,
): number {
  const { sampled, average, hasStart } = edges;
  let { toStart, toEnd } = edges;
  const threshold = average * 1.1;
  if (!hasStart) {
    if (toStart >= threshold) toStart = average / 2;
    if (growth > 0 && firstCount >= 0) toStart = Math.min(toStart, sampled * (firstCount / growth));
  }
  if (toEnd >= threshold) toEnd = average / 2;
  return sampled === 0 ? 1 : (sampled + toStart + toEnd) / sampled;
}

/** `rate` and `increase` of floats that have start times. */
export function extrapolateFromStarts(
  input: WindowInput,
  { isCounter, perSecond }: GrowthOptions,
  output: WindowOutput,
): number {
  const { values, steps, first, last, rangeMs } = input;
  const divisor = perSecond ? rangeMs / 1000 : 1;
  let found = 0;
  for (let step = 0; step < steps; step++) {
    const a = first[step]!;
    const b = last[step]! - 1;
    if (b < a) continue;
    let growth = values[b]! - values[a]!;
    let overlaps = false;
    for (let i = a + 1; i <= b; i++) {
      overlaps ||= isOverlapping(input, i);
      if (values[i]! < values[i - 1]! || isStartReset(input, i)) growth += values[i - 1]!;
    }
    if (overlaps) input.notes.overlappingStarts();
    const edges = edgesOf(input, step, { a, b, isCounter });
    if (edges === undefined) continue;
    if (edges.hasStart) growth += values[a]!;
    const factor = extrapolationFactor(edges, growth, values[a]!);
    output.values[step] = growth * (factor / divisor);
    output.present[step] = FLOAT;
    found++;
  }
  return found;
}
