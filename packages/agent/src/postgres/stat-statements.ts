/** The collector `stat_statements`: the statements that take the most time, of the extension pg_stat_statements. Off unless it is named. */
import { queryOf, type Collector } from "./collector.ts";
import type { Version } from "./version.ts";

export interface StatStatementsOptions {
  readonly includeQuery: boolean;
  /** Characters of a statement's text. */
  readonly queryLength: number;
  readonly limit: number;
  readonly excludeDatabases: readonly string[];
  readonly excludeUsers: readonly string[];
}

const PREFIX = "pg_stat_statements";

export function statStatementsCollector(options: StatStatementsOptions): Collector {
  const figures = queryOf({
    prefix: PREFIX,
    labels: ["user", "datname", "queryid"],
    sql: (version) => {
      const [time, blocks] = columnsOf(version);
      return `SELECT pg_get_userbyid(s.userid) AS "user", d.datname, s.queryid::text AS queryid, s.calls AS calls_total,
        s.${time} / 1000.0 AS seconds_total, s.rows AS rows_total,
        s.${blocks}_read_time / 1000.0 AS block_read_seconds_total,
        s.${blocks}_write_time / 1000.0 AS block_write_seconds_total ${sourceOf(options, time)}`;
    },
    metrics: [
      ["calls_total", "counter", "Number of times executed"],
      ["seconds_total", "counter", "Total time spent in the statement, in seconds"],
      ["rows_total", "counter", "Total number of rows retrieved or affected by the statement"],
      [
        "block_read_seconds_total",
        "counter",
        "Total time the statement spent reading blocks, in seconds",
      ],
      [
        "block_write_seconds_total",
        "counter",
        "Total time the statement spent writing blocks, in seconds",
      ],
    ],
  });
  const texts = queryOf({
    prefix: PREFIX,
    labels: ["queryid", "query"],
    sql: (version) => `SELECT DISTINCT ON (queryid) queryid, query, 1 AS query_id FROM (
      SELECT s.queryid::text AS queryid, left(s.query, ${options.queryLength}) AS query
      ${sourceOf(options, columnsOf(version)[0])}) AS texts ORDER BY queryid, query`,
    metrics: [["query_id", "counter", "SQL Query to queryid mapping"]],
  });
  return {
    name: "stat_statements",
    isDefault: false,
    queries: options.includeQuery ? [figures, texts] : [figures],
  };
}

/** The column of the time, and the beginning of those of blocks. */
function columnsOf(version: Version): readonly [time: string, blocks: string] {
  return [
    version[0] >= 13 ? "total_exec_time" : "total_time",
    version[0] >= 17 ? "shared_blk" : "blk",
  ];
}

function sourceOf(options: StatStatementsOptions, time: string): string {
  const except = (column: string, names: readonly string[]) =>
    names.length === 0 ? "" : ` AND ${column} NOT IN (${names.map(quote).join(", ")})`;
  return `FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
    WHERE s.${time} > (SELECT percentile_cont(0.1) WITHIN GROUP (ORDER BY ${time}) FROM pg_stat_statements)
    ${except("d.datname", options.excludeDatabases)}${except("pg_get_userbyid(s.userid)", options.excludeUsers)}
    ORDER BY s.${time} DESC LIMIT ${options.limit}`;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
