/** `and`, `or`, `unless`: series kept or left out, step by step, by whether a match is present on the other side. */
import type { Binary } from "./ast.ts";
import type { Evaluation } from "./evaluation.ts";
import { groupByNumber, presenceOf, Signatures } from "./matching.ts";
import { isAnywherePresent, mergeSameLabels } from "./values.ts";
import type { Grid, OutputSeries } from "./values.ts";

type Sides = readonly [left: readonly OutputSeries[], right: readonly OutputSeries[]];

export async function combineSets(
  evaluation: Evaluation,
  grid: Grid,
  expr: Binary,
  sides: Sides,
): Promise<readonly OutputSeries[]> {
  const [left, right] = sides;
  const signatures = new Signatures(expr.matching);
  const leftNumbers = await signatures.numbersOf(evaluation, left);
  const rightNumbers = await signatures.numbersOf(evaluation, right);
  const isOr = expr.operator === "or";
  const [masked, maskedNumbers] = isOr ? [right, rightNumbers] : [left, leftNumbers];
  const [masking, maskingNumbers] = isOr ? [left, leftNumbers] : [right, rightNumbers];
  const groups = groupByNumber(maskingNumbers, signatures.count);
  const masks: (Uint8Array | undefined)[] = groups.map(() => undefined);
  const keepWhere = expr.operator === "and" ? 1 : 0;
  const output: OutputSeries[] = isOr ? [...left] : [];
  for (const [index, series] of masked.entries()) {
    const number = maskedNumbers[index]!;
    const mask = (masks[number] ??= presenceOf(masking, groups[number]!, grid.steps));
    const present = new Uint8Array(grid.steps);
    for (let step = 0; step < grid.steps; step++)
      present[step] = mask[step] === keepWhere ? series.present[step]! : 0;
    if (isAnywherePresent(present)) output.push({ ...series, present });
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return evaluation.options.delayedNameRemoval ? output : await mergeSameLabels(evaluation, output);
}
