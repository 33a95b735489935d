/**
 * Log queries: filter, run the pipeline, merge the pages of all streams by time (`log-merge.ts`), and stop as soon as the limit is certain.
 */
import { Labels } from "@finch/model";
import type { LogColumns, LogFieldRequest, LogPage } from "@finch/model";
import type { LogExpr } from "./ast.ts";
import type { Evaluation } from "./evaluation.ts";
import { askForFields, FieldRows } from "./field-rows.ts";
import { filterPage, selectAll } from "./line-filter.ts";
import type { PageFilter, Selection } from "./line-filter.ts";
import { LogMerge } from "./log-merge.ts";
import type { Hit, LogQuery } from "./log-merge.ts";
import { compileFieldFilters, compilePipeline, valuesWanted } from "./pipeline.ts";
import type { Pipeline } from "./pipeline.ts";
import { Row } from "./row.ts";

export interface LogEntry {
  readonly timestampNs: bigint;
  readonly line: string;
  /** Structured metadata, without what the pipeline replaced or dropped; names that clash with a stream label carry `_extracted`. */
  readonly structuredMetadata: Labels;
  /** Labels that the pipeline made, `__error__` and `__error_details__` included. */
  readonly parsed: Labels;
}

/** Entries in the direction of the query. Merging the three sets of labels gives the stream of the flat encoding. */
export interface LogStream {
  readonly labels: Labels;
  readonly entries: readonly LogEntry[];
}

export async function evaluateLog(
  evaluation: Evaluation,
  expr: LogExpr,
  query: LogQuery,
): Promise<readonly LogStream[]> {
  const pipeline = compilePipeline(expr, undefined);
  const merge = new LogMerge(query, evaluation.limits);
  const row = new Row(() => evaluation.clock.nowNs());
  const pages = evaluation.source.select(
    {
      matchers: expr.matchers,
      startNs: query.startNs,
      endNs: query.endNs,
      needles: pipeline.needles,
      values: valuesWanted(expr.stages),
      lines: "all",
      ...fieldsWanted(expr, row),
      direction: query.direction,
      signal: evaluation.signal,
    },
    evaluation.reads,
  );
  for await (const page of pages) {
    const { entries } = page;
    if (entries.count === 0) continue;
    const first = query.direction === "backward" ? entries.count - 1 : 0;
    if (merge.settle(entries.timestampsNs[first]!)) break;
    evaluation.spend(entries.lineBounds[entries.count]! - entries.lineBounds[0]!, entries.count);
    await scanPage(evaluation, { pipeline, merge, row, query }, page);
    if (evaluation.due) await evaluation.pause();
  }
  return groupByStream(merge.finish());
}

/** Lets the source leave out rows by the fields it has in columns. */
function fieldsWanted(expr: LogExpr, row: Row): { readonly fields?: LogFieldRequest } {
  const filters = compileFieldFilters(expr);
  if (filters === undefined) return {};
  const rows = new FieldRows(filters, (filled) =>
    filters.stages.every((stage) => stage(filled)) ? true : undefined,
  );
  const keep = (page: LogPage): Uint32Array => {
    rows.begin(page);
    const kept = new Uint32Array(page.entries.count);
    let count = 0;
    for (let at = 0; at < kept.length; at++)
      if (!rows.isKnown(at) || rows.outcome(row, at) === true) kept[count++] = at;
    return kept.subarray(0, count);
  };
  return { fields: askForFields(filters, keep) };
}

interface Scan {
  readonly pipeline: Pipeline;
  readonly merge: LogMerge;
  readonly row: Row;
  readonly query: LogQuery;
}

/** Rows between two looks at the clock; with stages a row can take milliseconds. */
const ROWS_PER_CHECK = 256;

async function scanPage(evaluation: Evaluation, scan: Scan, page: LogPage): Promise<void> {
  const { entries } = page;
  const { pipeline, merge, row, query } = scan;
  const selection = filterRows(entries, pipeline.pageFilters);
  const backward = query.direction === "backward";
  const perCheck = pipeline.stages.length > 0 ? 1 : ROWS_PER_CHECK;
  for (let i = 0; i < selection.count; i++) {
    const at = selection.rows[backward ? selection.count - 1 - i : i]!;
    if (!merge.wants(entries.timestampsNs[at]!)) return;
    const entry = processRow(row, pipeline, page, at);
    if (entry !== undefined) merge.add(entry, page.labels.key);
    if (i % perCheck === perCheck - 1 && evaluation.due) await evaluation.pause();
  }
}

/** Rows of a page that pass line filters. */
export function filterRows(entries: LogColumns, filters: readonly PageFilter[]): Selection {
  const selection = selectAll(entries.count);
  for (const filter of filters) filterPage(entries, selection, filter);
  return selection;
}

/** Runs the stages on a row; undefined when one of them drops it. */
export function processRow(
  row: Row,
  pipeline: Pipeline,
  page: LogPage,
  at: number,
): Hit | undefined {
  row.begin(page.labels, page.entries, at);
  for (const stage of pipeline.stages) if (!stage(row)) return undefined;
  return {
    timestampNs: row.timestampNs,
    line: row.line,
    stream: row.labels.streamLabels(),
    structuredMetadata: row.labels.metadataLabels(),
    parsed: row.labels.parsedLabels(),
  };
}

/** Streams sorted by their labels as text, entries in the order of the result. */
function groupByStream(hits: readonly Hit[]): readonly LogStream[] {
  const streams = new Map<string, { labels: Labels; entries: LogEntry[] }>();
  for (const { stream, timestampNs, line, structuredMetadata, parsed } of hits) {
    let group = streams.get(stream.key);
    if (group === undefined) {
      group = { labels: stream, entries: [] };
      streams.set(stream.key, group);
    }
    group.entries.push({ timestampNs, line, structuredMetadata, parsed });
  }
  return [...streams.values()].toSorted((a, b) =>
    a.labels.toString() < b.labels.toString() ? -1 : 1,
  );
}

/** The labels of an entry in the flat encoding: everything in one set. */
export function mergeEntryLabels(stream: Labels, entry: LogEntry): Labels {
  if (entry.structuredMetadata.size === 0 && entry.parsed.size === 0) return stream;
  const merged = new Map<string, string>();
  for (const labels of [stream, entry.structuredMetadata, entry.parsed]) {
    for (const [name, value] of labels) merged.set(name, value);
  }
  return Labels.raw([...merged].flat());
}
