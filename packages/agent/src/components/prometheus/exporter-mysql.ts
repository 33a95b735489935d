/** `prometheus.exporter.mysql`: statistics of a MySQL or MariaDB server, asked for when it is scraped. */
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { DEFAULT_COLLECTORS } from "../../mysql/collectors.ts";
import { parseMysqlDsn } from "../../mysql/dsn.ts";
import { scrapeMysql } from "../../mysql/exporter.ts";
import { OPTIONAL_COLLECTORS, type MysqlSettings } from "../../mysql/optional-collectors.ts";
import { block, optional, required, type ValuesOf } from "../../schema.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const DEFAULT_NAMES = Object.keys(DEFAULT_COLLECTORS);
const OPTIONAL_NAMES = Object.keys(OPTIONAL_COLLECTORS);
const NAMES = [...DEFAULT_NAMES, ...OPTIONAL_NAMES];

const ARGUMENTS = {
  data_source_name: required(
    "secret",
    "Server, as `USER:PASSWORD@tcp(HOST:PORT)/?tls=…` or `USER@unix(PATH)/`.",
  ),
  set_collectors: optional(
    "list(string)",
    [],
    `Collectors in place of the default ones, which are ${DEFAULT_NAMES.join(", ")}.`,
  ),
  enable_collectors: optional(
    "list(string)",
    [],
    `Collectors besides the default ones: ${OPTIONAL_NAMES.join(", ")}.`,
  ),
  disable_collectors: optional("list(string)", [], "Collectors that are not run."),
  enable_lock_wait_timeout: optional(
    "bool",
    true,
    "Wait for locks of metadata no longer than lock_wait_timeout.",
  ),
  lock_wait_timeout: optional("number", 2, "Seconds.", { min: 1 }),
  log_slow_filter: optional(
    "bool",
    false,
    "Keep queries of the exporter out of the log of slow queries, but those that use the disk.",
  ),
  heartbeat: block(
    {
      database: optional("string", "heartbeat", "Database of the table."),
      table: optional("string", "heartbeat", "Table with the columns `ts` and `server_id`."),
      utc: optional("bool", false, "Times in the table are UTC, as with `pt-heartbeat --utc`."),
    },
    { repeat: "one", doc: "Replication lag by pt-heartbeat, for the collector heartbeat." },
  ),
  "info_schema.processlist": block(
    {
      min_time: optional("number", 0, "Seconds a process must have been in its state.", { min: 0 }),
      processes_by_user: optional("bool", true, "Count processes by user."),
      processes_by_host: optional("bool", true, "Count processes by host."),
    },
    { repeat: "one", doc: "Processes, for the collector info_schema.processlist." },
  ),
  "info_schema.tables": block(
    {
      databases: optional("string", "*", "Databases with commas between them, or `*`."),
    },
    { repeat: "one", doc: "Sizes of tables, for the collector info_schema.tables." },
  ),
  "mysql.user": block(
    { privileges: optional("bool", false, "Tell privileges besides limits.") },
    { repeat: "one", doc: "Users, for the collector mysql.user." },
  ),
  "perf_schema.eventsstatements": block(
    {
      limit: optional("number", 250, "Most digests, those that took longest.", { min: 1 }),
      time_limit: optional("number", 86400, "Seconds in which a digest must have been seen.", {
        min: 0,
      }),
      text_limit: optional("number", 120, "Characters of a statement's text.", { min: 0 }),
      exclude_schemas: optional(
        "list(string)",
        [],
        "Schemas that are left out, besides mysql, performance_schema and information_schema.",
      ),
    },
    { repeat: "one", doc: "Statements, for the collector perf_schema.eventsstatements." },
  ),
  "perf_schema.file_instances": block(
    {
      filter: optional("string", ".*", "Regular expression, of the server's kind, for paths."),
      remove_prefix: optional("string", "/var/lib/mysql", "Left out at the start of paths."),
    },
    { repeat: "one", doc: "Files, for the collector perf_schema.file_instances." },
  ),
  "perf_schema.memory_events": block(
    { remove_prefix: optional("string", "memory/", "Left out at the start of names.") },
    { repeat: "one", doc: "Memory, for the collector perf_schema.memory_events." },
  ),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

/** Of mysqld_exporter, for an engine whose makers have given it up. */
const NOT_BUILT = "engine_tokudb_status";

export const exporterMysql = defineComponent<typeof ARGUMENTS, ExporterExports>({
  name: "prometheus.exporter.mysql",
  stability: "generally-available",
  summary: "Exposes statistics of a MySQL or MariaDB server.",
  arguments: ARGUMENTS,
  exports: { targets: "One target." },
  check: findFault,
  run: (context, signal) =>
    runExporter(context, (values) => Promise.resolve(open(context, values)), signal),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  try {
    parseMysqlDsn(values.data_source_name.reveal());
  } catch (error) {
    return { at: "data_source_name", message: describeError(error) };
  }
  for (const at of ["set_collectors", "enable_collectors", "disable_collectors"] as const)
    for (const name of values[at]) {
      if (NAMES.includes(name)) continue;
      if (name !== NOT_BUILT)
        return {
          at,
          message: `there is no collector ${JSON.stringify(name)}; there are ${NAMES.join(", ")}`,
        };
      // What is not built does not run in any case.
      if (at !== "disable_collectors")
        return { at, message: `not supported yet: collector ${name}` };
    }
  return findFraction(values);
}

/** Of numbers that stand in SQL, where only whole ones can. */
const WHOLE = {
  "info_schema.processlist": ["min_time"],
  "perf_schema.eventsstatements": ["limit", "time_limit", "text_limit"],
} as const satisfies Partial<Record<keyof Arguments, readonly string[]>>;

function findFraction(values: Arguments): ArgumentFault | undefined {
  for (const [block, names] of Object.entries(WHOLE)) {
    const numbers: Readonly<Record<string, unknown>> = values[block as keyof typeof WHOLE];
    for (const name of names)
      if (!Number.isInteger(numbers[name]))
        return { at: `${block}.${name}`, message: `${name} must be a whole number` };
  }
  return undefined;
}

function open(context: Context, values: Arguments): OpenExporter {
  const { clock, log } = context;
  const parsed = parseMysqlDsn(values.data_source_name.reveal());
  const source = {
    ...parsed,
    variables: {
      ...parsed.variables,
      ...(values.enable_lock_wait_timeout && {
        lock_wait_timeout: String(values.lock_wait_timeout),
      }),
      ...(values.log_slow_filter && {
        log_slow_filter: "'tmp_table_on_disk,filesort_on_disk'",
      }),
    },
  };
  const { set_collectors: set, enable_collectors: more, disable_collectors: without } = values;
  const chosen = new Set([...(set.length > 0 ? set : DEFAULT_NAMES), ...more]);
  const settings = settingsOf(values);
  const all = [
    ...Object.entries(DEFAULT_COLLECTORS),
    ...Object.entries(OPTIONAL_COLLECTORS).map(([name, make]) => [name, make(settings)] as const),
  ];
  const collectors = new Map(all.filter(([name]) => chosen.has(name) && !without.includes(name)));
  return {
    targets: [exporterTarget(context, "mysql", {}, { instance: source.instance })],
    scrape: ({ signal }) => scrapeMysql({ source, collectors, clock, log }, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function settingsOf(values: Arguments): MysqlSettings {
  const statements = values["perf_schema.eventsstatements"];
  const files = values["perf_schema.file_instances"];
  const processes = values["info_schema.processlist"];
  return {
    heartbeat: values.heartbeat,
    userPrivileges: values["mysql.user"].privileges,
    statements: {
      limit: statements.limit,
      timeLimitSeconds: statements.time_limit,
      textLimit: statements.text_limit,
      excludeSchemas: statements.exclude_schemas,
    },
    fileInstances: { filter: files.filter, removePrefix: files.remove_prefix },
    processes: {
      minTimeSeconds: processes.min_time,
      byUser: processes.processes_by_user,
      byHost: processes.processes_by_host,
    },
    tables: { databases: values["info_schema.tables"].databases },
    memoryEvents: { removePrefix: values["perf_schema.memory_events"].remove_prefix },
  };
}
