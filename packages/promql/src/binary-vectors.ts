/**
 * Arithmetic and comparison between two vectors. Pairs of series are found once for all steps; since presence differs by step, so do
 * conflicts: they are looked for at each step, where a signature has more than one series.
 */
import type { Labels } from "@finch/model";
import { ARITHMETIC, COMPARISON, isArithmetic, isComparison } from "./arithmetic.ts";
import type { Binary } from "./ast.ts";
import { ColumnBlocks } from "./column-blocks.ts";
import { executionError } from "./errors.ts";
import { NAME_LABELS } from "./evaluation.ts";
import type { Evaluation } from "./evaluation.ts";
import { groupByNumber, matchLabels, presenceOf, Signatures } from "./matching.ts";
import { combineOperands, operandAt, OperatorNotes, writeStep } from "./binary-histograms.ts";
import {
  ABSENT,
  FLOAT,
  isAnywherePresent,
  mergeSameLabels,
  withRoomForHistograms,
} from "./values.ts";
import type { Grid, OutputSeries } from "./values.ts";

type Sides = readonly [left: readonly OutputSeries[], right: readonly OutputSeries[]];

export async function combineVectors(
  evaluation: Evaluation,
  grid: Grid,
  expr: Binary,
  sides: Sides,
): Promise<readonly OutputSeries[]> {
  const { matching } = expr;
  const [left, right] = sides;
  const hasFill = matching.fillLeft !== undefined || matching.fillRight !== undefined;
  if (
    (left.length === 0 && right.length === 0) ||
    ((left.length === 0 || right.length === 0) && !hasFill)
  )
    return [];
  const swapped = matching.cardinality === "one-to-many";
  const [many, one] = swapped ? [right, left] : [left, right];
  // As in Prometheus, fill_left stands in for the side with many, also where group_right makes that the right one.
  const { fillLeft: fillMany, fillRight: fillOne } = matching;
  const signatures = new Signatures(matching);
  const manyNumbers = await signatures.numbersOf(evaluation, many);
  const oneGroups = groupByNumber(await signatures.numbersOf(evaluation, one), signatures.count);
  const manyGroups = groupByNumber(manyNumbers, signatures.count);
  refuseDuplicates(expr, grid, { one, oneGroups, many, hasFill });
  const join = new Join(evaluation, grid, expr, swapped);
  for (let number = 0; number < signatures.count; number++) {
    const manySide = (manyGroups[number] ?? []).map((index) => many[index]!);
    const oneSide = (oneGroups[number] ?? []).map((index) => one[index]!);
    if (hasFill) joinFilled(join, grid, expr, { manySide, oneSide, fillMany, fillOne });
    else if (manySide.length > 0 && oneSide.length > 0)
      for (const m of manySide) {
        for (const o of oneSide) join.pair(m, o, manySide.length === 1 && oneSide.length === 1);
        if (evaluation.isBreathDue()) await evaluation.breathe();
      }
    join.closeGroup();
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return evaluation.options.delayedNameRemoval
    ? join.output
    : await mergeSameLabels(evaluation, join.output);
}

interface DuplicateInput {
  readonly one: readonly OutputSeries[];
  readonly oneGroups: readonly (readonly number[])[];
  readonly many: readonly OutputSeries[];
  readonly hasFill: boolean;
}

/** Two series of one signature at the same step on the side where each signature may stand once. */
function refuseDuplicates(
  expr: Binary,
  grid: Grid,
  { one, oneGroups, many, hasFill }: DuplicateInput,
): void {
  let anyMany: Uint8Array | undefined;
  for (const group of oneGroups) {
    if (group.length < 2) continue;
    anyMany ??= hasFill
      ? new Uint8Array(grid.steps).fill(1)
      : presenceOf(many, many.keys(), grid.steps);
    const owner = new Int32Array(grid.steps).fill(-1);
    for (const index of group) {
      const { present } = one[index]!;
      for (let step = 0; step < grid.steps; step++) {
        if (present[step] === 0 || anyMany[step] === 0) continue;
        if (owner[step] !== -1)
          throw duplicateError(expr, one[index]!.labels, one[owner[step]!]!.labels);
        owner[step] = index;
      }
    }
  }
}

function duplicateError(expr: Binary, a: Labels, b: Labels): Error {
  const side = expr.matching.cardinality === "one-to-many" ? "left" : "right";
  const [first, second] = [a.toString(), b.toString()].sort();
  const group = matchLabels(a, expr.matching).toString();
  return executionError(
    `found duplicate series for the match group ${group} on the ${side} hand-side of the operation: [${first}, ${second}];many-to-many matching not allowed: matching labels must be unique on one side`,
  );
}

interface FilledGroup {
  readonly manySide: readonly OutputSeries[];
  readonly oneSide: readonly OutputSeries[];
  readonly fillMany: number | undefined;
  readonly fillOne: number | undefined;
}

/** Pairs within one signature where a missing side is replaced by a constant. */
function joinFilled(join: Join, grid: Grid, expr: Binary, group: FilledGroup): void {
  const { manySide, oneSide, fillMany, fillOne } = group;
  const { steps } = grid;
  const manyPresent = presenceOf(manySide, manySide.keys(), steps);
  const onePresent = presenceOf(oneSide, oneSide.keys(), steps);
  for (const m of manySide) {
    for (const o of oneSide) join.pair(m, o);
    if (fillOne !== undefined)
      join.pair(m, constantWhereAbsent(matchLabels(m.labels, expr.matching), fillOne, onePresent));
  }
  if (fillMany === undefined) return;
  for (const o of oneSide)
    join.pair(constantWhereAbsent(matchLabels(o.labels, expr.matching), fillMany, manyPresent), o);
}

function constantWhereAbsent(labels: Labels, value: number, present: Uint8Array): OutputSeries {
  const steps = present.length;
  return {
    labels,
    dropName: false,
    values: new Float64Array(steps).fill(value),
    present: present.map((any) => (any === 1 ? ABSENT : FLOAT)),
  };
}

/** Collects the results of pairs: one series for each label set of the result, conflicts by step. */
class Join {
  readonly #evaluation: Evaluation;
  readonly #grid: Grid;
  readonly #expr: Binary;
  readonly #swapped: boolean;
  readonly #notes: OperatorNotes;
  readonly #blocks: ColumnBlocks;
  readonly #results = new Map<string, OutputSeries>();
  /** Steps that have a pair, by label set for grouped matching, together for one-to-one; of the signature at hand. */
  #matched = new Map<string, Uint8Array>();

  constructor(evaluation: Evaluation, grid: Grid, expr: Binary, swapped: boolean) {
    this.#evaluation = evaluation;
    this.#grid = grid;
    this.#expr = expr;
    this.#swapped = swapped;
    this.#blocks = new ColumnBlocks(grid.steps);
    this.#notes = new OperatorNotes(evaluation.annotations, expr.operator, expr.position);
  }

  get output(): readonly OutputSeries[] {
    return [...this.#results.values()];
  }

  closeGroup(): void {
    this.#matched = new Map();
  }

  /** Combines two series at the steps where both have a value. `isOnly`: their signature has no other pair. */
  pair(many: OutputSeries, one: OutputSeries, isOnly = false): void {
    const { matching, operator, returnBool } = this.#expr;
    const labels = this.#resultLabels(many.labels, one.labels);
    if (!isOnly) {
      const key = matching.cardinality === "one-to-one" ? "" : labels.key;
      this.#refuseRepeated(key, many.present, one.present);
    }
    const keepsName = isComparison(operator) && !returnBool;
    const named = returnBool
      ? this.#evaluation.nameless(labels)
      : { labels, dropName: keepsName && many.dropName };
    const known = this.#results.get(named.labels.key);
    const [left, right] = this.#swapped ? [one, many] : [many, one];
    const hasHistograms = (left.histograms ?? right.histograms) !== undefined;
    const isStepwise = hasHistograms || !(isArithmetic(operator) || isComparison(operator));
    const plain = known ?? this.#blocks.series(named.labels, named.dropName);
    const result = isStepwise ? withRoomForHistograms(plain) : plain;
    if (result.histograms !== undefined) this.#pairSteps(left, right, result);
    else if (isArithmetic(operator)) applyPair(ARITHMETIC[operator], left, right, result);
    else if (isComparison(operator))
      filterPair(COMPARISON[operator], left, right, { returnBool, result });
    if (!isAnywherePresent(result.present)) return;
    if (known === undefined) this.#evaluation.spend(this.#grid.steps);
    this.#results.set(named.labels.key, result);
  }

  /** Step by step, where a side has histograms. */
  #pairSteps(left: OutputSeries, right: OutputSeries, result: OutputSeries): void {
    const out = { ...result, histograms: result.histograms! };
    for (let step = 0; step < this.#grid.steps; step++) {
      const a = operandAt(left, step);
      const b = operandAt(right, step);
      if (a === undefined || b === undefined) continue;
      writeStep(out, step, combineOperands(this.#expr, a, b, this.#notes));
    }
  }

  #refuseRepeated(key: string, a: Uint8Array, b: Uint8Array): void {
    let matched = this.#matched.get(key);
    const isFirst = matched === undefined;
    matched ??= new Uint8Array(this.#grid.steps);
    for (let step = 0; step < matched.length; step++) {
      if (a[step] === ABSENT || b[step] === ABSENT) continue;
      if (!isFirst && matched[step] === 1) {
        const remedy =
          key === ""
            ? "many-to-one matching must be explicit (group_left/group_right)"
            : "grouping labels must ensure unique matches";
        throw executionError(`multiple matches for labels: ${remedy}`);
      }
      matched[step] = 1;
    }
    this.#matched.set(key, matched);
  }

  #resultLabels(many: Labels, one: Labels): Labels {
    const { matching, operator } = this.#expr;
    let labels = isArithmetic(operator) ? many.drop(NAME_LABELS) : many;
    if (matching.cardinality === "one-to-one") {
      const names = new Set(matching.labels);
      labels = matching.on ? labels.keep(names) : labels.drop(names);
    }
    for (const name of matching.include) labels = labels.with(name, one.get(name));
    return labels;
  }
}

function applyPair(
  apply: (a: number, b: number) => number,
  left: OutputSeries,
  right: OutputSeries,
  result: OutputSeries,
): void {
  const { values: a, present: inLeft } = left;
  const { values: b, present: inRight } = right;
  const { values, present } = result;
  for (let step = 0; step < values.length; step++) {
    if (inLeft[step] === ABSENT || inRight[step] === ABSENT) continue;
    values[step] = apply(a[step]!, b[step]!);
    present[step] = FLOAT;
  }
}

function filterPair(
  compare: (a: number, b: number) => boolean,
  left: OutputSeries,
  right: OutputSeries,
  out: { readonly returnBool: boolean; readonly result: OutputSeries },
): void {
  const { values: a, present: inLeft } = left;
  const { values: b, present: inRight } = right;
  const { values, present } = out.result;
  for (let step = 0; step < values.length; step++) {
    if (inLeft[step] === ABSENT || inRight[step] === ABSENT) continue;
    const holds = compare(a[step]!, b[step]!);
    if (!holds && !out.returnBool) continue;
    values[step] = out.returnBool ? (holds ? 1 : 0) : a[step]!;
    present[step] = FLOAT;
  }
}
