/**
 * `info(v, {selectors})`: adds the labels of info series (`target_info` unless named otherwise) that share `instance` and `job` with a series.
 * Which info series is current may differ by step, so one input series may become several.
 */
import { createMatcher, Labels } from "@finch/model";
import type { Matcher } from "@finch/model";
import type { AtModifier, Expr, VectorSelector } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import type { CallContext } from "./call-context.ts";
import { childrenOf } from "./check-features.ts";
import { executionError } from "./errors.ts";
import { evaluateSelector } from "./select.ts";
import {
  ABSENT,
  copyStep,
  emptySeries,
  isAnywherePresent,
  mergeInto,
  withHistogramsOf,
} from "./values.ts";
import type { OutputSeries, Value } from "./values.ts";

const IDENTIFYING: ReadonlySet<string> = new Set(["instance", "job"]);

/** Which info series are wanted, and which of their labels. */
interface InfoSelection {
  readonly nameMatchers: readonly Matcher[];
  readonly dataMatchers: readonly Matcher[];
  /** Labels to take over; all when empty. */
  readonly dataLabels: ReadonlySet<string>;
}

export async function evaluateInfo(context: CallContext): Promise<Value> {
  const { evaluation, grid, expr } = context;
  const base = await evaluation.vector(grid, expr.args[0]!);
  const selection = selectionOf(expr.args[1]);
  const enriched = base.filter(({ labels }) => !isInfoSeries(labels, selection));
  const selector = infoSelector(context, selection, enriched);
  const info =
    selector === undefined ? [] : await evaluateSelector(evaluation, grid, selector, "infos");
  const current = currentByMetric(info, grid.steps);
  const output = new Map<string, OutputSeries>();
  for (const series of base) {
    if (isInfoSeries(series.labels, selection)) addOutput(output, series);
    else for (const one of enrich(series, current, selection)) addOutput(output, one);
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  return { kind: "vector", series: [...output.values()] };
}

function selectionOf(arg: Expr | undefined): InfoSelection {
  const selector = arg === undefined ? undefined : unwrapParens(arg);
  const matchers = selector?.kind === "selector" ? selector.matchers : [];
  const named = matchers.filter(({ name }) => name === "__name__");
  const dataMatchers = matchers.filter(({ name }) => name !== "__name__");
  const dataLabels = new Set(dataMatchers.map(({ name }) => name));
  if (named.length === 0)
    return {
      nameMatchers: [createMatcher("__name__", "=", "target_info")],
      dataMatchers,
      dataLabels,
    };
  const isPositive = named.some(({ operator }) => operator === "=" || operator === "=~");
  const nameMatchers = isPositive ? named : [createMatcher("__name__", "=~", ".+_info"), ...named];
  return { nameMatchers, dataMatchers, dataLabels };
}

/** Info series themselves pass through as they are. */
function isInfoSeries(labels: Labels, { nameMatchers }: InfoSelection): boolean {
  const name = labels.get("__name__");
  return nameMatchers.every(({ matches }) => matches(name));
}

/** The selector of the info series that any of the series could need, at the time the first selector of the argument looks at. */
function infoSelector(
  { expr }: CallContext,
  selection: InfoSelection,
  base: readonly OutputSeries[],
): VectorSelector | undefined {
  const matchers: Matcher[] = [];
  for (const name of IDENTIFYING) {
    const values = new Set(
      base.map(({ labels }) => labels.get(name)).filter((value) => value !== ""),
    );
    if (values.size === 0) continue;
    const pattern = [...values]
      .map((value) => value.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&"))
      .join("|");
    matchers.push(createMatcher(name, "=~", pattern));
  }
  if (matchers.length === 0) return undefined;
  matchers.push(...selection.dataMatchers, ...selection.nameMatchers);
  const time = firstSelectorTime(expr.args[0]!) ?? { at: undefined, offsetMs: 0 };
  return {
    kind: "selector",
    position: expr.position,
    name: undefined,
    matchers,
    extended: undefined,
    ...time,
  };
}

/** `@` and offset of the first selector, with those of the subqueries around it. */
function firstSelectorTime(
  expr: Expr,
): { readonly at: AtModifier | undefined; readonly offsetMs: number } | undefined {
  if (expr.kind === "selector") return { at: expr.at, offsetMs: expr.offsetMs };
  for (const child of childrenOf(expr)) {
    const inner = firstSelectorTime(child);
    if (inner === undefined) continue;
    if (expr.kind !== "subquery" || inner.at !== undefined) return inner;
    return { at: expr.at, offsetMs: inner.offsetMs + expr.offsetMs };
  }
  return undefined;
}

/** By info metric and identifying labels: which info series is current at each step. */
type CurrentInfo = ReadonlyMap<string, ReadonlyMap<string, readonly (Labels | undefined)[]>>;

/** Where several series of one metric and target are present, the one with the newest sample is current. */
function currentByMetric(info: readonly OutputSeries[], steps: number): CurrentInfo {
  const metrics = new Map<
    string,
    Map<string, { labels: (Labels | undefined)[]; times: Float64Array }>
  >();
  for (const { labels, values, present } of info) {
    const name = labels.get("__name__");
    const targets =
      metrics.get(name) ??
      new Map<string, { labels: (Labels | undefined)[]; times: Float64Array }>();
    metrics.set(name, targets);
    const key = labels.keep(IDENTIFYING).key;
    const current = targets.get(key) ?? {
      labels: Array.from({ length: steps }, () => undefined),
      times: new Float64Array(steps).fill(-Infinity),
    };
    targets.set(key, current);
    for (let step = 0; step < steps; step++) {
      if (present[step] === 0) continue;
      const known = current.labels[step];
      if (known !== undefined && current.times[step] === values[step])
        throw duplicateInfo(known, labels, values[step]!);
      if (values[step]! < current.times[step]!) continue;
      current.labels[step] = labels;
      current.times[step] = values[step]!;
    }
  }
  return new Map(
    [...metrics].map(([name, targets]) => [
      name,
      new Map([...targets].map(([key, { labels }]) => [key, labels])),
    ]),
  );
}

function duplicateInfo(a: Labels, b: Labels, seconds: number): Error {
  return executionError(
    `found duplicate series for info metric: existing ${a.toString()} @ ${seconds}, new ${b.toString()} @ ${seconds}`,
  );
}

/** The series with the labels of its info series, one for each combination of them over time. */
function enrich(
  series: OutputSeries,
  current: CurrentInfo,
  selection: InfoSelection,
): readonly OutputSeries[] {
  const key = series.labels.keep(IDENTIFYING).key;
  const sources = [...current.values()]
    .map((targets) => targets.get(key))
    .filter((labels) => labels !== undefined);
  const isOptional = selection.dataMatchers.every(({ matches }) => matches(""));
  const results = new Map<string, OutputSeries | undefined>();
  for (let step = 0; step < series.values.length; step++) {
    if (series.present[step] === ABSENT) continue;
    const infos = sources.map((source) => source[step]).filter((labels) => labels !== undefined);
    const combination = infos.map((labels) => labels.key).join("\u0000");
    let result = results.get(combination);
    if (!results.has(combination)) {
      const labels =
        infos.length === 0 && !isOptional
          ? undefined
          : withInfoLabels(series.labels, infos, selection);
      result =
        labels === undefined
          ? undefined
          : withHistogramsOf(emptySeries(labels, series.dropName, series.values.length), series);
      results.set(combination, result);
    }
    if (result === undefined) continue;
    copyStep(series, result, step);
  }
  return [...results.values()].filter(
    (result) => result !== undefined && isAnywherePresent(result.present),
  ) as OutputSeries[];
}

function withInfoLabels(
  labels: Labels,
  infos: readonly Labels[],
  { dataLabels }: InfoSelection,
): Labels {
  const added = new Map<string, string>();
  for (const info of infos) {
    for (const [name, value] of info) {
      if (name === "__name__" || (dataLabels.size > 0 && !dataLabels.has(name))) continue;
      const known = added.get(name);
      if (known !== undefined && known !== value)
        throw executionError(`conflicting label: ${name}`);
      if (!labels.has(name)) added.set(name, value);
    }
  }
  return Labels.fromPairs([...labels.pairs, ...[...added].flat()]);
}

function addOutput(output: Map<string, OutputSeries>, series: OutputSeries): void {
  const key = `${series.dropName}${series.labels.key}`;
  const known = output.get(key);
  if (known === undefined) {
    output.set(key, series);
    return;
  }
  const { values, present, histograms } = known;
  const own = {
    ...known,
    values: values.slice(),
    present: present.slice(),
    histograms: histograms?.slice(),
  };
  output.set(key, mergeInto(own, series));
}
