/**
 * Aggregations of groups with native histograms. `sum` and `avg` take histograms as well as floats, but not both at one step; `count` and
 * `group` look at neither; all others leave histograms out and say so.
 */
import type { Histogram } from "@finch/model";
import { reduceGroup } from "./aggregate-reduce.ts";
import type { Columns, Reduction } from "./aggregate-reduce.ts";
import type { Annotations } from "./annotations.ts";
import type { Position } from "./ast.ts";
import { compactHistogram } from "./histogram-arithmetic.ts";
import { hasCustomBounds } from "./histogram-bounds.ts";
import { averageHistograms, sumHistograms } from "./histogram-mean.ts";
import { ABSENT, emptyHistograms, FLOAT, floatsOfAll, HISTOGRAM } from "./values.ts";
import type { HistogramColumn, OutputSeries } from "./values.ts";

interface MixedColumns extends Columns {
  readonly histograms?: HistogramColumn | undefined;
}

/** {@link reduceGroup} of members some of which have histograms. `position` is that of the vector. */
export function reduceMixedGroup(
  members: readonly OutputSeries[],
  reduction: Reduction & { readonly position: Position },
  annotations: Annotations,
): MixedColumns {
  const { operator, position } = reduction;
  if (operator === "count" || operator === "group") return reduceGroup(members, reduction);
  const floats = floatsOfAll(members);
  const steps = members[0]!.present.length;
  const columns: Columns =
    floats.length > 0
      ? reduceGroup(floats, reduction)
      : { values: new Float64Array(steps), present: new Uint8Array(steps) };
  if (operator === "sum" || operator === "avg")
    return combineGroup(members, operator, columns, new GroupNotes(annotations, position));
  if (members.some(({ present }) => present.includes(HISTOGRAM)))
    annotations.ignoredInAggregation(operator, position);
  return columns;
}

/** Puts the histograms of each step where the floats have left room. */
function combineGroup(
  members: readonly OutputSeries[],
  operator: "sum" | "avg",
  { values, present }: Columns,
  notes: GroupNotes,
): MixedColumns {
  const histograms = emptyHistograms(present.length);
  for (let step = 0; step < present.length; step++) {
    const terms = termsAt(members, step, notes);
    if (terms === "incompatible") present[step] = ABSENT;
    else if (terms.length > 0 && present[step] === FLOAT) {
      notes.mixed();
      present[step] = ABSENT;
    } else if (terms.length > 0) {
      const combined = operator === "sum" ? sumHistograms(terms) : averageHistograms(terms);
      if (combined!.isReconciled) notes.reconciled();
      if (combined!.isCollided) notes.collided();
      histograms[step] = compactHistogram(combined!.histogram);
      present[step] = HISTOGRAM;
    }
  }
  return { values, present, histograms };
}

/** The histograms of a step. Where the first sample is one, a later one of another kind of buckets spoils the step. */
function termsAt(
  members: readonly OutputSeries[],
  step: number,
  notes: GroupNotes,
): readonly Histogram[] | "incompatible" {
  const terms: Histogram[] = [];
  let beginsWithFloat: boolean | undefined;
  for (const { present, histograms, labels } of members) {
    if (present[step] === ABSENT) continue;
    beginsWithFloat ??= present[step] === FLOAT;
    if (present[step] === FLOAT) continue;
    const histogram = histograms![step]!;
    const first = terms[0] ?? histogram;
    if (!beginsWithFloat && hasCustomBounds(first) !== hasCustomBounds(histogram)) {
      notes.incompatible(labels.get("__name__"));
      return "incompatible";
    }
    terms.push(histogram);
  }
  return terms;
}

class GroupNotes {
  readonly #annotations: Annotations;
  readonly #position: Position;

  constructor(annotations: Annotations, position: Position) {
    this.#annotations = annotations;
    this.#position = position;
  }

  mixed(): void {
    this.#annotations.mixedInAggregation(this.#position);
  }

  incompatible(metric: string): void {
    this.#annotations.mixedLayouts(metric, this.#position);
  }

  reconciled(): void {
    this.#annotations.reconciledBounds("aggregation", this.#position);
  }

  collided(): void {
    this.#annotations.collidingResets("aggregation", this.#position);
  }
}
