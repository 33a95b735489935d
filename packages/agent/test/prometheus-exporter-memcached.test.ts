import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { join } from "node:path";
import { describe, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { exporterMemcached } from "../src/components/prometheus/exporter-memcached.ts";
import type { InternalHandler } from "../src/internal-handler.ts";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { runComponent, valuesOf } from "./prometheus-harness.ts";

const PROGRAM = "/usr/bin/memcached";
const noMemcached = existsSync(PROGRAM) ? false : `${PROGRAM} is not here (memcached)`;
const never = new AbortController().signal;

/** A real memcached on a Unix socket, with three items. */
async function startMemcached(directory: string) {
  const path = join(directory, "memcached.sock");
  const user = process.getuid?.() === 0 ? ["-u", "root"] : [];
  const child = spawn(PROGRAM, ["-s", path, "-m", "16", ...user], { stdio: "ignore" });
  while (!existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 5));
  const socket = connect(path);
  const ask = async (command: string) => {
    socket.write(`${command}\r\n`);
    await once(socket, "data");
  };
  for (const key of ["a", "b", "c"]) await ask(`set ${key} 0 0 5\r\nhello`);
  await ask("get a");
  await ask("get missing");
  socket.destroy();
  return {
    path,
    async [Symbol.asyncDispose]() {
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

async function scrape(changes: object) {
  const handlers = new Map<string, InternalHandler>();
  const values = valuesOf(exporterMemcached.arguments, changes);
  await using component = runComponent(exporterMemcached, { values, handlers });
  while (component.exports.targets === undefined) await new Promise(setImmediate);
  const [target] = component.exports.targets;
  const handler = handlers.get(target!.get("__metrics_path__"))!;
  const text = await handler({ query: new URLSearchParams(), timeoutMs: 5000, signal: never });
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const samples = new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.split(" ").at(-1))]),
  );
  return { target: target!, text, samples };
}

describe("prometheus.exporter.memcached", () => {
  test("statistics of a real memcached", { skip: noMemcached }, async () => {
    await using directory = await temporaryDirectory();
    await using memcached = await startMemcached(directory.path);
    const { target, text, samples } = await scrape({ address: memcached.path });
    assert.equal(target.get("instance"), memcached.path);
    const expected: Record<string, number> = {
      memcached_up: 1,
      memcached_current_items: 3,
      memcached_limit_bytes: 16 << 20,
      memcached_max_connections: 1024,
      'memcached_commands_total{command="set",status="hit"}': 3,
      'memcached_commands_total{command="get",status="hit"}': 1,
      'memcached_commands_total{command="get",status="miss"}': 1,
      'memcached_slab_current_items{slab="1"}': 3,
      'memcached_slab_commands_total{command="set",slab="1",status="hit"}': 3,
      'memcached_slab_chunk_size_bytes{slab="1"}': 96,
      memcached_lru_crawler_enabled: 1,
    };
    for (const [name, value] of Object.entries(expected))
      assert.equal(samples.get(name), value, name);
    assert.ok(samples.get("memcached_process_user_cpu_seconds_total")! < 10);
    assert.ok(Math.abs(samples.get("memcached_time_seconds")! - Date.now() / 1000) < 60);
    assert.match(text, /^memcached_version\{version="\d+\.\d+\.\d+"\} 1$/m);
    assert.match(text, /^# TYPE memcached_current_bytes gauge$/m);
    assert.match(
      text,
      /^# HELP memcached_items_total Total number of items stored during the life of this instance\.$/m,
    );
    assert.ok(!text.includes("NaN"));
  });

  test(
    "over TLS",
    { skip: noMemcached || (hasOpenssl() ? false : "openssl is not here") },
    async () => {
      await using directory = await temporaryDirectory();
      await using memcached = await startMemcached(directory.path);
      makeCertificates(directory.path);
      const read = (name: string) => readFileSync(join(directory.path, name));
      const sockets = new Set<Socket>();
      const proxy = createTlsServer(
        { cert: read("server.pem"), key: read("server.key") },
        (secured) => {
          const plain = connect(memcached.path);
          for (const socket of [secured, plain]) sockets.add(socket.on("error", () => {}));
          secured.pipe(plain).pipe(secured);
        },
      );
      proxy.listen(0, "127.0.0.1");
      await once(proxy, "listening");
      const address = `localhost:${(proxy.address() as AddressInfo).port}`;
      const up = async (tls: object) =>
        (await scrape({ address, tls_config: tls })).samples.get("memcached_up");
      assert.equal(await up({ ca_file: join(directory.path, "ca.pem") }), 1);
      assert.equal(await up({ insecure_skip_verify: true }), 1);
      assert.equal(await up({}), 0);
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  );

  test("a server that is not there, is none, or does not answer", async () => {
    const answers: readonly (string | undefined)[] = [
      "HTTP/1.1 400 Bad Request\r\n\r\n",
      undefined,
    ];
    for (const answer of answers) {
      const sockets = new Set<Socket>();
      const server = createServer((socket) => {
        sockets.add(socket.on("error", () => {}));
        if (answer !== undefined) socket.end(answer);
      });
      server.listen(0, "127.0.0.1");
      await once(server, "listening");
      const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
      const { text } = await scrape({ address, timeout: 200 });
      assert.equal(text.trim().split("\n").at(-1), "memcached_up 0");
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
      const gone = await scrape({ address });
      assert.equal(gone.samples.get("memcached_up"), 0);
    }
  });

  test("addresses that are none are refused", () => {
    const check = (changes: object) =>
      exporterMemcached.check!(valuesOf(exporterMemcached.arguments, changes));
    assert.equal(check({}), undefined);
    assert.equal(check({ address: "[::1]:11211" }), undefined);
    assert.equal(check({ address: "a:b:c" })!.at, "address");
    assert.equal(check({ address: "/run/m.sock", tls_config: {} })!.at, "tls_config");
  });
});
