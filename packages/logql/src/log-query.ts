/**
 * Log queries: filter, run the pipeline, merge the pages of all streams by time, and stop as soon as the limit is certain. Pages come by
 * their newest (or oldest) entry, so whatever is newer than the next page's newest entry is final.
 */
import { Labels } from "@finch/model";
import type { LogColumns, LogPage } from "@finch/model";
import type { LogExpr } from "./ast.ts";
import { limitFault } from "./errors.ts";
import type { Evaluation } from "./evaluation.ts";
import { filterPage, selectAll } from "./line-filter.ts";
import type { Selection } from "./line-filter.ts";
import { compilePipeline } from "./pipeline.ts";
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

export interface LogQuery {
  readonly startNs: bigint;
  readonly endNs: bigint;
  readonly limit: number;
  readonly direction: "forward" | "backward";
  /** At least that long between two entries of the result; 0n for all. */
  readonly intervalNs: bigint;
}

interface Hit extends LogEntry {
  readonly stream: Labels;
  /** Order of arrival, which settles equal times. */
  readonly sequence: number;
  /** Characters of the line and of the labels that belong to this entry alone. */
  readonly length: number;
}

export async function evaluateLog(
  evaluation: Evaluation,
  expr: LogExpr,
  query: LogQuery,
): Promise<readonly LogStream[]> {
  const pipeline = compilePipeline(expr, undefined);
  const merge = new Merge(query, evaluation.limits.resultCharactersMax);
  const row = new Row(() => evaluation.clock.nowNs());
  const pages = evaluation.source.select(
    {
      matchers: expr.matchers,
      startNs: query.startNs,
      endNs: query.endNs,
      needles: pipeline.needles,
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

interface Scan {
  readonly pipeline: Pipeline;
  readonly merge: Merge;
  readonly row: Row;
  readonly query: LogQuery;
}

/** Rows between two looks at the clock; with stages a row can take milliseconds. */
const ROWS_PER_CHECK = 256;

async function scanPage(evaluation: Evaluation, scan: Scan, page: LogPage): Promise<void> {
  const { entries } = page;
  const { pipeline, merge, row, query } = scan;
  const selection = filterRows(entries, pipeline);
  const backward = query.direction === "backward";
  const perCheck = pipeline.stages.length > 0 ? 1 : ROWS_PER_CHECK;
  for (let i = 0; i < selection.count; i++) {
    const at = selection.rows[backward ? selection.count - 1 - i : i]!;
    if (!merge.wants(entries.timestampsNs[at]!)) return;
    const entry = processRow(row, pipeline, page, at);
    if (entry !== undefined) merge.add(entry);
    if (i % perCheck === perCheck - 1 && evaluation.due) await evaluation.pause();
  }
}

/** Rows of a page that pass the leading line filters. */
export function filterRows(entries: LogColumns, pipeline: Pipeline): Selection {
  const selection = selectAll(entries.count);
  for (const filter of pipeline.pageFilters) filterPage(entries, selection, filter);
  return selection;
}

/** Runs the stages on a row; undefined when one of them drops it. */
export function processRow(
  row: Row,
  pipeline: Pipeline,
  page: LogPage,
  at: number,
): (LogEntry & { readonly stream: Labels }) | undefined {
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

/** Holds entries until no page to come can stand before them. */
class Merge {
  readonly #query: LogQuery;
  readonly #charactersMax: number;
  #characters = 0;
  readonly #settled: Hit[] = [];
  #pending: Hit[] = [];
  #sequence = 0;
  #lastNs: bigint | undefined;
  /** With a full set of pending entries and no interval, entries beyond this time cannot be in the result. */
  #boundNs: bigint | undefined;

  constructor(query: LogQuery, charactersMax: number) {
    this.#query = query;
    this.#charactersMax = charactersMax;
  }

  /** All pages to come are at or behind `frontNs`. Answers whether the result is complete. */
  settle(frontNs: bigint): boolean {
    const { direction, limit } = this.#query;
    const isFinal = (hit: Hit) =>
      direction === "backward" ? hit.timestampNs > frontNs : hit.timestampNs < frontNs;
    this.#order();
    let count = 0;
    while (count < this.#pending.length && isFinal(this.#pending[count]!)) count++;
    for (const hit of this.#pending.splice(0, count)) this.#take(hit);
    return this.#settled.length >= limit;
  }

  /** Whether an entry of that time could still be in the result. */
  wants(timestampNs: bigint): boolean {
    if (this.#boundNs === undefined) return true;
    return this.#query.direction === "backward"
      ? timestampNs >= this.#boundNs
      : timestampNs <= this.#boundNs;
  }

  add(entry: LogEntry & { readonly stream: Labels }): void {
    const length = entry.line.length + lengthOf(entry.parsed) + lengthOf(entry.structuredMetadata);
    this.#pending.push({ ...entry, sequence: this.#sequence++, length });
    this.#characters += length;
    const { limit, intervalNs } = this.#query;
    if (intervalNs === 0n && this.#pending.length >= Math.max(2 * limit, 64)) this.#order();
    if (this.#characters <= this.#charactersMax) return;
    // Entries that can no longer be in the result are let go before anything is refused.
    this.#order();
    if (this.#characters > this.#charactersMax) {
      throw limitFault(
        `the lines of the result have more than ${this.#charactersMax} characters; ` +
          "ask for fewer lines (limit) or for a shorter time range",
      );
    }
  }

  finish(): readonly Hit[] {
    this.#order();
    for (const hit of this.#pending) this.#take(hit);
    return this.#settled;
  }

  #order(): void {
    const sign = this.#query.direction === "backward" ? -1 : 1;
    this.#pending.sort((a, b) =>
      a.timestampNs === b.timestampNs
        ? a.sequence - b.sequence
        : a.timestampNs < b.timestampNs
          ? -sign
          : sign,
    );
    if (this.#query.intervalNs !== 0n) return;
    const room = this.#query.limit - this.#settled.length;
    if (this.#pending.length < room) return;
    for (const hit of this.#pending.splice(Math.max(room, 0))) this.#characters -= hit.length;
    this.#boundNs = this.#pending.at(-1)?.timestampNs ?? this.#boundNs;
  }

  #take(hit: Hit): void {
    const { limit, intervalNs, direction } = this.#query;
    this.#characters -= hit.length;
    if (this.#settled.length >= limit) return;
    if (intervalNs > 0n && this.#lastNs !== undefined) {
      const distance =
        direction === "backward" ? this.#lastNs - hit.timestampNs : hit.timestampNs - this.#lastNs;
      if (distance < intervalNs) return;
    }
    this.#lastNs = hit.timestampNs;
    this.#settled.push(hit);
    this.#characters += hit.length;
  }
}

/** Labels shared between rows count for each: an estimate that errs on the safe side. */
function lengthOf(labels: Labels): number {
  let length = 0;
  for (const text of labels.pairs) length += text.length;
  return length;
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
