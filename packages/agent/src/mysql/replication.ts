/** Collectors of `prometheus.exporter.mysql` that read how a server takes part in replication: its binary log, its replicas, workers that apply transactions, and the group. */
import { isServerError } from "./connection.ts";
import {
  addRows,
  counter,
  gauge,
  numberOf,
  type Figure,
  type MysqlCollector,
  type Table,
} from "./table.ts";

/** Seconds since 1970 whatever the zone of the session; 0 where there was no such moment. */
function moment(name: string, help: string): Figure {
  const column = `${name.toUpperCase()}_TIMESTAMP`;
  return gauge(
    `mysql_perf_schema_${name}_timestamp_seconds`,
    help,
    `IFNULL(UNIX_TIMESTAMP(${column}), 0)`,
  );
}

export const APPLIER_STATUS_BY_WORKER: Table = {
  from: "performance_schema.replication_applier_status_by_worker",
  // mysqld_exporter calls a worker so.
  labels: { channel_name: "CHANNEL_NAME", member_id: "WORKER_ID" },
  figures: [
    moment(
      "last_applied_transaction_original_commit",
      "A timestamp shows when the last transaction applied by this worker was committed on the original master.",
    ),
    moment(
      "last_applied_transaction_immediate_commit",
      "A timestamp shows when the last transaction applied by this worker was committed on the immediate master.",
    ),
    moment(
      "last_applied_transaction_start_apply",
      "A timestamp shows when this worker started applying the last applied transaction.",
    ),
    moment(
      "last_applied_transaction_end_apply",
      "A shows when this worker finished applying the last applied transaction.",
    ),
    moment(
      "applying_transaction_original_commit",
      "A timestamp that shows when the transaction this worker is currently applying was committed on the original master.",
    ),
    moment(
      "applying_transaction_immediate_commit",
      "A timestamp shows when the transaction this worker is currently applying was committed on the immediate master.",
    ),
    moment(
      "applying_transaction_start_apply",
      "A timestamp shows when this worker started its first attempt to apply the transaction that is currently being applied.",
    ),
  ],
};

/** MySQL 5.7 has the first four. */
const MEMBER_STATS: readonly Figure[] = [
  gauge(
    "mysql_perf_schema_transactions_in_queue",
    "The number of transactions in the queue pending conflict detection checks.",
    "COUNT_TRANSACTIONS_IN_QUEUE",
  ),
  counter(
    "mysql_perf_schema_transactions_checked_total",
    "The number of transactions that have been checked for conflicts.",
    "COUNT_TRANSACTIONS_CHECKED",
  ),
  counter(
    "mysql_perf_schema_conflicts_detected_total",
    "The number of transactions that have not passed the conflict detection check.",
    "COUNT_CONFLICTS_DETECTED",
  ),
  counter(
    "mysql_perf_schema_transactions_rows_validating_total",
    "Number of transaction rows which can be used for certification, but have not been garbage collected.",
    "COUNT_TRANSACTIONS_ROWS_VALIDATING",
  ),
  gauge(
    "mysql_perf_schema_transactions_remote_in_applier_queue",
    "The number of transactions that this member has received from the replication group which are waiting to be applied.",
    "COUNT_TRANSACTIONS_REMOTE_IN_APPLIER_QUEUE",
  ),
  counter(
    "mysql_perf_schema_transactions_remote_applied_total",
    "Number of transactions this member has received from the group and applied.",
    "COUNT_TRANSACTIONS_REMOTE_APPLIED",
  ),
  counter(
    "mysql_perf_schema_transactions_local_proposed_total",
    "Number of transactions which originated on this member and were sent to the group.",
    "COUNT_TRANSACTIONS_LOCAL_PROPOSED",
  ),
  counter(
    "mysql_perf_schema_transactions_local_rollback_total",
    "Number of transactions which originated on this member and were rolled back by the group.",
    "COUNT_TRANSACTIONS_LOCAL_ROLLBACK",
  ),
];

/** Of the member that is asked. */
export const GROUP_MEMBER_STATS: MysqlCollector = {
  async collect(ask, families) {
    const answer = await ask(
      "SELECT * FROM performance_schema.replication_group_member_stats WHERE MEMBER_ID = @@server_uuid",
    );
    addRows(families, { labels: {}, figures: MEMBER_STATS }, answer);
  },
};

/** Each column is a label: role and version, where the server has them. */
export const GROUP_MEMBERS: MysqlCollector = {
  async collect(ask, families) {
    const { columns, rows } = await ask(
      "SELECT * FROM performance_schema.replication_group_members",
    );
    const family = families.take(
      "gauge",
      "mysql_perf_schema_replication_group_member_info",
      "Information about the replication group member: channel_name, member_id, member_host, member_port, member_state. (member_role and member_version where available)",
    );
    const names = columns.map((column) => column.toLowerCase());
    for (const row of rows) {
      const labels = names.map((name, index) => [name, row[index] ?? ""] as const);
      family.add(1, ...labels.toSorted(([a], [b]) => (a < b ? -1 : 1)).flat());
    }
  },
};

const PARSE_ERROR = 1064;

/** Replicas that are connected. */
export const SLAVE_HOSTS: MysqlCollector = {
  async collect(ask, families) {
    const { columns, rows } = await ask("SHOW SLAVE HOSTS").catch((error: unknown) => {
      // MySQL 8.4 knows the other name alone, older servers only this one.
      if (!isServerError(error, PARSE_ERROR)) throw error;
      return ask("SHOW REPLICAS");
    });
    const names = columns.map((column) => column.toLowerCase());
    for (const row of rows) {
      const of = (...among: readonly string[]) =>
        row[names.findIndex((name) => among.includes(name))] ?? "";
      families
        .take("gauge", "mysql_heartbeat_mysql_slave_hosts_info", "Information about running slaves")
        .addLabelled(1, {
          master_id: of("master_id", "source_id"),
          port: of("port"),
          server_id: of("server_id"),
          slave_host: of("host"),
          slave_uuid: of("slave_uuid", "replica_uuid"),
        });
    }
  },
};

/** A server without a binary log has nothing to tell. */
export const BINLOG_SIZE: MysqlCollector = {
  async collect(ask, families) {
    const { rows: variables } = await ask("SELECT @@log_bin");
    if (Number(variables[0]?.[0] ?? 0) === 0) return;
    const { rows } = await ask("SHOW BINARY LOGS");
    const add = (name: string, help: string, value: number) =>
      families.take("gauge", `mysql_binlog_${name}`, help).add(value);
    const bytes = rows.map(([name, size]) => numberOf(size ?? "", `size of ${name}`));
    add(
      "size_bytes",
      "Combined size of all registered binlog files.",
      bytes.reduce((sum, size) => sum + size, 0),
    );
    add("files", "Number of registered binlog files.", rows.length);
    const [, number] = /\.(\d+)$/.exec(rows.at(-1)?.[0] ?? "") ?? [];
    if (number !== undefined) add("file_number", "The last binlog file number.", Number(number));
  },
};
