/** Collectors of `prometheus.exporter.mysql` that read statements from the performance schema: those that took longest by digest, and the sum of all. */
import {
  by,
  collectTable,
  columnNames,
  counter,
  literal,
  PICOSECONDS,
  type Figure,
  type MysqlCollector,
  type Table,
} from "./table.ts";

export interface StatementOptions {
  /** Most digests. */
  readonly limit: number;
  /** Digests that were not seen for longer are left out. */
  readonly timeLimitSeconds: number;
  /** Characters of a statement's text. */
  readonly textLimit: number;
  /** Besides those of the server itself. */
  readonly excludeSchemas: readonly string[];
}

const DIGESTS = "events_statements_summary_by_digest";
const OWN_SCHEMAS = ["mysql", "performance_schema", "information_schema"];

/** `[name, help, column]`. */
const BY_DIGEST: readonly (readonly [string, string, string])[] = [
  ["total", "The total count of events statements by digest.", "COUNT_STAR"],
  ["errors_total", "The errors of events statements by digest.", "SUM_ERRORS"],
  ["warnings_total", "The warnings of events statements by digest.", "SUM_WARNINGS"],
  [
    "rows_affected_total",
    "The total rows affected of events statements by digest.",
    "SUM_ROWS_AFFECTED",
  ],
  ["rows_sent_total", "The total rows sent of events statements by digest.", "SUM_ROWS_SENT"],
  [
    "rows_examined_total",
    "The total rows examined of events statements by digest.",
    "SUM_ROWS_EXAMINED",
  ],
  [
    "tmp_tables_total",
    "The total tmp tables of events statements by digest.",
    "SUM_CREATED_TMP_TABLES",
  ],
  [
    "tmp_disk_tables_total",
    "The total tmp disk tables of events statements by digest.",
    "SUM_CREATED_TMP_DISK_TABLES",
  ],
  [
    "sort_merge_passes_total",
    "The total number of merge passes by the sort algorithm performed by digest.",
    "SUM_SORT_MERGE_PASSES",
  ],
  ["sort_rows_total", "The total number of sorted rows by digest.", "SUM_SORT_ROWS"],
  [
    "no_index_used_total",
    "The total number of statements that used full table scans by digest.",
    "SUM_NO_INDEX_USED",
  ],
];

/** Seconds. */
const TIMES_BY_DIGEST: readonly (readonly [string, string, string])[] = [
  ["seconds_total", "The total time of events statements by digest.", "SUM_TIMER_WAIT"],
  [
    "lock_time_seconds_total",
    "The total lock time of events statements by digest.",
    "SUM_LOCK_TIME",
  ],
  ["cpu_time_seconds_total", "The total cpu time of events statements by digest.", "SUM_CPU_TIME"],
];

export function statementsCollector(options: StatementOptions): MysqlCollector {
  return {
    async collect(ask, families) {
      const columns = await columnNames(ask, "performance_schema", DIGESTS);
      await collectTable(ask, families, byDigest(options, columns));
    },
  };
}

/** What only MySQL 8 measures is 0 elsewhere. */
function byDigest(options: StatementOptions, columns: ReadonlySet<string>): Table {
  const ofColumn = (column: string) => (columns.has(column) ? column : "0");
  const excluded = [...OWN_SCHEMAS, ...options.excludeSchemas].map(literal).join(", ");
  const name = "mysql_perf_schema_events_statements";
  return {
    from: `performance_schema.${DIGESTS}
      WHERE SCHEMA_NAME NOT IN (${excluded})
        AND LAST_SEEN > NOW() - INTERVAL ${options.timeLimitSeconds} SECOND
      ORDER BY SUM_TIMER_WAIT DESC LIMIT ${options.limit}`,
    labels: {
      schema: "SCHEMA_NAME",
      digest: "DIGEST",
      digest_text: `LEFT(DIGEST_TEXT, ${options.textLimit})`,
    },
    figures: [
      ...BY_DIGEST.map(([end, help, column]) => counter(`${name}_${end}`, help, column)),
      ...TIMES_BY_DIGEST.map(([end, help, column]) =>
        counter(`${name}_${end}`, help, ofColumn(column), PICOSECONDS),
      ),
      ...latency(`${name}_latency`, ofColumn),
    ],
  };
}

/** Quantiles are written in percent, as mysqld_exporter writes them. */
function latency(name: string, ofColumn: (column: string) => string): Figure[] {
  const summary = {
    type: "summary",
    name,
    help: "A summary of statement latency by digest",
  } as const;
  const quantiles = by("quantile", {
    95: ofColumn("QUANTILE_95"),
    99: ofColumn("QUANTILE_99"),
    999: ofColumn("QUANTILE_999"),
  });
  return [
    { ...summary, value: quantiles, ...PICOSECONDS },
    { ...summary, suffix: "_sum", value: "SUM_TIMER_WAIT", ...PICOSECONDS },
    { ...summary, suffix: "_count", value: "COUNT_STAR" },
  ];
}

/** `[end of the name and of the column, help]`. */
const SUMS: readonly (readonly [string, string])[] = [
  ["created_tmp_disk_tables", "The number of on-disk temporary tables created."],
  ["created_tmp_tables", "The number of temporary tables created."],
  ["errors", "Number of errors."],
  ["lock_time", "Time in picoseconds spent waiting for locks."],
  ["no_good_index_used", "Number of times no good index was found."],
  ["no_index_used", "Number of times no index was found."],
  ["rows_affected", "Number of rows affected by statements."],
  ["rows_examined", "Number of rows read during statements' execution."],
  ["rows_sent", "Number of rows returned."],
  ["select_full_join", "Number of joins performed by statements which did not use an index."],
  [
    "select_full_range_join",
    "Number of joins performed by statements which used a range search of the first table.",
  ],
  [
    "select_range",
    "Number of joins performed by statements which used a range of the first table.",
  ],
  [
    "select_range_check",
    "Number of joins without keys performed by statements that check for key usage after each row.",
  ],
  [
    "select_scan",
    "Number of joins performed by statements which used a full scan of the first table.",
  ],
  ["sort_merge_passes", "Number of merge passes by the sort algorithm performed by statements."],
  ["sort_range", "Number of sorts performed by statements which used a range."],
  ["sort_rows", "Number of rows sorted."],
  ["sort_scan", "Number of sorts performed by statements which used a full table scan."],
  ["warnings", "Number of warnings."],
];

/** Of all digests; none while the server has none. */
export const STATEMENTS_SUM: Table = {
  from: `performance_schema.${DIGESTS}`,
  labels: {},
  figures: [
    counter(
      "mysql_perf_schema_events_statements_sum_total",
      "The total count of events statements.",
      "SUM(COUNT_STAR)",
    ),
    ...SUMS.map(([end, help]) =>
      counter(
        `mysql_perf_schema_events_statements_sum_${end}`,
        help,
        `SUM(SUM_${end.toUpperCase()})`,
      ),
    ),
    counter(
      "mysql_perf_schema_events_statements_sum_timer_wait",
      "Total wait time of the summarized events that are timed.",
      "SUM(SUM_TIMER_WAIT)",
      PICOSECONDS,
    ),
  ],
};
