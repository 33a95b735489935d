/** Collectors of `prometheus.exporter.mysql`: what each asks, and the metrics it makes of the answers, named as mysqld_exporter names them. */
import type { FamilySet } from "../unix/family-set.ts";
import type { MysqlResult } from "./connection.ts";
import { parseStatus } from "./status-value.ts";
import {
  counter,
  tableCollector,
  type Ask,
  type MysqlCollector,
  type Table,
  type TableLabels,
} from "./table.ts";

function nameOf(text: string): string {
  return text.replaceAll(/[^a-zA-Z0-9_]/g, "_").toLowerCase();
}

const STATUS_GROUP =
  /^(com|handler|connection_errors|innodb_buffer_pool_pages|innodb_rows|performance_schema)_(.*)$/;

/** Families of status variables that share a beginning: name, label, help. */
const STATUS_FAMILIES: Readonly<Record<string, readonly [string, string, string]>> = {
  com: ["commands_total", "command", "Total number of executed MySQL commands."],
  handler: ["handlers_total", "handler", "Total number of executed MySQL handlers."],
  connection_errors: [
    "connection_errors_total",
    "error",
    "Total number of MySQL connection errors.",
  ],
  innodb_rows: [
    "innodb_row_ops_total",
    "operation",
    "Total number of MySQL InnoDB row operations.",
  ],
  performance_schema: [
    "performance_schema_lost_total",
    "instrumentation",
    "Total number of MySQL instrumentations that could not be loaded or created due to memory constraints.",
  ],
};

async function collectStatus(ask: Ask, families: FamilySet): Promise<void> {
  const { rows } = await ask("SHOW GLOBAL STATUS");
  const texts = new Map<string, string>();
  for (const [name, text] of rows) {
    const key = nameOf(name ?? "");
    const value = parseStatus(text ?? "");
    if (value === undefined) texts.set(key, text ?? "");
    else addStatus(families, key, value);
  }
  const uuid = texts.get("wsrep_local_state_uuid") ?? "";
  if (uuid !== "")
    families
      .take("gauge", "mysql_galera_status_info", "PXC/Galera status information.")
      .addLabelled(1, {
        wsrep_cluster_state_uuid: texts.get("wsrep_cluster_state_uuid") ?? "",
        wsrep_local_state_uuid: uuid,
        wsrep_provider_version: texts.get("wsrep_provider_version") ?? "",
      });
  addLatency(families, texts.get("wsrep_evs_repl_latency") ?? "");
}

function addStatus(families: FamilySet, key: string, value: number): void {
  const [, group, rest = ""] = STATUS_GROUP.exec(key) ?? [];
  if (group === undefined) {
    families
      .take("untyped", `mysql_global_status_${key}`, "Generic metric from SHOW GLOBAL STATUS.")
      .add(value);
    return;
  }
  if (group === "innodb_buffer_pool_pages") {
    addPoolPages(families, rest, value);
    return;
  }
  const [name, label, help] = STATUS_FAMILIES[group]!;
  families.take("counter", `mysql_global_status_${name}`, help).add(value, label, rest);
}

function addPoolPages(families: FamilySet, state: string, value: number): void {
  const prefix = "mysql_global_status_buffer_pool_";
  if (["data", "free", "misc", "old"].includes(state))
    families
      .take("gauge", `${prefix}pages`, "Innodb buffer pool pages by state.")
      .add(value, "state", state);
  else if (state === "dirty")
    families.take("gauge", `${prefix}dirty_pages`, "Innodb buffer pool dirty pages.").add(value);
  else if (state !== "total")
    families
      .take("counter", `${prefix}page_changes_total`, "Innodb buffer pool page state changes.")
      .add(value, "operation", state);
}

const LATENCIES: readonly (readonly [string, string])[] = [
  ["min_seconds", "Min value."],
  ["avg_seconds", "Avg value."],
  ["max_seconds", "Max value."],
  ["stdev", "Standard Deviation."],
  ["sample_size", "Sample Size."],
];

/** `min/avg/max/deviation/count`. */
function addLatency(families: FamilySet, text: string): void {
  const values = text.split("/").map(Number);
  if (values.length !== LATENCIES.length || values.some((value) => Number.isNaN(value))) return;
  for (const [index, [name, help]] of LATENCIES.entries())
    families
      .take(
        "gauge",
        `mysql_galera_evs_repl_latency_${name}`,
        `PXC/Galera group communication latency. ${help}`,
      )
      .add(values[index]!);
}

async function collectVariables(ask: Ask, families: FamilySet): Promise<void> {
  const { rows } = await ask("SHOW GLOBAL VARIABLES");
  const texts = new Map<string, string>();
  for (const [name, text] of rows) {
    const key = nameOf(name ?? "");
    const value = parseStatus(text ?? "");
    if (value === undefined) texts.set(key, text ?? "");
    else
      families
        .take(
          "gauge",
          `mysql_global_variables_${key}`,
          "Generic gauge metric from SHOW GLOBAL VARIABLES.",
        )
        .add(value);
  }
  const of = (key: string) => texts.get(key) ?? "";
  families.take("gauge", "mysql_version_info", "MySQL version and distribution.").addLabelled(1, {
    innodb_version: of("innodb_version"),
    version: of("version"),
    version_comment: of("version_comment"),
  });
  const level = of("transaction_isolation") || of("tx_isolation");
  if (level !== "")
    families
      .take("gauge", "mysql_transaction_isolation", "MySQL transaction isolation.")
      .add(1, "level", level);
  const cluster = of("wsrep_cluster_name");
  if (cluster !== "")
    families
      .take("gauge", "mysql_galera_variables_info", "PXC/Galera variables information.")
      .add(1, "wsrep_cluster_name", cluster);
  const options = of("wsrep_provider_options");
  if (options !== "")
    families
      .take("gauge", "mysql_galera_gcache_size_bytes", "PXC/Galera gcache size.")
      .add(cacheBytes(options));
}

const UNITS: Readonly<Record<string, number>> = { "": 1, M: 2 ** 20, G: 2 ** 30 };

function cacheBytes(options: string): number {
  const [, digits = "0", unit = ""] = /gcache\.size = (\d+)([MG]?);/.exec(options) ?? [];
  return Number(digits) * UNITS[unit]!;
}

/** The first of these that the server understands is its way to say how replicas are. */
const REPLICATION_QUERIES = [
  "SHOW ALL SLAVES STATUS",
  "SHOW SLAVE STATUS NONBLOCKING",
  "SHOW SLAVE STATUS NOLOCK",
  "SHOW SLAVE STATUS",
  "SHOW REPLICA STATUS",
];

async function askReplication(ask: Ask): Promise<MysqlResult> {
  let last: unknown;
  for (const query of REPLICATION_QUERIES) {
    try {
      return await ask(query);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function collectReplication(ask: Ask, families: FamilySet): Promise<void> {
  const { columns, rows } = await askReplication(ask);
  for (const row of rows) {
    const of = (...names: readonly string[]) =>
      names.map((name) => row[columns.indexOf(name)] ?? "").find((text) => text !== "") ?? "";
    const labels = {
      channel_name: of("Channel_Name"),
      connection_name: of("Connection_name"),
      master_host: of("Master_Host", "Source_Host"),
      master_uuid: of("Master_UUID", "Source_UUID"),
    };
    for (const [index, column] of columns.entries()) {
      const value = parseStatus(row[index] ?? "");
      if (value !== undefined)
        families
          .take(
            "untyped",
            `mysql_slave_status_${column.toLowerCase()}`,
            "Generic metric from SHOW SLAVE STATUS.",
          )
          .addLabelled(value, labels);
    }
    for (const column of ["Gtid_IO_Pos", "Gtid_Slave_Pos"])
      addPositions(families, { column, text: of(column), labels });
  }
}

/** `DOMAIN-SERVER-NUMBER`, separated by commas. */
function addPositions(
  families: FamilySet,
  about: {
    readonly column: string;
    readonly text: string;
    readonly labels: Readonly<Record<string, string>>;
  },
): void {
  const { column, text, labels } = about;
  for (const position of text.split(",")) {
    const [, domain, server, number] = /^(\d+)-(\d+)-(\d+)$/.exec(position.trim()) ?? [];
    if (number === undefined) continue;
    const { channel_name, connection_name, ...rest } = labels;
    families
      .take(
        "gauge",
        `mysql_slave_status_${column.toLowerCase()}`,
        `${column} metric from SHOW SLAVE STATUS.`,
      )
      .addLabelled(Number(number), {
        channel_name: channel_name!,
        connection_name: connection_name!,
        domain_id: domain!,
        ...rest,
        server_id: server!,
      });
  }
}

const PAGE_SIZE: TableLabels = { page_size: "page_size" };

const COMPRESSION: Table = {
  from: "information_schema.innodb_cmp",
  labels: PAGE_SIZE,
  figures: [
    counter(
      "mysql_info_schema_innodb_cmp_compress_ops_total",
      "Number of times a B-tree page of the size PAGE_SIZE has been compressed.",
      "compress_ops",
    ),
    counter(
      "mysql_info_schema_innodb_cmp_compress_ops_ok_total",
      "Number of times a B-tree page of the size PAGE_SIZE has been successfully compressed.",
      "compress_ops_ok",
    ),
    counter(
      "mysql_info_schema_innodb_cmp_compress_time_seconds_total",
      "Total time in seconds spent in attempts to compress B-tree pages.",
      "compress_time",
    ),
    counter(
      "mysql_info_schema_innodb_cmp_uncompress_ops_total",
      "Number of times a B-tree page of the size PAGE_SIZE has been uncompressed.",
      "uncompress_ops",
    ),
    counter(
      "mysql_info_schema_innodb_cmp_uncompress_time_seconds_total",
      "Total time in seconds spent in uncompressing B-tree pages.",
      "uncompress_time",
    ),
  ],
};

const COMPRESSED_MEMORY: Table = {
  from: "information_schema.innodb_cmpmem",
  labels: { ...PAGE_SIZE, buffer_pool: "buffer_pool_instance" },
  figures: [
    counter(
      "mysql_info_schema_innodb_cmpmem_pages_used_total",
      "Number of blocks of the size PAGE_SIZE that are currently in use.",
      "pages_used",
    ),
    counter(
      "mysql_info_schema_innodb_cmpmem_pages_free_total",
      "Number of blocks of the size PAGE_SIZE that are currently available for allocation.",
      "pages_free",
    ),
    counter(
      "mysql_info_schema_innodb_cmpmem_relocation_ops_total",
      "Number of times a block of the size PAGE_SIZE has been relocated.",
      "relocation_ops",
    ),
    counter(
      "mysql_info_schema_innodb_cmpmem_relocation_time_seconds_total",
      "Total time in seconds spent in relocating blocks.",
      "relocation_time",
      { divisor: 1000 },
    ),
  ],
};

const RESPONSE_TABLES: readonly (readonly [string, string, string])[] = [
  ["QUERY_RESPONSE_TIME", "", "all"],
  ["QUERY_RESPONSE_TIME_READ", "read_", "read"],
  ["QUERY_RESPONSE_TIME_WRITE", "write_", "write"],
];

/** Percona's and MariaDB's plugin; a server without it, or with it off, has nothing to tell. */
async function collectResponseTimes(ask: Ask, families: FamilySet): Promise<void> {
  const { rows } = await ask("SELECT @@query_response_time_stats").catch(() => ({ rows: [] }));
  if (Number(rows[0]?.[0] ?? 0) === 0) return;
  for (const [index, [table, prefix, kind]] of RESPONSE_TABLES.entries()) {
    try {
      const answer = await ask(`SELECT TIME, COUNT, TOTAL FROM INFORMATION_SCHEMA.${table}`);
      addResponseTimes(families, { prefix, kind }, answer);
    } catch (error) {
      // Only Percona's tells reads and writes apart.
      if (index === 0) throw error;
    }
  }
}

function addResponseTimes(
  families: FamilySet,
  about: { readonly prefix: string; readonly kind: string },
  { rows }: MysqlResult,
): void {
  const family = families.take(
    "histogram",
    `mysql_info_schema_${about.prefix}query_response_time_seconds`,
    `The number of ${about.kind} queries by duration they took to execute.`,
  );
  let count = 0;
  let sum = 0;
  for (const [time, ofTime, total] of rows) {
    count += Number(ofTime);
    sum += Number((total ?? "").trim()) || 0;
    const bound = Number((time ?? "").trim());
    // What took longer than the last bound is `TOO LONG`.
    if (!Number.isNaN(bound) && bound !== 0)
      family.addSuffixed("_bucket", count, ["le", String(bound)]);
  }
  family.addSuffixed("_bucket", count, ["le", "+Inf"]);
  family.addSuffixed("_sum", sum, []);
  family.addSuffixed("_count", count, []);
}

/** Those that are on by default. */
export const DEFAULT_COLLECTORS: Readonly<Record<string, MysqlCollector>> = {
  global_status: { collect: collectStatus },
  global_variables: { collect: collectVariables },
  "info_schema.innodb_cmp": tableCollector(COMPRESSION),
  "info_schema.innodb_cmpmem": tableCollector(COMPRESSED_MEMORY),
  "info_schema.query_response_time": { collect: collectResponseTimes },
  slave_status: { collect: collectReplication },
};
