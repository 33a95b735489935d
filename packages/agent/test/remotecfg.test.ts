import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ProtobufReader, ProtobufWriter } from "@finch/codec";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import type { LogEvent } from "@finch/runtime";
import { startAgent } from "../src/runtime/agent.ts";
import type { Agent } from "../src/runtime/agent.ts";
import { validateConfig } from "../src/runtime/validate.ts";

interface Call {
  readonly method: string;
  readonly authorization: string | undefined;
  readonly id: string;
  readonly hash: string;
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
  readonly status: number | undefined;
  readonly error: string;
}

/** A service for remote configuration, as far as the agent asks it, that records what it is asked. */
class Service implements AsyncDisposable {
  readonly calls: Call[] = [];
  content = "";
  /** Instead of an answer. */
  refusal: { readonly status: number; readonly body: string } | undefined;
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        assert.equal(request.headers["content-type"], "application/proto");
        assert.equal(request.headers["connect-protocol-version"], "1");
        const method = /^\/base\/collector\.v1\.CollectorService\/(\w+)$/.exec(request.url!)![1]!;
        const { authorization } = request.headers;
        const call = { ...decode(Buffer.concat(chunks)), method, authorization };
        this.calls.push(call);
        if (this.refusal !== undefined) {
          response.writeHead(this.refusal.status, { "content-type": "application/json" });
          response.end(this.refusal.body);
          return;
        }
        response.writeHead(200, { "content-type": "application/proto" });
        response.end(method === "GetConfig" ? this.#answer(call) : "");
      });
    });
  }

  #answer(call: Call): Uint8Array {
    const writer = new ProtobufWriter();
    const hash = `h${this.content.length}`;
    if (call.hash === hash) writer.writeInt64(3, 1);
    else {
      writer.writeString(1, this.content);
      writer.writeString(2, hash);
    }
    return writer.finish();
  }

  async listen(port = 0): Promise<string> {
    this.#server.listen(port, "127.0.0.1");
    await once(this.#server, "listening");
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/base/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}

function decode(bytes: Uint8Array): Omit<Call, "method" | "authorization"> {
  const reader = new ProtobufReader(bytes);
  const text = () => new TextDecoder().decode(reader.readBytes());
  const call = { id: "", hash: "", name: "", status: undefined as number | undefined, error: "" };
  const attributes: Record<string, string> = {};
  const pair = () => {
    const outer = reader.enter();
    let key = "";
    let value = "";
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) key = text();
      else value = text();
    }
    attributes[key] = value;
    reader.leave(outer);
  };
  const report = () => {
    const outer = reader.enter();
    while (reader.more()) {
      reader.readTag();
      if (reader.field === 1) call.status = Number(reader.readBigInt(false));
      else call.error = text();
    }
    reader.leave(outer);
  };
  /** Field 3 is the name where an agent registers, and the hash where it asks. */
  let third = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) call.id = text();
    else if (reader.field === 3) third = text();
    else if (reader.field === 4) pair();
    else report();
  }
  return { ...call, hash: third, name: third, attributes };
}

/** `meanwhile` is called again and again: what it wakes may not sleep yet. */
async function until(
  what: string,
  condition: () => boolean,
  meanwhile: () => void = () => {},
): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never happened: ${what}`);
    meanwhile();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

interface Running extends AsyncDisposable {
  readonly agent: Agent;
  readonly log: LogEvent[];
  readonly hurry: () => void;
}

/** Time between questions passes at once when `hurry` is called. */
async function run(text: string, storagePath: string): Promise<Running> {
  const stop = new AbortController();
  const log: LogEvent[] = [];
  const sleeping = new Set<() => void>();
  const agent = await startAgent({
    source: { text, name: "config.alloy" },
    storagePath,
    clock: {
      ...systemClock,
      nowMs: () => systemClock.nowMs(),
      monotonicMs: () => systemClock.monotonicMs(),
      sleep: (ms, signal) => {
        const early = Promise.withResolvers<void>();
        const wake = () => early.resolve();
        sleeping.add(wake);
        const late = systemClock.sleep(ms, signal);
        late.catch(() => {});
        return Promise.race([late, early.promise]).finally(() => sleeping.delete(wake));
      },
    },
    fileSystem: nodeFileSystem,
    environment: {
      env: () => undefined,
      hostname: "box",
      os: "linux",
      arch: "amd64",
      version: "v1",
    },
    signal: stop.signal,
    logSink: (event) => log.push(event),
  });
  return {
    agent,
    log,
    hurry: () => {
      for (const wake of sleeping) wake();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await agent.done;
    },
  };
}

const file = (name: string) => `local.file "${name}" {\n\tfilename = "/dev/null"\n}\n`;
const idsOf = (agent: Agent) =>
  agent
    .components()
    .map(({ id }) => id)
    .join();
const healthOf = (agent: Agent) => agent.component("remotecfg")?.health;

test("a remote configuration runs beside the file's, and what is refused leaves the last one", async () => {
  const storage = await mkdtemp(join(tmpdir(), "finch-remotecfg-"));
  await using service = new Service();
  service.content = file("a");
  const url = await service.listen();
  const text = `remotecfg {
	url        = "${url}"
	id         = "me"
	name       = "my agent"
	attributes = { site = "x" }

	basic_auth {
		username = "u"
		password = "p"
	}
}
${file("own")}`;
  {
    await using running = await run(text, storage);
    const { agent, hurry } = running;
    await until("it is applied", () => idsOf(agent).includes("remotecfg/local.file.a"));
    await until("it is reported", () => service.calls.some(({ status }) => status === 1));
    assert.deepEqual(
      service.calls.map(({ method, hash, status }) => [method, hash, status]),
      [
        ["RegisterCollector", "my agent", undefined],
        ["GetConfig", "", undefined],
        ["GetConfig", `h${file("a").length}`, 1],
      ],
    );
    for (const call of service.calls) {
      assert.equal(call.id, "me");
      assert.deepEqual(call.attributes, {
        "collector.version": "v1",
        "collector.os": "linux",
        site: "x",
      });
      assert.equal(call.authorization, `Basic ${Buffer.from("u:p").toString("base64")}`);
    }
    await until("it is healthy", () => healthOf(agent)?.state === "healthy");
    assert.match(healthOf(agent)!.message, /^runs what the service gave \([0-9a-f]{12}\)$/);
    assert.match(idsOf(agent), /local\.file\.own/);

    service.content = `${file("a")}local.file "b" {\n\tfilename = local.file.c.content\n}\n`;
    const refusal = () => service.calls.find(({ status }) => status === 3);
    await until("the refusal is told", () => refusal() !== undefined, hurry);
    assert.match(refusal()!.error, /remotecfg:5:13: component "local\.file\.c\.content"/);
    assert.equal(idsOf(agent).includes("remotecfg/local.file.b"), false);
    assert.equal(agent.component("remotecfg/local.file.a")?.health.state, "healthy");
    assert.equal(healthOf(agent)?.state, "unhealthy");

    service.content = file("bb");
    const isApplied = () => idsOf(agent).includes("remotecfg/local.file.bb");
    await until("the next is applied", isApplied, hurry);
    assert.equal(idsOf(agent).includes("remotecfg/local.file.a"), false);
    await until("it is healthy again", () => healthOf(agent)?.state === "healthy", hurry);
    await agent.reload();
    assert.match(idsOf(agent), /remotecfg\/local\.file\.bb/);
  }
  assert.equal(service.calls.at(-1)?.method, "UnregisterCollector");

  // A start while the service gives what is refused, and one while it is away, both use the last good one.
  service.content = "loki.ecco";
  {
    await using running = await run(text, storage);
    await until("it is kept", () => idsOf(running.agent).includes("remotecfg/local.file.bb"));
  }
  await service[Symbol.asyncDispose]();
  {
    await using running = await run(text, storage);
    const { agent } = running;
    await until("it is kept", () => idsOf(agent).includes("remotecfg/local.file.bb"));
    await until("it is told", () => healthOf(agent)?.state === "unhealthy");
    assert.match(
      healthOf(agent)!.message,
      /^the service is away: .*; what was given last goes on$/,
    );
  }
  await rm(storage, { recursive: true });
});

test("an agent without an id has one that stays, and a refused call is told with its reason", async () => {
  const storage = await mkdtemp(join(tmpdir(), "finch-remotecfg-"));
  await using service = new Service();
  service.refusal = { status: 401, body: '{"code":"unauthenticated","message":"no such token"}' };
  const text = `remotecfg {\n\turl = "${await service.listen()}"\n}\n`;
  for (const turn of [1, 2]) {
    await using running = await run(text, storage);
    await until("it is told", () => healthOf(running.agent)?.state === "unhealthy");
    assert.match(
      healthOf(running.agent)!.message,
      /answered RegisterCollector with 401: unauthenticated: no such token$/,
      `turn ${turn}`,
    );
  }
  const { UID: seed } = JSON.parse(await readFile(join(storage, "alloy_seed.json"), "utf8")) as {
    readonly UID: string;
  };
  assert.deepEqual(new Set(service.calls.map(({ id }) => id)), new Set([seed]));
  assert.deepEqual(await readdir(join(storage, "remotecfg")), []);
  await rm(storage, { recursive: true });
});

test("settings of the agent cannot come from the service", async () => {
  const storage = await mkdtemp(join(tmpdir(), "finch-remotecfg-"));
  await using service = new Service();
  service.content = 'logging {\n\tlevel = "debug"\n}\n';
  const url = await service.listen();
  const running = await run(`remotecfg {\n\turl = "${url}"\n}\n`, storage);
  await until("it is told", () => service.calls.some(({ status }) => status === 3));
  await running[Symbol.asyncDispose]();
  const told = service.calls.find(({ status }) => status === 3);
  assert.match(told?.error ?? "", /logging not allowed in a remote configuration/);
  await rm(storage, { recursive: true });
});

test("mistakes in the block", async () => {
  const check = async (body: string) =>
    (await validateConfig(`remotecfg {\n\t${body}\n}\n`, "config.alloy")).map(
      ({ message }) => message,
    );
  assert.deepEqual(await check('attributes = { "collector.x" = "1" }'), [
    '"collector.x": names that begin with "collector." are set by the agent itself',
  ]);
  assert.deepEqual(await check('poll_frequency = "5s"'), [
    "poll_frequency: must be at least 10000 ms, got 5000",
  ]);
  assert.deepEqual(await check('url = "fleet:8080"'), ['"fleet:8080" is not an http or https URL']);
});
