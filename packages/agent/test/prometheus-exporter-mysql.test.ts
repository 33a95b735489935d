import assert from "node:assert/strict";
import { createHash, generateKeyPairSync, privateDecrypt, constants } from "node:crypto";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { after, before, describe, test } from "node:test";
import { Secret } from "@finch/alloy-syntax";
import { silentLogger, systemClock } from "@finch/runtime";
import { exporterMysql } from "../src/components/prometheus/exporter-mysql.ts";
import { authenticate } from "../src/mysql/authentication.ts";
import { DEFAULT_COLLECTORS } from "../src/mysql/collectors.ts";
import { MysqlConnection } from "../src/mysql/connection.ts";
import type { MysqlResult } from "../src/mysql/connection.ts";
import { parseMysqlDsn } from "../src/mysql/dsn.ts";
import { scrapeMysql } from "../src/mysql/exporter.ts";
import { heartbeatCollector } from "../src/mysql/heartbeat.ts";
import { PacketStream } from "../src/mysql/packets.ts";
import { parseStatus } from "../src/mysql/status-value.ts";
import type { MysqlCollector } from "../src/mysql/table.ts";
import { userCollector } from "../src/mysql/users.ts";
import { FamilySet } from "../src/unix/family-set.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { noMariadb, startMariadb, type MysqlServer } from "./mysql-server.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const never = new AbortController().signal;

function samplesOf(text: string): Map<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(" ");
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}

const DEFAULTS = new Map(Object.entries(DEFAULT_COLLECTORS));

function scrape(dsn: string, collectors: ReadonlyMap<string, MysqlCollector> = DEFAULTS) {
  const options = { collectors, clock: systemClock, log: silentLogger };
  return scrapeMysql({ ...options, source: parseMysqlDsn(dsn) }, never);
}

describe("prometheus.exporter.mysql with a real MariaDB", { skip: noMariadb() }, () => {
  const stack = new AsyncDisposableStack();
  let server: MysqlServer;
  let dsn = (user: string, _parameters?: string) => user;

  before(async () => {
    const directory = stack.use(await temporaryDirectory());
    server = stack.use(await startMariadb(directory.path));
    server.sql(
      `
      DELETE FROM mysql.global_priv WHERE User = '';
      FLUSH PRIVILEGES;
      CREATE DATABASE shop;
      CREATE USER native@'%' IDENTIFIED BY 'päss:w@rd/1';
      CREATE USER empty@'%';
      CREATE USER secure@'%' IDENTIFIED BY 'x' REQUIRE SSL;
      CREATE USER poor@'%' IDENTIFIED BY 'x';
      CREATE USER other@'%' IDENTIFIED VIA unix_socket;
      GRANT PROCESS, REPLICATION CLIENT, SELECT, SLAVE MONITOR ON *.* TO native@'%', empty@'%', secure@'%';
      CREATE TABLE shop.items (id INT PRIMARY KEY) ENGINE=InnoDB;
      INSERT INTO shop.items VALUES (1), (2), (3);
      CHANGE MASTER 'first' TO MASTER_HOST='primary.example', MASTER_USER='r', MASTER_USE_GTID=slave_pos;
      SET GLOBAL first.gtid_slave_pos = '';
    `.replace(/SET GLOBAL first.*\n/, "\n"),
    );
    dsn = (user, parameters = "") => `${user}@tcp(127.0.0.1:${server.port})/${parameters}`;
  });
  after(() => stack.disposeAsync());

  test("families of all collectors, with values that the server has", async () => {
    const text = await scrape(dsn("native:päss:w@rd/1", "shop"));
    const samples = samplesOf(text);
    const failed = [...samples].filter(([name, value]) => name.includes("_success") && value === 0);
    assert.deepEqual(failed, []);
    assert.equal(samples.get("mysql_up"), 1);
    assert.equal(samples.get("mysql_global_variables_port"), server.port);
    assert.equal(samples.get("mysql_global_variables_server_id"), 7);
    assert.equal(samples.get("mysql_global_variables_log_bin"), 1);
    assert.equal(samples.get('mysql_global_status_commands_total{command="insert"}'), 1);
    assert.ok(samples.get('mysql_global_status_commands_total{command="create_table"}')! >= 1);
    assert.ok(samples.get("mysql_global_status_uptime")! >= 0);
    assert.ok(samples.get('mysql_global_status_buffer_pool_pages{state="free"}')! > 0);
    assert.ok(samples.has('mysql_info_schema_innodb_cmp_compress_ops_total{page_size="1024"}'));
    assert.ok(
      samples.has(
        'mysql_info_schema_innodb_cmpmem_pages_used_total{buffer_pool="0",page_size="1024"}',
      ),
    );
    assert.ok(
      samples.has(
        'mysql_slave_status_slave_io_running{channel_name="",connection_name="first",master_host="primary.example",master_uuid=""}',
      ),
      [...samples.keys()].filter((name) => name.includes("slave_status")).join("\n"),
    );
    const version = [...samples.keys()].find((name) => name.startsWith("mysql_version_info"));
    assert.match(version ?? "", /version="\d+\.\d+\.\d+-MariaDB.*version_comment="[^"]+"/);
    const hasLine = (line: string) => assert.ok(text.split("\n").includes(line), line);
    hasLine('mysql_transaction_isolation{level="REPEATABLE-READ"} 1');
    hasLine("# TYPE mysql_global_status_uptime untyped");
    hasLine("# TYPE mysql_global_status_commands_total counter");
  });

  test("signs in without a password, over TLS, and over the server's socket", async () => {
    const ask = async (name: string, sql: string) => {
      using connection = await MysqlConnection.open(parseMysqlDsn(name), never);
      return (await connection.query(sql, never)).rows;
    };
    assert.deepEqual(await ask(dsn("empty"), "SELECT 1, NULL, 'ä'"), [["1", null, "ä"]]);
    const cipher = "SHOW SESSION STATUS LIKE 'Ssl_cipher'";
    const [plain] = await ask(dsn("empty"), cipher);
    assert.equal(plain![1], "");
    for (const mode of ["skip-verify", "preferred"]) {
      const [secured] = await ask(dsn("secure:x", `?tls=${mode}`), cipher);
      assert.match(secured![1]!, /TLS|AES|CHACHA/);
    }
    const socket = `root@unix(${server.socketPath})/shop`;
    assert.deepEqual(await ask(socket, "SELECT DATABASE(), CURRENT_USER()"), [
      ["shop", "root@localhost"],
    ]);
    const long = "x".repeat(300_000);
    assert.deepEqual(await ask(dsn("empty"), `SELECT '${long}'`), [[long]]);
    assert.deepEqual(
      await ask(dsn("empty", "?lock_wait_timeout=3"), "SELECT @@lock_wait_timeout"),
      [["3"]],
    );
  });

  const refusals: readonly (readonly [string, string, string, RegExp])[] = [
    ["a wrong password", "native:no", "", /Access denied for user 'native'/],
    ["a certificate that nobody vouches for", "secure:x", "?tls=true", /certificate/],
    [
      "a database that is not there",
      "empty",
      "nowhere",
      /Unknown database 'nowhere'|Access denied/,
    ],
  ];
  for (const [name, user, rest, message] of refusals)
    test(`${name} is told`, async () => {
      const source = parseMysqlDsn(dsn(user, rest));
      await assert.rejects(MysqlConnection.open(source, never), message);
      const samples = samplesOf(await scrape(dsn(user, rest)));
      assert.equal(samples.get("mysql_up"), 0);
    });

  test("a right that is missing fails its collector alone", async () => {
    const samples = samplesOf(await scrape(dsn("poor:x")));
    assert.equal(samples.get("mysql_up"), 1);
    const success = (name: string) =>
      samples.get(`mysql_exporter_collector_success{collector="collect.${name}"}`);
    assert.equal(success("global_status"), 1);
    assert.equal(success("slave_status"), 0);
    assert.equal(success("info_schema.innodb_cmp"), 0);
  });

  test("replication lag by pt-heartbeat, and users, when they are asked for", async () => {
    server.sql(
      "CREATE TABLE shop.beat (ts VARCHAR(26) NOT NULL, server_id INT UNSIGNED PRIMARY KEY); INSERT INTO shop.beat VALUES ('2026-01-02T03:04:05.5', 7);",
    );
    const heartbeat = { database: "shop", table: "beat", utc: false };
    const collectors = new Map([
      ["heartbeat", heartbeatCollector(heartbeat)],
      ["mysql.user", userCollector({ privileges: true })],
    ]);
    const samples = samplesOf(await scrape(`root@unix(${server.socketPath})/`, collectors));
    assert.equal(
      samples.get('mysql_exporter_collector_success{collector="collect.mysql.user"}'),
      1,
    );
    assert.ok(samples.get('mysql_heartbeat_stored_timestamp_seconds{server_id="7"}')! > 1767000000);
    const now = samples.get('mysql_heartbeat_now_timestamp_seconds{server_id="7"}')!;
    assert.ok(Math.abs(now - Date.now() / 1000) < 60);
    const labels = 'hostmask="%",mysql_user="native"';
    assert.equal(samples.get(`mysql_mysql_process_priv{${labels}}`), 1);
    assert.equal(samples.get(`mysql_mysql_drop_priv{${labels}}`), 0);
    assert.equal(samples.get(`mysql_mysql_max_connections{${labels}}`), 0);
  });

  test("the component answers scrapes, with the instance that Alloy gives", async () => {
    const handlers = new Map();
    await using component = runComponent(exporterMysql, {
      handlers,
      values: valuesOf(exporterMysql.arguments, {
        data_source_name: new Secret(dsn("empty")),
        disable_collectors: ["global_variables", "binlog_size"],
      }),
    });
    while (component.exports.targets === undefined) await new Promise(setImmediate);
    const [target] = component.exports.targets;
    assert.equal(target!.get("instance"), `tcp(127.0.0.1:${server.port})/`);
    assert.equal(target!.get("job"), "integrations/mysql");
    const handler = handlers.get(target!.get("__metrics_path__")) as (
      request: object,
    ) => Promise<string>;
    const text = await handler({ query: new URLSearchParams(), timeoutMs: 5000, signal: never });
    assert.match(text, /^mysql_global_status_uptime \d+$/m);
    assert.doesNotMatch(text, /mysql_global_variables/);
  });
});

describe("data source names", () => {
  const rows: readonly (readonly [string, object])[] = [
    [
      "root@/",
      {
        user: "root",
        password: "",
        address: { host: "localhost", port: 3306 },
        instance: "tcp(localhost:3306)/",
      },
    ],
    [
      "u:p@tcp(db.example:3307)/shop?tls=skip-verify&timeout=3s",
      {
        database: "shop",
        tls: "skip-verify",
        connectTimeoutMs: 3000,
        address: { host: "db.example", port: 3307 },
      },
    ],
    [
      "u:p:q@x/y@tcp([::1]:3306)/",
      { password: "p:q@x/y", address: { host: "::1", port: 3306 }, instance: "tcp([::1]:3306)/" },
    ],
    [
      "u@unix(/run/mysqld/mysqld.sock)/",
      {
        address: { socketPath: "/run/mysqld/mysqld.sock" },
        instance: "unix(/run/mysqld/mysqld.sock)/",
      },
    ],
    [
      "u@tcp(h)/?parseTime=true&charset=utf8&sql_mode='ANSI'",
      { variables: { sql_mode: "'ANSI'" }, tls: "off" },
    ],
  ];
  for (const [dsn, expected] of rows)
    test(dsn, () => {
      const source = parseMysqlDsn(dsn);
      assert.partialDeepStrictEqual(source, expected);
    });

  for (const [dsn, message] of [
    ["root:secret@tcp(h:1)", /needs a slash/],
    ["root:secret@udp(h:1)/", /network "udp"/],
    ["root:secret@tcp(h:1)/?tls=custom", /tls=custom is not supported/],
    ["root:secret@tcp(h:1)/?a=1;DROP", /parameter "a"/],
  ] as const)
    test(`${dsn} is refused`, () => {
      assert.throws(
        () => parseMysqlDsn(dsn),
        (error: Error) => message.test(error.message) && !error.message.includes("secret"),
      );
    });
});

test("values of status and variables", () => {
  const rows: Readonly<Record<string, number | undefined>> = {
    ON: 1,
    off: 0,
    Connecting: 0,
    Primary: 1,
    "non-Primary": 0,
    "12.5": 12.5,
    "-1": -1,
    "1e3": 1000,
    "Jan  2 03:04:05 2026 GMT": 1767323045,
    "2026-01-02 03:04:05": 1767323045,
    "2026-01-02 03:04:05.678901": 1767323045,
    "0000-00-00 00:00:00.000000": undefined,
    "mysql-bin.000042": undefined,
    "": undefined,
    "10.11.6-MariaDB": undefined,
  };
  for (const [text, value] of Object.entries(rows)) assert.equal(parseStatus(text), value, text);
});

/** A server with what the collector asks for, and nothing else. */
async function collected(name: string, answers: Readonly<Record<string, MysqlResult>>) {
  const families = new FamilySet();
  await DEFAULT_COLLECTORS[name]!.collect((sql) => {
    const answer = answers[sql];
    return answer === undefined
      ? Promise.reject(new Error(`no answer to ${sql}`))
      : Promise.resolve(answer);
  }, families);
  return samplesOf(families.text());
}

test("replicas of MySQL 8, and positions of MariaDB", async () => {
  const columns = [
    "Source_Host",
    "Source_UUID",
    "Channel_Name",
    "Seconds_Behind_Source",
    "Gtid_IO_Pos",
  ];
  const rows = [["db1", "u-1", "c", "5", "0-1-42,1-2-7,bad"]];
  const samples = await collected("slave_status", { "SHOW REPLICA STATUS": { columns, rows } });
  const labels = 'channel_name="c",connection_name="",master_host="db1",master_uuid="u-1"';
  assert.equal(samples.get(`mysql_slave_status_seconds_behind_source{${labels}}`), 5);
  assert.equal(
    samples.get(
      'mysql_slave_status_gtid_io_pos{channel_name="c",connection_name="",domain_id="1",master_host="db1",master_uuid="u-1",server_id="2"}',
    ),
    7,
  );
});

test("response times become a histogram; without the plugin there is none", async () => {
  const prefix = "SELECT TIME, COUNT, TOTAL FROM INFORMATION_SCHEMA.QUERY_RESPONSE_TIME";
  const samples = await collected("info_schema.query_response_time", {
    "SELECT @@query_response_time_stats": { columns: ["x"], rows: [["1"]] },
    [prefix]: {
      columns: ["TIME", "COUNT", "TOTAL"],
      rows: [
        ["      0.000001", "2", "      0.000001"],
        ["      0.100000", "3", "      0.200000"],
        ["TOO LONG", "1", "TOO LONG"],
      ],
    },
  });
  const name = "mysql_info_schema_query_response_time_seconds";
  assert.equal(samples.get(`${name}_bucket{le="0.1"}`), 5);
  assert.equal(samples.get(`${name}_bucket{le="+Inf"}`), 6);
  assert.equal(samples.get(`${name}_count`), 6);
  assert.equal(samples.get(`${name}_sum`), 0.200001);
  assert.equal((await collected("info_schema.query_response_time", {})).size, 0);
});

describe("caching_sha2_password, the way of MySQL 8, against an authored server", () => {
  const nonce = Buffer.from("abcdefghijklmnopqrst");

  /** Greets, checks the scrambled password, and then knows it by heart or asks for all of it. */
  async function startServer(isKnown: boolean) {
    const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    let password: string | undefined;
    const serve = async (socket: Socket) => {
      socket.on("error", () => {});
      const stream = new PacketStream(socket);
      const low = Buffer.from([0x00, 0x82]);
      const high = Buffer.from([0x28, 0x00]);
      stream.write(
        Buffer.concat([
          Buffer.from([10]),
          Buffer.from("8.4.0\0"),
          Buffer.alloc(4),
          nonce.subarray(0, 8),
          Buffer.from([0]),
          low,
          Buffer.from([45, 2, 0]),
          high,
          Buffer.from([21]),
          Buffer.alloc(10),
          nonce.subarray(8),
          Buffer.from([0]),
          Buffer.from("caching_sha2_password\0"),
        ]),
      );
      const response = await stream.read();
      const expected = authenticate("caching_sha2_password", "s3cret", nonce)!;
      assert.ok(response.includes(Buffer.from(expected)));
      if (isKnown) stream.write(Buffer.from([1, 3]));
      else {
        stream.write(Buffer.from([1, 4]));
        assert.deepEqual([...(await stream.read())], [2]);
        const pem = publicKey.export({ type: "spki", format: "pem" });
        stream.write(Buffer.concat([Buffer.from([1]), Buffer.from(pem)]));
        const masked = privateDecrypt(
          { key: privateKey, padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash: "sha1" },
          await stream.read(),
        );
        password = Buffer.from(masked.map((byte, index) => byte ^ nonce[index % 20]!)).toString();
      }
      stream.write(Buffer.from([0, 0, 0, 2, 0, 0, 0]));
      socket.resume();
    };
    const server = createServer((socket) => void serve(socket));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return {
      port: (server.address() as AddressInfo).port,
      password: () => password,
      [Symbol.asyncDispose]: async () => void (server.close(), await once(server, "close")),
    };
  }

  for (const isKnown of [true, false])
    test(
      isKnown
        ? "a password the server knows by heart"
        : "a password that is sent with the server's key",
      async () => {
        await using server = await startServer(isKnown);
        const source = parseMysqlDsn(`u:s3cret@tcp(127.0.0.1:${server.port})/`);
        using _ = await MysqlConnection.open(source, never);
        assert.equal(server.password(), isKnown ? undefined : "s3cret\0");
      },
    );

  test("the scramble is that of the specification", () => {
    const hash = (...parts: Uint8Array[]) =>
      parts.reduce((state, part) => state.update(part), createHash("sha256")).digest();
    const scrambled = authenticate("caching_sha2_password", "s3cret", nonce)!;
    const stored = hash(hash(Buffer.from("s3cret")));
    const mask = hash(stored, nonce);
    const stage1 = Buffer.from(scrambled.map((byte, index) => byte ^ mask[index]!));
    assert.deepEqual(hash(stage1), stored);
  });
});

describe("arguments of prometheus.exporter.mysql", () => {
  const check = (changes: object) =>
    exporterMysql.check!(
      valuesOf(exporterMysql.arguments, {
        data_source_name: new Secret("u:secret@tcp(h)/"),
        ...changes,
      }),
    );
  test("what is fine, and what is not", () => {
    assert.equal(
      check({ enable_collectors: ["heartbeat"], disable_collectors: ["engine_tokudb_status"] }),
      undefined,
    );
    assert.equal(
      check({ enable_collectors: ["engine_tokudb_status"] })?.message,
      "not supported yet: collector engine_tokudb_status",
    );
    assert.match(check({ set_collectors: ["status"] })!.message, /^there is no collector "status"/);
    const statements = { limit: 2.5, time_limit: 1, text_limit: 0, exclude_schemas: [] };
    assert.deepEqual(check({ "perf_schema.eventsstatements": statements }), {
      at: "perf_schema.eventsstatements.limit",
      message: "limit must be a whole number",
    });
    const fault = check({ data_source_name: new Secret("u:secret@tcp(h)") })!;
    assert.equal(fault.at, "data_source_name");
    assert.ok(!fault.message.includes("secret"));
  });
});
