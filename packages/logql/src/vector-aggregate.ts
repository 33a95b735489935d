/** Aggregations over vectors: sum and its kin reduce groups of series, topk and its kin select within them. All steps at once. */
import { Labels } from "@finch/model";
import type { Grouping, VectorAggregationExpr, VectorOperator } from "./ast.ts";
import { isPresent, newSeries, vectorOf } from "./step-series.ts";
import type { StepSeries, StepValue } from "./step-series.ts";

const EVERYTHING: Grouping = { without: false, labels: [] };

export function aggregateVector(
  expr: VectorAggregationExpr,
  series: readonly StepSeries[],
  steps: number,
): StepValue {
  const { operator } = expr;
  if (operator === "sort" || operator === "sort_desc") {
    return vectorOf(sortSeries(series, operator === "sort_desc"));
  }
  const groups = groupSeries(series, expr.grouping ?? EVERYTHING);
  if (operator === "topk" || operator === "bottomk" || operator === "approx_topk") {
    const descending = operator !== "bottomk";
    const k = expr.parameter ?? 0;
    const chosen = [...groups.values()].flatMap((group) =>
      select(group.members, k, descending, steps),
    );
    return vectorOf(sortSeries(chosen, descending));
  }
  const reduced = [...groups.values()].map((group) => reduce(operator, group, steps));
  return vectorOf(reduced);
}

interface Group {
  readonly labels: Labels;
  readonly members: StepSeries[];
}

/** The labels of a series that a grouping leaves; `without` drops empty ones too. */
function groupLabels(labels: Labels, grouping: Grouping): Labels {
  const names = new Set(grouping.labels);
  return grouping.without ? Labels.fromPairs(labels.drop(names).pairs) : labels.keep(names);
}

function groupSeries(series: readonly StepSeries[], grouping: Grouping): Map<string, Group> {
  const groups = new Map<string, Group>();
  for (const member of series) {
    const labels = groupLabels(member.labels, grouping);
    const group = groups.get(labels.key);
    if (group === undefined) groups.set(labels.key, { labels, members: [member] });
    else group.members.push(member);
  }
  return groups;
}

/** NaN last in both directions; compared by the first step, which is the only one where order shows. */
function sortSeries(series: readonly StepSeries[], descending: boolean): readonly StepSeries[] {
  const sign = descending ? -1 : 1;
  return series.toSorted((a, b) => compareValues(a.values[0] ?? NaN, b.values[0] ?? NaN, sign));
}

function compareValues(a: number, b: number, sign: number): number {
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  if (Number.isNaN(b)) return -1;
  return a < b ? -sign : a > b ? sign : 0;
}

function select(
  members: readonly StepSeries[],
  k: number,
  descending: boolean,
  steps: number,
): readonly StepSeries[] {
  const results = members.map(({ labels }) => newSeries(labels, steps));
  const sign = descending ? -1 : 1;
  for (let step = 0; step < steps; step++) {
    const candidates: number[] = [];
    for (let i = 0; i < members.length; i++)
      if (members[i]!.present[step] === 1) candidates.push(i);
    candidates.sort(
      (a, b) => compareValues(members[a]!.values[step]!, members[b]!.values[step]!, sign) || a - b,
    );
    for (const i of candidates.slice(0, k)) {
      results[i]!.values[step] = members[i]!.values[step]!;
      results[i]!.present[step] = 1;
    }
  }
  return results.filter(isPresent);
}

type Reducer = Exclude<VectorOperator, "topk" | "bottomk" | "approx_topk" | "sort" | "sort_desc">;

function reduce(operator: Reducer, group: Group, steps: number): StepSeries {
  const result = newSeries(group.labels, steps);
  if (operator === "stddev" || operator === "stdvar" || operator === "avg") {
    reduceMoments(operator, group.members, result);
  } else for (const member of group.members) fold(operator, member, result);
  return result;
}

function fold(operator: "sum" | "min" | "max" | "count", from: StepSeries, into: StepSeries): void {
  const { values, present } = into;
  for (let k = 0; k < values.length; k++) {
    if (from.present[k] === 0) continue;
    const value = operator === "count" ? 1 : from.values[k]!;
    if (present[k] === 0) {
      values[k] = value;
      present[k] = 1;
    } else if (operator === "sum" || operator === "count") values[k]! += value;
    else {
      const best = values[k]!;
      const better = operator === "max" ? value > best : value < best;
      if (better || Number.isNaN(best)) values[k] = value;
    }
  }
}

/** Mean and variance by running updates, which neither overflow nor cancel. */
function reduceMoments(
  operator: "avg" | "stddev" | "stdvar",
  members: readonly StepSeries[],
  result: StepSeries,
): void {
  for (let k = 0; k < result.values.length; k++) {
    let count = 0;
    let mean = 0;
    let squares = 0;
    for (const member of members) {
      if (member.present[k] === 0) continue;
      const value = member.values[k]!;
      count++;
      const settled = Math.abs(mean) === Infinity && (Number.isFinite(value) || value === mean);
      if (settled) continue;
      const delta = value - mean;
      mean += operator === "avg" ? value / count - mean / count : delta / count;
      squares += delta * (value - mean);
    }
    if (count === 0) continue;
    result.present[k] = 1;
    const variance = squares / count;
    result.values[k] =
      operator === "avg" ? mean : operator === "stdvar" ? variance : Math.sqrt(variance);
  }
}
