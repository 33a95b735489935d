/** `prometheus.exporter.mysql`: statistics of a MySQL or MariaDB server, asked for when it is scraped. */
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import { DEFAULT_COLLECTORS } from "../../mysql/collectors.ts";
import { parseMysqlDsn } from "../../mysql/dsn.ts";
import { scrapeMysql } from "../../mysql/exporter.ts";
import { heartbeatCollector, userCollector } from "../../mysql/optional-collectors.ts";
import { block, notYet, optional, required, type ValuesOf } from "../../schema.ts";
import {
  exporterTarget,
  runExporter,
  type ExporterExports,
  type OpenExporter,
} from "./exporter.ts";

const DEFAULT_NAMES = Object.keys(DEFAULT_COLLECTORS);
const NAMES = [...DEFAULT_NAMES, "heartbeat", "mysql.user"];

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
    "Collectors besides the default ones: heartbeat, mysql.user.",
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
  "info_schema.processlist": notYet("block", "Processes."),
  "info_schema.tables": notYet("block", "Sizes of tables."),
  "mysql.user": block(
    { privileges: optional("bool", false, "Tell privileges besides limits.") },
    { repeat: "one", doc: "Users, for the collector mysql.user." },
  ),
  "perf_schema.eventsstatements": notYet("block", "Statements."),
  "perf_schema.file_instances": notYet("block", "Files."),
  "perf_schema.memory_events": notYet("block", "Memory."),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, ExporterExports>;

/** Collectors of mysqld_exporter that are not built. */
const OTHER_COLLECTORS = new Set(
  "auto_increment.columns binlog_size engine_innodb_status engine_tokudb_status info_schema.clientstats info_schema.innodb_metrics info_schema.innodb_tablespaces info_schema.processlist info_schema.replica_host info_schema.schemastats info_schema.tables info_schema.tablestats info_schema.userstats perf_schema.eventsstatements perf_schema.eventsstatementssum perf_schema.eventswaits perf_schema.file_events perf_schema.file_instances perf_schema.indexiowaits perf_schema.memory_events perf_schema.replication_applier_status_by_worker perf_schema.replication_group_member_stats perf_schema.replication_group_members perf_schema.tableiowaits perf_schema.tablelocks slave_hosts sys.user_summary".split(
    " ",
  ),
);

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
      if (!OTHER_COLLECTORS.has(name))
        return {
          at,
          message: `there is no collector ${JSON.stringify(name)}; there are ${NAMES.join(", ")}`,
        };
      // What is not built does not run in any case.
      if (at !== "disable_collectors")
        return { at, message: `not supported yet: collector ${name}` };
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
  const settings = {
    heartbeat: values.heartbeat,
    userPrivileges: values["mysql.user"].privileges,
  };
  const { set_collectors: set, enable_collectors: more, disable_collectors: without } = values;
  const chosen = new Set([...(set.length > 0 ? set : DEFAULT_NAMES), ...more]);
  const all = {
    ...DEFAULT_COLLECTORS,
    heartbeat: heartbeatCollector(settings),
    "mysql.user": userCollector(settings),
  };
  const collectors = new Map(
    Object.entries(all).filter(([name]) => chosen.has(name) && !without.includes(name)),
  );
  return {
    targets: [exporterTarget(context, "mysql", {}, { instance: source.instance })],
    scrape: ({ signal }) => scrapeMysql({ source, collectors, clock, log }, signal),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}
