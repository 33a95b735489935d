/**
 * The state of one query while it runs: where the samples come from, what it may spend, what it has to say besides its result. Lives from
 * the start of the query to its end; one query at a time works on it.
 */
import type { Labels } from "@finch/model";
import { assert } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { Annotations } from "./annotations.ts";
import type { Expr, VectorSelector } from "./ast.ts";
import { SLICE_MS } from "./limits.ts";
import type { EngineLimits } from "./limits.ts";
import type { Breather } from "./pace.ts";
import { QueryMemory } from "./query-memory.ts";
import type { SharedMemory } from "./query-memory.ts";
import type { SampleCounter } from "./sample-counter.ts";
import type { SeriesOrders } from "./series-orders.ts";
import type { SeriesSource } from "./source.ts";
import type { Grid, OutputSeries, RangeSeries, Value } from "./values.ts";

/** What a query did, for its answer and for metrics. */
export interface QueryStatistics {
  /** Series read from the source. */
  readonly series: number;
  /** Samples read from the source. */
  readonly samples: number;
  /** The most samples, and bytes of columns, held at a time. */
  readonly samplesPeak: number;
  readonly bytesPeak: number;
  /** Samples looked at, by step; when asked for. */
  readonly counted?: SampleCounter | undefined;
  /** Time by stage, in milliseconds; `evaluate` includes breaths taken for others. */
  readonly timeMs: { readonly parse: number; readonly select: number; readonly evaluate: number };
}

/** Evaluates an expression over a grid. The evaluation carries it, so that the parts of the evaluator need not import each other. */
export type Evaluate = (evaluation: Evaluation, grid: Grid, expr: Expr) => Promise<Value>;

export interface EvaluationOptions {
  readonly evaluate: Evaluate;
  readonly query: string;
  readonly source: SeriesSource;
  readonly clock: Clock;
  readonly limits: EngineLimits;
  /** What all queries hold; each adds its own and takes it back at its end. */
  readonly sharedMemory: SharedMemory;
  /** What is remembered of earlier selections. */
  readonly orders: SeriesOrders;
  readonly lookbackMs: number;
  readonly subqueryStepMs: number;
  readonly experimentalFunctions: boolean;
  readonly delayedNameRemoval: boolean;
  /** Look at when counters began. */
  readonly startTimestamps: boolean;
  /** Selectors of whose histograms only count and sum are looked at. */
  readonly statisticsOnly: ReadonlySet<VectorSelector>;
  /** Trust the labels `__type__` and `__unit__`. */
  readonly typeAndUnitLabels: boolean;
  /** The steps of the query itself: what `@ start()` and `@ end()` mean, subqueries included. */
  readonly grid: Grid;
  /** The end of the query as asked for, which need not be a step. */
  readonly endMs: number;
  readonly signal: AbortSignal;
}

/** Runs a callback after pending input and output; a browser has only timers for that. */
const runLater: (callback: () => void) => void =
  (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate ??
  ((callback) => void setTimeout(callback, 0));

/** Labels that go when an operation changes what a value means. */
export const NAME_LABELS: ReadonlySet<string> = new Set(["__name__", "__type__", "__unit__"]);

/** What a selector loaded: as it came, and by labels once that is asked for. */
interface Selection {
  readonly loaded: Promise<readonly RangeSeries[]>;
  sorted: Promise<readonly RangeSeries[]> | undefined;
}

export class Evaluation implements Breather {
  readonly options: EvaluationOptions;
  readonly annotations: Annotations;
  readonly memory: QueryMemory;
  /** What selectors of this query loaded, by selector and time. */
  readonly selections = new Map<string, Selection>();
  /** Counts samples while it is there. */
  counter: SampleCounter | undefined;
  seriesRead = 0;
  samplesRead = 0;
  selectMs = 0;
  #sliceEndMs: number;

  constructor(options: EvaluationOptions) {
    this.options = options;
    this.memory = new QueryMemory(options.limits, options.sharedMemory);
    this.annotations = new Annotations(options.query);
    this.#sliceEndMs = options.clock.monotonicMs() + SLICE_MS;
  }

  /** The value of an expression that is not a range vector. */
  async evaluate(grid: Grid, expr: Expr): Promise<Value> {
    return await this.options.evaluate(this, grid, expr);
  }

  /** The value of an expression the parser has checked to be an instant vector. */
  async vector(grid: Grid, expr: Expr): Promise<readonly OutputSeries[]> {
    const value = await this.evaluate(grid, expr);
    assert(value.kind === "vector", "an instant vector where the types say so");
    return value.series;
  }

  /** The value of an expression the parser has checked to be a scalar. */
  async scalar(grid: Grid, expr: Expr): Promise<Float64Array> {
    const value = await this.evaluate(grid, expr);
    assert(value.kind === "scalar", "a scalar where the types say so");
    return value.values;
  }

  /** Counts a series that an expression makes: `steps` long, `samples` of them there. */
  spend(steps: number, samples = steps): void {
    this.memory.makeSeries(steps, samples);
  }

  /** Gives back what was counted; called when the query has ended, whichever way. */
  release(): void {
    this.memory.release();
  }

  /** Whether the slice of time is used up; then `await breathe()`. Cheap enough for once a series. */
  isBreathDue(): boolean {
    return this.options.clock.monotonicMs() >= this.#sliceEndMs;
  }

  /** Lets other work of the thread run, and stops the query when it was aborted. */
  async breathe(): Promise<void> {
    await new Promise<void>((resolve) => runLater(resolve));
    this.options.signal.throwIfAborted();
    this.#sliceEndMs = this.options.clock.monotonicMs() + SLICE_MS;
  }

  /** The series after an operation that takes the metric name away: at once, or at the end when removal is delayed. */
  withoutName(series: OutputSeries): OutputSeries {
    const { labels, values, present, histograms } = series;
    return { ...this.nameless(labels), values, present, histograms };
  }

  nameless(labels: Labels): { readonly labels: Labels; readonly dropName: boolean } {
    if (this.options.delayedNameRemoval) return { labels, dropName: true };
    return { labels: labels.drop(NAME_LABELS), dropName: false };
  }
}
