/**
 * `prometheus.exporter.mysql` beside mysqld_exporter at the same server, with all collectors: the same families with the same types, helps and labels, and the
 * same values within the time between two scrapes. What differs on purpose is listed below. FINCH_TEST_MYSQL=USER:PASSWORD@tcp(HOST:PORT)/ names a server
 * to compare at in place of a MariaDB that the test starts.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_COLLECTORS } from "../src/mysql/collectors.ts";
import { parseMysqlDsn } from "../src/mysql/dsn.ts";
import { scrapeMysql } from "../src/mysql/exporter.ts";
import { OPTIONAL_COLLECTORS } from "../src/mysql/optional-collectors.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { parseExposition, type Exposition } from "./mysql-exposition.ts";
import { SETTINGS } from "./mysql-settings.ts";
import { freePort, noMariadb, startMariadb } from "./mysql-server.ts";

const PROGRAM = "prometheus-mysqld-exporter";
/** Of mysqld_exporter; older ones cannot ask a MariaDB for statements. */
const VERSION_MIN = [0, 18] as const;
/** Rounds in which series may come and go, and a value may be found to lie between two of mysqld_exporter's. */
const ROUNDS_MAX = 12;

/** mysqld_exporter counts nanoseconds in floating point, which costs the last digit of a moment. */
const ROUNDING = 1e-15;

/** Families of mysqld_exporter itself. */
const THEIRS_ONLY = /^(go_|process_|promhttp_|mysqld_exporter_build_info)/;
/** Processes come and go with the comparison itself. */
const VANISHING = /^mysql_info_schema_processlist_/;
/** What moves up and down with it: connections, memory. */
const MOVING =
  /^mysql_(exporter_collector_duration|global_status_(threads_|memory_used|open_|buffer_pool_)|perf_schema_memory_events_used|sys_current_|info_schema_innodb_metrics_buffer_)/;
/** mysqld_exporter says 0 where the server is no MySQL 8, though MariaDB counts it. */
const ZERO_THERE = /^mysql_perf_schema_events_statements_lock_time_seconds_total/;

/** Databases, statements and users to tell of. */
const CONTENTS = `
  DELETE FROM mysql.global_priv WHERE User = '';
  FLUSH PRIVILEGES;
  CREATE USER finch@'%' IDENTIFIED BY 'x';
  GRANT ALL ON *.* TO finch@'%';
  CREATE DATABASE shop;
  USE shop;
  CREATE TABLE items (id TINYINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, name VARCHAR(20), KEY (name)) ENGINE=InnoDB;
  CREATE TABLE notes (id BIGINT AUTO_INCREMENT PRIMARY KEY, text TEXT) ENGINE=MyISAM;
  CREATE VIEW names AS SELECT name FROM items;
  INSERT INTO items (name) VALUES ('a "b" \\\\ c'), ('d'), ('e');
  UPDATE items SET name = 'f' WHERE id = 2;
  DELETE FROM items WHERE id = 3;
  INSERT INTO notes (text) VALUES ('x');
  SELECT * FROM items WHERE name = 'f';
  SELECT id, text, 'a text that is longer than the digest texts that are shown: one, two, three', COUNT(*) FROM notes GROUP BY id, text ORDER BY text DESC;
`;

void test("exposes what mysqld_exporter exposes of the same server", async (context) => {
  const program = findProgram();
  const missing = noMariadb();
  const named = process.env["FINCH_TEST_MYSQL"];
  if (typeof program !== "string" || (missing !== false && named === undefined)) {
    context.skip(typeof program === "string" ? String(missing) : program.missing);
    return;
  }
  await using stack = new AsyncDisposableStack();
  const directory = stack.use(await temporaryDirectory());
  const dsn = named ?? (await startServer(stack, directory.path));
  const collectors = allCollectors();
  const theirs = stack.use(
    await startExporter({ program, directory: directory.path, dsn, names: [...collectors.keys()] }),
  );
  const options = { collectors, source: parseMysqlDsn(dsn), clock: systemClock, log: silentLogger };
  const ours = async () =>
    parseExposition(await scrapeMysql(options, new AbortController().signal));
  // What both do for the first time leaves traces: tables that are read, kinds of events.
  await theirs.scrape();
  await ours();
  const findings = await compare(
    async () => parseExposition(await theirs.scrape(), THEIRS_ONLY),
    ours,
  );
  assert.deepEqual(findings, []);
});

async function startServer(stack: AsyncDisposableStack, directory: string): Promise<string> {
  const server = await startMariadb(directory, [
    "--performance-schema=ON",
    "--performance-schema-instrument=memory/%=ON",
    "--userstat=1",
  ]);
  stack.use(server);
  server.sql(CONTENTS);
  return `finch:x@tcp(127.0.0.1:${server.port})/`;
}

function allCollectors() {
  const optional = Object.entries(OPTIONAL_COLLECTORS)
    .filter(([name]) => name !== "heartbeat")
    .map(([name, make]) => [name, make(SETTINGS)] as const);
  return new Map([...Object.entries(DEFAULT_COLLECTORS), ...optional]);
}

function findProgram(): string | { readonly missing: string } {
  let program = process.env["FINCH_TEST_MYSQLD_EXPORTER"];
  try {
    program ??= execFileSync("which", [PROGRAM], { encoding: "utf8" }).trim();
  } catch {
    return { missing: `needs ${PROGRAM} (or FINCH_TEST_MYSQLD_EXPORTER=PATH)` };
  }
  const { stdout, stderr } = spawnSync(program, ["--version"], { encoding: "utf8" });
  const [, major = "0", minor = "0"] = /version (\d+)\.(\d+)/.exec(stdout + stderr) ?? [];
  const isEnough = Number(major) > VERSION_MIN[0] || Number(minor) >= VERSION_MIN[1];
  if (isEnough) return program;
  return {
    missing: `needs mysqld_exporter ${VERSION_MIN.join(".")} or later, and this is ${major}.${minor}`,
  };
}

async function startExporter(about: {
  readonly program: string;
  readonly directory: string;
  readonly dsn: string;
  readonly names: readonly string[];
}) {
  const { user, password, address } = parseMysqlDsn(about.dsn);
  assert.ok("host" in address);
  const file = join(about.directory, "exporter.cnf");
  writeFileSync(
    file,
    `[client]\nuser=${user}\npassword=${password}\nhost=${address.host}\nport=${address.port}\n`,
  );
  const port = await freePort();
  const options = [`--config.my-cnf=${file}`, `--web.listen-address=127.0.0.1:${port}`];
  const child = spawn(
    about.program,
    [...options, ...about.names.map((name) => `--collect.${name}`)],
    { stdio: "ignore" },
  );
  const scrape = async () => await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const limit = AbortSignal.timeout(20_000);
  while (
    !(await scrape().then(
      () => true,
      () => false,
    ))
  ) {
    limit.throwIfAborted();
    await new Promise((resolve) => setImmediate(resolve));
  }
  return {
    scrape,
    async [Symbol.asyncDispose]() {
      const ended = once(child, "exit");
      if (child.kill()) await ended;
    },
  };
}

/** Scrapes theirs, ours, theirs until nothing is left that was unequal in every round. */
async function compare(
  scrapeTheirs: () => Promise<Exposition>,
  scrapeOurs: () => Promise<Exposition>,
): Promise<string[]> {
  let open: Map<string, string> | undefined;
  for (let round = 0; round < ROUNDS_MAX && open?.size !== 0; round++) {
    const before = await scrapeTheirs();
    const ours = await scrapeOurs();
    const after = await scrapeTheirs();
    assert.equal(ours.samples.get("mysql_up{}"), 1);
    assert.ok(ours.samples.size > 1000, `${ours.samples.size} samples`);
    const found = new Map([
      ...familyDifferences(before, ours, after),
      ...sampleDifferences(before, ours, after),
    ]);
    open = open === undefined ? found : new Map([...open].filter(([key]) => found.has(key)));
  }
  return [...open!.values()];
}

function familyDifferences(
  before: Exposition,
  ours: Exposition,
  after: Exposition,
): [string, string][] {
  const differences: [string, string][] = [];
  for (const name of new Set([...before.help.keys(), ...after.help.keys(), ...ours.help.keys()])) {
    const describe = ({ type, help }: Exposition) => `${type.get(name)} ${help.get(name)}`;
    const own = describe(ours);
    if (own === describe(before) || own === describe(after)) continue;
    differences.push([name, `${name}: ${own}, not ${describe(before)}`]);
  }
  return differences;
}

function sampleDifferences(
  before: Exposition,
  ours: Exposition,
  after: Exposition,
): [string, string][] {
  const all = [before, ours, after].flatMap(({ samples }) => [...samples.keys()]);
  return [...new Set(all)].flatMap((series): [string, string][] => {
    if (VANISHING.test(series)) return [];
    const [first, own, last] = [before, ours, after].map(({ samples }) => samples.get(series));
    if (own === undefined && (first === undefined || last === undefined)) return [];
    const isOnlyThere = MOVING.test(series) || ZERO_THERE.test(series);
    if (isOnlyThere && own !== undefined && (first ?? last) !== undefined) return [];
    const isBetween =
      own !== undefined &&
      own >= Math.min(first ?? own, last ?? own) - Math.abs(own) * ROUNDING &&
      own <= Math.max(first ?? own, last ?? own) + Math.abs(own) * ROUNDING &&
      (first !== undefined || last !== undefined);
    return isBetween ? [] : [[series, `${series}: ${own}, not between ${first} and ${last}`]];
  });
}
