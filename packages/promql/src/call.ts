/** Function calls: one table from name to what it does. A test checks it against the table of signatures. */
import { Labels } from "@finch/model";
import { assert } from "@finch/runtime";
import { maxOf, minOf } from "./arithmetic.ts";
import type { Call, Expr, Position } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import type { CallContext } from "./call-context.ts";
import { datePart } from "./call-dates.ts";
import {
  HISTOGRAM_NUMBERS,
  histogramFraction,
  histogramNumbers,
  histogramQuantile,
  histogramQuantiles,
} from "./call-histograms.ts";
import { evaluateInfo } from "./call-info.ts";
import { labelJoin, labelReplace, sortByLabel, sortByValue } from "./call-labels.ts";
import { mathFunction, roundTo } from "./call-math.ts";
import { evaluateAbsentOverTime, evaluateRangeCall } from "./call-ranges.ts";
import { unsupportedError } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import type { Breather } from "./pace.ts";
import { FUNCTIONS } from "./functions.ts";
import { evaluateSelector } from "./select.ts";
import { ABSENT, FLOAT, floatsOfAll, isAnywherePresent, mergeSameLabels } from "./values.ts";
import type { Grid, OutputSeries, Value } from "./values.ts";

type CallImplementation = (context: CallContext) => Promise<Value>;

export async function evaluateCall(evaluation: Evaluation, grid: Grid, expr: Call): Promise<Value> {
  const implementation = IMPLEMENTATIONS.get(expr.name);
  if (implementation === undefined)
    throw unsupportedError(evaluation.options.query, expr.position, `function ${expr.name}`);
  return await implementation({ evaluation, grid, expr });
}

/** The names of all functions that can be evaluated. */
export function implementedFunctions(): readonly string[] {
  return [...IMPLEMENTATIONS.keys()];
}

async function vectorArg(
  { evaluation, grid, expr }: CallContext,
  index: number,
): Promise<readonly OutputSeries[]> {
  return await evaluation.vector(grid, expr.args[index]!);
}

async function scalarArg(
  { evaluation, grid, expr }: CallContext,
  index: number,
): Promise<Float64Array> {
  return await evaluation.scalar(grid, expr.args[index]!);
}

/** The texts of arguments that are strings, from `index` on. */
function stringArgs({ expr }: CallContext, index: number): readonly string[] {
  return expr.args.slice(index).map((arg) => {
    const literal = unwrapParens(arg);
    assert(literal.kind === "string", "the parser has seen a string");
    return literal.value;
  });
}

function columnOf(grid: Grid, at: (step: number) => number): Float64Array {
  const values = new Float64Array(grid.steps);
  for (let step = 0; step < grid.steps; step++) values[step] = at(step);
  return values;
}

function scalarOf(grid: Grid, at: (step: number) => number): Value {
  return { kind: "scalar", values: columnOf(grid, at) };
}

function stepSeconds(grid: Grid): (step: number) => number {
  return (step) => (grid.startMs + step * grid.stepMs) / 1000;
}

/** A function from numbers to numbers over every sample; takes the name away. */
function mapping(
  makeApply: (context: CallContext) => Promise<(x: number, step: number) => number>,
): CallImplementation {
  return async (context) => {
    const { evaluation } = context;
    const input = floatsOfAll(await vectorArg(context, 0));
    const apply = await makeApply(context);
    const output: OutputSeries[] = [];
    for (const series of input) {
      evaluation.spend(series.values.length);
      output.push(evaluation.withoutName({ ...series, values: series.values.map(apply) }));
      if (evaluation.isBreathDue()) await evaluation.breathe();
    }
    return await vectorOf(evaluation, output);
  };
}

async function vectorOf(evaluation: Evaluation, series: readonly OutputSeries[]): Promise<Value> {
  return {
    kind: "vector",
    series: evaluation.options.delayedNameRemoval
      ? series
      : await mergeSameLabels(evaluation, series),
  };
}

function clamping(
  bounds: (context: CallContext) => Promise<readonly [min: Float64Array, max: Float64Array]>,
): CallImplementation {
  return async (context) => {
    const { evaluation } = context;
    const input = floatsOfAll(await vectorArg(context, 0));
    const [min, max] = await bounds(context);
    const output: OutputSeries[] = [];
    for (const series of input) {
      const values = series.values.map((x, step) => maxOf(min[step]!, minOf(max[step]!, x)));
      const present = series.present.map((p, step) => (max[step]! < min[step]! ? 0 : p));
      if (isAnywherePresent(present))
        output.push(evaluation.withoutName({ ...series, values, present }));
      if (evaluation.isBreathDue()) await evaluation.breathe();
    }
    return await vectorOf(evaluation, output);
  };
}

function constant(grid: Grid, value: number): Float64Array {
  return new Float64Array(grid.steps).fill(value);
}

const absent: CallImplementation = async (context) => {
  const { grid, expr } = context;
  const input = await vectorArg(context, 0);
  const present = new Uint8Array(grid.steps).fill(1);
  for (const one of input)
    for (let step = 0; step < grid.steps; step++)
      if (one.present[step] !== ABSENT) present[step] = ABSENT;
  return oneWhere(absentLabels(expr.args[0]!), present);
};

function oneWhere(labels: Labels, present: Uint8Array): Value {
  const values = new Float64Array(present.length).fill(1);
  return {
    kind: "vector",
    series: isAnywherePresent(present) ? [{ labels, dropName: false, values, present }] : [],
  };
}

/** The labels an absent series would have: what its selector asks to be equal, once for each name. */
function absentLabels(arg: Expr): Labels {
  const expr = unwrapParens(arg);
  if (expr.kind !== "selector" && expr.kind !== "matrix") return Labels.EMPTY;
  const { matchers } = expr.kind === "matrix" ? expr.selector : expr;
  const values = new Map<string, string>();
  const seen = new Set<string>();
  for (const { name, operator, value } of matchers) {
    if (name === "__name__") continue;
    if (operator === "=" && !seen.has(name)) {
      values.set(name, value);
      seen.add(name);
    } else values.delete(name);
  }
  return Labels.fromPairs([...values].flat());
}

const timestamp: CallImplementation = async (context) => {
  const { evaluation, grid, expr } = context;
  const arg = unwrapParens(expr.args[0]!);
  const seconds = stepSeconds(grid);
  const input =
    arg.kind === "selector"
      ? await evaluateSelector(evaluation, grid, arg, "timestamps")
      : (await vectorArg(context, 0)).map(({ labels, dropName, present }) => ({
          labels,
          dropName,
          values: columnOf(grid, seconds),
          present: present.map((kind) => (kind === ABSENT ? ABSENT : FLOAT)),
        }));
  return await vectorOf(
    evaluation,
    input.map((series) => evaluation.withoutName(series)),
  );
};

/** Start times are known of samples, so only of a selector's. */
const startTimestamp: CallImplementation = async (context) => {
  const { evaluation, grid, expr } = context;
  const arg = unwrapParens(expr.args[0]!);
  if (arg.kind !== "selector" || !evaluation.options.startTimestamps) {
    await vectorArg(context, 0);
    return { kind: "vector", series: [] };
  }
  const input = await evaluateSelector(evaluation, grid, arg, "start-timestamps");
  return await vectorOf(
    evaluation,
    input.map((series) => evaluation.withoutName(series)),
  );
};

const scalar: CallImplementation = async (context) => {
  const input = await vectorArg(context, 0);
  const values = constant(context.grid, NaN);
  const counts = new Uint32Array(values.length);
  for (const series of input) {
    for (let step = 0; step < values.length; step++) {
      if (series.present[step] !== FLOAT) continue;
      counts[step] = counts[step]! + 1;
      values[step] = counts[step] === 1 ? series.values[step]! : NaN;
    }
  }
  return { kind: "scalar", values };
};

const vector: CallImplementation = async (context) => {
  return oneSeries(await scalarArg(context, 0));
};

function dates(name: string): CallImplementation {
  const part = datePart(name);
  const ofSamples = mapping(() => Promise.resolve((x: number) => part(Math.trunc(x))));
  return async (context) => {
    if (context.expr.args.length > 0) return await ofSamples(context);
    const seconds = stepSeconds(context.grid);
    return oneSeries(columnOf(context.grid, (step) => part(Math.floor(seconds(step)))));
  };
}

function oneSeries(values: Float64Array): Value {
  return {
    kind: "vector",
    series: [
      {
        labels: Labels.EMPTY,
        dropName: false,
        values,
        present: new Uint8Array(values.length).fill(1),
      },
    ],
  };
}

/** Sorting shows in instant queries only: a range query orders its series by labels. */
function sorting(
  order: (
    breather: Breather,
    series: readonly OutputSeries[],
    names: readonly string[],
  ) => Promise<readonly OutputSeries[]>,
): CallImplementation {
  return async (context) => {
    const { evaluation, expr } = context;
    const input = await vectorArg(context, 0);
    if (evaluation.options.grid.steps > 1) evaluation.annotations.sortInRange(expr.position);
    return {
      kind: "vector",
      series: await order(evaluation, input, stringArgs(context, 1)),
    };
  };
}

function warnAboutQuantile(evaluation: Evaluation, phi: Float64Array, position: Position): void {
  for (const value of new Set(phi))
    if (!(value >= 0 && value <= 1)) evaluation.annotations.invalidQuantile(value, position);
}

const quantiles: CallImplementation = async (context) => {
  const { evaluation, expr } = context;
  const input = await vectorArg(context, 0);
  const label = unwrapParens(expr.args[1]!);
  assert(label.kind === "string", "the parser has seen a string");
  const output: OutputSeries[] = [];
  for (let index = 2; index < expr.args.length; index++) {
    const phi = await scalarArg(context, index);
    warnAboutQuantile(evaluation, phi, expr.args[index]!.position);
    output.push(...(await histogramQuantiles(context, { input, phi, label: label.value })));
  }
  return await vectorOf(evaluation, output);
};

const IMPLEMENTATIONS = new Map<string, CallImplementation>([
  ["absent", absent],
  [
    "absent_over_time",
    async (context) =>
      oneWhere(absentLabels(context.expr.args[0]!), await evaluateAbsentOverTime(context)),
  ],
  [
    "clamp",
    clamping(async (context) => [await scalarArg(context, 1), await scalarArg(context, 2)]),
  ],
  [
    "clamp_max",
    clamping(async (context) => [constant(context.grid, -Infinity), await scalarArg(context, 1)]),
  ],
  [
    "clamp_min",
    clamping(async (context) => [await scalarArg(context, 1), constant(context.grid, Infinity)]),
  ],
  [
    "end",
    ({ grid, evaluation }) =>
      Promise.resolve(scalarOf(grid, () => evaluation.options.endMs / 1000)),
  ],
  [
    "histogram_fraction",
    async (context) => {
      const [lower, upper] = [await scalarArg(context, 0), await scalarArg(context, 1)];
      return await vectorOf(
        context.evaluation,
        await histogramFraction(context, { input: await vectorArg(context, 2), lower, upper }),
      );
    },
  ],
  [
    "histogram_quantile",
    async (context) => {
      const phi = await scalarArg(context, 0);
      const input = await vectorArg(context, 1);
      warnAboutQuantile(context.evaluation, phi, context.expr.args[0]!.position);
      return await vectorOf(
        context.evaluation,
        await histogramQuantile(context, { input, phi, argument: 1 }),
      );
    },
  ],
  ["histogram_quantiles", quantiles],
  ["info", evaluateInfo],
  [
    "label_join",
    async (context) => ({
      kind: "vector",
      series: await labelJoin(
        context.evaluation,
        stringArgs(context, 1),
        await vectorArg(context, 0),
      ),
    }),
  ],
  [
    "label_replace",
    async (context) => ({
      kind: "vector",
      series: await labelReplace(
        context.evaluation,
        stringArgs(context, 1),
        await vectorArg(context, 0),
      ),
    }),
  ],
  [
    "max_of",
    async (context) => {
      const right = await scalarArg(context, 1);
      return {
        kind: "scalar",
        values: (await scalarArg(context, 0)).map((x, step) => maxOf(x, right[step]!)),
      };
    },
  ],
  [
    "min_of",
    async (context) => {
      const right = await scalarArg(context, 1);
      return {
        kind: "scalar",
        values: (await scalarArg(context, 0)).map((x, step) => minOf(x, right[step]!)),
      };
    },
  ],
  ["pi", ({ grid }) => Promise.resolve(scalarOf(grid, () => Math.PI))],
  [
    "range",
    ({ grid, evaluation }) => {
      const { grid: query, endMs } = evaluation.options;
      return Promise.resolve(scalarOf(grid, () => (endMs - query.startMs) / 1000));
    },
  ],
  [
    "round",
    mapping(async (context) => {
      const to =
        context.expr.args.length > 1 ? await scalarArg(context, 1) : constant(context.grid, 1);
      return (x, step) => roundTo(x, to[step]!);
    }),
  ],
  ["scalar", scalar],
  ["sort", sorting((breather, series) => sortByValue(breather, floatsOfAll(series), false))],
  [
    "sort_by_label",
    sorting((breather, series, names) => sortByLabel(breather, series, names, false)),
  ],
  [
    "sort_by_label_desc",
    sorting((breather, series, names) => sortByLabel(breather, series, names, true)),
  ],
  ["sort_desc", sorting((breather, series) => sortByValue(breather, floatsOfAll(series), true))],
  [
    "start",
    ({ grid, evaluation }) =>
      Promise.resolve(scalarOf(grid, () => evaluation.options.grid.startMs / 1000)),
  ],
  ["start_timestamp", startTimestamp],
  [
    "step",
    ({ grid, evaluation }) =>
      Promise.resolve(
        scalarOf(grid, () =>
          evaluation.options.grid.steps > 1 ? evaluation.options.grid.stepMs / 1000 : 0,
        ),
      ),
  ],
  ["time", ({ grid }) => Promise.resolve(scalarOf(grid, stepSeconds(grid)))],
  ["timestamp", timestamp],
  ["vector", vector],
]);

for (const name of HISTOGRAM_NUMBERS.keys()) {
  IMPLEMENTATIONS.set(name, async (context) => {
    const series = await histogramNumbers(context, await vectorArg(context, 0));
    return await vectorOf(context.evaluation, series);
  });
}
for (const { name, args, returns } of FUNCTIONS.values()) {
  if (IMPLEMENTATIONS.has(name)) continue;
  const apply = mathFunction(name);
  if (apply !== undefined)
    IMPLEMENTATIONS.set(
      name,
      mapping(() => Promise.resolve(apply)),
    );
  else if (args.includes("matrix")) {
    IMPLEMENTATIONS.set(
      name,
      async (context) => await vectorOf(context.evaluation, await evaluateRangeCall(context)),
    );
  } else if (returns === "vector" && /^(?:day_of_|days_in_|hour|minute|month|year)/.test(name))
    IMPLEMENTATIONS.set(name, dates(name));
}
