/**
 * Collectors of `prometheus.exporter.mysql` that are off by default, at a real MariaDB: their options, and what only MySQL has, at tables that hold what real
 * MySQL servers answered.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { MysqlConnection } from "../src/mysql/connection.ts";
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

/** The member that was asked. */
const SECONDARY = "'a147377d-eb1e-11f1-9eb1-02fc00000001'";

function sorted<Value>(values: ReadonlyMap<string, Value>): [string, Value][] {
  return [...values].toSorted(([a], [b]) => (a < b ? -1 : 1));
}

/** mysqld_exporter counts nanoseconds in floating point, which costs the last digit of a moment. */
function rounded(samples: ReadonlyMap<string, number>): Map<string, number> {
  return new Map([...samples].map(([series, value]) => [series, Number(value.toPrecision(15))]));
}
