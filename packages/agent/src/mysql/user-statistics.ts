/** Collectors of `prometheus.exporter.mysql` for what MariaDB and Percona count by user, client, table and schema while their variable `userstat` is on. */
import {
  addRows,
  collectTable,
  counter,
  type Ask,
  type Figure,
  type MysqlCollector,
  type Table,
} from "./table.ts";

type Subject = "user" | "client";

/** `[column, end of the name, help]`; `{}` in the help is the user or client. */
const COUNTERS: readonly (readonly [string, string, string])[] = [
  ["TOTAL_CONNECTIONS", "total_connections", "The number of connections created for this {}."],
  [
    "CONNECTED_TIME",
    "connected_time_seconds_total",
    "The cumulative number of seconds elapsed while there were connections from this {}.",
  ],
  [
    "BUSY_TIME",
    "busy_seconds_total",
    "The cumulative number of seconds there was activity on connections from this {}.",
  ],
  [
    "CPU_TIME",
    "cpu_time_seconds_total",
    "The cumulative CPU time elapsed, in seconds, while servicing this {}'s connections.",
  ],
  [
    "BYTES_RECEIVED",
    "bytes_received_total",
    "The number of bytes received from this {}’s connections.",
  ],
  ["BYTES_SENT", "bytes_sent_total", "The number of bytes sent to this {}’s connections."],
  [
    "BINLOG_BYTES_WRITTEN",
    "binlog_bytes_written_total",
    "The number of bytes written to the binary log from this {}’s connections.",
  ],
  ["ROWS_READ", "rows_read_total", "The number of rows read by this {}’s connections."],
  ["ROWS_SENT", "rows_sent_total", "The number of rows sent by this {}’s connections."],
  ["ROWS_DELETED", "rows_deleted_total", "The number of rows deleted by this {}’s connections."],
  ["ROWS_INSERTED", "rows_inserted_total", "The number of rows inserted by this {}’s connections."],
  ["ROWS_FETCHED", "rows_fetched_total", "The number of rows fetched by this {}’s connections."],
  ["ROWS_UPDATED", "rows_updated_total", "The number of rows updated by this {}’s connections."],
  [
    "TABLE_ROWS_READ",
    "table_rows_read_total",
    "The number of rows read from tables by this {}’s connections. (It may be different from ROWS_FETCHED.)",
  ],
  [
    "SELECT_COMMANDS",
    "select_commands_total",
    "The number of SELECT commands executed from this {}’s connections.",
  ],
  [
    "UPDATE_COMMANDS",
    "update_commands_total",
    "The number of UPDATE commands executed from this {}’s connections.",
  ],
  [
    "OTHER_COMMANDS",
    "other_commands_total",
    "The number of other commands executed from this {}’s connections.",
  ],
  [
    "COMMIT_TRANSACTIONS",
    "commit_transactions_total",
    "The number of COMMIT commands issued by this {}’s connections.",
  ],
  [
    "ROLLBACK_TRANSACTIONS",
    "rollback_transactions_total",
    "The number of ROLLBACK commands issued by this {}’s connections.",
  ],
  [
    "DENIED_CONNECTIONS",
    "denied_connections_total",
    "The number of connections denied to this {}.",
  ],
  [
    "LOST_CONNECTIONS",
    "lost_connections_total",
    "The number of this {}’s connections that were terminated uncleanly.",
  ],
  [
    "ACCESS_DENIED",
    "access_denied_total",
    "The number of times this {}’s connections issued commands that were denied.",
  ],
  [
    "EMPTY_QUERIES",
    "empty_queries_total",
    "The number of times this {}’s connections sent empty queries to the server.",
  ],
  [
    "TOTAL_SSL_CONNECTIONS",
    "total_ssl_connections_total",
    "The number of times this {}’s connections connected using SSL to the server.",
  ],
];

/** Helps of users that mysqld_exporter writes with a straight apostrophe. */
const STRAIGHT = new Set(["ROWS_READ", "ROWS_SENT", "ROWS_DELETED", "ROWS_INSERTED"]);

/** Of `information_schema.user_statistics` or `client_statistics`; their columns differ between servers, and those that are not known are shown without a type. */
export function statisticsCollector(subject: Subject): MysqlCollector {
  return whileUserstat(async (ask, families) => {
    const answer = await ask(`SELECT * FROM information_schema.${subject}_statistics`);
    const [owner, ...columns] = answer.columns;
    if (owner === undefined) return;
    const figures = columns.map((column) => statisticOf(subject, column));
    addRows(families, { labels: { [subject]: owner }, figures }, answer);
  });
}

function statisticOf(subject: Subject, value: string): Figure {
  const prefix = `mysql_info_schema_${subject}_statistics`;
  const [, end, text] = COUNTERS.find(([column]) => column === value) ?? [];
  if (end !== undefined && text !== undefined) {
    const help = text.replace("{}", subject);
    const isStraight = subject === "user" && STRAIGHT.has(value);
    return counter(`${prefix}_${end}`, isStraight ? help.replace("’", "'") : help, value);
  }
  const other = OTHERS[subject].find((figure) => figure.value === value);
  if (other !== undefined) return other;
  const help = `Unsupported metric from column ${value}`;
  return { type: "untyped", name: `${prefix}_${value.toLowerCase()}`, help, value };
}

function concurrent(subject: Subject): Figure {
  return {
    type: "gauge",
    name: `mysql_info_schema_${subject}_statistics_concurrent_connections`,
    help: `The number of concurrent connections for this ${subject}.`,
    value: "CONCURRENT_CONNECTIONS",
  };
}

const OTHERS: Readonly<Record<Subject, readonly Figure[]>> = {
  user: [concurrent("user")],
  client: [
    concurrent("client"),
    counter(
      "mysql_info_schema_client_statistics_max_statement_time_exceeded_total",
      "The number of times a statement was aborted, because it was executed longer than its MAX_STATEMENT_TIME threshold.",
      "MAX_STATEMENT_TIME_EXCEEDED",
    ),
  ],
};

const TABLE_STATISTICS: Table = {
  from: "information_schema.table_statistics",
  labels: { schema: "TABLE_SCHEMA", table: "TABLE_NAME" },
  figures: [
    counter(
      "mysql_info_schema_table_statistics_rows_read_total",
      "The number of rows read from the table.",
      "ROWS_READ",
    ),
    counter(
      "mysql_info_schema_table_statistics_rows_changed_total",
      "The number of rows changed in the table.",
      "ROWS_CHANGED",
    ),
    counter(
      "mysql_info_schema_table_statistics_rows_changed_x_indexes_total",
      "The number of rows changed in the table, multiplied by the number of indexes changed.",
      "ROWS_CHANGED_X_INDEXES",
    ),
  ],
};

const SCHEMA_STATISTICS: Table = {
  from: "information_schema.table_statistics GROUP BY TABLE_SCHEMA",
  labels: { schema: "TABLE_SCHEMA" },
  figures: [
    counter(
      "mysql_info_schema_schema_statistics_rows_read_total",
      "The number of rows read from the schema.",
      "SUM(ROWS_READ)",
    ),
    counter(
      "mysql_info_schema_schema_statistics_rows_changed_total",
      "The number of rows changed in the schema.",
      "SUM(ROWS_CHANGED)",
    ),
    counter(
      "mysql_info_schema_schema_statistics_rows_changed_x_indexes_total",
      "The number of rows changed in the schema, multiplied by the number of indexes changed.",
      "SUM(ROWS_CHANGED_X_INDEXES)",
    ),
  ],
};

export const TABLE_STATISTICS_COLLECTOR = whileUserstat((ask, families) =>
  collectTable(ask, families, TABLE_STATISTICS),
);

export const SCHEMA_STATISTICS_COLLECTOR = whileUserstat((ask, families) =>
  collectTable(ask, families, SCHEMA_STATISTICS),
);

/** A server that does not count, or cannot, has nothing to tell. */
function whileUserstat(collect: MysqlCollector["collect"]): MysqlCollector {
  return {
    async collect(ask, families) {
      if (await counts(ask)) await collect(ask, families);
    },
  };
}

async function counts(ask: Ask): Promise<boolean> {
  const { rows } = await ask(
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('userstat', 'userstat_running')",
  );
  return rows.some(([, value]) => value !== "OFF");
}
