/**
 * Range aggregations: one pass over the pages, all steps at once. Counts and sums of bytes go into difference arrays (a row touches two
 * numbers, however many windows it lies in); unwrapped samples are collected a series and run through window functions afterwards.
 */
import { Labels } from "@finch/model";
import type { LogEdges, LogPage } from "@finch/model";
import type { Grouping, RangeAggregationExpr, RangeOperator } from "./ast.ts";
import { isPipelineFault } from "./errors.ts";
import type { Evaluation, StepGrid } from "./evaluation.ts";
import { askForFields, FieldRows } from "./field-rows.ts";
import { everyRow, filterPage, selectAll } from "./line-filter.ts";
import type { Selection } from "./line-filter.ts";
import { addFilterLabels, compilePipeline, labelsRead, valuesWanted } from "./pipeline.ts";
import type { Pipeline } from "./pipeline.ts";
import { createCounter, createSampler } from "./range-accumulate.ts";
import type { Accumulator } from "./range-accumulate.ts";
import { isOneStep, oneRun, RowTimes, RunFinder } from "./range-runs.ts";
import type { Runs, Windows } from "./range-runs.ts";
import { ERROR_LABEL } from "./row-labels.ts";
import type { WantedLabels } from "./row-labels.ts";
import { Row } from "./row.ts";
import type { Stage } from "./row.ts";
import { SeriesIndex } from "./series-index.ts";
import { labelFilterStage } from "./stage-label-filter.ts";
import type { StepSeries } from "./step-series.ts";
import { TallyCounter } from "./tally-counter.ts";
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
  const labels = labelsWanted(scan);
  try {
    return await runScan(evaluation, { grid, expr, scan, labels });
  } catch (error) {
    if (labels === undefined || !isPipelineFault(error)) throw error;
    // What failed tells all labels of its line, also those that nothing else needs: the scan meets it again.
    const again = compileScan(evaluation, grid, expr, expr.grouping ?? outer);
    return await runScan(evaluation, { grid, expr, scan: again, labels: undefined });
  }
}

async function runScan(
  evaluation: Evaluation,
  {
    grid,
    expr,
    scan,
    labels,
  }: {
    readonly grid: StepGrid;
    readonly expr: RangeAggregationExpr;
    readonly scan: Scan;
    /** Names of structured metadata that are looked at; undefined for all. */
    readonly labels: ReadonlySet<string> | undefined;
  },
): Promise<readonly StepSeries[]> {
  const lastNs = grid.startNs + grid.stepNs * BigInt(grid.count - 1);
  const pages = evaluation.source.select(
    {
      matchers: expr.log.matchers,
      // Windows are open on the left and closed on the right, requests the other way round.
      startNs: grid.startNs - expr.rangeNs - expr.offsetNs + 1n,
      endNs: lastNs - expr.offsetNs + 1n,
      needles: scan.pipeline.needles,
      values: valuesWanted(expr.log.stages),
      ...linesWanted(scan),
      ...(labels !== undefined && { labels }),
      ...(scan.isCount && { edges: edgesOf(scan) }),
      // Counts and sums of bytes are the same in any order.
      direction: scan.isCount ? "any" : "forward",
      signal: evaluation.signal,
    },
    evaluation.reads,
  );
  for await (const page of pages) {
    const { count, lineBounds } = page.entries;
    evaluation.spend(lineBounds[count]! - lineBounds[0]!, page.tally?.entries ?? count);
    if (page.tally === undefined) await scanPage(evaluation, scan, page);
    else scan.tallies.add(page, page.tally);
    if (evaluation.due) await evaluation.pause();
  }
  return scan.accumulator.finish(scan.index.labels);
}

/** Times at which it changes which windows entries lie in. */
function edgesOf({ originNs, step, range, steps }: Windows): LogEdges {
  return { originNs, stepNs: BigInt(step), rangeNs: BigInt(range), count: steps };
}

/** Which labels the scan needs: where stages read lines, a failure of theirs tells all. */
function labelsWanted({ pipeline, wanted, fieldRows }: Scan): ReadonlySet<string> | undefined {
  const mayFail = pipeline.readsLines && pipeline.stages.length > 0 && fieldRows === undefined;
  return wanted === undefined || mayFail ? undefined : labelsThatCount(wanted);
}

/** Names under which structured metadata is looked at: one that clashes with another label gets a suffix. */
function labelsThatCount(wanted: ReadonlySet<string>): ReadonlySet<string> {
  return new Set([...wanted].flatMap((name) => [name, name.replace(/_extracted$/, "")]));
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

interface Scan extends Windows {
  readonly runs: RunFinder;
  readonly pipeline: Pipeline;
  readonly unwrap: Unwrap | undefined;
  readonly unwrapFilters: readonly Stage[];
  readonly index: SeriesIndex;
  readonly accumulator: Accumulator;
  readonly row: Row;
  readonly needsRows: boolean;
  readonly isCount: boolean;
  readonly tallies: TallyCounter;
  /** Labels that count; undefined when all do. */
  readonly wanted: ReadonlySet<string> | undefined;
  /** Set when pages may bring the fields that are needed. */
  readonly fieldRows: FieldRows<RowOutcome> | undefined;
}

const NO_LABELS: Grouping = { without: false, labels: [] };

function compileScan(
  evaluation: Evaluation,
  grid: StepGrid,
  expr: RangeAggregationExpr,
  grouping: Grouping | undefined,
): Scan {
  const absent = expr.operator === "absent_over_time";
  // Whether there is a line depends on no label that it has.
  const wanted = wantedLabels(expr, absent ? NO_LABELS : grouping);
  const pipeline = compilePipeline(expr.log, wanted);
  const unwrap = expr.unwrap === undefined ? undefined : compileUnwrap(expr.unwrap);
  const timing = { range: Number(expr.rangeNs), step: Number(grid.stepNs), steps: grid.count };
  const windows = { originNs: grid.startNs - expr.offsetNs, ...timing };
  const useCounter = unwrap === undefined || absent;
  const options = { expr, timing, limits: evaluation.limits, absentLabels: absentLabels(expr) };
  const scan = {
    pipeline,
    unwrap,
    unwrapFilters: (expr.unwrap?.filters ?? []).map(labelFilterStage),
    index: new SeriesIndex({
      grouping: absent ? NO_LABELS : grouping,
      unwrapped: expr.unwrap?.label,
      keepErrors: wanted?.has(ERROR_LABEL) ?? false,
      max: evaluation.limits.intermediateSeriesMax,
      charactersMax: evaluation.limits.seriesCharactersMax,
    }),
    accumulator: useCounter ? createCounter(options) : createSampler(options),
    row: new Row(() => evaluation.clock.nowNs()),
    needsRows: pipeline.stages.length > 0 || unwrap !== undefined,
    isCount: useCounter,
    wanted,
    runs: new RunFinder(windows),
    ...windows,
  };
  const { fieldStages } = pipeline;
  const fieldRows =
    fieldStages === undefined || scan.accumulator.needsBytes
      ? undefined
      : new FieldRows(fieldStages, (row) => outcomeOf(scan, fieldStages.stages, row));
  const tallies = new TallyCounter({
    windows,
    accumulator: scan.accumulator,
    seriesOf: (page, row) => {
      scan.index.begin(page);
      if (page.fields !== undefined) fieldRows!.begin(page);
      return outcomeAt({ ...scan, fieldRows }, page, row)?.series;
    },
  });
  return { ...scan, fieldRows, tallies };
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
  const { entries, fields, span } = page;
  scan.index.begin(page);
  if (fields !== undefined) scan.fieldRows!.begin(page);
  const isOne = span !== undefined && scan.isCount && isOneStep(scan, span.minNs, span.maxNs);
  // All rows count alike: any of their times will do.
  const time = isOne ? Number(span.minNs - scan.originNs) : 0;
  const { pageFilters } = scan.pipeline;
  const selection = pageFilters.length === 0 ? everyRow(entries.count) : selectAll(entries.count);
  for (const filter of pageFilters) filterPage(entries, selection, filter);
  const { count } = selection;
  if (count === 0) return;
  const times = new RowTimes(entries, selection, scan.originNs);
  const runs = isOne ? oneRun(scan, time, count) : scan.runs.find(times, count);
  if (scan.needsRows) await scanRows(evaluation, { scan, page, selection, times }, runs);
  else countRows(scan, page, selection, runs);
}

/** Sets of metadata that are counted side by side before they are added. */
const TALLIED_MAX = 64;
const tally = new Uint32Array(TALLIED_MAX);
/** Of every other row: neighbours are often the same, and one would wait for the other. */
const otherTally = new Uint32Array(TALLIED_MAX);

function tallySets(
  metadataOf: Uint32Array,
  rows: Uint32Array,
  { from, to }: { readonly from: number; readonly to: number },
): void {
  let i = from;
  for (; i + 1 < to; i += 2) {
    tally[metadataOf[rows[i]!]!]!++;
    otherTally[metadataOf[rows[i + 1]!]!]!++;
  }
  if (i < to) tally[metadataOf[rows[i]!]!]!++;
}

/** The first row from `from` on that has the set. */
function findSet(
  metadataOf: Uint32Array,
  rows: Uint32Array,
  { set, from }: { readonly set: number; readonly from: number },
): number {
  let i = from;
  while (metadataOf[rows[i]!] !== set) i++;
  return i;
}

/** Without stages the series of a row depends only on the stream and its metadata, and the line is not looked at. */
function countRows(scan: Scan, page: LogPage, { rows }: Selection, runs: Runs): void {
  const { entries } = page;
  const { metadataOf, lineBounds } = entries;
  const sets = entries.metadataSets.length;
  const seriesOf = new Int32Array(sets).fill(-1);
  const { accumulator, index, row } = scan;
  const seriesAt = (at: number): number => {
    const set = metadataOf[at]!;
    if (seriesOf[set]! < 0) {
      row.begin(page.labels, entries, at);
      seriesOf[set] = index.of(row.labels);
    }
    return seriesOf[set]!;
  };
  for (let run = 0, from = 0; run < runs.count; run++) {
    const to = runs.ends[run]!;
    const first = runs.firsts[run]!;
    const last = runs.lasts[run]!;
    if (first <= last) {
      if (accumulator.addCount === undefined || sets > TALLIED_MAX)
        for (let i = from; i < to; i++) {
          const at = rows[i]!;
          const bytes = lineBounds[at + 1]! - lineBounds[at]!;
          accumulator.add(seriesAt(at), first, last, 0, bytes);
        }
      else if (sets === 1) accumulator.addCount(seriesAt(rows[from]!), first, last, to - from);
      else {
        tallySets(metadataOf, rows, { from, to });
        for (let set = 0; set < sets; set++) {
          const count = tally[set]! + otherTally[set]!;
          if (count === 0) continue;
          tally[set] = otherTally[set] = 0;
          if (seriesOf[set]! < 0) seriesAt(rows[findSet(metadataOf, rows, { set, from })]!);
          accumulator.addCount(seriesOf[set]!, first, last, count);
        }
      }
    }
    from = to;
  }
}

interface PageScan {
  readonly scan: Scan;
  readonly page: LogPage;
  readonly selection: Selection;
  readonly times: RowTimes;
}

async function scanRows(evaluation: Evaluation, of: PageScan, runs: Runs): Promise<void> {
  const { scan, page, selection, times } = of;
  const perCheck = page.fields === undefined ? ROWS_PER_CHECK : FIELD_ROWS_PER_CHECK;
  let check = perCheck;
  for (let run = 0, i = 0; run < runs.count; run++) {
    const to = runs.ends[run]!;
    const first = runs.firsts[run]!;
    const last = runs.lasts[run]!;
    if (first > last) i = to;
    for (; i < to; i++) {
      const outcome = outcomeAt(scan, page, selection.rows[i]!);
      // Counts do not look at the time.
      const time = scan.isCount ? 0 : times.at(i);
      if (outcome !== undefined)
        scan.accumulator.add(outcome.series, first, last, time, outcome.value);
      if (i < check) continue;
      check = i + perCheck;
      if (evaluation.due) await evaluation.pause();
    }
  }
}

function outcomeAt(scan: Omit<Scan, "tallies">, page: LogPage, at: number): RowOutcome | undefined {
  const { row, fieldRows } = scan;
  if (page.fields !== undefined && fieldRows!.isKnown(at)) return fieldRows!.outcome(row, at);
  row.begin(page.labels, page.entries, at);
  return outcomeOf(scan, scan.pipeline.stages, row);
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
