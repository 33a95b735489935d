/** Binary operations between scalars and vectors, with Prometheus' matching rules and LogQL's arithmetic (division by zero is NaN). */
import { Labels } from "@finch/model";
import { unreachable } from "@finch/runtime";
import type {
  ArithmeticOperator,
  BinaryExpr,
  BinaryOperator,
  CompareOperator,
  SetOperator,
  VectorMatching,
} from "./ast.ts";
import { executionFault } from "./errors.ts";
import { isPresent, newSeries, vectorOf } from "./step-series.ts";
import type { StepSeries, StepValue } from "./step-series.ts";

export function applyBinary(
  expr: BinaryExpr,
  left: StepValue,
  right: StepValue,
  steps: number,
): StepValue {
  const { operator } = expr;
  if (isSetOperator(operator)) {
    if (left.kind === "scalar" || right.kind === "scalar") {
      throw executionFault(`set operator ${operator} needs vectors on both sides`);
    }
    return vectorOf(combineSets(operator, left.series, right.series, expr.matching, steps));
  }
  if (left.kind === "scalar" && right.kind === "scalar") {
    return { kind: "scalar", value: compute(operator, left.value, right.value) };
  }
  if (left.kind === "scalar" || right.kind === "scalar") {
    return applyScalar(expr, operator, left, right);
  }
  return vectorOf(new Matching(expr, operator, steps).apply(left.series, right.series));
}

function isSetOperator(operator: BinaryOperator): operator is SetOperator {
  return operator === "and" || operator === "or" || operator === "unless";
}

function isComparison(operator: ArithmeticOperator | CompareOperator): boolean {
  return "==!=>=<=".includes(operator) || operator === ">" || operator === "<";
}

/** Comparisons give 1 or 0 here; who filters looks at that. */
function compute(operator: ArithmeticOperator | CompareOperator, a: number, b: number): number {
  switch (operator) {
    case "+":
      return a + b;
    case "-":
      return a - b;
    case "*":
      return a * b;
    case "/":
      return b === 0 ? NaN : a / b;
    case "%":
      return b === 0 ? NaN : a % b;
    case "^":
      // One to any power is one in Go, also to NaN and the infinities.
      return a === 1 || (a === -1 && Math.abs(b) === Infinity) ? 1 : a ** b;
    case "==":
      return a === b ? 1 : 0;
    case "!=":
      return a === b ? 0 : 1;
    case ">":
      return a > b ? 1 : 0;
    case ">=":
      return a >= b ? 1 : 0;
    case "<":
      return a < b ? 1 : 0;
    case "<=":
      return a <= b ? 1 : 0;
    default:
      return unreachable(operator);
  }
}

function applyScalar(
  expr: BinaryExpr,
  operator: ArithmeticOperator | CompareOperator,
  left: StepValue,
  right: StepValue,
): StepValue {
  const filters = isComparison(operator) && !expr.returnBool;
  const vector = left.kind === "vector" ? left : right;
  if (vector.kind !== "vector") return vector;
  const series = vector.series.map((member) => {
    const result = newSeries(member.labels, member.values.length);
    for (let k = 0; k < member.values.length; k++) {
      if (member.present[k] === 0) continue;
      const value = member.values[k]!;
      const a = left.kind === "scalar" ? left.value : value;
      const b = right.kind === "scalar" ? right.value : value;
      const answer = compute(operator, a, b);
      if (filters && answer === 0) continue;
      result.present[k] = 1;
      result.values[k] = filters ? value : answer;
    }
    return result;
  });
  return vectorOf(series.filter(isPresent));
}

/** What two series must share to meet. */
function signature(labels: Labels, matching: VectorMatching | undefined): string {
  return matchingLabels(labels, matching).key;
}

/** The labels of a series that take part in the matching, without empty ones. */
function matchingLabels(labels: Labels, matching: VectorMatching | undefined): Labels {
  const names = new Set(matching?.labels);
  const left = matching?.on === true ? labels.keep(names) : labels.drop(names);
  return Labels.fromPairs(left.pairs);
}

function presenceBySignature(
  series: readonly StepSeries[],
  matching: VectorMatching | undefined,
  steps: number,
): ReadonlyMap<string, Uint8Array> {
  const presence = new Map<string, Uint8Array>();
  for (const member of series) {
    const key = signature(member.labels, matching);
    let present = presence.get(key);
    if (present === undefined) presence.set(key, (present = new Uint8Array(steps)));
    for (let k = 0; k < steps; k++) present[k]! |= member.present[k]!;
  }
  return presence;
}

function combineSets(
  operator: SetOperator,
  left: readonly StepSeries[],
  right: readonly StepSeries[],
  matching: VectorMatching | undefined,
  steps: number,
): readonly StepSeries[] {
  const [kept, other] = operator === "or" ? [right, left] : [left, right];
  const presence = presenceBySignature(other, matching, steps);
  const wanted = operator === "and" ? 1 : 0;
  const masked = kept.map((member) => {
    const there = presence.get(signature(member.labels, matching));
    const result = newSeries(member.labels, steps);
    for (let k = 0; k < steps; k++) {
      if (member.present[k] === 0 || (there?.[k] ?? 0) !== wanted) continue;
      result.present[k] = 1;
      result.values[k] = member.values[k]!;
    }
    return result;
  });
  const rest = masked.filter(isPresent);
  return operator === "or" ? mergeSame([...left, ...rest]) : rest;
}

/** Series of equal labels that are present at different steps become one. */
function mergeSame(series: readonly StepSeries[]): readonly StepSeries[] {
  const byLabels = new Map<string, StepSeries>();
  for (const member of series) {
    const known = byLabels.get(member.labels.key);
    if (known === undefined) {
      byLabels.set(member.labels.key, member);
      continue;
    }
    const merged = newSeries(member.labels, member.values.length);
    for (const part of [member, known]) {
      for (let k = 0; k < merged.values.length; k++) {
        if (part.present[k] === 0) continue;
        merged.present[k] = 1;
        merged.values[k] = part.values[k]!;
      }
    }
    byLabels.set(member.labels.key, merged);
  }
  return [...byLabels.values()];
}

/** One-to-one and many-to-one operations. The "one" side is the right one unless `group_right` turns the pair around. */
class Matching {
  readonly #expr: BinaryExpr;
  readonly #operator: ArithmeticOperator | CompareOperator;
  readonly #steps: number;
  readonly #results = new Map<string, StepSeries>();
  readonly #swapped: boolean;

  constructor(expr: BinaryExpr, operator: ArithmeticOperator | CompareOperator, steps: number) {
    this.#expr = expr;
    this.#operator = operator;
    this.#steps = steps;
    this.#swapped = expr.matching?.group === "right";
  }

  apply(left: readonly StepSeries[], right: readonly StepSeries[]): readonly StepSeries[] {
    const [many, one] = this.#swapped ? [right, left] : [left, right];
    const { matching } = this.#expr;
    const ones = this.#indexOnes(one);
    const taken = new Map<string, Uint8Array>();
    for (const member of many) {
      const key = signature(member.labels, matching);
      const partners = ones.get(key);
      if (partners === undefined) continue;
      let used = taken.get(key);
      if (used === undefined) taken.set(key, (used = new Uint8Array(this.#steps)));
      for (const partner of partners) this.#combine(member, partner, used);
    }
    return [...this.#results.values()].filter(isPresent);
  }

  /** By signature; two that are present at the same step make the match ambiguous. */
  #indexOnes(one: readonly StepSeries[]): ReadonlyMap<string, readonly StepSeries[]> {
    const ones = new Map<string, StepSeries[]>();
    for (const member of one) {
      const key = signature(member.labels, this.#expr.matching);
      const others = ones.get(key);
      if (others === undefined) {
        ones.set(key, [member]);
        continue;
      }
      for (const other of others) {
        if (!overlaps(member, other)) continue;
        const side = this.#swapped ? "left" : "right";
        throw executionFault(
          `found duplicate series on the ${side} hand-side;many-to-many matching not allowed: ` +
            `matching labels must be unique on one side`,
        );
      }
      others.push(member);
    }
    return ones;
  }

  #combine(many: StepSeries, one: StepSeries, used: Uint8Array): void {
    const { returnBool, matching } = this.#expr;
    const grouped = (matching?.group ?? "none") !== "none";
    const filters = isComparison(this.#operator) && !returnBool;
    let result: StepSeries | undefined;
    for (let k = 0; k < this.#steps; k++) {
      if (many.present[k] === 0 || one.present[k] === 0) continue;
      if (!grouped && used[k] === 1) {
        throw executionFault(
          "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)",
        );
      }
      used[k] = 1;
      const [a, b] = this.#swapped
        ? [one.values[k]!, many.values[k]!]
        : [many.values[k]!, one.values[k]!];
      const answer = compute(this.#operator, a, b);
      if (filters && answer === 0) continue;
      result ??= this.#resultFor(many.labels, one.labels);
      if (result.present[k] === 1) {
        throw executionFault(
          "multiple matches for labels: grouping labels must ensure unique matches",
        );
      }
      result.present[k] = 1;
      result.values[k] = filters ? a : answer;
    }
  }

  #resultFor(many: Labels, one: Labels): StepSeries {
    const { matching } = this.#expr;
    const grouped = matching !== undefined && matching.group !== "none";
    let labels = grouped ? Labels.fromPairs(many.pairs) : matchingLabels(many, matching);
    for (const name of matching?.include ?? []) labels = labels.with(name, one.get(name));
    const known = this.#results.get(labels.key);
    if (known !== undefined) return known;
    const result = newSeries(labels, this.#steps);
    this.#results.set(labels.key, result);
    return result;
  }
}

function overlaps(a: StepSeries, b: StepSeries): boolean {
  for (let k = 0; k < a.present.length; k++)
    if (a.present[k] === 1 && b.present[k] === 1) return true;
  return false;
}
