/** The engine: range queries, instant queries, and the filter behind live tailing. */
import { compareLabels, Labels } from "@finch/model";
import type { Clock } from "@finch/runtime";
import type { Expr, MetricExpr, VectorOperator } from "./ast.ts";
import { executionFault, limitFault } from "./errors.ts";
import { Evaluation } from "./evaluation.ts";
import type { QueryStatistics, StepGrid } from "./evaluation.ts";
import { DEFAULT_QUERY_LIMITS } from "./limits.ts";
import type { QueryLimits } from "./limits.ts";
import { evaluateLog } from "./log-query.ts";
import type { LogStream } from "./log-query.ts";
import { evaluateMetric } from "./metric-query.ts";
import { parseQuery } from "./parser.ts";
import type { LogSource } from "./source.ts";
import type { StepSeries, StepValue } from "./step-series.ts";

export interface EngineOptions {
  readonly clock: Clock;
  readonly limits?: Partial<QueryLimits>;
}

interface QueryOptions {
  readonly source: LogSource;
  /** The text, or what `parseQuery` made of it. */
  readonly query: string | Expr;
  /** Most entries of a log query; metric queries pay it no heed. */
  readonly limit: number;
  readonly direction: "forward" | "backward";
  readonly signal: AbortSignal;
}

export interface RangeQueryOptions extends QueryOptions {
  readonly startNs: bigint;
  /** Log queries exclude it, metric queries include it. */
  readonly endNs: bigint;
  readonly stepNs: bigint;
  readonly intervalNs?: bigint;
  /** Of log queries: the unit of time that the result is not to end in the middle of, for clients that page by it; a nanosecond by default. */
  readonly pageUnitNs?: bigint;
}

export interface InstantQueryOptions extends QueryOptions {
  readonly timeNs: bigint;
}

export interface MatrixSeries {
  readonly labels: Labels;
  /** Only steps with a value. */
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
}

export interface VectorSample {
  readonly labels: Labels;
  readonly value: number;
}

export type RangeResult = { readonly statistics: QueryStatistics } & (
  | { readonly type: "streams"; readonly streams: readonly LogStream[] }
  | { readonly type: "matrix"; readonly series: readonly MatrixSeries[] }
);

export type InstantResult = {
  readonly statistics: QueryStatistics;
  readonly timestampMs: number;
} & (
  | { readonly type: "vector"; readonly samples: readonly VectorSample[] }
  | { readonly type: "scalar"; readonly value: number }
);

export interface Engine {
  /** Faults are FinchErrors: `logql/parse`, `logql/pipeline`, `logql/execution`, `logql/limit`, `logql/canceled`, `logql/timeout`. */
  rangeQuery(options: RangeQueryOptions): Promise<RangeResult>;
  instantQuery(options: InstantQueryOptions): Promise<InstantResult>;
}

export function createEngine({ clock, limits: given }: EngineOptions): Engine {
  const limits: QueryLimits = { ...DEFAULT_QUERY_LIMITS, ...given };
  const begin = ({ source, signal }: QueryOptions) => {
    const evaluation = new Evaluation({ source, signal, clock, limits });
    evaluation.check();
    return evaluation;
  };
  return {
    rangeQuery: async (options) => {
      const expr = read(options.query);
      const evaluation = begin(options);
      return settle(
        evaluation,
        expr.kind === "log"
          ? rangeOfLogs(evaluation, expr, options)
          : rangeOfMetrics(evaluation, expr, options),
      );
    },
    instantQuery: async (options) => {
      const expr = read(options.query);
      if (expr.kind === "log") {
        throw executionFault(
          "log queries are not supported as an instant query type, please change your query to a range query type",
        );
      }
      const evaluation = begin(options);
      return settle(evaluation, instant(evaluation, expr, options));
    },
  };
}

/** A query that was called off ends with one of the engine's faults, whatever the source threw on the way. */
async function settle<T>(evaluation: Evaluation, result: Promise<T>): Promise<T> {
  try {
    return await result;
  } catch (error) {
    evaluation.check();
    throw error;
  }
}

function read(query: string | Expr): Expr {
  return typeof query === "string" ? parseQuery(query) : query;
}

async function rangeOfLogs(
  evaluation: Evaluation,
  expr: Extract<Expr, { readonly kind: "log" }>,
  options: RangeQueryOptions,
): Promise<RangeResult> {
  const { limit } = options;
  const { entriesMax } = evaluation.limits;
  if (limit > entriesMax) {
    throw limitFault(
      `max entries limit per query exceeded, limit > max_entries_limit_per_query (${limit} > ${entriesMax})`,
    );
  }
  const streams = await evaluateLog(evaluation, expr, {
    ...options,
    intervalNs: options.intervalNs ?? 0n,
    pageUnitNs: options.pageUnitNs ?? 1n,
  });
  const returned = streams.reduce((total, { entries }) => total + entries.length, 0);
  return { type: "streams", streams, statistics: evaluation.statistics(returned) };
}

async function rangeOfMetrics(
  evaluation: Evaluation,
  expr: MetricExpr,
  options: RangeQueryOptions,
): Promise<RangeResult> {
  const grid = makeGrid(options, evaluation.limits);
  if (contains(expr, "approx_topk")) {
    throw executionFault("approx_topk is only supported on instant queries");
  }
  const value = await evaluateMetric(evaluation, grid, expr);
  const series = toMatrix(value, grid);
  checkSeries(series.length, evaluation.limits);
  return {
    type: "matrix",
    series: series.toSorted((a, b) => compareLabels(a.labels, b.labels)),
    statistics: evaluation.statistics(series.length),
  };
}

function makeGrid({ startNs, endNs, stepNs }: RangeQueryOptions, limits: QueryLimits): StepGrid {
  if (endNs < startNs) {
    throw executionFault("end timestamp must not be before or equal to start time");
  }
  if (stepNs <= 0n) {
    throw executionFault(
      "zero or negative query resolution step widths are not accepted. Try a positive integer",
    );
  }
  const count = Number((endNs - startNs) / stepNs) + 1;
  if (count - 1 > limits.pointsMax) {
    throw limitFault(
      `exceeded maximum resolution of ${limits.pointsMax.toLocaleString("en-US")} points per time series. ` +
        "Try increasing the value of the step parameter",
    );
  }
  return { startNs, stepNs, count };
}

function contains(expr: MetricExpr, operator: VectorOperator): boolean {
  switch (expr.kind) {
    case "vector-aggregation":
      return expr.operator === operator || contains(expr.operand, operator);
    case "label-replace":
      return contains(expr.operand, operator);
    case "binary":
      return contains(expr.left, operator) || contains(expr.right, operator);
    case "literal":
    case "vector":
    case "range-aggregation":
      return false;
  }
}

function checkSeries(count: number, { seriesMax }: QueryLimits): void {
  if (count > seriesMax) {
    throw limitFault(
      `maximum number of series (${seriesMax}) reached for a single query; ` +
        "consider reducing query cardinality by adding more specific stream selectors, reducing the time range, " +
        "or aggregating results with functions like sum(), count() or topk()",
    );
  }
}

function toMatrix(value: StepValue, grid: StepGrid): readonly MatrixSeries[] {
  if (value.kind === "vector") return value.series.map((series) => compact(series, grid));
  const present = new Uint8Array(grid.count).fill(1);
  const values = new Float64Array(grid.count).fill(value.value);
  return [compact({ labels: Labels.EMPTY, values, present }, grid)];
}

function compact({ labels, values, present }: StepSeries, grid: StepGrid): MatrixSeries {
  let count = 0;
  for (const flag of present) count += flag;
  const timestampsMs = new Float64Array(count);
  const kept = new Float64Array(count);
  let at = 0;
  for (let k = 0; k < present.length; k++) {
    if (present[k] === 0) continue;
    timestampsMs[at] = Number((grid.startNs + BigInt(k) * grid.stepNs) / 1_000_000n);
    kept[at++] = values[k]!;
  }
  return { labels, timestampsMs, values: kept };
}

async function instant(
  evaluation: Evaluation,
  expr: MetricExpr,
  { timeNs }: InstantQueryOptions,
): Promise<InstantResult> {
  // With one step its width means nothing; a wide one keeps the window arithmetic small.
  const grid: StepGrid = { startNs: timeNs, stepNs: 1_000_000_000n, count: 1 };
  const value = await evaluateMetric(evaluation, grid, expr);
  const timestampMs = Number(timeNs / 1_000_000n);
  if (value.kind === "scalar") {
    return {
      type: "scalar",
      value: value.value,
      timestampMs,
      statistics: evaluation.statistics(1),
    };
  }
  const samples = value.series
    .filter(({ present }) => present[0] === 1)
    .map(({ labels, values }) => ({ labels, value: values[0]! }));
  checkSeries(samples.length, evaluation.limits);
  const isSorted = contains(expr, "sort") || contains(expr, "sort_desc");
  return {
    type: "vector",
    samples: isSorted ? samples : samples.toSorted((a, b) => compareLabels(a.labels, b.labels)),
    timestampMs,
    statistics: evaluation.statistics(samples.length),
  };
}
