/**
 * Collectors of `prometheus.exporter.mysql` that are off by default, at a real MariaDB: their options, and what only MySQL has, at tables that hold what real
 * MySQL servers answered.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { FinchError } from "@finch/runtime";
import { MysqlConnection, type MysqlResult } from "../src/mysql/connection.ts";
import { parseMysqlDsn } from "../src/mysql/dsn.ts";
import { OPTIONAL_COLLECTORS, type MysqlSettings } from "../src/mysql/optional-collectors.ts";
import { FamilySet } from "../src/unix/family-set.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { parseExposition } from "./mysql-exposition.ts";
import { noMariadb, startMariadb, type MysqlServer } from "./mysql-server.ts";
import { SETTINGS } from "./mysql-settings.ts";

type Name = keyof typeof OPTIONAL_COLLECTORS;

const never = new AbortController().signal;

describe("optional collectors", { skip: noMariadb() }, () => {
  const stack = new AsyncDisposableStack();
  let server: MysqlServer;

  before(async () => {
    const directory = stack.use(await temporaryDirectory());
    const options = ["--performance-schema=ON", "--performance-schema-instrument=memory/%=ON"];
    server = stack.use(await startMariadb(directory.path, options));
    server.sql(`
      CREATE USER guest@localhost;
      CREATE DATABASE shop;
      CREATE DATABASE \`it's\`;
      USE \`it's\`;
      CREATE TABLE one (id INT PRIMARY KEY);
      SELECT * FROM one WHERE id IN (1, 2, 3);
      USE shop;
      CREATE TABLE items (id INT PRIMARY KEY);
      SELECT COUNT(*) FROM items WHERE id = 5;
    `);
  });
  after(() => stack.disposeAsync());

  /** What one collector makes of the server, or of what `rewrite` has it ask instead. */
  async function collect(
    names: readonly Name[],
    settings: Partial<MysqlSettings> = {},
    { rewrite = (sql: string) => sql, parameters = "" } = {},
  ) {
    const source = parseMysqlDsn(`root@unix(${server.socketPath})/${parameters}`);
    using connection = await MysqlConnection.open(source, never);
    const families = new FamilySet();
    for (const name of names)
      await OPTIONAL_COLLECTORS[name]({ ...SETTINGS, ...settings }).collect(
        (sql) => connection.query(rewrite(sql), never),
        families,
      );
    return parseExposition(families.text());
  }

  /** Values of a label in a family. */
  async function labelOf(
    name: Name,
    settings: Partial<MysqlSettings>,
    [family, label]: [string, string],
  ) {
    const { samples } = await collect([name], settings);
    const pattern = new RegExp(`^${family}\\{(?:.*,)?${label}="((?:[^"\\\\]|\\\\.)*)"`);
    return new Set([...samples.keys()].flatMap((series) => pattern.exec(series)?.[1] ?? []));
  }

  const statements = (changes: Partial<MysqlSettings["statements"]>) => ({
    statements: { ...SETTINGS.statements, ...changes },
  });

  test("statements: schemas that are left out, length of the text, number", async () => {
    const family = "mysql_perf_schema_events_statements_total";
    const ask = (changes: Partial<MysqlSettings["statements"]>, label: string) =>
      labelOf("perf_schema.eventsstatements", statements(changes), [family, label]);
    assert.deepEqual(await ask({}, "schema"), new Set(["shop", "it's"]));
    assert.deepEqual(await ask({ excludeSchemas: ["it's", "x"] }, "schema"), new Set(["shop"]));
    assert.deepEqual(await ask({ textLimit: 0 }, "digest_text"), new Set([""]));
    const texts = await ask({ textLimit: 18 }, "digest_text");
    assert.ok(texts.has("SELECT COUNT ( * )"), [...texts].join("; "));
    assert.equal((await ask({ limit: 2 }, "digest")).size, 2);
  });

  test("statements: those that were not seen for a time are left out", async () => {
    const aDayLater = {
      rewrite: (sql: string) => sql.replace("NOW()", "(NOW() + INTERVAL 1 DAY)"),
    };
    for (const [hours, isShown] of [
      [23, false],
      [25, true],
    ] as const) {
      const settings = statements({ timeLimitSeconds: hours * 3600 });
      const { help } = await collect(["perf_schema.eventsstatements"], settings, aDayLater);
      assert.equal(help.size > 0, isShown);
    }
  });

  test("files: a regular expression, and the start of paths that is left out", async () => {
    const family = "mysql_perf_schema_file_instances_total";
    const ask = (filter: string, removePrefix = "") =>
      labelOf("perf_schema.file_instances", { fileInstances: { filter, removePrefix } }, [
        family,
        "file_name",
      ]);
    const all = await ask(".*");
    const some = await ask("/items\\.ibd$");
    assert.ok(all.size > some.size);
    const [path] = some;
    assert.match(path!, /^\/.*\/data\/shop\/items\.ibd$/);
    const short = await ask("/items\\.ibd$", path!.slice(0, -"items.ibd".length));
    assert.deepEqual(short, new Set(["items.ibd"]));
    assert.deepEqual(await ask("it's"), new Set());
  });

  test("memory: the start of names that is left out", async () => {
    const family = "mysql_perf_schema_memory_events_used_bytes";
    const ask = (removePrefix: string) =>
      labelOf("perf_schema.memory_events", { memoryEvents: { removePrefix } }, [
        family,
        "event_name",
      ]);
    const full = [...(await ask(""))].find((name) => name.startsWith("memory/sql/"));
    assert.ok(full !== undefined);
    const short = await ask("memory/sql/");
    assert.ok(short.has(full.slice("memory/sql/".length)));
    assert.ok(!short.has(full));
    assert.ok([...short].some((name) => name.startsWith("memory/")));
  });

  test("processes: by user and host, and those that are long enough in their state", async () => {
    using _ = await MysqlConnection.open(
      parseMysqlDsn(`guest@tcp(127.0.0.1:${server.port})/`),
      never,
    );
    const prefix = "mysql_info_schema_processlist";
    const ask = async (changes: Partial<MysqlSettings["processes"]>) =>
      await collect(["info_schema.processlist"], {
        processes: { ...SETTINGS.processes, ...changes },
      });
    const { samples } = await ask({});
    assert.equal(samples.get(`${prefix}_processes_by_user{mysql_user="guest"}`), 1);
    assert.ok(samples.get(`${prefix}_processes_by_host{client_host="localhost"}`)! >= 1);
    const { help } = await ask({ byUser: false, byHost: false });
    assert.deepEqual(new Set(help.keys()), new Set([`${prefix}_seconds`, `${prefix}_threads`]));
    const none = await ask({ minTimeSeconds: 86_400 });
    assert.equal(none.samples.get(`${prefix}_processes_by_user{mysql_user="guest"}`), undefined);
  });

  test("tables: of all databases but the server's, or of those that are named", async () => {
    const ask = (databases: string) =>
      labelOf("info_schema.tables", { tables: { databases } }, [
        "mysql_info_schema_table_rows",
        "schema",
      ]);
    assert.deepEqual(await ask("*"), new Set(["it's", "shop"]));
    assert.deepEqual(await ask("it's, nowhere"), new Set(["it's"]));
    assert.deepEqual(await ask("mysql"), new Set(["mysql"]));
  });

  test("columns that count up: by type and sign, and none for what is no integer", async () => {
    server.sql(`
      USE shop;
      CREATE TABLE small (id TINYINT AUTO_INCREMENT PRIMARY KEY);
      CREATE TABLE padded (id SMALLINT UNSIGNED ZEROFILL AUTO_INCREMENT PRIMARY KEY);
      CREATE TABLE large (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 42;
      CREATE TABLE real_one (id DOUBLE AUTO_INCREMENT PRIMARY KEY);
    `);
    const { samples } = await collect(["auto_increment.columns"]);
    const of = (end: string, table: string) =>
      samples.get(
        `mysql_info_schema_auto_increment_column${end}{column="id",schema="shop",table="${table}"}`,
      );
    assert.equal(of("_max", "small"), 127);
    assert.equal(of("_max", "padded"), 65_535);
    assert.equal(of("_max", "large"), 2 ** 64);
    assert.equal(of("", "large"), 42);
    assert.equal(of("", "real_one"), 1);
    assert.equal(of("_max", "real_one"), undefined);
  });

  test("the binary log, and what nobody counts or has", async () => {
    const { samples } = await collect(["binlog_size"]);
    assert.equal(samples.get("mysql_binlog_files{}"), 1);
    assert.equal(samples.get("mysql_binlog_file_number{}"), 1);
    assert.ok(samples.get("mysql_binlog_size_bytes{}")! > 0);
    const nothing = await collect([
      "info_schema.clientstats",
      "info_schema.replica_host",
      "info_schema.schemastats",
      "info_schema.tablestats",
      "info_schema.userstats",
      "slave_hosts",
    ]);
    assert.equal(nothing.samples.size, 0);
  });

  test("what mysqld_exporter makes of a group of MySQL servers", async () => {
    const [rows, metrics] = ["sql", "prom"].map((type) =>
      readFileSync(new URL(`../testdata/mysql/mysql-9.7.${type}`, import.meta.url), "utf8"),
    );
    server.sql(`CREATE DATABASE recorded; USE recorded; ${rows}`);
    const theirs = parseExposition(metrics!);
    const ours = await collect(
      [
        "perf_schema.eventsstatements",
        "perf_schema.replication_applier_status_by_worker",
        "perf_schema.replication_group_member_stats",
        "perf_schema.replication_group_members",
      ],
      // The statements were seen when they were recorded.
      statements({ timeLimitSeconds: 100 * 365 * 86_400 }),
      {
        // A zone that is not UTC: times are moments all the same.
        parameters: "?time_zone='%2B05:30'",
        rewrite: (sql) =>
          sql.replaceAll("performance_schema", "recorded").replaceAll("@@server_uuid", SECONDARY),
      },
    );
    assert.ok(theirs.samples.size > 80);
    assert.deepEqual(sorted(ours.help), sorted(theirs.help));
    assert.deepEqual(sorted(ours.type), sorted(theirs.type));
    assert.deepEqual(sorted(rounded(ours.samples)), sorted(rounded(theirs.samples)));
  });
});

describe("answers of servers that are not here", () => {
  /** What a collector makes of them; what no pattern knows is an error of the server. */
  async function collect(
    name: Name,
    answers: readonly (readonly [RegExp, MysqlResult])[],
    code = 0,
  ) {
    const families = new FamilySet();
    await OPTIONAL_COLLECTORS[name](SETTINGS).collect((sql) => {
      const [, answer] = answers.find(([pattern]) => pattern.test(sql)) ?? [];
      if (answer !== undefined) return Promise.resolve(answer);
      const options = { fields: { serverCode: code } };
      return Promise.reject(
        new FinchError("invalid", "agent/mysql", `no answer to ${sql}`, options),
      );
    }, families);
    return families
      .text()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
  }
  const answer = (columns: string, ...rows: readonly (string | null)[][]) => ({
    columns: columns.split(" "),
    rows,
  });

  test("replicas of MySQL 8.4, which has no SHOW SLAVE HOSTS", async () => {
    const replicas = answer("Server_Id Host Port Source_Id Replica_UUID", [
      "10",
      "db2",
      "3306",
      "9",
      "u-2",
    ]);
    assert.deepEqual(await collect("slave_hosts", [[/^SHOW REPLICAS$/, replicas]], 1064), [
      'mysql_heartbeat_mysql_slave_hosts_info{master_id="9",port="3306",server_id="10",slave_host="db2",slave_uuid="u-2"} 1',
    ]);
    await assert.rejects(
      collect("slave_hosts", [[/^SHOW REPLICAS$/, replicas]], 1227),
      /SHOW SLAVE HOSTS/,
    );
  });

  test("replicas of MySQL 5.5 and MariaDB", async () => {
    const old = answer("Server_id Host Port Rpl_recovery_rank Master_id", [
      "10",
      "db2",
      "3306",
      "0",
      "9",
    ]);
    assert.deepEqual(await collect("slave_hosts", [[/^SHOW SLAVE HOSTS$/, old]]), [
      'mysql_heartbeat_mysql_slave_hosts_info{master_id="9",port="3306",server_id="10",slave_host="db2",slave_uuid=""} 1',
    ]);
  });

  test("replicas of Aurora", async () => {
    const rows = answer(
      "",
      ["db-1", "writer", "12.5", "0", "0", "0", "0"],
      ["db-2", "reader", "3", "2500", "18.5", "4.25", "1000000"],
    );
    const lines = await collect("info_schema.replica_host", [[/replica_host_status$/, rows]]);
    assert.ok(
      lines.includes(
        'mysql_info_schema_replica_host_cpu_percent{role="writer",server_id="db-1"} 12.5',
      ),
    );
    const reader = '{role="reader",server_id="db-2"}';
    assert.ok(
      lines.includes(`mysql_info_schema_replica_host_replica_latency_seconds${reader} 0.0025`),
    );
    assert.ok(lines.includes(`mysql_info_schema_replica_host_lag_seconds${reader} 0.0185`));
    assert.ok(lines.includes(`mysql_info_schema_replica_host_log_stream_speed${reader} 4.25`));
    assert.ok(lines.includes(`mysql_info_schema_replica_host_replay_latency_seconds${reader} 1`));
    await assert.rejects(collect("info_schema.replica_host", [], 1142));
  });

  test("processes: sums by state, user and host", async () => {
    const rows = answer(
      "",
      ["app", "10.0.0.1", "Query", "Sending data", "2", "10"],
      ["app", "10.0.0.2", "Query", "Sending data", "1", "5"],
      ["system user", "", "Slave_IO", "Waiting for event; (a.b)", "1", "3"],
      ["app", "10.0.0.2", "Sleep", null, "1", "0"],
    );
    const prefix = "mysql_info_schema_processlist";
    assert.deepEqual(await collect("info_schema.processlist", [[/processlist/, rows]]), [
      `${prefix}_processes_by_host{client_host="10.0.0.1"} 2`,
      `${prefix}_processes_by_host{client_host="10.0.0.2"} 2`,
      `${prefix}_processes_by_host{client_host="unknown"} 1`,
      `${prefix}_processes_by_user{mysql_user="app"} 4`,
      `${prefix}_processes_by_user{mysql_user="system user"} 1`,
      `${prefix}_seconds{command="query",state="sending_data"} 15`,
      `${prefix}_seconds{command="slave_io",state="waiting_for_event_ab"} 3`,
      `${prefix}_seconds{command="sleep",state="unknown"} 0`,
      `${prefix}_threads{command="query",state="sending_data"} 3`,
      `${prefix}_threads{command="slave_io",state="waiting_for_event_ab"} 1`,
      `${prefix}_threads{command="sleep",state="unknown"} 1`,
    ]);
  });

  test("tablespaces of MySQL 5.7", async () => {
    const lines = await collect("info_schema.innodb_tablespaces", [
      [/'INNODB_TABLESPACES'$/, answer("COLUMN_NAME")],
      [
        /'INNODB_SYS_TABLESPACES'$/,
        answer("COLUMN_NAME", ["SPACE"], ["FILE_FORMAT"], ["SPACE_TYPE"]),
      ],
      [
        /^SELECT NAME, 'FILE_FORMAT', IFNULL\(ROW_FORMAT, 'NONE'\), IFNULL\(SPACE_TYPE, 'NONE'\), SPACE, FILE_SIZE, ALLOCATED_SIZE FROM information_schema\.INNODB_SYS_TABLESPACES$/,
        answer("", ["shop/items", "FILE_FORMAT", "Dynamic", "Single", "23", "98304", "61440"]),
      ],
    ]);
    assert.deepEqual(lines, [
      'mysql_info_schema_innodb_tablespace_allocated_size_bytes{tablespace_name="shop/items"} 61440',
      'mysql_info_schema_innodb_tablespace_file_size_bytes{tablespace_name="shop/items"} 98304',
      'mysql_info_schema_innodb_tablespace_space_info{file_format="FILE_FORMAT",row_format="Dynamic",space_type="Single",tablespace_name="shop/items"} 23',
    ]);
    const none = collect("info_schema.innodb_tablespaces", [[/columns/, answer("COLUMN_NAME")]]);
    await assert.rejects(none, /has no information_schema\.INNODB_TABLESPACES/);
  });

  test("a member of a group of MySQL 5.7, and a server without a binary log", async () => {
    const stats = answer("CHANNEL_NAME COUNT_TRANSACTIONS_IN_QUEUE COUNT_CONFLICTS_DETECTED", [
      "c",
      "3",
      "4",
    ]);
    assert.deepEqual(
      await collect("perf_schema.replication_group_member_stats", [[/group_member_stats/, stats]]),
      ["mysql_perf_schema_conflicts_detected_total 4", "mysql_perf_schema_transactions_in_queue 3"],
    );
    assert.deepEqual(await collect("binlog_size", [[/log_bin/, answer("@@log_bin", ["0"])]]), []);
  });
});

/** The member that was asked. */
const SECONDARY = "'a147377d-eb1e-11f1-9eb1-02fc00000001'";

function sorted<Value>(values: ReadonlyMap<string, Value>): [string, Value][] {
  return [...values].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** mysqld_exporter counts nanoseconds in floating point, which costs the last digit of a moment. */
function rounded(samples: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...samples].map(([series, value]) => [series, Number(value.toPrecision(15))]));
}
