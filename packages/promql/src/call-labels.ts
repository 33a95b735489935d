/** Functions that change labels or the order of series; values pass through. */
import { compareLabels, compileRegexp } from "@finch/model";
import type { CompiledRegexp, Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { executionError } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { LABEL_TEXT_MADE_MAX, LABEL_VALUE_MADE_MAX } from "./limits.ts";
import { compareNatural } from "./natural-order.ts";
import type { Breather } from "./pace.ts";
import { sortPaced } from "./pace.ts";
import { mergeSameLabels } from "./values.ts";
import type { OutputSeries } from "./values.ts";

export async function labelReplace(
  evaluation: Evaluation,
  args: readonly string[],
  input: readonly OutputSeries[],
): Promise<readonly OutputSeries[]> {
  const [target = "", template = "", source = "", pattern = ""] = args;
  const regexp = compilePattern(pattern);
  refuseBadLabel(target, "invalid destination label name in label_replace()");
  const references = template.split("$").length - 1;
  return await relabel(evaluation, input, target, (labels) => {
    const value = labels.get(source);
    // Before anything is built: the longest text the references of the template can expand to.
    refuseLongValue(template.length + references * value.length);
    return regexp.test(value) ? regexp.replaceAll(value, template) : undefined;
  });
}

function compilePattern(pattern: string): CompiledRegexp {
  try {
    return compileRegexp(pattern, { anchored: true });
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    throw executionError(`invalid regular expression in label_replace(): ${pattern}`);
  }
}

export async function labelJoin(
  evaluation: Evaluation,
  args: readonly string[],
  input: readonly OutputSeries[],
): Promise<readonly OutputSeries[]> {
  const [target = "", separator = "", ...sources] = args;
  for (const source of sources) refuseBadLabel(source, "invalid source label name in label_join()");
  refuseBadLabel(target, "invalid destination label name in label_join()");
  return await relabel(evaluation, input, target, (labels) => {
    let length = 0;
    for (const source of sources) length += labels.get(source).length + separator.length;
    refuseLongValue(length);
    return sources.map((source) => labels.get(source)).join(separator);
  });
}

function refuseLongValue(length: number): void {
  if (length > LABEL_VALUE_MADE_MAX) {
    throw executionError(
      `a label value made by the query may have ${LABEL_VALUE_MADE_MAX} characters at most`,
    );
  }
}

function refuseBadLabel(name: string, complaint: string): void {
  if (name === "" || !name.isWellFormed()) throw executionError(`${complaint}: ${name}`);
}

/** Sets a label where `valueOf` gives a value; an empty one removes it. A name set this way is there to stay. */
async function relabel(
  evaluation: Evaluation,
  input: readonly OutputSeries[],
  target: string,
  valueOf: (labels: Labels) => string | undefined,
): Promise<readonly OutputSeries[]> {
  let made = 0;
  const output: OutputSeries[] = [];
  for (const series of input) {
    if (evaluation.isBreathDue()) await evaluation.breathe();
    const value = valueOf(series.labels);
    if (value === undefined) {
      output.push(series);
      continue;
    }
    made += value.length;
    if (made > LABEL_TEXT_MADE_MAX) {
      throw executionError(
        `the label values made by the query have more than ${LABEL_TEXT_MADE_MAX} characters together`,
      );
    }
    const dropName = target === "__name__" ? false : series.dropName;
    output.push({ ...series, labels: series.labels.with(target, value), dropName });
  }
  return await mergeSameLabels(evaluation, output);
}

/** By the value of the only step; NaN at the end both ways. */
export async function sortByValue(
  breather: Breather,
  series: readonly OutputSeries[],
  descending: boolean,
): Promise<readonly OutputSeries[]> {
  const sign = descending ? -1 : 1;
  return await sortPaced(breather, series, ({ values: [a] }, { values: [b] }) => {
    if (Number.isNaN(a!) || Number.isNaN(b!))
      return Number(Number.isNaN(a!)) - Number(Number.isNaN(b!));
    return a! < b! ? -sign : a! > b! ? sign : 0;
  });
}

export async function sortByLabel(
  breather: Breather,
  series: readonly OutputSeries[],
  names: readonly string[],
  descending: boolean,
): Promise<readonly OutputSeries[]> {
  const sign = descending ? -1 : 1;
  return await sortPaced(breather, series, (a, b) => {
    for (const name of names) {
      const order = compareNatural(a.labels.get(name), b.labels.get(name));
      if (order !== 0) return sign * order;
    }
    return sign * compareLabels(a.labels, b.labels);
  });
}
