/** Collectors of `prometheus.exporter.mysql` that read the information and sys schemas: columns that count up, tables, processes, replicas of Aurora, users. */
import type { FamilySet } from "../unix/family-set.ts";
import { isServerError, type MysqlResult } from "./connection.ts";
import {
  by,
  collectTable,
  counter,
  gauge,
  literal,
  numberOf,
  PICOSECONDS,
  type MysqlCollector,
  type Table,
} from "./table.ts";

/** The largest value: one bit less than the type has, but where there is no sign. NULL for columns that are no integers. */
const INTEGER_MAX =
  "POW(2, ELT(FIELD(c.DATA_TYPE, 'tinyint', 'smallint', 'mediumint', 'int', 'bigint'), 7, 15, 23, 31, 63) + (c.COLUMN_TYPE LIKE '%unsigned%')) - 1";

export const AUTO_INCREMENT_COLUMNS: Table = {
  // Names that differ in case alone are two tables.
  from: `information_schema.columns c STRAIGHT_JOIN information_schema.tables t
    ON BINARY c.TABLE_SCHEMA = t.TABLE_SCHEMA AND BINARY c.TABLE_NAME = t.TABLE_NAME
    WHERE c.EXTRA = 'auto_increment' AND t.AUTO_INCREMENT IS NOT NULL`,
  labels: { schema: "c.TABLE_SCHEMA", table: "c.TABLE_NAME", column: "c.COLUMN_NAME" },
  figures: [
    gauge(
      "mysql_info_schema_auto_increment_column",
      "The current value of an auto_increment column from information_schema.",
      "t.AUTO_INCREMENT",
    ),
    gauge(
      "mysql_info_schema_auto_increment_column_max",
      "The max value of an auto_increment column from information_schema.",
      INTEGER_MAX,
    ),
  ],
};

const ALL_DATABASES =
  "SELECT SCHEMA_NAME FROM information_schema.schemata WHERE SCHEMA_NAME NOT IN ('mysql', 'performance_schema', 'information_schema', 'sys')";

/** `databases` is a list with commas, or `*`. Each is asked for by itself: a server looks into no other then. */
export function tablesCollector({ databases }: { readonly databases: string }): MysqlCollector {
  return {
    async collect(ask, families) {
      const names =
        databases === "*"
          ? (await ask(ALL_DATABASES)).rows.map(([name]) => name ?? "")
          : databases.split(",").map((name) => name.trim());
      for (const name of names) await collectTable(ask, families, tablesOf(name));
    },
  };
}

function tablesOf(database: string): Table {
  const labels = { schema: "TABLE_SCHEMA", table: "TABLE_NAME" };
  return {
    from: `information_schema.tables WHERE TABLE_SCHEMA = ${literal(database)}`,
    labels,
    figures: [
      gauge(
        "mysql_info_schema_table_version",
        "The version number of the table's .frm file",
        "IFNULL(VERSION, 0)",
        {
          labels: {
            ...labels,
            type: "TABLE_TYPE",
            engine: "IFNULL(ENGINE, 'NONE')",
            row_format: "IFNULL(ROW_FORMAT, 'NONE')",
            create_options: "IFNULL(CREATE_OPTIONS, 'NONE')",
          },
        },
      ),
      gauge(
        "mysql_info_schema_table_rows",
        "The estimated number of rows in the table from information_schema.tables",
        "IFNULL(TABLE_ROWS, 0)",
      ),
      gauge(
        "mysql_info_schema_table_size",
        "The size of the table components from information_schema.tables",
        by("component", {
          data_length: "IFNULL(DATA_LENGTH, 0)",
          index_length: "IFNULL(INDEX_LENGTH, 0)",
          data_free: "IFNULL(DATA_FREE, 0)",
        }),
      ),
    ],
  };
}

export interface ProcessOptions {
  /** Seconds a process must have been in its state. */
  readonly minTimeSeconds: number;
  readonly byUser: boolean;
  readonly byHost: boolean;
}

export function processCollector(options: ProcessOptions): MysqlCollector {
  return {
    async collect(ask, families) {
      const { rows } = await ask(
        `SELECT USER, SUBSTRING_INDEX(HOST, ':', 1), COMMAND, STATE, COUNT(*), SUM(TIME)
          FROM information_schema.processlist
          WHERE ID != CONNECTION_ID() AND TIME >= ${options.minTimeSeconds}
          GROUP BY 1, 2, 3, 4`,
      );
      addProcesses(families, rows, options);
    },
  };
}

function addProcesses(
  families: FamilySet,
  rows: MysqlResult["rows"],
  { byUser, byHost }: ProcessOptions,
): void {
  const family = (name: string, help: string) =>
    new Sums((value, labels) =>
      families.take("gauge", `mysql_info_schema_processlist_${name}`, help).add(value, ...labels),
    );
  const threads = family("threads", "The number of threads split by current state.");
  const seconds = family(
    "seconds",
    "The number of seconds threads have used split by current state.",
  );
  const hosts = family("processes_by_host", "The number of processes by host.");
  const users = family("processes_by_user", "The number of processes by user.");
  for (const [user, host, command, state, number, time] of rows) {
    const labels = ["command", stateName(command), "state", stateName(state)];
    const count = numberOf(number ?? "", "COUNT(*)");
    threads.add(count, ...labels);
    seconds.add(numberOf(time ?? "", "SUM(TIME)"), ...labels);
    if (byHost) hosts.add(count, "client_host", host || "unknown");
    if (byUser) users.add(count, "mysql_user", user ?? "");
  }
  for (const sums of [threads, seconds, hosts, users]) sums.finish();
}

/** Sums by labels. */
class Sums {
  readonly #sums = new Map<string, { value: number; readonly labels: readonly string[] }>();
  readonly #report: (value: number, labels: readonly string[]) => void;

  constructor(report: (value: number, labels: readonly string[]) => void) {
    this.#report = report;
  }

  add(value: number, ...labels: readonly string[]): void {
    const key = JSON.stringify(labels);
    const sum = this.#sums.get(key);
    if (sum === undefined) this.#sums.set(key, { value, labels });
    else sum.value += value;
  }

  finish(): void {
    for (const { value, labels } of this.#sums.values()) this.#report(value, labels);
  }
}

/** A state or command as a word. */
function stateName(text: string | null | undefined): string {
  return (text || "unknown")
    .toLowerCase()
    .replaceAll(/[;,:.()]/g, "")
    .replaceAll(/[ -]/g, "_");
}

/** Of a cluster of Amazon Aurora. */
const REPLICA_HOSTS: Table = {
  from: "information_schema.replica_host_status",
  labels: {
    server_id: "SERVER_ID",
    role: "IF(SESSION_ID = 'MASTER_SESSION_ID', 'writer', 'reader')",
  },
  figures: [
    gauge("mysql_info_schema_replica_host_cpu_percent", "The CPU usage as a percentage.", "CPU"),
    gauge(
      "mysql_info_schema_replica_host_replica_latency_seconds",
      "The source-replica latency in seconds.",
      "MASTER_SLAVE_LATENCY_IN_MICROSECONDS",
      { divisor: 1e6 },
    ),
    gauge(
      "mysql_info_schema_replica_host_lag_seconds",
      "The replica lag in seconds.",
      "REPLICA_LAG_IN_MILLISECONDS",
      { divisor: 1e3 },
    ),
    gauge(
      "mysql_info_schema_replica_host_log_stream_speed",
      "The log stream speed in kilobytes per second.",
      "LOG_STREAM_SPEED_IN_KiB_PER_SECOND",
    ),
    gauge(
      "mysql_info_schema_replica_host_replay_latency_seconds",
      "The current replay latency in seconds.",
      "CURRENT_REPLAY_LATENCY_IN_MICROSECONDS",
      { divisor: 1e6 },
    ),
  ],
};

const UNKNOWN_TABLE = 1109;

/** Any other server has no such table, and nothing to tell. */
export const REPLICA_HOST: MysqlCollector = {
  async collect(ask, families) {
    try {
      await collectTable(ask, families, REPLICA_HOSTS);
    } catch (error) {
      if (!isServerError(error, UNKNOWN_TABLE)) throw error;
    }
  },
};

export const USER_SUMMARY: Table = {
  from: "sys.x$user_summary",
  labels: { user: "user" },
  figures: [
    counter(
      "mysql_sys_statements_total",
      " The total number of statements for the user",
      "statements",
    ),
    counter(
      "mysql_sys_statement_latency",
      "The total wait time of timed statements for the user",
      "statement_latency",
      PICOSECONDS,
    ),
    counter(
      "mysql_sys_table_scans_total",
      "The total number of table scans for the user",
      "table_scans",
    ),
    counter(
      "mysql_sys_file_ios_total",
      "The total number of file I/O events for the user",
      "file_ios",
    ),
    counter(
      "mysql_sys_file_io_seconds_total",
      "The total wait time of timed file I/O events for the user",
      "file_io_latency",
      PICOSECONDS,
    ),
    gauge(
      "mysql_sys_current_connections",
      "The current number of connections for the user",
      "current_connections",
    ),
    counter(
      "mysql_sys_connections_total",
      "The total number of connections for the user",
      "total_connections",
    ),
    counter(
      "mysql_sys_unique_hosts_total",
      "The number of distinct hosts from which connections for the user have originated",
      "unique_hosts",
    ),
    gauge(
      "mysql_sys_current_memory_bytes",
      "The current amount of allocated memory for the user",
      "current_memory",
    ),
    counter(
      "mysql_sys_memory_allocated_bytes_total",
      "The total amount of allocated memory for the user",
      "total_memory_allocated",
    ),
  ],
};
