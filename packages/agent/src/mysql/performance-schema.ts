/** Collectors of `prometheus.exporter.mysql` that read how the server waits, what of files it reads and writes, and its memory, from the performance schema. */
import { by, counter, gauge, literal, PICOSECONDS, withoutPrefix, type Table } from "./table.ts";

export const EVENTS_WAITS: Table = {
  from: "performance_schema.events_waits_summary_global_by_event_name",
  labels: { event_name: "EVENT_NAME" },
  figures: [
    counter(
      "mysql_perf_schema_events_waits_total",
      "The total events waits by event name.",
      "COUNT_STAR",
    ),
    counter(
      "mysql_perf_schema_events_waits_seconds_total",
      "The total seconds of events waits by event name.",
      "SUM_TIMER_WAIT",
      PICOSECONDS,
    ),
  ],
};

export const FILE_EVENTS: Table = {
  from: "performance_schema.file_summary_by_event_name",
  labels: { event_name: "EVENT_NAME" },
  figures: [
    counter(
      "mysql_perf_schema_file_events_total",
      "The total file events by event name/mode.",
      by("mode", { read: "COUNT_READ", write: "COUNT_WRITE", misc: "COUNT_MISC" }),
    ),
    counter(
      "mysql_perf_schema_file_events_seconds_total",
      "The total seconds of file events by event name/mode.",
      by("mode", { read: "SUM_TIMER_READ", write: "SUM_TIMER_WRITE", misc: "SUM_TIMER_MISC" }),
      PICOSECONDS,
    ),
    counter(
      "mysql_perf_schema_file_events_bytes_total",
      "The total bytes of file events by event name/mode.",
      by("mode", { read: "SUM_NUMBER_OF_BYTES_READ", write: "SUM_NUMBER_OF_BYTES_WRITE" }),
    ),
  ],
};

/** Of files whose path matches the regular expression `filter`, as the server matches. */
export function fileInstances(options: {
  readonly filter: string;
  readonly removePrefix: string;
}): Table {
  return {
    from: `performance_schema.file_summary_by_instance WHERE FILE_NAME REGEXP ${literal(options.filter)}`,
    labels: {
      event_name: "EVENT_NAME",
      file_name: { sql: "FILE_NAME", edit: withoutPrefix(options.removePrefix) },
    },
    figures: [
      counter(
        "mysql_perf_schema_file_instances_bytes",
        "The number of bytes processed by file read/write operations.",
        by("mode", { read: "SUM_NUMBER_OF_BYTES_READ", write: "SUM_NUMBER_OF_BYTES_WRITE" }),
      ),
      counter(
        "mysql_perf_schema_file_instances_total",
        "The total number of file read/write operations.",
        by("mode", { read: "COUNT_READ", write: "COUNT_WRITE" }),
      ),
    ],
  };
}

export function memoryEvents(options: { readonly removePrefix: string }): Table {
  return {
    from: "performance_schema.memory_summary_global_by_event_name WHERE COUNT_ALLOC > 0",
    labels: { event_name: { sql: "EVENT_NAME", edit: withoutPrefix(options.removePrefix) } },
    figures: [
      counter(
        "mysql_perf_schema_memory_events_alloc_bytes_total",
        "The total number of bytes allocated by events.",
        "SUM_NUMBER_OF_BYTES_ALLOC",
      ),
      counter(
        "mysql_perf_schema_memory_events_free_bytes_total",
        "The total number of bytes freed by events.",
        "SUM_NUMBER_OF_BYTES_FREE",
      ),
      gauge(
        "mysql_perf_schema_memory_events_used_bytes",
        "The number of bytes currently allocated by events.",
        "CURRENT_NUMBER_OF_BYTES_USED",
      ),
    ],
  };
}

const USERS_TABLES = "OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema')";

/** Columns that begin with `prefix`, by what is done to rows. */
function rowOperations(prefix: string) {
  return {
    fetch: `${prefix}_FETCH`,
    insert: `${prefix}_INSERT`,
    update: `${prefix}_UPDATE`,
    delete: `${prefix}_DELETE`,
  };
}

export const TABLE_IO_WAITS: Table = {
  from: `performance_schema.table_io_waits_summary_by_table WHERE ${USERS_TABLES}`,
  labels: { schema: "OBJECT_SCHEMA", name: "OBJECT_NAME" },
  figures: [
    counter(
      "mysql_perf_schema_table_io_waits_total",
      "The total number of table I/O wait events for each table and operation.",
      by("operation", rowOperations("COUNT")),
    ),
    counter(
      "mysql_perf_schema_table_io_waits_seconds_total",
      "The total time of table I/O wait events for each table and operation.",
      by("operation", rowOperations("SUM_TIMER")),
      PICOSECONDS,
    ),
  ],
};

/** Rows are inserted through no index: the server counts that at the row without one. */
function indexOperations(prefix: string) {
  const insert = `IF(INDEX_NAME IS NULL, ${prefix}_INSERT, NULL)`;
  return by("operation", { ...rowOperations(prefix), insert });
}

export const INDEX_IO_WAITS: Table = {
  from: `performance_schema.table_io_waits_summary_by_index_usage WHERE ${USERS_TABLES}`,
  labels: { schema: "OBJECT_SCHEMA", name: "OBJECT_NAME", index: "IFNULL(INDEX_NAME, 'NONE')" },
  figures: [
    counter(
      "mysql_perf_schema_index_io_waits_total",
      "The total number of index I/O wait events for each index and operation.",
      indexOperations("COUNT"),
    ),
    counter(
      "mysql_perf_schema_index_io_waits_seconds_total",
      "The total time of index I/O wait events for each index and operation.",
      indexOperations("SUM_TIMER"),
      PICOSECONDS,
    ),
  ],
};

const SQL_LOCKS = [
  "read_normal",
  "read_with_shared_locks",
  "read_high_priority",
  "read_no_insert",
  "write_normal",
  "write_allow_write",
  "write_concurrent_insert",
  "write_low_priority",
];

/** Columns that begin with `prefix`, by lock that the server itself takes. */
function sqlLocks(prefix: string) {
  return by(
    "operation",
    Object.fromEntries(SQL_LOCKS.map((lock) => [lock, `${prefix}_${lock.toUpperCase()}`])),
  );
}

/** Columns that begin with `prefix`, by lock of the storage engine. */
function externalLocks(prefix: string) {
  return by("operation", { read: `${prefix}_READ_EXTERNAL`, write: `${prefix}_WRITE_EXTERNAL` });
}

export const TABLE_LOCKS: Table = {
  from: "performance_schema.table_lock_waits_summary_by_table WHERE OBJECT_SCHEMA NOT IN ('mysql', 'performance_schema', 'information_schema')",
  labels: { schema: "OBJECT_SCHEMA", name: "OBJECT_NAME" },
  figures: [
    counter(
      "mysql_perf_schema_sql_lock_waits_total",
      "The total number of SQL lock wait events for each table and operation.",
      sqlLocks("COUNT"),
    ),
    counter(
      "mysql_perf_schema_sql_lock_waits_seconds_total",
      "The total time of SQL lock wait events for each table and operation.",
      sqlLocks("SUM_TIMER"),
      PICOSECONDS,
    ),
    counter(
      "mysql_perf_schema_external_lock_waits_total",
      "The total number of external lock wait events for each table and operation.",
      externalLocks("COUNT"),
    ),
    counter(
      "mysql_perf_schema_external_lock_waits_seconds_total",
      "The total time of external lock wait events for each table and operation.",
      externalLocks("SUM_TIMER"),
      PICOSECONDS,
    ),
  ],
};
