/** A log query as a choice of lines, for deleting: which rows of a page it lets through. */
import type { LogPage, Matcher } from "@finch/model";
import { executionFault } from "./errors.ts";
import { filterRows } from "./log-query.ts";
import { parseQuery } from "./parser.ts";
import { compilePipeline } from "./pipeline.ts";
import { Row } from "./row.ts";

/**
 * Reads the query. A row on which a stage failed (a value that is no number, say) is kept back: what cannot be told to match must not be deleted.
 * `now` in templates is 1970, so that a choice is the same whenever it is made. Not to be called from within itself.
 */
export function compileLineSelection(query: string): {
  readonly matchers: readonly Matcher[];
  /** Ascending; undefined when the query takes every line of its streams. */
  readonly rows: ((page: LogPage) => Uint32Array) | undefined;
} {
  const expr = parseQuery(query);
  if (expr.kind !== "log")
    throw executionFault("lines are chosen by log queries, this is a metric query");
  const { matchers, stages } = expr;
  if (stages.length === 0) return { matchers, rows: undefined };
  const pipeline = compilePipeline(expr, undefined);
  const row = new Row(() => 0n);
  return {
    matchers,
    rows: ({ labels, entries }) => {
      const selection = filterRows(entries, pipeline.lineFilters);
      const passed = new Uint32Array(selection.count);
      let count = 0;
      for (let i = 0; i < selection.count; i++) {
        const at = selection.rows[i]!;
        if (pipeline.stages.length > 0) {
          row.begin(labels, entries, at);
          if (!pipeline.stages.every((stage) => stage(row)) || row.labels.error !== "") continue;
        }
        passed[count++] = at;
      }
      return passed.subarray(0, count);
    },
  };
}
