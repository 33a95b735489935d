/**
 * `prometheus.exporter.redis` against a real redis-server, and beside redis_exporter where that is installed (or `FINCH_TEST_REDIS_EXPORTER=PATH`): the same
 * families with the same types, helps and labels, and the same values where nothing moves.
 */
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { exporterRedis } from "../src/components/prometheus/exporter-redis.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import { parseRedisAddress, redactedAddress } from "../src/redis/address.ts";
import { RedisConnection } from "../src/redis/client.ts";
import { parseRedisKey } from "../src/redis/keys.ts";
import type { Secret } from "../src/schema.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const PROGRAM = "/usr/bin/redis-server";
const noRedis = existsSync(PROGRAM) ? false : `${PROGRAM} is not here (redis-server)`;
const EXPORTERS = ["prometheus-redis-exporter", "redis_exporter"];
const never = new AbortController().signal;

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** A real redis-server on a Unix socket, with these settings besides. */
async function startRedis(directory: string, settings: readonly string[] = []) {
  const path = join(directory, `redis-${settings.length}-${process.hrtime.bigint()}.sock`);
  const args = ["--port", "0", "--unixsocket", path, "--save", "", "--dir", directory, ...settings];
  const child = spawn(PROGRAM, args, { stdio: "ignore" });
  const ask = async (...commands: readonly string[]) => {
    const address = parseRedisAddress(`unix://${path}`)!;
    using redis = await RedisConnection.open({ address, timeoutMs: 5000, tls: {} }, never);
    for (const command of commands) await redis.ask(...command.split(" "));
  };
  const answers = () =>
    ask("PING").then(
      () => true,
      () => false,
    );
  while (!(await answers())) await new Promise((resolve) => setTimeout(resolve, 5));
  return {
    address: `unix://${path}`,
    ask,
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

function samplesOf(text: string): ReadonlyMap<string, number> {
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
}

async function scrape(changes: object) {
  const handlers = new Map<string, InternalHandler>();
  const values = valuesOf(exporterRedis.arguments, changes);
  assert.equal(exporterRedis.check!(values), undefined);
  await using component = runComponent(exporterRedis, { values, handlers });
  while (component.exports.targets === undefined) await new Promise(setImmediate);
  const [target] = component.exports.targets;
  const handler = handlers.get(target!.get("__metrics_path__"))!;
  const text = await handler({ query: new URLSearchParams(), timeoutMs: 5000, signal: never });
  return { target: target!, text, samples: samplesOf(text) };
}

const secret = (text: string): Secret => ({ reveal: () => text });

const DATA = [
  "SET number 42.5",
  "SET text hello",
  "SELECT 3",
  "RPUSH jobs a b c",
  "SADD set a b",
  "ZADD sorted 1 a",
  "HSET hash f v g w",
  "PFADD distinct a b c d",
  "EXPIRE set 1000",
  "XADD events 1638006862416-0 k v",
  "XADD events 1638006862999-1 k v",
  "XGROUP CREATE events readers 0",
  "XREADGROUP GROUP readers reader-1 COUNT 1 STREAMS events >",
  "NOSUCHCOMMAND",
  "CONFIG SET slowlog-log-slower-than 0",
  "GET nothing",
];
const LOOKED_AT = {
  check_single_keys: ["number", "db0=text", "db3=jobs,db3=missing"],
  check_keys: ["db3=s*", "db3=h*", "db3=dist*"],
  check_single_streams: ["db3=events"],
  count_keys: ["db3=*", "*"],
};

describe("prometheus.exporter.redis", () => {
  test("statistics of a real Redis, its keys and streams", { skip: noRedis }, async () => {
    await using directory = await temporaryDirectory();
    await using redis = await startRedis(directory.path);
    await redis.ask(...DATA);
    const { target, text, samples } = await scrape({
      redis_addr: redis.address,
      ...LOOKED_AT,
      export_client_list: true,
      ping_on_connect: true,
      incl_system_metrics: true,
    });
    assert.equal(target.get("instance"), redis.address);
    assert.equal(target.get("job"), "integrations/redis");
    const expected: Record<string, number> = {
      redis_up: 1,
      'redis_exporter_last_scrape_error{err=""}': 0,
      'redis_db_keys{db="db0"}': 2,
      'redis_db_keys{db="db3"}': 6,
      'redis_db_keys_expiring{db="db3"}': 1,
      'redis_keys_count{db="db0",key="*"}': 2,
      'redis_keys_count{db="db3",key="*"}': 6,
      'redis_key_value{db="db0",key="number"}': 42.5,
      'redis_key_value_as_string{db="db0",key="text",val="hello"}': 1,
      'redis_key_size{db="db0",key="text"}': 5,
      'redis_key_size{db="db3",key="jobs"}': 3,
      'redis_key_size{db="db3",key="set"}': 2,
      'redis_key_size{db="db3",key="sorted"}': 1,
      'redis_key_size{db="db3",key="hash"}': 2,
      'redis_key_size{db="db3",key="distinct"}': 4,
      'redis_stream_length{db="db3",stream="events"}': 2,
      'redis_stream_first_entry_id{db="db3",stream="events"}': 1638006862416,
      'redis_stream_last_entry_id{db="db3",stream="events"}': 1638006862999,
      'redis_stream_group_lag{db="db3",group="readers",stream="events"}': 1,
      'redis_stream_group_consumer_messages_pending{consumer="reader-1",db="db3",group="readers",stream="events"}': 1,
      'redis_errors_total{err="ERR"}': 1,
      'redis_commands_total{cmd="zadd"}': 1,
      redis_config_maxclients: 10_000,
      'redis_config_client_output_buffer_limit_bytes{class="pubsub",limit="hard"}': 32 << 20,
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(samples.get(name), value, name);
    assert.equal(samples.get('redis_key_size{db="db3",key="missing"}'), 0);
    assert.ok(samples.get("redis_slowlog_length")! > 0);
    assert.ok(samples.get("redis_total_system_memory_bytes")! > 2 ** 20);
    assert.ok(samples.get("redis_exporter_last_scrape_ping_time_seconds")! > 0);
    assert.match(
      text,
      /^redis_instance_info\{.*redis_version="7\.\d+\.\d+".*role="master".*\} 1$/m,
    );
    assert.match(text, /^redis_connected_client_info\{.*name="redis_exporter".*\} 1$/m);
    assert.match(text, /^redis_commands_latencies_usec_bucket\{cmd="set",le="\+Inf"\} 2$/m);
    assert.match(text, /^redis_latency_percentiles_usec\{cmd="set",quantile="99\.9"\} /m);
    assert.ok(!text.includes("NaN"));
    const hidden = await scrape({
      redis_addr: redis.address,
      check_single_keys: ["text"],
      export_key_values: false,
      namespace: "cache",
      config_command: "-",
    });
    assert.equal(hidden.samples.get('cache_key_size{db="db0",key="text"}'), 5);
    assert.ok(!/hello|config_/.test(hidden.text));
  });

  test("a replica and its master", { skip: noRedis }, async () => {
    await using directory = await temporaryDirectory();
    const port = await freePort();
    const atOnce = ["--repl-diskless-sync-delay", "0"];
    await using master = await startRedis(directory.path, ["--port", String(port), ...atOnce]);
    await using replica = await startRedis(directory.path, [
      "--replicaof",
      "127.0.0.1",
      String(port),
    ]);
    const link = `redis_master_link_up{master_host="127.0.0.1",master_port="${port}"}`;
    let scraped = await scrape({ redis_addr: replica.address });
    while (scraped.samples.get(link) !== 1) scraped = await scrape({ redis_addr: replica.address });
    const { samples } = scraped;
    const labels = `{master_host="127.0.0.1",master_port="${port}"}`;
    assert.equal(samples.get(`redis_master_sync_in_progress${labels}`), 0);
    assert.ok(samples.has(`redis_slave_repl_offset${labels}`));
    assert.equal(samples.get(`redis_slave_info${labels.replace("}", ',read_only="1"}')}`), 1);
    const online =
      /^redis_connected_slave_offset_bytes\{slave_ip="127\.0\.0\.1",slave_port="\d+",slave_state="online"\} \d+$/m;
    scraped = await scrape({ redis_addr: master.address });
    while (!online.test(scraped.text)) scraped = await scrape({ redis_addr: master.address });
    assert.equal(scraped.samples.get("redis_connected_slaves"), 1);
  });

  test("passwords, users, and files of them", { skip: noRedis }, async () => {
    await using directory = await temporaryDirectory();
    const port = await freePort();
    await using redis = await startRedis(directory.path, ["--port", String(port)]);
    await redis.ask("ACL SETUSER watcher on >s3cret +@all ~*", "CONFIG SET requirepass master");
    const redis_addr = `127.0.0.1:${port}`;
    const up = async (changes: object) => {
      const { samples, text } = await scrape({ redis_addr, ...changes });
      return samples.get("redis_up") === 1
        ? "up"
        : /redis_exporter_last_scrape_error\{err="(.*)"\}/.exec(text)![1]!;
    };
    assert.match(await up({}), /^NOAUTH/);
    assert.match(await up({ redis_password: secret("wrong") }), /^WRONGPASS/);
    assert.equal(await up({ redis_password: secret("master") }), "up");
    assert.equal(await up({ redis_user: "watcher", redis_password: secret("s3cret") }), "up");
    assert.equal(await up({ redis_addr: `redis://watcher:s3cret@${redis_addr}` }), "up");
    const file = join(directory.path, "password");
    await writeFile(file, "master\n");
    assert.equal(await up({ redis_password_file: file }), "up");
    const map = join(directory.path, "passwords.json");
    await writeFile(map, JSON.stringify({ [`redis://watcher@${redis_addr}`]: "s3cret" }));
    assert.equal(await up({ redis_user: "watcher", redis_password_map_file: map }), "up");
    const { target, text } = await scrape({ redis_addr: `redis://watcher:s3cret@${redis_addr}` });
    assert.equal(target.get("instance"), `redis://watcher:xxxxx@${redis_addr}`);
    assert.ok(!text.includes("s3cret"));
  });

  test(
    "over TLS",
    { skip: noRedis || (hasOpenssl() ? false : "openssl is not here") },
    async () => {
      await using directory = await temporaryDirectory();
      makeCertificates(directory.path);
      const at = (name: string) => join(directory.path, name);
      const port = await freePort();
      const files = ["--tls-cert-file", at("server.pem"), "--tls-key-file", at("server.key")];
      const tls = ["--tls-port", String(port), "--tls-ca-cert-file", at("ca.pem"), ...files];
      await using _ = await startRedis(directory.path, tls);
      const up = async (changes: object) =>
        (await scrape({ redis_addr: `rediss://localhost:${port}`, ...changes })).samples.get(
          "redis_up",
        );
      const client = {
        tls_client_cert_file: at("client.pem"),
        tls_client_key_file: at("client.key"),
      };
      assert.equal(await up({ ...client, tls_ca_cert_file: at("ca.pem") }), 1);
      assert.equal(await up({ ...client, skip_tls_verification: true }), 1);
      assert.equal(await up(client), 0);
      assert.equal(await up({ tls_ca_cert_file: at("ca.pem") }), 0);
    },
  );

  test("a server that is not there, is none, or does not answer", async () => {
    const answers: readonly (readonly [string | undefined, RegExp])[] = [
      ["HTTP/1.1 400 Bad Request\r\n\r\n", /it is no Redis: it says .*HTTP/],
      ["$5\r\nabc", /it closed the connection/],
      [undefined, /it did not answer in time/],
    ];
    for (const [answer, message] of answers) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket.on("error", () => {}));
        if (answer !== undefined) socket.end(answer);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const redis_addr = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { text, samples } = await scrape({ redis_addr, connection_timeout: 100 });
      assert.equal(samples.get("redis_up"), 0);
      assert.match(text, message);
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      assert.match((await scrape({ redis_addr })).text, /ECONNREFUSED/);
    }
  });

  test("addresses, keys and arguments that make no sense are refused", () => {
    const check = (changes: object) =>
      exporterRedis.check!(valuesOf(exporterRedis.arguments, { redis_addr: "h", ...changes }));
    assert.equal(check({}), undefined);
    const refused: readonly (readonly [object, RegExp])[] = [
      [{ redis_addr: "http://h" }, /is no address/],
      [{ redis_addr: "redis://u:secret@h/x" }, /xxxxx/],
      [{ is_cluster: true }, /^not supported yet: is_cluster/],
      [{ check_keys: ["dbx=a"] }, /names no key/],
      [{ count_keys: ["a=b=c"] }, /names no key/],
      [{ tls_client_key_file: "/k" }, /go together/],
      [{ redis_password_file: "/a", redis_password_map_file: "/b" }, /at most one/],
    ];
    for (const [changes, message] of refused) assert.match(check(changes)?.message ?? "", message);
    assert.deepEqual(parseRedisKey("db3=a%2Cb"), { db: 3, key: "a,b" });
    assert.deepEqual(parseRedisKey("a"), { db: 0, key: "a" });
    assert.equal(redactedAddress("redis://:pw@h:1"), "redis://:xxxxx@h:1");
    assert.equal(parseRedisAddress("[::1]:7000")!.port, 7000);
  });

  test("families are those of redis_exporter", async (t) => {
    const program = exporterProgram();
    if (program === undefined || noRedis !== false) {
      t.skip(noRedis || `needs ${EXPORTERS.join(" or ")} (or FINCH_TEST_REDIS_EXPORTER=PATH)`);
      return;
    }
    await using directory = await temporaryDirectory();
    await using redis = await startRedis(directory.path);
    await redis.ask(...DATA);
    const ours = await scrape({
      redis_addr: redis.address,
      ...LOOKED_AT,
      export_client_list: true,
    });
    const theirs = await scrapeTheirs(program, redis.address);
    // The last is younger than redis_exporter 1.86.
    const own =
      /(?:^|\s)(?:go_|process_|promhttp_|redis_exporter_build_info|redis_stream_entries_added_total)/;
    const shape = (text: string) =>
      text
        .split("\n")
        .filter((line) => line.startsWith("# ") && !own.test(line))
        .toSorted();
    assert.deepEqual(shape(ours.text), shape(theirs));
    const series = (samples: ReadonlyMap<string, number>) =>
      [...samples.keys()].filter((name) => !MOVING.test(name) && !own.test(name)).toSorted();
    const theirSamples = samplesOf(theirs);
    assert.deepEqual(series(ours.samples), series(theirSamples));
    for (const [name, value] of ours.samples)
      if (STILL.test(name) && !own.test(name)) assert.equal(value, theirSamples.get(name), name);
  });
});

/** Series that come with the scrape itself: its commands, its connection, its errors. */
const MOVING =
  /^(?:redis_exporter_|redis_commands_|redis_latency_|redis_connected_client_|redis_errors_total)/;
/** Values that no scrape moves. */
const STILL =
  /^redis_(?:config|db_keys|key_|keys_count|stream_(?!group_consumer_idle)|instance_info|maxmemory)/;

function exporterProgram(): string | undefined {
  const named = process.env["FINCH_TEST_REDIS_EXPORTER"];
  if (named !== undefined) return named;
  return EXPORTERS.find((name) => {
    try {
      execFileSync("which", [name], { stdio: "ignore" });
      return true;
    } catch {
      return false;
    }
  });
}

async function scrapeTheirs(program: string, address: string): Promise<string> {
  const port = await freePort();
  const list = (values: readonly string[]) => values.join(",");
  const child = spawn(
    program,
    [
      `--redis.addr=${address}`,
      `--web.listen-address=127.0.0.1:${port}`,
      "--include-metrics-for-empty-databases=false",
      "--export-client-list",
      `--check-keys=${list(LOOKED_AT.check_keys)}`,
      `--check-single-keys=${list(LOOKED_AT.check_single_keys)}`,
      `--check-single-streams=${list(LOOKED_AT.check_single_streams)}`,
      `--count-keys=${list(LOOKED_AT.count_keys)}`,
    ],
    { stdio: "ignore" },
  );
  try {
    for (;;) {
      const reply = await fetch(`http://127.0.0.1:${port}/metrics`).catch(() => undefined);
      if (reply !== undefined) return await reply.text();
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  } finally {
    child.kill();
    await once(child, "exit");
  }
}
