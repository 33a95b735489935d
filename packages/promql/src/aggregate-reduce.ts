/** Aggregations that reduce a group to one column. Each takes the members one after the other and runs over their columns. */
import type { AggregateOperator } from "./ast.ts";
import type { Breather } from "./pace.ts";
import { quantileOfSorted } from "./quantile.ts";
import type { OutputSeries } from "./values.ts";

export interface Reduction {
  readonly operator: Exclude<
    AggregateOperator,
    "topk" | "bottomk" | "limitk" | "limit_ratio" | "count_values"
  >;
  /** φ of `quantile`, one a step. */
  readonly param: Float64Array | undefined;
}

export interface Columns {
  readonly values: Float64Array;
  readonly present: Uint8Array;
}

/** The column of a group of floats; a step is present where any member is. */
export function reduceGroup(
  members: readonly OutputSeries[],
  { operator, param }: Reduction,
): Columns {
  const steps = members[0]!.values.length;
  const out = { values: new Float64Array(steps), present: new Uint8Array(steps) };
  switch (operator) {
    case "sum":
      sumGroup(members, out);
      break;
    case "avg":
      averageGroup(members, out);
      break;
    case "min":
      for (const member of members) keepMin(member, out);
      break;
    case "max":
      for (const member of members) keepMax(member, out);
      break;
    case "count":
      for (const member of members) addCount(member.present, out);
      break;
    case "group":
      for (const { present } of members) orInto(present, out.present);
      out.values.fill(1);
      break;
    case "stddev":
    case "stdvar":
      spreadGroup(members, out, operator === "stddev");
      break;
    case "quantile":
      for (let step = 0; step < steps; step++) quantileStep(members, param!, step, out);
      break;
  }
  return out;
}

function orInto(source: Uint8Array, target: Uint8Array): void {
  for (let step = 0; step < target.length; step++) target[step] = target[step]! | source[step]!;
}

function addCount(present: Uint8Array, out: Columns): void {
  for (let step = 0; step < present.length; step++)
    out.values[step] = out.values[step]! + present[step]!;
  orInto(present, out.present);
}

function sumGroup(members: readonly OutputSeries[], out: Columns): void {
  const compensation = new Float64Array(out.values.length);
  for (const member of members) addCompensated(member, out, compensation);
  for (let step = 0; step < compensation.length; step++)
    out.values[step] = out.values[step]! + compensation[step]!;
}

/** Neumaier's summation, a step each. */
function addCompensated(member: OutputSeries, out: Columns, compensation: Float64Array): void {
  const { values, present } = member;
  const sums = out.values;
  for (let step = 0; step < sums.length; step++) {
    if (present[step] === 0) continue;
    const x = values[step]!;
    const sum = sums[step]!;
    const t = sum + x;
    if (t === Infinity || t === -Infinity) compensation[step] = 0;
    else
      compensation[step] =
        compensation[step]! + (Math.abs(sum) >= Math.abs(x) ? sum - t + x : x - t + sum);
    sums[step] = t;
    out.present[step] = 1;
  }
}

function averageGroup(members: readonly OutputSeries[], out: Columns): void {
  const steps = out.values.length;
  const state = {
    compensation: new Float64Array(steps),
    counts: new Float64Array(steps),
    incremental: new Uint8Array(steps),
  };
  for (const member of members) addToAverage(member, out, state);
  const { compensation, counts, incremental } = state;
  for (let step = 0; step < steps; step++) {
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
  member: OutputSeries,
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

function keepMin({ values, present }: OutputSeries, out: Columns): void {
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const least = out.values[step]!;
    if (out.present[step] === 0 || values[step]! < least || Number.isNaN(least))
      out.values[step] = values[step]!;
    out.present[step] = 1;
  }
}

function keepMax({ values, present }: OutputSeries, out: Columns): void {
  for (let step = 0; step < values.length; step++) {
    if (present[step] === 0) continue;
    const most = out.values[step]!;
    if (out.present[step] === 0 || values[step]! > most || Number.isNaN(most))
      out.values[step] = values[step]!;
    out.present[step] = 1;
  }
}

/** Population variance by Welford's recurrence; a first value that is not finite makes it NaN. */
function spreadGroup(members: readonly OutputSeries[], out: Columns, isDeviation: boolean): void {
  const steps = out.values.length;
  const means = new Float64Array(steps);
  const counts = new Float64Array(steps);
  for (const { values, present } of members) {
    for (let step = 0; step < steps; step++) {
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
  for (let step = 0; step < steps; step++) {
    const variance = out.values[step]! / counts[step]!;
    out.values[step] = isDeviation ? Math.sqrt(variance) : variance;
  }
}

/** {@link reduceGroup} for `quantile`, which sorts at every step, with breaths between them. */
export async function reduceToQuantile(
  breather: Breather,
  members: readonly OutputSeries[],
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
  members: readonly OutputSeries[],
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
