/** Aggregations that reduce a group to one column. Each takes the members one after the other and runs over their columns. */
import { SumReducer } from "./aggregate-sum.ts";
import { ColumnBlocks } from "./column-blocks.ts";
import type { Breather } from "./pace.ts";
import { quantileOfSorted } from "./quantile.ts";
import { ABSENT, countPresent, FLOAT } from "./values.ts";

/** Operators that need of each member but one look. */
export type ReduceOperator =
  | "sum"
  | "avg"
  | "min"
  | "max"
  | "count"
  | "group"
  | "stddev"
  | "stdvar";

export interface Reduction {
  readonly operator: ReduceOperator | "quantile";
  /** φ of `quantile`, one a step. */
  readonly param: Float64Array | undefined;
}

export interface Columns {
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** A group under way: members are looked at one after the other and need not be kept. */
export interface Reducer {
  /** `found` is at how many steps the member is there. */
  add(member: Columns, found: number): void;
  /** The column of the group; a step is present where any member was. Nothing may be added afterwards. */
  finish(): Columns;
}

/** Where reducers get their columns. */
export interface ReducerColumns {
  readonly results: ColumnBlocks;
  /** Of columns that nobody looks at when the groups are finished. */
  readonly scratch: ColumnBlocks;
}

export function reducerColumns(steps: number): ReducerColumns {
  return { results: new ColumnBlocks(steps), scratch: new ColumnBlocks(steps) };
}

export function createReducer(
  operator: ReduceOperator,
  { results, scratch }: ReducerColumns,
): Reducer {
  if (operator === "sum") return new SumReducer(results, scratch);
  const out = { values: results.values(), present: results.present() };
  const simple = (add: (member: Columns) => void): Reducer => ({ add, finish: () => out });
  switch (operator) {
    case "avg":
      return averageReducer(out);
    case "min":
      return simple((member) => keepMin(member, out));
    case "max":
      return simple((member) => keepMax(member, out));
    case "count":
      return countReducer(out);
    case "group":
      out.values.fill(1);
      return simple(({ present }) => markPresent(present, out.present));
    case "stddev":
    case "stdvar":
      return spreadReducer(out, operator === "stddev");
  }
}

/** The column of a group of floats. */
export function reduceGroup(members: readonly Columns[], { operator, param }: Reduction): Columns {
  const steps = members[0]!.values.length;
  if (operator === "quantile") {
    const out = { values: new Float64Array(steps), present: new Uint8Array(steps) };
    for (let step = 0; step < steps; step++) quantileStep(members, param!, step, out);
    return out;
  }
  const reducer = createReducer(operator, reducerColumns(steps));
  for (const member of members) reducer.add(member, countPresent(member.present));
  return reducer.finish();
}

function markPresent(source: Uint8Array, target: Uint8Array): void {
  for (let step = 0; step < target.length; step++)
    if (source[step] !== ABSENT) target[step] = FLOAT;
}

/** Members that are there at every step are counted for all steps at once. */
function countReducer(out: Columns): Reducer {
  const { values, present } = out;
  let whole = 0;
  return {
    add: (member, found) => {
      if (found === values.length) whole++;
      else
        for (let step = 0; step < values.length; step++)
          if (member.present[step] !== ABSENT) values[step] = values[step]! + 1;
    },
    finish: () => {
      for (let step = 0; step < values.length; step++) {
        values[step] = values[step]! + whole;
        present[step] = values[step] === 0 ? ABSENT : FLOAT;
      }
      return out;
    },
  };
}

function averageReducer(out: Columns): Reducer {
  const steps = out.values.length;
  const state = {
    compensation: new Float64Array(steps),
    counts: new Float64Array(steps),
    incremental: new Uint8Array(steps),
  };
  return {
    add: (member) => addToAverage(member, out, state),
    finish: () => {
      divideSums(out, state);
      return out;
    },
  };
}

function divideSums(out: Columns, { compensation, counts, incremental }: AverageState): void {
  for (let step = 0; step < counts.length; step++) {
    const count = counts[step]!;
    if (count === 0) continue;
    const sum = out.values[step]!;
    out.values[step] =
      incremental[step] === 1
        ? sum + compensation[step]!
        : sum / count + compensation[step]! / count;
  }
}

interface AverageState {
  readonly compensation: Float64Array;
  readonly counts: Float64Array;
  /** 1 where the column holds a running mean, since the sum would have overflowed. */
  readonly incremental: Uint8Array;
}

function addToAverage(
  member: Columns,
  out: Columns,
  { compensation, counts, incremental }: AverageState,
): void {
  const { values, present } = member;
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    out.present[step] = 1;
    const count = counts[step]! + 1;
    counts[step] = count;
    let x = values[step]!;
    let base = out.values[step]!;
    let error = compensation[step]!;
    if (count === 1) {
      out.values[step] = x;
      continue;
    }
    if (incremental[step] === 0 && !Number.isFinite(base + x) && !Number.isNaN(base + x)) {
      incremental[step] = 1;
      base /= count - 1;
      error /= count - 1;
    }
    if (incremental[step] === 1) {
      const share = (count - 1) / count;
      base *= share;
      error *= share;
      x /= count;
    }
    const t = base + x;
    if (t === Infinity || t === -Infinity) error = 0;
    else error += Math.abs(base) >= Math.abs(x) ? base - t + x : x - t + base;
    out.values[step] = t;
    compensation[step] = error;
  }
}

function keepMin({ values, present }: Columns, out: Columns): void {
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const least = out.values[step]!;
    if (out.present[step] === 0 || values[step]! < least || Number.isNaN(least))
      out.values[step] = values[step]!;
    out.present[step] = 1;
  }
}

function keepMax({ values, present }: Columns, out: Columns): void {
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const most = out.values[step]!;
    if (out.present[step] === 0 || values[step]! > most || Number.isNaN(most))
      out.values[step] = values[step]!;
    out.present[step] = 1;
  }
}

function spreadReducer(out: Columns, isDeviation: boolean): Reducer {
  const counts = new Float64Array(out.values.length);
  const means = new Float64Array(out.values.length);
  return {
    add: (member) => addToSpread(member, out, { counts, means }),
    finish: () => {
      for (let step = 0; step < counts.length; step++) {
        const variance = out.values[step]! / counts[step]!;
        out.values[step] = isDeviation ? Math.sqrt(variance) : variance;
      }
      return out;
    },
  };
}

/** Squares for a population variance by Welford's recurrence; a first value that is not finite makes them NaN. */
function addToSpread(
  { values, present }: Columns,
  out: Columns,
  { counts, means }: { readonly counts: Float64Array; readonly means: Float64Array },
): void {
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const x = values[step]!;
    const count = counts[step]! + 1;
    counts[step] = count;
    const distance = x - means[step]!;
    means[step] = means[step]! + distance / count;
    const square = count === 1 ? (Number.isFinite(x) ? 0 : NaN) : distance * (x - means[step]!);
    out.values[step] = out.values[step]! + square;
    out.present[step] = 1;
  }
}

/** {@link reduceGroup} for `quantile`, which sorts at every step, with breaths between them. */
export async function reduceToQuantile(
  breather: Breather,
  members: readonly Columns[],
  phi: Float64Array,
): Promise<Columns> {
  const steps = phi.length;
  const out = { values: new Float64Array(steps), present: new Uint8Array(steps) };
  for (let step = 0; step < steps; step++) {
    quantileStep(members, phi, step, out);
    if (breather.isBreathDue()) await breather.breathe();
  }
  return out;
}

function quantileStep(
  members: readonly Columns[],
  phi: Float64Array,
  step: number,
  out: Columns,
): void {
  const scratch = new Float64Array(members.length);
  let count = 0;
  for (const { values, present } of members)
    if (present[step] === 1) scratch[count++] = values[step]!;
  if (count === 0) return;
  out.values[step] = quantileOfSorted(phi[step]!, scratch.subarray(0, count).sort());
  out.present[step] = 1;
}
