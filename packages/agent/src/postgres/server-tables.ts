/** The tables that postgres_exporter asks of each server besides its collectors, with a `server` label on every metric. */
import type { ColumnUse, Namespace } from "./namespace.ts";
import type { Version } from "./version.ts";

export interface ServerTable {
  readonly namespace: Namespace;
  readonly sql: (version: Version) => string;
}

const label: ColumnUse = { kind: "label" };
const counter = (help: string): ColumnUse => ({ kind: "counter", help });
const gauge = (help: string): ColumnUse => ({ kind: "gauge", help });

function table(
  prefix: string,
  columns: Readonly<Record<string, ColumnUse>>,
  sql: ServerTable["sql"],
): ServerTable {
  return { namespace: { prefix, columns: new Map(Object.entries(columns)), nulls: "nan" }, sql };
}

export const SERVER_TABLES: readonly ServerTable[] = [
  table(
    "pg_stat_database_conflicts",
    {
      datid: label,
      datname: label,
      confl_tablespace: counter(
        "Number of queries in this database that have been canceled due to dropped tablespaces",
      ),
      confl_lock: counter(
        "Number of queries in this database that have been canceled due to lock timeouts",
      ),
      confl_snapshot: counter(
        "Number of queries in this database that have been canceled due to old snapshots",
      ),
      confl_bufferpin: counter(
        "Number of queries in this database that have been canceled due to pinned buffers",
      ),
      confl_deadlock: counter(
        "Number of queries in this database that have been canceled due to deadlocks",
      ),
      confl_active_logicalslot: counter(
        "Number of queries in this database that have been canceled due to active logical slots",
      ),
    },
    (
      version,
    ) => `SELECT datid, datname, confl_tablespace, confl_lock, confl_snapshot, confl_bufferpin, confl_deadlock
      ${version[0] >= 16 ? ", confl_active_logicalslot" : ""} FROM pg_stat_database_conflicts`,
  ),
  table(
    "pg_stat_replication",
    {
      application_name: label,
      client_addr: label,
      state: label,
      slot_name: label,
      pg_current_wal_lsn_bytes: gauge("WAL position in bytes"),
      pg_wal_lsn_diff: gauge("Lag in bytes between master and slave"),
    },
    () => `SELECT r.application_name, r.client_addr, r.state, coalesce(s.slot_name, '') AS slot_name,
      CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float END
        AS pg_current_wal_lsn_bytes,
      CASE WHEN pg_is_in_recovery() THEN NULL ELSE pg_wal_lsn_diff(pg_current_wal_lsn(), r.replay_lsn)::float END
        AS pg_wal_lsn_diff
      FROM pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid`,
  ),
  table(
    "pg_replication_slots",
    {
      slot_name: label,
      database: label,
      active: gauge("Flag indicating if the slot is active"),
      pg_wal_lsn_diff: gauge("Replication lag in bytes"),
    },
    () => `SELECT slot_name, database, active,
      pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn)
        AS pg_wal_lsn_diff FROM pg_replication_slots`,
  ),
  table(
    "pg_stat_archiver",
    {
      archived_count: counter("Number of WAL files that have been successfully archived"),
      failed_count: counter("Number of failed attempts for archiving WAL files"),
      last_archive_age: gauge("Time in seconds since last WAL segment was successfully archived"),
    },
    () => `SELECT archived_count, failed_count, extract(epoch FROM now() - last_archived_time) AS last_archive_age
      FROM pg_stat_archiver`,
  ),
  table(
    "pg_stat_activity",
    {
      datname: label,
      state: label,
      usename: label,
      application_name: label,
      backend_type: label,
      wait_event_type: label,
      wait_event: label,
      count: gauge("number of connections in this state"),
      max_tx_duration: gauge("max duration in seconds any active transaction has been running"),
    },
    () => `SELECT d.datname, s.state, coalesce(a.usename, '') AS usename, coalesce(a.application_name, '') AS application_name,
      coalesce(a.backend_type, '') AS backend_type, coalesce(a.wait_event_type, '') AS wait_event_type,
      coalesce(a.wait_event, '') AS wait_event, coalesce(a.count, 0) AS count,
      coalesce(a.max_tx_duration, 0) AS max_tx_duration
      FROM unnest(ARRAY['active', 'idle', 'idle in transaction', 'idle in transaction (aborted)',
        'fastpath function call', 'disabled']) AS s(state)
      CROSS JOIN pg_database d
      LEFT JOIN (SELECT datname, state, usename, application_name, backend_type, wait_event_type, wait_event,
        count(*) AS count, max(extract(epoch FROM now() - xact_start))::float AS max_tx_duration
        FROM pg_stat_activity GROUP BY 1, 2, 3, 4, 5, 6, 7) a ON a.state = s.state AND a.datname = d.datname`,
  ),
];
