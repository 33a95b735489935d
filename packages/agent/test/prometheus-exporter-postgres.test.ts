/** `prometheus.exporter.postgres` against a real PostgreSQL that the test starts. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { exporterPostgres } from "../src/components/prometheus/exporter-postgres.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import { PostgresConnection } from "../src/postgres/connection.ts";
import { parseDataSource } from "../src/postgres/dsn.ts";
import { ScramClient } from "../src/postgres/scram.ts";
import { labelOf, numberOf } from "../src/postgres/values.ts";
import { parseRange, parseServerVersion } from "../src/postgres/version.ts";
import { hasOpenssl } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { postgresPrograms, startPostgres, type PostgresServer } from "./postgres-server.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const CAPTURE = join(
  import.meta.dirname,
  "../../../../shared/captures/reference-exporters/postgres_exporter-sid.prom",
);
const programs = postgresPrograms();
const missing =
  programs === undefined
    ? "PostgreSQL is not installed"
    : hasOpenssl()
      ? false
      : "openssl is not installed";
const signal = () => new AbortController().signal;
const secret = (text: string) => ({ reveal: () => text });

/** Starts the component; `scrape` answers the exposition. */
async function startExporter(changes: object) {
  const handlers = new Map<string, InternalHandler>();
  const values = valuesOf(exporterPostgres.arguments, changes);
  assert.equal(exporterPostgres.check!(values), undefined);
  const component = runComponent(exporterPostgres, { values, handlers });
  while (component.health.state === "unknown") await new Promise(setImmediate);
  const [target] = component.exports.targets;
  const handler = handlers.get(target!.get("__metrics_path__"))!;
  return {
    component,
    target: target!,
    scrape: () => handler({ query: new URLSearchParams(), timeoutMs: 10_000, signal: signal() }),
  };
}

/** Help and type of each family, and the names of its labels. */
function familiesOf(text: string): ReadonlyMap<string, string> {
  const families = new Map<string, string>();
  for (const line of text.split("\n")) {
    const comment = /^# (?:HELP|TYPE) (\S+) (.*)$/.exec(line);
    if (comment !== null) {
      families.set(comment[1]!, `${families.get(comment[1]!) ?? ""}${comment[2]!} | `);
      continue;
    }
    const name = /^[a-z_0-9]+/.exec(line)?.[0];
    const told = families.get(name ?? "");
    if (told === undefined || !told.endsWith(" | ")) continue;
    const labels = [...line.matchAll(/[{,]([a-z_]+)="/g)].map((match) => match[1]);
    families.set(name!, told + labels.join(","));
  }
  return families;
}

void describe("prometheus.exporter.postgres", { skip: missing }, () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let server: PostgresServer;
  const dsn = (rest = "/postgres?sslmode=disable", user = "postgres") =>
    `postgresql://${user}@127.0.0.1:${server.port}${rest}`;

  before(async () => {
    directory = await temporaryDirectory();
    server = await startPostgres(programs!, directory.path);
    server.sql(
      `SET password_encryption = 'md5'; CREATE ROLE md5user LOGIN PASSWORD 'p@ss:w/rd';
       SET password_encryption = 'scram-sha-256'; CREATE ROLE scram LOGIN PASSWORD 'p@ss:w/rd';
       CREATE ROLE plain LOGIN PASSWORD 'secret'; CREATE ROLE tlsuser LOGIN`,
    );
    server.sql("CREATE DATABASE shop");
    server.sql("CREATE DATABASE other");
    server.sql(
      "CREATE TABLE orders (id int PRIMARY KEY, note text); INSERT INTO orders SELECT i, 'x' FROM generate_series(1, 50) i; ANALYZE orders",
      "shop",
    );
    server.sql("CREATE EXTENSION pg_stat_statements");
  });

  after(async () => {
    await server[Symbol.asyncDispose]();
    await directory[Symbol.asyncDispose]();
  });

  void test("has every family of postgres_exporter, with its help, type and labels", async (t) => {
    const { component, target, scrape } = await startExporter({
      data_source_names: [secret(dsn())],
    });
    await using _ = component;
    assert.equal(target.get("instance"), `postgresql://127.0.0.1:${server.port}/postgres`);
    assert.equal(target.get("job"), "integrations/postgres");
    const text = await scrape();
    assert.match(text, /^pg_up 1$/m);
    assert.match(text, /^pg_exporter_last_scrape_error 0$/m);
    assert.match(
      text,
      new RegExp(
        `^pg_static\\{server="127\\.0\\.0\\.1:${server.port}",short_version="\\d+\\.\\d+\\.0"`,
        "m",
      ),
    );
    assert.match(text, /^pg_settings_shared_buffers_bytes\{server="[^"]+"\} 134217728$/m);
    assert.match(text, /^pg_database_size_bytes\{datname="shop"\} [1-9]\d+$/m);
    assert.match(text, /^pg_locks_count\{datname="postgres",mode="accesssharelock"\} [1-9]/m);
    assert.match(text, /^pg_stat_archiver_last_archive_age\{server="[^"]+"\} NaN$/m);
    assert.doesNotMatch(text, /pg_scrape_collector_success\{[^}]*\} 0/);
    if (!existsSync(CAPTURE)) return t.skip("../shared/captures/reference-exporters is not there");
    const wanted = familiesOf(readFileSync(CAPTURE, "utf8"));
    const found = familiesOf(text);
    // Settings differ from version to version of the server.
    const isSame = /server_version_num\{[^}]*\} 15\d+$/m.test(text);
    for (const [name, told] of wanted) {
      if (!name.startsWith("pg_") || (name.startsWith("pg_settings_") && !isSame)) continue;
      assert.equal(found.get(name), told, name);
    }
    const collectors = (exposition: string) =>
      new Set(
        [...exposition.matchAll(/^pg_scrape_collector_success\{collector="(\w+)"\}/gm)].map(
          (match) => match[1],
        ),
      );
    assert.deepEqual(collectors(text), collectors(readFileSync(CAPTURE, "utf8")));
  });

  void test("tells of tables, slots and statements", async () => {
    server.sql("SELECT pg_create_physical_replication_slot('standby', true)");
    const { component, scrape } = await startExporter({
      data_source_names: [secret(dsn("/shop?sslmode=disable"))],
      disable_settings_metrics: true,
      enabled_collectors: ["stat_user_tables", "statio_user_tables", "replication_slot"],
    });
    await using _ = component;
    const text = await scrape();
    const labels = `datname="shop",relname="orders",schemaname="public"`;
    assert.match(text, new RegExp(`^pg_stat_user_tables_n_tup_ins\\{${labels}\\} 50$`, "m"));
    assert.match(
      text,
      new RegExp(`^pg_stat_user_tables_last_analyze\\{${labels}\\} 1[789]\\d{8}$`, "m"),
    );
    assert.match(text, new RegExp(`^pg_stat_user_tables_last_vacuum\\{${labels}\\} 0$`, "m"));
    assert.match(
      text,
      new RegExp(`^pg_stat_user_tables_table_size_bytes\\{${labels}\\} [1-9]`, "m"),
    );
    assert.match(
      text,
      new RegExp(`^pg_statio_user_tables_heap_blocks_hit\\{${labels}\\} [1-9]`, "m"),
    );
    assert.match(
      text,
      /^pg_replication_slot_slot_is_active\{slot_name="standby",slot_type="physical"\} 0$/m,
    );
    assert.match(
      text,
      /^pg_replication_slot_wal_status\{slot_name="standby",slot_type="physical",wal_status="reserved"\} 1$/m,
    );
    assert.doesNotMatch(text, /slot_confirmed_flush_lsn\{|pg_settings_|pg_roles/);
    const statements = await startExporter({
      data_source_names: [secret(dsn())],
      enabled_collectors: ["stat_statements"],
      stat_statements: { include_query: true, query_length: 6, exclude_databases: ["shop"] },
    });
    await using _statements = statements.component;
    await statements.scrape();
    const told = await statements.scrape();
    assert.match(
      told,
      /^pg_stat_statements_calls_total\{datname="postgres",queryid="-?\d+",user="postgres"\} [1-9]/m,
    );
    assert.match(told, /^pg_stat_statements_query_id\{query="SELECT",queryid="-?\d+"\} 1$/m);
    assert.match(told, /^pg_scrape_collector_success\{collector="stat_statements"\} 1$/m);
    assert.doesNotMatch(told, /pg_stat_statements_calls_total\{datname="shop"/);
  });

  void test("runs queries of users, in discovered databases too, and tells of a bad file", async () => {
    const path = join(directory.path, "queries.yaml");
    await writeFile(
      path,
      `app_orders:
  query: "SELECT current_database() AS db, 7 AS total, 'soon' AS state, now() - now() AS gap, '90s' AS lag, true AS fine, NULL::int AS none, 5 AS undeclared"
  metrics:
    - db: { usage: LABEL, description: "Database" }
    - total: { usage: GAUGE, description: "Orders" }
    - state: { usage: MAPPEDMETRIC, description: "State", metric_mapping: { soon: 2 } }
    - gap: { usage: DISCARD }
    - lag: { usage: DURATION, description: "Lag" }
    - fine: { usage: COUNTER, description: "Fine" }
    - none: { usage: GAUGE, description: "None" }
app_sizes:
  query: "SELECT current_database() AS db, ARRAY[1, 5]::float[] AS seconds, ARRAY[2, 3]::int[] AS seconds_bucket, 9.5 AS seconds_sum, 4 AS seconds_count"
  master: true
  metrics:
    - db: { usage: LABEL }
    - seconds: { usage: HISTOGRAM, description: "Sizes" }
app_new:
  query: "SELECT 1 AS one"
  runonserver: ">=99.0.0"
  metrics: [{ one: { usage: GAUGE } }]
app_wrong:
  query: "SELECT nothing FROM nowhere"
  metrics: [{ nothing: { usage: GAUGE } }]
`,
    );
    const { component, scrape } = await startExporter({
      data_source_names: [secret(dsn())],
      disable_default_metrics: true,
      disable_settings_metrics: true,
      custom_queries_config_path: path,
      autodiscovery: { enabled: true, database_denylist: ["other"] },
    });
    await using _ = component;
    const text = await scrape();
    const label = `{db="postgres",server="127.0.0.1:${server.port}"}`;
    for (const line of [
      `app_orders_total${label} 7`,
      `app_orders_state${label} 2`,
      `app_orders_lag_milliseconds${label} 90000`,
      `app_orders_fine${label} 1`,
      `app_orders_none${label} NaN`,
      `app_orders_undeclared${label} 5`,
      `app_orders_total${label.replace("postgres", "shop")} 7`,
      `app_sizes_seconds_bucket${label.replace("}", ',le="5"}')} 3`,
      `app_sizes_seconds_bucket${label.replace("}", ',le="+Inf"}')} 4`,
      `app_sizes_seconds_sum${label} 9.5`,
      "pg_exporter_last_scrape_error 1",
      "pg_up 1",
    ])
      assert.ok(text.includes(`\n${line}\n`), `${line}\n${text}`);
    assert.match(text, /# TYPE app_orders_undeclared untyped/);
    assert.doesNotMatch(text, /db="other"|app_new|pg_stat_|app_sizes\w+\{db="shop"/);
    assert.match(
      text,
      /^pg_exporter_user_queries_load_error\{filename="[^"]+",hashsum="[0-9a-f]{64}"\} 0$/m,
    );
    await writeFile(path, "app_orders:\n  query: SELECT 1 AS one\n  metric: []\n");
    assert.match(await scrape(), /^pg_exporter_user_queries_load_error\{.*\} 1$/m);
    assert.equal(component.health.state, "unhealthy");
    assert.match(
      component.health.message,
      /queries\.yaml:3:11: app_orders\.metric: .*did you mean metrics/,
    );
  });

  void test("signs in by every way, over TCP, TLS and a Unix socket", async () => {
    const escaped = encodeURIComponent("p@ss:w/rd");
    const port = server.port;
    const sources = [
      `postgresql://md5user:${escaped}@127.0.0.1:${port}/postgres?sslmode=disable`,
      `postgresql://scram:${escaped}@127.0.0.1:${port}/postgres?sslmode=disable`,
      `postgresql://plain:secret@127.0.0.1:${port}/postgres?sslmode=require`,
      `postgres://tlsuser@localhost:${port}/postgres?sslmode=verify-full&sslrootcert=${server.authority}`,
      `postgres://tlsuser@127.0.0.1:${port}/postgres?sslmode=verify-ca&sslrootcert=${server.authority}`,
      `host=${server.directory} port=${port} user=scram password='p@ss:w/rd' dbname=postgres application_name=finch`,
    ];
    for (const text of sources) {
      using connection = await PostgresConnection.open(parseDataSource(text), signal());
      const { columns, rows } = await connection.query(
        "SELECT current_user AS me, NULL AS nothing, 9007199254740993 AS large",
        signal(),
      );
      assert.deepEqual(
        columns.map(({ name }) => name),
        ["me", "nothing", "large"],
      );
      assert.deepEqual(rows, [[parseDataSource(text).user, null, "9007199254740993"]]);
    }
    const refused: readonly [string, RegExp][] = [
      [
        `postgresql://scram:wrong@127.0.0.1:${port}/postgres?sslmode=disable`,
        /password authentication failed .*28P01/,
      ],
      [`postgresql://md5user:wrong@127.0.0.1:${port}/postgres?sslmode=disable`, /28P01/],
      [
        `postgresql://postgres@127.0.0.1:${port}/nowhere?sslmode=disable`,
        /"nowhere" does not exist .*3D000/,
      ],
      [
        `postgresql://tlsuser@127.0.0.1:${port}/postgres?sslmode=verify-full&sslrootcert=${server.authority}`,
        /127\.0\.0\.1|IP/,
      ],
      ["postgresql://postgres@127.0.0.1:1/postgres?sslmode=disable", /ECONNREFUSED/],
    ];
    for (const [text, why] of refused)
      await assert.rejects(
        PostgresConnection.open(parseDataSource(text), signal()),
        (error: Error) => why.test(error.message) && !error.message.includes("wrong"),
      );
  });

  void test("goes on after an error, and gives up in time", async () => {
    using connection = await PostgresConnection.open(parseDataSource(dsn()), signal());
    await assert.rejects(
      connection.query("SELECT 1/0", signal()),
      /division by zero \(SQLSTATE 22012\)/,
    );
    assert.deepEqual((await connection.query("SELECT generate_series(1, 3)", signal())).rows, [
      ["1"],
      ["2"],
      ["3"],
    ]);
    assert.deepEqual((await connection.query("", signal())).rows, []);
    await assert.rejects(
      connection.query("COPY (SELECT 1) TO STDIN; SELECT 1 FROM", signal()),
      /SQLSTATE/,
    );
    assert.equal(connection.isOpen, true);
    await assert.rejects(connection.query("SELECT pg_sleep(60)", AbortSignal.timeout(50)), {
      name: "TimeoutError",
    });
    assert.equal(connection.isOpen, false);
  });

  void test("says when a server is away, and comes back with it", async () => {
    const { component, scrape } = await startExporter({ data_source_names: [secret(dsn())] });
    await using _ = component;
    assert.match(await scrape(), /^pg_up 1$/m);
    await server.stop();
    const away = await scrape();
    assert.match(away, /^pg_up 0$/m);
    assert.match(away, /^pg_exporter_last_scrape_error 1$/m);
    assert.equal(component.health.state, "healthy");
    await server.start();
    const back = await scrape();
    assert.match(back, /^pg_up 1$/m);
    assert.match(back, /^pg_exporter_scrapes_total 3$/m);
  });
});

void describe("the protocol of PostgreSQL", () => {
  void test("reads data source names as lib/pq does", () => {
    const cases: readonly [string, object][] = [
      [
        "postgresql://u:p%40w@h:1/d?sslmode=disable&search_path=a",
        {
          user: "u",
          password: "p@w",
          host: "h",
          port: 1,
          database: "d",
          sslMode: "disable",
          settings: { search_path: "a" },
          instance: "postgresql://h:1/d",
        },
      ],
      [
        "postgresql://h/d",
        { host: "h", port: 5432, database: "d", sslMode: "require", instance: "postgresql://h/d" },
      ],
      ["postgresql://", { host: "localhost", instance: "postgresql://localhost:5432/" }],
      ["postgres://u@[::1]:5/", { host: "::1", port: 5, database: "u" }],
      [
        String.raw`host=h user=u password='a \'b' dbname=d connect_timeout=3`,
        { password: "a 'b", connectTimeoutMs: 3000, database: "d" },
      ],
    ];
    for (const [text, wanted] of cases) {
      const found = parseDataSource(text) as unknown as Record<string, unknown>;
      for (const [key, value] of Object.entries(wanted))
        assert.deepEqual(found[key], value, `${text} ${key}`);
    }
    for (const text of [
      "mysql://h/d",
      "postgresql://h:x/d",
      "postgresql://h/d?sslmode=maybe",
      "postgresql://u:%@h/d",
      "",
    ])
      assert.throws(() => parseDataSource(text), { code: "agent/postgres-dsn" }, text);
  });

  void test("answers SCRAM as RFC 7677 has it", async () => {
    const client = new ScramClient("pencil", "rOprNGfwEbeRWgbNEkqO");
    assert.match(client.first(), /^n,,n=,r=rOprNGfwEbeRWgbNEkqO$/);
    const first =
      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    assert.match(
      await client.final(first),
      /^c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj\)hNlF\$k0,p=[A-Za-z0-9+/]{43}=$/,
    );
    assert.throws(() => client.verify("v=AAAA"), /signature is wrong/);
    await assert.rejects(client.final("r=other,s=AA==,i=4096"), /nonce/);
    await assert.rejects(client.final("r=rOprNGfwEbeRWgbNEkqOx,s=AA==,i=999999999"), /iterations/);
  });

  void test("turns values into numbers and labels", () => {
    const cases: readonly [string | null, number, number | undefined, string][] = [
      ["12.5", 701, 12.5, "12.5"],
      ["t", 16, 1, "true"],
      [null, 23, Number.NaN, ""],
      [
        "2026-11-28 04:05:06.789+05:30",
        1184,
        Date.UTC(2026, 10, 27, 22, 35, 6) / 1000,
        "1795818906",
      ],
      ["2026-11-28 04:05:06", 1114, Date.UTC(2026, 10, 28, 4, 5, 6) / 1000, "1795838706"],
      ["Infinity", 701, Infinity, "Infinity"],
      ["x", 25, undefined, "x"],
    ];
    for (const [text, type, number, label] of cases) {
      assert.equal(numberOf(text, type), number, String(text));
      assert.equal(labelOf(text, type), label);
    }
    assert.deepEqual(parseServerVersion("PostgreSQL 15.18 (Debian)"), [15, 18, 0]);
    assert.equal(parseRange(">=10.0.0 <14.0.0 || 9.6.0")!([13, 2, 0]), true);
    assert.equal(parseRange(">=10.0.0 <14.0.0 || 9.6.0")!([14, 0, 0]), false);
    assert.equal(parseRange("soon"), undefined);
  });

  void test("refuses what a server must not send", async () => {
    const server = createServer((socket) => {
      socket.on("error", () => {});
      socket.resume();
      socket.write(Buffer.from([0x52, 0xff, 0xff, 0xff, 0xff]));
    }).listen(0, "127.0.0.1");
    await new Promise((resolve) => server.once("listening", resolve));
    const { port } = server.address() as AddressInfo;
    const source = parseDataSource(`postgresql://u@127.0.0.1:${port}/d?sslmode=disable`);
    await assert.rejects(PostgresConnection.open(source, signal()), /what is no message/);
    await new Promise((resolve) => server.close(resolve));
  });

  void test("arguments that make no sense are refused by name", () => {
    const fault = (changes: object) =>
      exporterPostgres.check!(valuesOf(exporterPostgres.arguments, changes))?.message;
    const good = [secret("postgresql://u:hidden@h/d")];
    assert.match(fault({ data_source_names: [] })!, /at least one/);
    assert.match(
      fault({ data_source_names: [secret("mysql://u:hidden@h/d")] })!,
      /^number 1: (?!.*hidden)/,
    );
    assert.match(
      fault({ data_source_names: good, enabled_collectors: ["walk"] })!,
      /no collector "walk"/,
    );
    assert.match(
      fault({ data_source_names: good, enabled_collectors: ["postmaster"] })!,
      /^not supported yet/,
    );
  });
});
