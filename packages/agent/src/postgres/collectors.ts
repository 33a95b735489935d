/** The collectors of postgres_exporter by name: what each asks, and the metrics its columns become. Names, types, help and labels are its own. */
import { buildCollectors } from "./collector.ts";
import type { Collector } from "./collector.ts";

const TABLE_LABELS = ["datname", "schemaname", "relname"];
const NULL_TIME = "1970-01-01Z";
const at = (column: string) =>
  `extract(epoch FROM coalesce(${column}, '${NULL_TIME}'))::bigint AS ${column}`;

export const COLLECTORS: ReadonlyMap<string, Collector> = buildCollectors({
  database: {
    isDefault: true,
    prefix: "pg_database",
    labels: ["datname"],
    // The size of a database that may not be connected to is not asked for: the server would refuse the whole query.
    sql: () => `SELECT datname, datconnlimit AS connection_limit,
      CASE WHEN has_database_privilege(datname, 'CONNECT') OR pg_has_role('pg_read_all_stats', 'MEMBER')
        THEN pg_database_size(datname) END AS size_bytes
      FROM pg_database`,
    metrics: [
      ["size_bytes", "gauge", "Disk space used by the database"],
      ["connection_limit", "gauge", "Connection limit set for the database"],
    ],
  },
  locks: {
    isDefault: true,
    prefix: "pg_locks",
    labels: ["datname", "mode"],
    sql: () => `SELECT d.datname, m.mode, coalesce(l.count, 0) AS count
      FROM unnest(ARRAY['accesssharelock', 'rowsharelock', 'rowexclusivelock', 'shareupdateexclusivelock',
        'sharelock', 'sharerowexclusivelock', 'exclusivelock', 'accessexclusivelock', 'sireadlock']) AS m(mode)
      CROSS JOIN pg_database d
      LEFT JOIN (SELECT database, lower(mode) AS mode, count(*) AS count FROM pg_locks
        WHERE database IS NOT NULL GROUP BY 1, 2) l ON l.mode = m.mode AND l.database = d.oid`,
    metrics: [["count", "gauge", "Number of locks"]],
  },
  replication: {
    isDefault: true,
    prefix: "pg_replication",
    labels: [],
    sql: () => `SELECT
      CASE WHEN NOT pg_is_in_recovery() THEN 0
        WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
        ELSE greatest(0, extract(epoch FROM now() - pg_last_xact_replay_timestamp())) END AS lag_seconds,
      pg_is_in_recovery()::int AS is_replica,
      greatest(0, extract(epoch FROM now() - coalesce(pg_last_xact_replay_timestamp(), now()))) AS last_replay_seconds`,
    metrics: [
      ["lag_seconds", "gauge", "Replication lag behind master in seconds"],
      ["is_replica", "gauge", "Indicates if the server is a replica"],
      ["last_replay_seconds", "gauge", "Age of last replay in seconds"],
    ],
  },
  replication_slot: {
    isDefault: true,
    prefix: "pg_replication_slot",
    labels: ["slot_name", "slot_type"],
    sql: (version) => `SELECT slot_name, slot_type,
      CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() - '0/0' ELSE pg_current_wal_lsn() - '0/0' END
        AS slot_current_wal_lsn,
      CASE WHEN active THEN coalesce(confirmed_flush_lsn, '0/0') - '0/0' END AS slot_confirmed_flush_lsn,
      active::int AS slot_is_active${version[0] >= 13 ? ", safe_wal_size AS safe_wal_size_bytes" : ""}
      FROM pg_replication_slots`,
    metrics: [
      ["slot_current_wal_lsn", "gauge", "current wal lsn value"],
      ["slot_confirmed_flush_lsn", "gauge", "last lsn confirmed flushed to the replication slot"],
      ["slot_is_active", "gauge", "whether the replication slot is active or not"],
      [
        "safe_wal_size_bytes",
        "gauge",
        "number of bytes that can be written to WAL such that this slot is not in danger of getting in state lost",
      ],
    ],
    further: [
      {
        prefix: "pg_replication_slot",
        labels: ["slot_name", "slot_type", "wal_status"],
        sql: (version) =>
          version[0] >= 13
            ? "SELECT slot_name, slot_type, wal_status, 1 AS wal_status_ FROM pg_replication_slots WHERE wal_status IS NOT NULL"
            : undefined,
        renamed: { wal_status_: "wal_status" },
        metrics: [["wal_status_", "gauge", "availability of WAL files claimed by this slot"]],
      },
    ],
  },
  roles: {
    isDefault: true,
    prefix: "pg_roles",
    labels: ["rolname"],
    sql: () => "SELECT rolname, rolconnlimit AS connection_limit FROM pg_roles",
    metrics: [["connection_limit", "gauge", "Connection limit set for the role"]],
  },
  stat_bgwriter: {
    isDefault: true,
    prefix: "pg_stat_bgwriter",
    labels: [],
    sql: (version) =>
      version[0] >= 17
        ? `SELECT buffers_clean AS buffers_clean_total, maxwritten_clean AS maxwritten_clean_total,
          buffers_alloc AS buffers_alloc_total,
          extract(epoch FROM stats_reset)::bigint AS stats_reset_total FROM pg_stat_bgwriter`
        : `SELECT checkpoints_timed AS checkpoints_timed_total, checkpoints_req AS checkpoints_req_total,
          checkpoint_write_time AS checkpoint_write_time_total, checkpoint_sync_time AS checkpoint_sync_time_total,
          buffers_checkpoint AS buffers_checkpoint_total, buffers_clean AS buffers_clean_total,
          maxwritten_clean AS maxwritten_clean_total, buffers_backend AS buffers_backend_total,
          buffers_backend_fsync AS buffers_backend_fsync_total, buffers_alloc AS buffers_alloc_total,
          extract(epoch FROM stats_reset)::bigint AS stats_reset_total FROM pg_stat_bgwriter`,
    metrics: [
      [
        "checkpoints_timed_total",
        "counter",
        "Number of scheduled checkpoints that have been performed",
      ],
      [
        "checkpoints_req_total",
        "counter",
        "Number of requested checkpoints that have been performed",
      ],
      [
        "checkpoint_write_time_total",
        "counter",
        "Total amount of time that has been spent in the portion of checkpoint processing where files are written to disk, in milliseconds",
      ],
      [
        "checkpoint_sync_time_total",
        "counter",
        "Total amount of time that has been spent in the portion of checkpoint processing where files are synchronized to disk, in milliseconds",
      ],
      ["buffers_checkpoint_total", "counter", "Number of buffers written during checkpoints"],
      ["buffers_clean_total", "counter", "Number of buffers written by the background writer"],
      [
        "maxwritten_clean_total",
        "counter",
        "Number of times the background writer stopped a cleaning scan because it had written too many buffers",
      ],
      ["buffers_backend_total", "counter", "Number of buffers written directly by a backend"],
      [
        "buffers_backend_fsync_total",
        "counter",
        "Number of times a backend had to execute its own fsync call (normally the background writer handles those even when the backend does its own write)",
      ],
      ["buffers_alloc_total", "counter", "Number of buffers allocated"],
      ["stats_reset_total", "counter", "Time at which these statistics were last reset"],
    ],
  },
  stat_database: {
    isDefault: true,
    prefix: "pg_stat_database",
    labels: ["datid", "datname"],
    sql: (
      version,
    ) => `SELECT datid::text AS datid, datname, numbackends, xact_commit, xact_rollback, blks_read, blks_hit,
      tup_returned, tup_fetched, tup_inserted, tup_updated, tup_deleted, conflicts, temp_files, temp_bytes, deadlocks,
      blk_read_time, blk_write_time, ${at("stats_reset")}
      ${version[0] >= 14 ? ", active_time / 1000.0 AS active_time_seconds_total" : ""}
      FROM pg_stat_database WHERE datname IS NOT NULL`,
    metrics: [
      [
        "numbackends",
        "gauge",
        "Number of backends currently connected to this database. This is the only column in this view that returns a value reflecting current state; all other columns return the accumulated values since the last reset.",
      ],
      [
        "xact_commit",
        "counter",
        "Number of transactions in this database that have been committed",
      ],
      [
        "xact_rollback",
        "counter",
        "Number of transactions in this database that have been rolled back",
      ],
      ["blks_read", "counter", "Number of disk blocks read in this database"],
      [
        "blks_hit",
        "counter",
        "Number of times disk blocks were found already in the buffer cache, so that a read was not necessary (this only includes hits in the PostgreSQL buffer cache, not the operating system's file system cache)",
      ],
      ["tup_returned", "counter", "Number of rows returned by queries in this database"],
      ["tup_fetched", "counter", "Number of rows fetched by queries in this database"],
      ["tup_inserted", "counter", "Number of rows inserted by queries in this database"],
      ["tup_updated", "counter", "Number of rows updated by queries in this database"],
      ["tup_deleted", "counter", "Number of rows deleted by queries in this database"],
      [
        "conflicts",
        "counter",
        "Number of queries canceled due to conflicts with recovery in this database. (Conflicts occur only on standby servers; see pg_stat_database_conflicts for details.)",
      ],
      [
        "temp_files",
        "counter",
        "Number of temporary files created by queries in this database. All temporary files are counted, regardless of why the temporary file was created (e.g., sorting or hashing), and regardless of the log_temp_files setting.",
      ],
      [
        "temp_bytes",
        "counter",
        "Total amount of data written to temporary files by queries in this database. All temporary files are counted, regardless of why the temporary file was created, and regardless of the log_temp_files setting.",
      ],
      ["deadlocks", "counter", "Number of deadlocks detected in this database"],
      [
        "blk_read_time",
        "counter",
        "Time spent reading data file blocks by backends in this database, in milliseconds",
      ],
      [
        "blk_write_time",
        "counter",
        "Time spent writing data file blocks by backends in this database, in milliseconds",
      ],
      ["stats_reset", "counter", "Time at which these statistics were last reset"],
      [
        "active_time_seconds_total",
        "counter",
        "Time spent executing SQL statements in this database, in seconds",
      ],
    ],
  },
  stat_progress_vacuum: {
    isDefault: true,
    prefix: "pg_stat_progress_vacuum",
    labels: ["datname", "relname"],
    sql: () => `SELECT d.datname, coalesce(CASE WHEN d.datname = current_database() THEN s.relid::regclass::text END,
        s.relid::text) AS relname,
      s.param2 AS heap_blks, s.param3 AS heap_blks_scanned, s.param4 AS heap_blks_vacuumed, s.param5 AS index_vacuums,
      s.param6 AS max_dead_tuples, s.param7 AS num_dead_tuples
      FROM pg_stat_get_progress_info('VACUUM') s LEFT JOIN pg_database d ON d.oid = s.datid`,
    metrics: [
      ["heap_blks", "gauge", "Total number of heap blocks in the table being vacuumed."],
      ["heap_blks_scanned", "gauge", "Number of heap blocks scanned so far."],
      ["heap_blks_vacuumed", "gauge", "Number of heap blocks vacuumed so far."],
      ["index_vacuums", "gauge", "Number of completed index vacuum cycles."],
      [
        "max_dead_tuples",
        "gauge",
        "Maximum number of dead tuples that can be stored before cleanup is performed.",
      ],
      ["num_dead_tuples", "gauge", "Current number of dead tuples found so far."],
    ],
    further: [
      {
        prefix: "pg_stat_progress_vacuum",
        labels: ["datname", "relname", "phase"],
        sql: () => `SELECT d.datname, coalesce(CASE WHEN d.datname = current_database() THEN s.relid::regclass::text END,
          s.relid::text) AS relname, p.phase, (s.param1 = p.number - 1)::int AS phase_
          FROM pg_stat_get_progress_info('VACUUM') s LEFT JOIN pg_database d ON d.oid = s.datid
          CROSS JOIN unnest(ARRAY['initializing', 'scanning heap', 'vacuuming indexes', 'vacuuming heap',
            'cleaning up indexes', 'truncating heap', 'performing final cleanup']) WITH ORDINALITY AS p(phase, number)`,
        renamed: { phase_: "phase" },
        metrics: [
          [
            "phase_",
            "gauge",
            "Current vacuum phase (1 = active, 0 = inactive). Label 'phase' is human-readable.",
          ],
        ],
      },
    ],
  },
  stat_user_tables: {
    isDefault: true,
    prefix: "pg_stat_user_tables",
    labels: TABLE_LABELS,
    sql: () => `SELECT current_database() AS datname, schemaname, relname, coalesce(seq_scan, 0) AS seq_scan,
      coalesce(seq_tup_read, 0) AS seq_tup_read, coalesce(idx_scan, 0) AS idx_scan,
      coalesce(idx_tup_fetch, 0) AS idx_tup_fetch, n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd, n_live_tup,
      n_dead_tup, n_mod_since_analyze, ${at("last_vacuum")}, ${at("last_autovacuum")}, ${at("last_analyze")},
      ${at("last_autoanalyze")}, vacuum_count, autovacuum_count, analyze_count, autoanalyze_count,
      pg_indexes_size(relid) AS index_size_bytes, pg_table_size(relid) AS table_size_bytes FROM pg_stat_user_tables`,
    metrics: [
      ["seq_scan", "counter", "Number of sequential scans initiated on this table"],
      ["seq_tup_read", "counter", "Number of live rows fetched by sequential scans"],
      ["idx_scan", "counter", "Number of index scans initiated on this table"],
      ["idx_tup_fetch", "counter", "Number of live rows fetched by index scans"],
      ["n_tup_ins", "counter", "Number of rows inserted"],
      ["n_tup_upd", "counter", "Number of rows updated"],
      ["n_tup_del", "counter", "Number of rows deleted"],
      [
        "n_tup_hot_upd",
        "counter",
        "Number of rows HOT updated (i.e., with no separate index update required)",
      ],
      ["n_live_tup", "gauge", "Estimated number of live rows"],
      ["n_dead_tup", "gauge", "Estimated number of dead rows"],
      ["n_mod_since_analyze", "gauge", "Estimated number of rows changed since last analyze"],
      [
        "last_vacuum",
        "gauge",
        "Last time at which this table was manually vacuumed (not counting VACUUM FULL)",
      ],
      [
        "last_autovacuum",
        "gauge",
        "Last time at which this table was vacuumed by the autovacuum daemon",
      ],
      ["last_analyze", "gauge", "Last time at which this table was manually analyzed"],
      [
        "last_autoanalyze",
        "gauge",
        "Last time at which this table was analyzed by the autovacuum daemon",
      ],
      [
        "vacuum_count",
        "counter",
        "Number of times this table has been manually vacuumed (not counting VACUUM FULL)",
      ],
      [
        "autovacuum_count",
        "counter",
        "Number of times this table has been vacuumed by the autovacuum daemon",
      ],
      ["analyze_count", "counter", "Number of times this table has been manually analyzed"],
      [
        "autoanalyze_count",
        "counter",
        "Number of times this table has been analyzed by the autovacuum daemon",
      ],
      ["index_size_bytes", "gauge", "Total disk space used by this index, in bytes"],
      ["table_size_bytes", "gauge", "Total disk space used by this table, in bytes"],
    ],
  },
  statio_user_tables: {
    isDefault: true,
    prefix: "pg_statio_user_tables",
    labels: TABLE_LABELS,
    sql: () => `SELECT current_database() AS datname, schemaname, relname,
      coalesce(heap_blks_read, 0) AS heap_blocks_read, coalesce(heap_blks_hit, 0) AS heap_blocks_hit,
      coalesce(idx_blks_read, 0) AS idx_blocks_read, coalesce(idx_blks_hit, 0) AS idx_blocks_hit,
      coalesce(toast_blks_read, 0) AS toast_blocks_read, coalesce(toast_blks_hit, 0) AS toast_blocks_hit,
      coalesce(tidx_blks_read, 0) AS tidx_blocks_read, coalesce(tidx_blks_hit, 0) AS tidx_blocks_hit
      FROM pg_statio_user_tables`,
    metrics: [
      ["heap_blocks_read", "counter", "Number of disk blocks read from this table"],
      ["heap_blocks_hit", "counter", "Number of buffer hits in this table"],
      ["idx_blocks_read", "counter", "Number of disk blocks read from all indexes on this table"],
      ["idx_blocks_hit", "counter", "Number of buffer hits in all indexes on this table"],
      [
        "toast_blocks_read",
        "counter",
        "Number of disk blocks read from this table's TOAST table (if any)",
      ],
      ["toast_blocks_hit", "counter", "Number of buffer hits in this table's TOAST table (if any)"],
      [
        "tidx_blocks_read",
        "counter",
        "Number of disk blocks read from this table's TOAST table indexes (if any)",
      ],
      [
        "tidx_blocks_hit",
        "counter",
        "Number of buffer hits in this table's TOAST table indexes (if any)",
      ],
    ],
  },
  wal: {
    isDefault: true,
    prefix: "pg_wal",
    labels: [],
    sql: () =>
      "SELECT count(*) AS segments, sum(size) AS size_bytes FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'",
    metrics: [
      ["segments", "gauge", "Number of WAL segments"],
      ["size_bytes", "gauge", "Total size of WAL segments"],
    ],
  },
  database_wraparound: {
    isDefault: false,
    prefix: "pg_database_wraparound",
    labels: ["datname"],
    sql: () => `SELECT datname, age(datfrozenxid) AS age_datfrozenxid_seconds,
      mxid_age(datminmxid) AS age_datminmxid_seconds FROM pg_catalog.pg_database WHERE datallowconn`,
    metrics: [
      [
        "age_datfrozenxid_seconds",
        "gauge",
        "Age of the oldest transaction ID that has not been frozen.",
      ],
      [
        "age_datminmxid_seconds",
        "gauge",
        "Age of the oldest multi-transaction ID that has been replaced with a transaction ID.",
      ],
    ],
  },
  stat_checkpointer: {
    isDefault: false,
    prefix: "pg_stat_checkpointer",
    labels: [],
    sql: (version) =>
      version[0] >= 17
        ? `SELECT num_timed AS num_timed_total, num_requested AS num_requested_total,
          restartpoints_timed AS restartpoints_timed_total, restartpoints_req AS restartpoints_req_total,
          restartpoints_done AS restartpoints_done_total, write_time AS write_time_total, sync_time AS sync_time_total,
          buffers_written AS buffers_written_total,
          extract(epoch FROM stats_reset)::bigint AS stats_reset_total FROM pg_stat_checkpointer`
        : undefined,
    metrics: [
      ["num_timed_total", "counter", "Number of scheduled checkpoints due to timeout"],
      [
        "num_requested_total",
        "counter",
        "Number of requested checkpoints that have been performed",
      ],
      [
        "restartpoints_timed_total",
        "counter",
        "Number of scheduled restartpoints due to timeout or after a failed attempt to perform it",
      ],
      ["restartpoints_req_total", "counter", "Number of requested restartpoints"],
      ["restartpoints_done_total", "counter", "Number of restartpoints that have been performed"],
      [
        "write_time_total",
        "counter",
        "Total amount of time that has been spent in the portion of processing checkpoints and restartpoints where files are written to disk, in milliseconds",
      ],
      [
        "sync_time_total",
        "counter",
        "Total amount of time that has been spent in the portion of processing checkpoints and restartpoints where files are synchronized to disk, in milliseconds",
      ],
      [
        "buffers_written_total",
        "counter",
        "Number of buffers written during checkpoints and restartpoints",
      ],
      ["stats_reset_total", "counter", "Time at which these statistics were last reset"],
    ],
  },
});

/** Collectors that postgres_exporter has and that are not built yet. */
export const COLLECTORS_NOT_YET: readonly string[] = [
  "buffercache_summary",
  "long_running_transactions",
  "postmaster",
  "process_idle",
  "stat_activity_autovacuum",
  "stat_wal_receiver",
  "statio_user_indexes",
  "xlog_location",
];
