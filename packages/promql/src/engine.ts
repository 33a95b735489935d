/**
 * The engine: takes a query and a source of samples, answers columns. Of a query it remembers nothing but how it was parsed and in which order
 * its series came; any number may run interleaved, and each breathes every few milliseconds to let others and ingest on. Whoever asks the
 * same again and again, as rules do, prepares the query once and evaluates it at any number of times.
 */
import { Labels } from "@finch/model";
import { assert, FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { Expr } from "./ast.ts";
import { unwrapParens } from "./ast.ts";
import { evaluateRangeVector } from "./call-ranges.ts";
import { refuseExperimental } from "./check-features.ts";
import { typeOf } from "./check-types.ts";
import { ERROR_CODES, executionError } from "./errors.ts";
import { evaluate } from "./evaluate.ts";
import { Evaluation } from "./evaluation.ts";
import type { EvaluationOptions } from "./evaluation.ts";
import { DEFAULT_LIMITS, DEFAULT_LOOKBACK_MS, DEFAULT_SUBQUERY_STEP_MS } from "./limits.ts";
import type { EngineLimits } from "./limits.ts";
import { parseQuery } from "./parser.ts";
import { PreparedQueries } from "./prepared-queries.ts";
import type { PreparedQuery } from "./prepared-queries.ts";
import { createSharedMemory } from "./query-memory.ts";
import type { SharedMemory } from "./query-memory.ts";
import { statisticsSelectors } from "./plan.ts";
import { resolveDurations } from "./resolve-durations.ts";
import { cutRange, finishSeries, matrixOf, scalarSeries, vectorColumns } from "./results.ts";
import type { ElementsResult, InstantResult, MatrixResult, QueryReport } from "./results.ts";
import { withoutStale } from "./select-load.ts";
import { SampleCounter } from "./sample-counter.ts";
import { SeriesOrders } from "./series-orders.ts";
import type { SeriesSource } from "./source.ts";
import { makeGrid } from "./values.ts";
import type { Grid, Value } from "./values.ts";

/** What of the language is on. Each is off unless asked for, as on a Prometheus server; answers differ with it. */
export interface LanguageSwitches {
  /** Allows the experimental part of the language: some functions, `limitk`, `fill`, `anchored`, `smoothed`, durations that are computed. */
  readonly experimentalFunctions?: boolean;
  /** Keeps metric names until the end of the evaluation, where operations would take them away at once. */
  readonly delayedNameRemoval?: boolean;
  /** Lets `rate`, `increase`, `irate` and `resets` look at when counters began; `start_timestamp` answers nothing without. */
  readonly startTimestamps?: boolean;
  /** Tells counters by their `__type__` label, not by their name. */
  readonly typeAndUnitLabels?: boolean;
}

export interface EngineOptions extends LanguageSwitches {
  readonly clock: Clock;
  /** Defaults: {@link DEFAULT_LIMITS}. */
  readonly limits?: Partial<EngineLimits>;
  /** What the engine's queries hold together, when queries elsewhere count as well. */
  readonly sharedMemory?: SharedMemory;
  /** How long a sample stays current; 5 minutes unless given. */
  readonly lookbackMs?: number;
  /** Step of subqueries that name none; 1 minute unless given. */
  readonly subqueryStepMs?: number;
}

export interface InstantQuery {
  readonly source: SeriesSource;
  readonly query: string;
  readonly timeMs: number;
  readonly lookbackMs?: number | undefined;
  /** Count the samples each step looks at; costs a little for each of them. */
  readonly countSamples?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface RangeQuery {
  readonly source: SeriesSource;
  readonly query: string;
  readonly startMs: number;
  readonly endMs: number;
  readonly stepMs: number;
  readonly lookbackMs?: number | undefined;
  /** Count the samples each step looks at; costs a little for each of them. */
  readonly countSamples?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface EvaluateAt extends Omit<InstantQuery, "query"> {
  readonly prepared: PreparedQuery;
  /** Limits of this evaluation, where they are to differ from the engine's. */
  readonly limits?: Partial<EngineLimits> | undefined;
}

export interface EvaluateRange extends Omit<RangeQuery, "query"> {
  readonly prepared: PreparedQuery;
  /** As in {@link EvaluateAt}. */
  readonly limits?: Partial<EngineLimits> | undefined;
}

export interface Engine {
  /** Evaluates a query at one moment. */
  instantQuery(request: InstantQuery): Promise<InstantResult>;
  /** Evaluates a query at every step from `startMs` to `endMs`. */
  rangeQuery(request: RangeQuery): Promise<MatrixResult>;
  /** Parses and checks; throws a `PromqlParseError`. */
  prepare(query: string): PreparedQuery;
  /** The elements a prepared query has at one moment: those of its vector, or a scalar as one without labels; others are refused. */
  evaluateAt(request: EvaluateAt): Promise<ElementsResult>;
  /** As {@link rangeQuery}. */
  evaluateRange(request: EvaluateRange): Promise<MatrixResult>;
}

export function createEngine(engineOptions: EngineOptions): Engine {
  const sharedMemory = engineOptions.sharedMemory ?? createSharedMemory();
  const options = { ...engineOptions, sharedMemory, orders: new SeriesOrders() };
  const recent = new PreparedQueries((query) => {
    const expr = parseQuery(query);
    if (options.experimentalFunctions !== true) refuseExperimental(query, expr);
    return expr;
  });
  const prepare = (query: string) => recent.get(query);
  const evaluateAt = async (request: EvaluateAt & { readonly parseMs?: number }) =>
    await run(options, request, instantGrid(request), evaluateInstant);
  const evaluateRange = async (request: EvaluateRange & { readonly parseMs?: number }) =>
    await run(options, request, rangeGrid(request), evaluateMatrix);
  const timed = <T extends { readonly query: string }>(request: T) => {
    const startedMs = options.clock.monotonicMs();
    const prepared = prepare(request.query);
    return { ...request, prepared, parseMs: options.clock.monotonicMs() - startedMs };
  };
  return {
    instantQuery: async (request) => await evaluateAt(timed(request)),
    rangeQuery: async (request) => {
      rangeGrid(request);
      return await evaluateRange(timed(request));
    },
    prepare,
    evaluateAt: async (request) => elementsOf(await evaluateAt(request)),
    evaluateRange,
  };
}

function instantGrid({ timeMs }: Pick<InstantQuery, "timeMs">): Grid {
  return { startMs: timeMs, stepMs: 1, steps: 1 };
}

function rangeGrid({ startMs, endMs, stepMs }: Omit<EvaluateRange, "prepared">): Grid {
  if (!(stepMs > 0) || !(endMs >= startMs))
    throw badRange("a range query needs a step above zero and an end that is not before its start");
  return makeGrid(startMs, endMs, stepMs);
}

function elementsOf(result: InstantResult): ElementsResult {
  const { warnings, infos, statistics } = result;
  const report = { warnings, infos, statistics };
  switch (result.type) {
    case "scalar":
      return { elements: [{ labels: Labels.EMPTY, value: result.value }], ...report };
    case "vector": {
      const { labels, values, histograms } = result;
      const elements = labels.map((one, i) => ({
        labels: one,
        value: values[i]!,
        histogram: histograms?.[i],
      }));
      return { elements, ...report };
    }
    case "string":
    case "matrix":
      throw executionError("rule result is not a vector or scalar");
  }
}

function badRange(message: string): FinchError {
  return new FinchError("invalid", ERROR_CODES.badRange, message);
}

type Answer<T> = (evaluation: Evaluation, expr: Expr, grid: Grid) => Promise<T>;

async function run<T extends object>(
  options: EngineOptions & Pick<EvaluationOptions, "sharedMemory" | "orders">,
  request: (EvaluateAt | EvaluateRange) & { readonly parseMs?: number },
  grid: Grid,
  answer: Answer<T>,
): Promise<T & QueryReport> {
  const { clock } = options;
  const limits = { ...DEFAULT_LIMITS, ...options.limits, ...request.limits };
  const { source, prepared } = request;
  const { query, expr } = prepared;
  const startedMs = clock.monotonicMs();
  if (grid.steps > limits.stepsMax)
    throw badRange(
      `the query has ${grid.steps} steps, more than ${limits.stepsMax}: use a larger step`,
    );
  const endMs = "endMs" in request ? request.endMs : request.timeMs;
  const stepMs = "stepMs" in request ? request.stepMs : 0;
  const resolved = resolveDurations({ query, stepMs, rangeMs: endMs - grid.startMs }, expr);
  const stop = new AbortController();
  const { signal } = stop;
  const onAbort = () => stop.abort(request.signal!.reason);
  if (request.signal?.aborted === true) onAbort();
  request.signal?.addEventListener("abort", onAbort, { once: true });
  const timer = setTimeout(() => stop.abort(timeoutError(limits.timeoutMs)), limits.timeoutMs);
  const evaluation = new Evaluation({
    evaluate,
    query,
    source,
    clock,
    limits,
    sharedMemory: options.sharedMemory,
    orders: options.orders,
    lookbackMs: request.lookbackMs ?? options.lookbackMs ?? DEFAULT_LOOKBACK_MS,
    subqueryStepMs: options.subqueryStepMs ?? DEFAULT_SUBQUERY_STEP_MS,
    experimentalFunctions: options.experimentalFunctions ?? false,
    delayedNameRemoval: options.delayedNameRemoval ?? false,
    startTimestamps: options.startTimestamps ?? false,
    typeAndUnitLabels: options.typeAndUnitLabels ?? false,
    statisticsOnly: statisticsSelectors(resolved),
    grid,
    endMs,
    signal,
  });
  if (request.countSamples === true) evaluation.counter = new SampleCounter(grid.steps);
  try {
    signal.throwIfAborted();
    const result = await answer(evaluation, resolved, grid);
    const { annotations, seriesRead: series, samplesRead: samples, selectMs } = evaluation;
    const { samplesPeak, bytesPeak } = evaluation.memory;
    const timeMs = {
      parse: request.parseMs ?? 0,
      select: selectMs,
      evaluate: clock.monotonicMs() - startedMs - selectMs,
    };
    return {
      ...result,
      warnings: annotations.warnings,
      infos: annotations.infos,
      statistics: { series, samples, samplesPeak, bytesPeak, counted: evaluation.counter, timeMs },
    };
  } catch (error) {
    throw signal.aborted ? abortError(signal.reason) : error;
  } finally {
    clearTimeout(timer);
    request.signal?.removeEventListener("abort", onAbort);
    evaluation.release();
  }
}

function timeoutError(timeoutMs: number): FinchError {
  return new FinchError(
    "timeout",
    ERROR_CODES.timeout,
    `query timed out in expression evaluation after ${timeoutMs / 1000} s`,
  );
}

/** The fault to answer when the query's signal was aborted. */
function abortError(reason: unknown): unknown {
  if (reason instanceof FinchError) return reason;
  return new FinchError(
    "canceled",
    ERROR_CODES.canceled,
    "query was canceled in expression evaluation",
    { cause: reason },
  );
}

type Bare<T> = T extends QueryReport ? Omit<T, keyof QueryReport> : never;

async function evaluateInstant(
  evaluation: Evaluation,
  expr: Expr,
  grid: Grid,
): Promise<Bare<InstantResult>> {
  const timeMs = grid.startMs;
  if (typeOf(expr) === "matrix") {
    const node = unwrapParens(expr);
    assert(
      node.kind === "matrix" || node.kind === "subquery",
      "range vectors come from selectors and subqueries",
    );
    const ranges = await evaluateRangeVector(evaluation, grid, node);
    const { series, references, counted } = ranges;
    const matrix = series.map(withoutStale);
    const extended = node.kind === "matrix" ? node.selector.extended : undefined;
    const window = { endMs: references[0]!, rangeMs: node.rangeMs, extended };
    const cut = await cutRange(evaluation, matrix, window);
    if (counted === undefined)
      for (const { values, histograms } of cut)
        evaluation.counter?.countWindows(
          { first: Int32Array.of(0), last: Int32Array.of(values.length) },
          histograms,
        );
    else evaluation.counter?.countAtFirst(counted);
    return { type: "matrix", series: cut };
  }
  const value = await evaluation.evaluate(grid, expr);
  switch (value.kind) {
    case "string":
      return { type: "string", timeMs, value: value.value };
    case "scalar":
      return { type: "scalar", timeMs, value: value.values[0]! };
    case "vector":
      return {
        type: "vector",
        timeMs,
        ...vectorColumns(await finishSeries(evaluation, value.series)),
      };
  }
}

async function evaluateMatrix(
  evaluation: Evaluation,
  expr: Expr,
  grid: Grid,
): Promise<Bare<MatrixResult>> {
  const type = typeOf(expr);
  if (type !== "vector" && type !== "scalar") {
    const name = type === "matrix" ? "range vector" : "string";
    throw badRange(
      `invalid expression type "${name}" for range query, must be Scalar or instant Vector`,
    );
  }
  const value: Value = await evaluation.evaluate(grid, expr);
  assert(value.kind !== "string", "types are checked before");
  const series =
    value.kind === "scalar"
      ? [scalarSeries(Labels.EMPTY, value.values)]
      : await finishSeries(evaluation, value.series);
  return { type: "matrix", series: await matrixOf(evaluation, series, grid) };
}
