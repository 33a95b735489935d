/**
 * Runs a range function over series after series: finds the windows, hands samples and windows to the function, and its column to whoever
 * takes it. Rates that only go into sums add themselves there, without a column between.
 */
import { Labels } from "@finch/model";
import type { SumReducer } from "./aggregate-sum.ts";
import type { Call } from "./ast.ts";
import type { CallContext } from "./call-context.ts";
import { ColumnBlocks } from "./column-blocks.ts";
import type { Evaluation } from "./evaluation.ts";
import { RangeNotes } from "./range-notes.ts";
import { GROWTH, isRising, steadyGrowth } from "./range-rate.ts";
import type { GrowthOptions } from "./range-rate.ts";
import { runInSlices, SLICE_SAMPLES } from "./range-slices.ts";
import { withoutStale } from "./select-load.ts";
import { ABSENT, emptySeries, FLOAT, withHistogramsOf } from "./values.ts";
import type { Mutable, OutputSeries, RangeSeries } from "./values.ts";
import { NO_WINDOWS, WindowCache } from "./window-cache.ts";
import type { Windows } from "./window-cache.ts";
import { widestWindow } from "./window.ts";
import type { RangeFunction, WindowInput } from "./window.ts";

/** A range vector ready to slide over. */
export interface Ranges {
  /** Stale markers included: see `withoutStale`. */
  readonly series: readonly RangeSeries[];
  readonly references: Float64Array;
  /** Right ends of the windows; later than `references` where samples behind the range are looked at. */
  readonly ends: Float64Array;
  readonly windowMs: number;
  readonly rangeMs: number;
  /** The name of all series, where it is known to be one. */
  readonly metric?: string | undefined;
}

/** Whoever takes series one after the other. */
export interface SeriesConsumer {
  /** What is handed over may be written to again for the next series; so no series may have histograms. */
  readonly lends: boolean;
  /** Gets a series under its full name, and at how many steps it is there. */
  readonly consume: (series: OutputSeries, found: number) => void;
  /** Of a consumer that only adds up: the sum that a series with these labels goes into. */
  readonly sumOf?: ((labels: Labels) => SumReducer) | undefined;
}

/** A range function, and what of it the loop has to know. */
export interface RangeCall {
  readonly run: RangeFunction;
  /** For series with histograms. */
  readonly runMixed: RangeFunction;
  readonly params: readonly Float64Array[];
  /** It sorts a copy of each window. */
  readonly sorts: boolean;
  readonly looksAtStarts: boolean;
}

/** The answer of a call for series after series. */
export async function streamRanges(
  context: CallContext,
  ranges: Ranges,
  call: RangeCall,
  consumer: SeriesConsumer,
): Promise<void> {
  const { evaluation } = context;
  const stream = new RangeStream(context, ranges, call, consumer);
  const { series } = ranges;
  for (let at = 0; at < series.length; at++) {
    stream.take(series[at]!);
    const found = stream.isLong ? await stream.runInSlices() : stream.run();
    if (found > 0) stream.give(found);
    if (evaluation.isBreathDue()) await evaluation.breathe();
  }
  stream.close();
}

const COUNTER_NAME = /(?:_total|_sum|_count|_bucket)$/;
const NO_SAMPLES = new Float64Array(0);

/** One series at a time: take, run, give. */
class RangeStream {
  readonly #evaluation: Evaluation;
  readonly #expr: Call;
  readonly #call: RangeCall;
  readonly #consumer: SeriesConsumer;
  readonly #cache: WindowCache;
  readonly #notes: RangeNotes;
  /** Of `rate` and `increase`. */
  readonly #growth: GrowthOptions | undefined;
  readonly #input: Mutable<WindowInput>;
  readonly #blocks: ColumnBlocks;
  readonly #lent: Mutable<OutputSeries>;
  readonly #oneMetric: string | undefined;
  #windows = NO_WINDOWS;
  /** Of the series at hand. */
  #labels = Labels.EMPTY;
  #dropName = false;
  #metric = "";
  /** Missing when the answer went into a sum. */
  #out: OutputSeries | undefined;
  #notedMetric = "";

  constructor(
    { evaluation, grid, expr }: CallContext,
    ranges: Ranges,
    call: RangeCall,
    consumer: SeriesConsumer,
  ) {
    const { startMs, stepMs, steps } = grid;
    const { references, rangeMs } = ranges;
    this.#evaluation = evaluation;
    this.#expr = expr;
    this.#call = call;
    this.#consumer = consumer;
    this.#cache = new WindowCache(ranges);
    this.#notes = new RangeNotes(evaluation.annotations, expr.args[0]!.position);
    this.#oneMetric = ranges.metric;
    const { name } = expr;
    this.#growth = name === "rate" || name === "increase" ? GROWTH[name] : undefined;
    this.#blocks = new ColumnBlocks(steps);
    this.#lent = emptySeries(Labels.EMPTY, false, consumer.lends ? steps : 0);
    this.#input = {
      timestampsMs: NO_SAMPLES,
      values: NO_SAMPLES,
      histograms: undefined,
      startTimestampsMs: undefined,
      isRising: false,
      first: NO_WINDOWS.first,
      last: NO_WINDOWS.last,
      shared: NO_WINDOWS.shared,
      scratch: NO_SAMPLES,
      references,
      rangeMs,
      startMs,
      stepMs,
      steps,
      params: call.params,
      notes: this.#notes,
    };
  }

  /** Whether the windows of the series hold so many samples that they are to be looked at in slices. */
  get isLong(): boolean {
    return this.#windows.work > SLICE_SAMPLES;
  }

  take(loaded: RangeSeries): void {
    const isSteady =
      this.#growth !== undefined &&
      loaded.histograms === undefined &&
      (loaded.isRising ?? isRising(loaded.values));
    const series = isSteady ? loaded : withoutStale(loaded);
    const { labels, dropName, timestampsMs, values, histograms } = series;
    const windows = this.#cache.windowsOf(timestampsMs);
    this.#evaluation.counter?.countWindows(windows, histograms);
    this.#windows = windows;
    this.#labels = labels;
    this.#dropName = dropName === true;
    this.#metric = this.#oneMetric ?? metricOf(labels);
    this.#notes.metric = this.#metric;
    const input = this.#input;
    input.timestampsMs = timestampsMs;
    input.values = values;
    input.histograms = histograms;
    input.isRising = isSteady;
    input.startTimestampsMs = this.#call.looksAtStarts ? series.startTimestampsMs : undefined;
    input.first = windows.first;
    input.last = windows.last;
    input.shared = windows.shared;
    if (this.#call.sorts) input.scratch = scratchFor(windows, input.scratch);
  }

  /** At how many steps the function has an answer; then {@link give} it. */
  run(): number {
    const { run, runMixed } = this.#call;
    const input = this.#input;
    this.#out = undefined;
    const added = this.#consumer.sumOf && this.#addToSum(this.#consumer.sumOf);
    if (added !== undefined) return added;
    this.#out = this.#column();
    return (input.histograms === undefined ? run : runMixed)(input, this.#out);
  }

  /** {@link run}, with breaths. */
  async runInSlices(): Promise<number> {
    const { run, runMixed } = this.#call;
    const input = this.#input;
    const out = this.#column();
    this.#out = out;
    const apply = input.histograms === undefined ? run : runMixed;
    return await runInSlices(this.#evaluation, apply, this.#windows.work, { input, out });
  }

  give(found: number): void {
    const out = this.#out;
    if (out !== undefined) this.#consumer.consume(out, found);
    if (this.#growth === undefined || this.#metric === this.#notedMetric) return;
    if (out?.histograms !== undefined && !out.present.includes(FLOAT)) return;
    noteNonCounter(this.#evaluation, this.#labels, this.#expr);
    if (!this.#evaluation.options.typeAndUnitLabels) this.#notedMetric = this.#metric;
  }

  /** After the last series. */
  close(): void {
    this.#cache.close();
  }

  /** At how many steps the sum has got a term; undefined when that has to be done the plain way. */
  #addToSum(sumOf: (labels: Labels) => SumReducer): number | undefined {
    const input = this.#input;
    if (!input.isRising || input.startTimestampsMs !== undefined) return undefined;
    const growth = steadyGrowth(input, this.#growth!, this.#lent.values);
    if (growth === undefined) return undefined;
    const found = growth.to - growth.from;
    if (found > 0) sumOf(this.#labels).addGrowth(growth);
    return found;
  }

  /** Where the function writes. */
  #column(): OutputSeries {
    const lent = this.#lent;
    if (!this.#consumer.lends)
      return withHistogramsOf(this.#blocks.series(this.#labels, this.#dropName), this.#input);
    lent.present.fill(ABSENT);
    lent.labels = this.#labels;
    lent.dropName = this.#dropName;
    return lent;
  }
}

/** Mostly the first label. */
function metricOf({ pairs }: Labels): string {
  if (pairs[0] === "__name__") return pairs[1]!;
  for (let i = 0; i < pairs.length && pairs[i]! <= "__name__"; i += 2)
    if (pairs[i] === "__name__") return pairs[i + 1]!;
  return "";
}

function noteNonCounter({ options, annotations }: Evaluation, labels: Labels, expr: Call): void {
  const name = labels.get("__name__");
  if (name === "") return;
  const { position } = expr.args[0]!;
  if (options.typeAndUnitLabels) {
    const type = labels.get("__type__");
    if (type !== "counter" && type !== "histogram")
      annotations.nonCounterType(name, type, position);
  } else if (!COUNTER_NAME.test(name)) annotations.possibleNonCounter(name, position);
}

function scratchFor({ first, last }: Windows, scratch: Float64Array): Float64Array {
  const widest = widestWindow(first, last);
  return scratch.length < widest ? new Float64Array(widest) : scratch;
}
