/** The two ways a range aggregation gathers its rows, and how each turns them into a number a step. */
import type { Labels } from "@finch/model";
import type { RangeAggregationExpr } from "./ast.ts";
import { limitFault } from "./errors.ts";
import type { QueryLimits } from "./limits.ts";
import { newSeries } from "./step-series.ts";
import type { StepSeries } from "./step-series.ts";
import { windowFunction } from "./window-functions.ts";

export interface Accumulator {
  /** Whether `value` has to be the length of the line. */
  readonly needsBytes: boolean;
  /**
   * Adds a row that lies in the windows of steps `first` to `last`; `time` is in nanoseconds relative to the first step. Called for every
   * row, hence plain numbers.
   */
  add(series: number, first: number, last: number, time: number, value: number): void;
  /** Adds rows that lie in the same windows; undefined where each counts by its time or value. */
  readonly addCount:
    | ((series: number, first: number, last: number, count: number) => void)
    | undefined;
  /** The results; `labels[series]` names each. */
  finish(labels: readonly Labels[]): readonly StepSeries[];
}

export interface Timing {
  readonly range: number;
  readonly step: number;
  readonly steps: number;
}

interface AccumulatorOptions {
  readonly expr: RangeAggregationExpr;
  readonly timing: Timing;
  readonly limits: QueryLimits;
  readonly absentLabels: Labels;
}

function checkCells(limits: QueryLimits, series: number, steps: number): void {
  if (series * steps > limits.cellsMax) {
    throw limitFault(
      `the query makes ${series} series of ${steps} steps before aggregation, more than ${limits.cellsMax} values; ` +
        "narrow the selector, group by fewer labels or raise the step",
    );
  }
}

/** Counts rows and sums their bytes by difference arrays: exact, because whole numbers below 2^53 are. */
export function createCounter(options: AccumulatorOptions): Accumulator {
  const { expr, timing, limits } = options;
  const { steps } = timing;
  const { operator } = expr;
  const needsBytes = operator === "bytes_over_time" || operator === "bytes_rate";
  const perSecond = operator === "rate" || operator === "bytes_rate";
  const divisor = perSecond ? timing.range / 1e9 : 1;
  const counts: Float64Array[] = [];
  const sums: Float64Array[] = [];
  const makeRoom = (series: number): void => {
    while (counts.length <= series) {
      checkCells(limits, counts.length + 1, steps);
      counts.push(new Float64Array(steps + 1));
      if (needsBytes) sums.push(new Float64Array(steps + 1));
    }
  };
  return {
    needsBytes,
    add: (series, first, last, _time, value) => {
      makeRoom(series);
      addRange(counts[series]!, first, last, 1);
      if (needsBytes) addRange(sums[series]!, first, last, value);
    },
    addCount: needsBytes
      ? undefined
      : (series, first, last, count) => {
          makeRoom(series);
          addRange(counts[series]!, first, last, count);
        },
    finish: (labels) => {
      if (operator === "absent_over_time") {
        return [absentSeries(options.absentLabels, counts[0], steps)];
      }
      return labels.map((names, series) => {
        const result = newSeries(names, steps);
        integrate(counts[series]!, needsBytes ? sums[series]! : counts[series]!, result, divisor);
        return result;
      });
    },
  };
}

function addRange(differences: Float64Array, first: number, last: number, value: number): void {
  differences[first]! += value;
  differences[last + 1]! -= value;
}

function integrate(
  counts: Float64Array,
  sums: Float64Array,
  result: StepSeries,
  divisor: number,
): void {
  let count = 0;
  let sum = 0;
  for (let k = 0; k < result.values.length; k++) {
    count += counts[k]!;
    sum += sums[k]!;
    if (count === 0) continue;
    result.present[k] = 1;
    result.values[k] = sum / divisor;
  }
}

function absentSeries(labels: Labels, counts: Float64Array | undefined, steps: number): StepSeries {
  const result = newSeries(labels, steps);
  let count = 0;
  for (let k = 0; k < steps; k++) {
    count += counts?.[k] ?? 0;
    if (count > 0) continue;
    result.present[k] = 1;
    result.values[k] = 1;
  }
  return result;
}

/** Samples of one series in the order they came; grown by doubling. */
interface SampleColumn {
  times: Float64Array;
  values: Float64Array;
  count: number;
  ordered: boolean;
}

/** Keeps unwrapped samples, and applies a window function to each step's. */
export function createSampler(options: AccumulatorOptions): Accumulator {
  const { expr, timing, limits } = options;
  const columns: SampleColumn[] = [];
  let total = 0;
  return {
    needsBytes: false,
    addCount: undefined,
    add: (series, _first, _last, time, value) => {
      while (columns.length <= series) {
        checkCells(limits, columns.length + 1, timing.steps);
        columns.push({
          times: new Float64Array(16),
          values: new Float64Array(16),
          count: 0,
          ordered: true,
        });
      }
      if (++total > limits.samplesMax) {
        throw limitFault(`the query unwraps more than ${limits.samplesMax} samples; narrow it`);
      }
      push(columns[series]!, time, value);
    },
    finish: (labels) =>
      labels.map((names, series) => {
        const result = newSeries(names, timing.steps);
        const column = inOrder(columns[series]!);
        applyWindows(column, timing, windowFunction(expr, timing.range), result);
        return result;
      }),
  };
}

function push(column: SampleColumn, time: number, value: number): void {
  const { count } = column;
  if (count === column.times.length) {
    column.times = grow(column.times);
    column.values = grow(column.values);
  }
  if (count > 0 && column.times[count - 1]! > time) column.ordered = false;
  column.times[count] = time;
  column.values[count] = value;
  column.count = count + 1;
}

function grow(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(array.length * 2);
  larger.set(array);
  return larger;
}

function inOrder(column: SampleColumn): SampleColumn {
  const { times, values, count, ordered } = column;
  if (ordered) return column;
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[i] = i;
  // Equal times keep the order they came in.
  order.sort((a, b) => times[a]! - times[b]! || a - b);
  const sortedTimes = new Float64Array(count);
  const sortedValues = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    sortedTimes[i] = times[order[i]!]!;
    sortedValues[i] = values[order[i]!]!;
  }
  return { times: sortedTimes, values: sortedValues, count, ordered: true };
}

/** Samples `from … to - 1` are those of the window that ends at `end`. */
export type WindowFunction = (
  times: Float64Array,
  values: Float64Array,
  window: { readonly from: number; readonly to: number; readonly end: number },
) => number | undefined;

function applyWindows(
  column: SampleColumn,
  timing: Timing,
  apply: WindowFunction,
  result: StepSeries,
): void {
  const { times, values, count } = column;
  let from = 0;
  let to = 0;
  for (let k = 0; k < timing.steps; k++) {
    const end = k * timing.step;
    while (to < count && times[to]! <= end) to++;
    while (from < to && times[from]! <= end - timing.range) from++;
    if (from === to) continue;
    const value = apply(times, values, { from, to, end });
    if (value === undefined) continue;
    result.values[k] = value;
    result.present[k] = 1;
  }
}
