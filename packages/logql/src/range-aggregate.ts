/**
 * Range aggregations: one pass over the pages, all steps at once. Counts and sums of bytes go into difference arrays (a row touches two
 * numbers, however many windows it lies in); unwrapped samples are collected a series and run through window functions afterwards.
 */
import { Labels } from "@finch/model";
import type { LogPage } from "@finch/model";
import type { Grouping, RangeAggregationExpr, RangeOperator } from "./ast.ts";
import type { Evaluation, StepGrid } from "./evaluation.ts";
import { askForFields, FieldRows } from "./field-rows.ts";
import { filterPage, selectAll } from "./line-filter.ts";
import type { Selection } from "./line-filter.ts";
import { addFilterLabels, compilePipeline, labelsRead } from "./pipeline.ts";
import type { Pipeline } from "./pipeline.ts";
import { createCounter, createSampler } from "./range-accumulate.ts";
import type { Accumulator } from "./range-accumulate.ts";
import { ERROR_LABEL } from "./row-labels.ts";
import type { WantedLabels } from "./row-labels.ts";
import { Row } from "./row.ts";
import type { Stage } from "./row.ts";
import { SeriesIndex } from "./series-index.ts";
import { labelFilterStage } from "./stage-label-filter.ts";
import type { StepSeries } from "./step-series.ts";
import { compileUnwrap } from "./unwrap.ts";
import type { Unwrap } from "./unwrap.ts";

/** Sums around these may be formed while the rows are read, because adding is all that happens in between. */
const SUMMABLE = new Set<RangeOperator>([
  "count_over_time",
  "rate",
  "bytes_over_time",
  "bytes_rate",
  "sum_over_time",
]);

export function canSumEarly(expr: RangeAggregationExpr): boolean {
  return SUMMABLE.has(expr.operator) && expr.grouping === undefined;
}

/** Evaluates the aggregation; `outer` is the grouping of a `sum` around it that shall be formed on the way. */
export async function evaluateRangeAggregation(
  evaluation: Evaluation,
  grid: StepGrid,
  expr: RangeAggregationExpr,
  outer: Grouping | undefined,
): Promise<readonly StepSeries[]> {
  const scan = compileScan(evaluation, grid, expr, expr.grouping ?? outer);
  const lastNs = grid.startNs + grid.stepNs * BigInt(grid.count - 1);
  const pages = evaluation.source.select(
    {
      matchers: expr.log.matchers,
      // Windows are open on the left and closed on the right, requests the other way round.
      startNs: grid.startNs - expr.rangeNs - expr.offsetNs + 1n,
      endNs: lastNs - expr.offsetNs + 1n,
      needles: scan.pipeline.needles,
      ...linesWanted(scan),
      ...(scan.wanted !== undefined && { labels: labelsThatCount(scan.wanted) }),
      ...(scan.isCount && { needsTimes: (minNs, maxNs) => !isOneStep(scan, minNs, maxNs) }),
      // Counts and sums of bytes are the same in any order.
      direction: scan.isCount ? "any" : "forward",
      signal: evaluation.signal,
    },
    evaluation.reads,
  );
  for await (const page of pages) {
    const { count, lineBounds } = page.entries;
    evaluation.spend(lineBounds[count]! - lineBounds[0]!, count);
    await scanPage(evaluation, scan, page);
    if (evaluation.due) await evaluation.pause();
  }
  return scan.accumulator.finish(scan.index.labels);
}

/** Names under which structured metadata is looked at: one that clashes with another label gets a suffix. */
function labelsThatCount(wanted: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...wanted].flatMap((name) => [name, name.replace(/_extracted$/, "")]));
}

/** Whether all times between the two count for the same steps. */
function isOneStep(scan: Scan, minNs: bigint, maxNs: bigint): boolean {
  const first = Number(minNs - scan.originNs);
  const last = Number(maxNs - scan.originNs);
  return (
    firstStep(scan, first) === firstStep(scan, last) &&
    lastStep(scan, first) === lastStep(scan, last)
  );
}

/** Which lines and fields the scan needs. */
function linesWanted({ pipeline, accumulator, fieldRows }: Scan) {
  if (accumulator.needsBytes) return { lines: "all" } as const;
  if (fieldRows !== undefined)
    return { lines: "none", fields: askForFields(pipeline.fieldStages!) } as const;
  return { lines: pipeline.readsLines ? "all" : "none" } as const;
}

/** What becomes of a row: where it counts, and as what. */
interface RowOutcome {
  readonly series: number;
  readonly value: number;
}

interface Scan {
  readonly pipeline: Pipeline;
  readonly unwrap: Unwrap | undefined;
  readonly unwrapFilters: readonly Stage[];
  readonly index: SeriesIndex;
  readonly accumulator: Accumulator;
  readonly row: Row;
  readonly needsRows: boolean;
  readonly isCount: boolean;
  /** Labels that count; undefined when all do. */
  readonly wanted: ReadonlySet<string> | undefined;
  /** Set when pages may bring the fields that are needed. */
  readonly fieldRows: FieldRows<RowOutcome> | undefined;
  /** The grid in nanoseconds relative to its (offset) start. */
  readonly originNs: bigint;
  readonly step: number;
  readonly range: number;
  readonly steps: number;
}

function compileScan(
  evaluation: Evaluation,
  grid: StepGrid,
  expr: RangeAggregationExpr,
  grouping: Grouping | undefined,
): Scan {
  const wanted = wantedLabels(expr, grouping);
  const pipeline = compilePipeline(expr.log, wanted);
  const unwrap = expr.unwrap === undefined ? undefined : compileUnwrap(expr.unwrap);
  const absent = expr.operator === "absent_over_time";
  const timing = { range: Number(expr.rangeNs), step: Number(grid.stepNs), steps: grid.count };
  const useCounter = unwrap === undefined || absent;
  const options = { expr, timing, limits: evaluation.limits, absentLabels: absentLabels(expr) };
  const scan = {
    pipeline,
    unwrap,
    unwrapFilters: (expr.unwrap?.filters ?? []).map(labelFilterStage),
    index: new SeriesIndex({
      grouping: absent ? { without: false, labels: [] } : grouping,
      unwrapped: expr.unwrap?.label,
      keepErrors: wanted?.has(ERROR_LABEL) ?? false,
      max: evaluation.limits.intermediateSeriesMax,
      charactersMax: evaluation.limits.seriesCharactersMax,
    }),
    accumulator: useCounter ? createCounter(options) : createSampler(options),
    row: new Row(() => evaluation.clock.nowNs()),
    needsRows: pipeline.stages.length > 0 || unwrap !== undefined,
    originNs: grid.startNs - expr.offsetNs,
    isCount: useCounter,
    wanted,
    ...timing,
  };
  const { fieldStages } = pipeline;
  const fieldRows =
    fieldStages === undefined || scan.accumulator.needsBytes
      ? undefined
      : new FieldRows(fieldStages, (row) => outcomeOf(scan, fieldStages.stages, row));
  return { ...scan, fieldRows };
}

/** The labels the parsers have to find: all, unless a grouping says which ones survive and the stages tell what they read. */
function wantedLabels(expr: RangeAggregationExpr, grouping: Grouping | undefined): WantedLabels {
  if (grouping === undefined || grouping.without) return undefined;
  const read = labelsRead(expr.log.stages);
  if (read === undefined) return undefined;
  const wanted = new Set([...read, ...grouping.labels]);
  if (expr.unwrap !== undefined) {
    wanted.add(expr.unwrap.label);
    for (const filter of expr.unwrap.filters) addFilterLabels(filter, wanted);
  }
  return wanted;
}

/** What `absent_over_time` calls the series that is not there: the labels that equality matchers fix. */
function absentLabels(expr: RangeAggregationExpr): Labels {
  const { matchers } = expr.log;
  const pairs = matchers
    .filter(({ name, operator }) => {
      const alone = matchers.filter((other) => other.name === name).length === 1;
      return operator === "=" && alone;
    })
    .flatMap(({ name, value }) => [name, value]);
  return Labels.fromPairs(pairs);
}

/** Rows between two looks at the clock: few, because stages can take milliseconds for a row; many of those whose fields are known. */
const ROWS_PER_CHECK = 8;
const FIELD_ROWS_PER_CHECK = 1024;

async function scanPage(evaluation: Evaluation, scan: Scan, page: LogPage): Promise<void> {
  const { entries } = page;
  const selection = selectAll(entries.count);
  for (const filter of scan.pipeline.pageFilters) filterPage(entries, selection, filter);
  const { span } = page;
  // All rows count alike: any of their times will do.
  const times =
    span !== undefined && scan.isCount && isOneStep(scan, span.minNs, span.maxNs)
      ? new Float64Array(selection.count).fill(Number(span.minNs - scan.originNs))
      : relativeTimes(entries.timestampsNs, selection, scan.originNs);
  scan.index.begin(page);
  if (page.fields !== undefined) scan.fieldRows!.begin(page);
  if (!scan.needsRows) {
    countRows(scan, page, selection, times);
    return;
  }
  const perCheck = page.fields === undefined ? ROWS_PER_CHECK : FIELD_ROWS_PER_CHECK;
  for (let from = 0; from < selection.count; from += perCheck) {
    const to = Math.min(from + perCheck, selection.count);
    for (let i = from; i < to; i++) scanRow(scan, page, selection.rows[i]!, times[i]!);
    if (evaluation.due) await evaluation.pause();
  }
}

/** Nanoseconds from the origin, exact within 104 days of it; read as 32-bit halves, because big integers would cost an allocation a row. */
function relativeTimes(
  timestampsNs: BigInt64Array,
  selection: Selection,
  originNs: bigint,
): Float64Array {
  const words = new Uint32Array(
    timestampsNs.buffer,
    timestampsNs.byteOffset,
    timestampsNs.length * 2,
  );
  const originLow = Number(BigInt.asUintN(32, originNs));
  const originHigh = Number(originNs >> 32n);
  const { rows, count } = selection;
  const times = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const at = rows[i]! * 2;
    times[i] = ((words[at + 1]! | 0) - originHigh) * 4294967296 + (words[at]! - originLow);
  }
  return times;
}

/** The first and last step whose window holds a time; first > last when none does. */
function firstStep(scan: Scan, time: number): number {
  return time <= 0 ? 0 : Math.ceil(time / scan.step);
}

function lastStep(scan: Scan, time: number): number {
  return Math.min(scan.steps, Math.ceil((time + scan.range) / scan.step)) - 1;
}

/** Without stages the series of a row depends only on the stream and its metadata, and the line is not looked at. */
function countRows(scan: Scan, page: LogPage, selection: Selection, times: Float64Array): void {
  const { entries } = page;
  const seriesOf = new Int32Array(entries.metadataSets.length).fill(-1);
  const { accumulator, index, row } = scan;
  for (let i = 0; i < selection.count; i++) {
    const at = selection.rows[i]!;
    const first = firstStep(scan, times[i]!);
    const last = lastStep(scan, times[i]!);
    if (first > last) continue;
    const set = entries.metadataOf[at]!;
    let series = seriesOf[set]!;
    if (series < 0) {
      row.begin(page.labels, entries, at);
      series = index.of(row.labels);
      seriesOf[set] = series;
    }
    const bytes = entries.lineBounds[at + 1]! - entries.lineBounds[at]!;
    accumulator.add(series, first, last, times[i]!, bytes);
  }
}

function scanRow(scan: Scan, page: LogPage, at: number, time: number): void {
  const { row, accumulator, fieldRows } = scan;
  const first = firstStep(scan, time);
  const last = lastStep(scan, time);
  if (first > last) return;
  let outcome: RowOutcome | undefined;
  if (page.fields !== undefined && fieldRows!.isKnown(at)) outcome = fieldRows!.outcome(row, at);
  else {
    row.begin(page.labels, page.entries, at);
    outcome = outcomeOf(scan, scan.pipeline.stages, row);
  }
  if (outcome !== undefined) accumulator.add(outcome.series, first, last, time, outcome.value);
}

/** Runs stages on a row; undefined when it is dropped or has no value. */
function outcomeOf(
  {
    unwrap,
    unwrapFilters,
    accumulator,
    index,
  }: Pick<Scan, "unwrap" | "unwrapFilters" | "accumulator" | "index">,
  stages: readonly Stage[],
  row: Row,
): RowOutcome | undefined {
  if (!passes(stages, row)) return undefined;
  let value = 0;
  if (unwrap === undefined) value = accumulator.needsBytes ? row.byteLength : 0;
  else {
    const unwrapped = unwrap(row.labels);
    if (unwrapped === undefined) return undefined;
    value = unwrapped;
    if (!passes(unwrapFilters, row)) return undefined;
  }
  return { series: index.of(row.labels), value };
}

function passes(stages: readonly Stage[], row: Row): boolean {
  for (let i = 0; i < stages.length; i++) if (!stages[i]!(row)) return false;
  return true;
}
