/** The pipeline of a log query over entries that have just been appended. */
import type { Labels, LogColumns } from "@finch/model";
import type { Clock } from "@finch/runtime";
import type { Expr } from "./ast.ts";
import { executionFault } from "./errors.ts";
import { filterRows, processRow } from "./log-query.ts";
import type { LogEntry } from "./log-query.ts";
import { parseQuery } from "./parser.ts";
import { compilePipeline } from "./pipeline.ts";
import { Row } from "./row.ts";

/** An entry and the stream labels that are left of it. */
export interface TailEntry extends LogEntry {
  readonly stream: Labels;
}

/** Answers the entries of one stream that a query lets through, as it leaves them; none when its selector does not want the stream. */
export type TailFilter = (labels: Labels, columns: LogColumns) => readonly TailEntry[];

/** Makes the filter of a log query. Metric queries are refused. The filter is not to be called from within itself. */
export function createTailFilter(query: string | Expr, clock: Clock): TailFilter {
  const expr = typeof query === "string" ? parseQuery(query) : query;
  if (expr.kind !== "log") throw executionFault("only log queries can be tailed");
  const pipeline = compilePipeline(expr, undefined);
  const row = new Row(() => clock.nowNs());
  return (labels, entries) => {
    if (!expr.matchers.every(({ name, matches }) => matches(labels.get(name)))) return [];
    const selection = filterRows(entries, pipeline.lineFilters);
    const passed: TailEntry[] = [];
    for (let i = 0; i < selection.count; i++) {
      const entry = processRow(row, pipeline, { labels, entries }, selection.rows[i]!);
      if (entry !== undefined) passed.push(entry);
    }
    return passed;
  };
}
