/** `loki.source.api` over real sockets: what senders push arrives, and what receivers do not take is not acknowledged. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { Labels } from "@finch/model";
import { encodeLokiEntries, encodeSnappyBody } from "@finch/wire";
import { sourceApi } from "../src/components/loki/source-api.ts";
import type { LogsReceiver } from "../src/receivers.ts";
import { compileRules } from "../src/relabel.ts";
import { collectingReceiver, startComponent, temporaryDirectory } from "./component-harness.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures/loki");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

const HTTP = {
  listen_address: "127.0.0.1",
  listen_port: 0,
  conn_limit: 0,
  server_read_timeout: 30_000,
  server_write_timeout: 30_000,
  server_idle_timeout: 120_000,
  tls: undefined,
};

async function start(receiver: LogsReceiver, changes: object = {}) {
  const directory = await temporaryDirectory();
  const values = {
    forward_to: [receiver],
    labels: {},
    relabel_rules: undefined,
    use_incoming_timestamp: false,
    max_send_message_size: 100 << 20,
    graceful_shutdown_timeout: 30_000,
    http: HTTP,
    ...changes,
  } as never;
  const component = startComponent(sourceApi, values, directory.path);
  while (component.health.state !== "healthy") await new Promise(setImmediate);
  const port = /:(\d+)$/.exec(component.health.message)![1]!;
  return {
    component,
    post: (path: string, body: Uint8Array | string, headers: Record<string, string> = {}) =>
      fetch(`http://127.0.0.1:${port}${path}`, {
        method: "POST",
        body: typeof body === "string" ? body : new Uint8Array(body),
        headers,
      }),
    get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`),
    async [Symbol.asyncDispose]() {
      await component[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

const PUSH = encodeSnappyBody([
  encodeLokiEntries([
    {
      labels: Labels.fromObject({ app: "web", env: "prod" }),
      entries: [
        {
          timestampNs: 1_795_195_742_305_927_407n,
          line: "täxt",
          structuredMetadata: Labels.fromObject({ trace_id: "abc" }),
        },
      ],
    },
    {
      labels: Labels.fromObject({ app: "noise" }),
      entries: [{ timestampNs: 1n, line: "x", structuredMetadata: Labels.EMPTY }],
    },
  ]),
]);
const JSON_PUSH = JSON.stringify({
  streams: [{ stream: { app: "json" }, values: [["1795195742305927407", "a line"]] }],
});

describe("loki.source.api", () => {
  test("protobuf: labels, rules, tenant, times and metadata", async () => {
    const receiver = collectingReceiver();
    const rules = compileRules(
      [
        { sourceLabels: ["app"], regex: "noise", action: "drop" },
        { sourceLabels: ["app"], targetLabel: "service" },
        { sourceLabels: ["app"], targetLabel: "__internal" },
      ],
      { names: "legacy" },
    );
    await using server = await start(receiver, {
      labels: { env: "fixed" },
      relabel_rules: rules,
      use_incoming_timestamp: true,
    });
    const answer = await server.post("/loki/api/v1/push", PUSH, { "x-scope-orgid": "team-a" });
    assert.equal(answer.status, 204);
    assert.deepEqual(
      receiver.entries.map((entry) => ({ ...entry, labels: entry.labels.toObject() })),
      [
        {
          labels: { __tenant_id__: "team-a", app: "web", env: "fixed", service: "web" },
          timestampNs: 1_795_195_742_305_927_407n,
          line: "täxt",
          structuredMetadata: Labels.fromObject({ trace_id: "abc" }),
        },
      ],
    );
    assert.deepEqual(
      server.component.drops.map(({ place, amount, samples }) => [
        place.reason,
        amount,
        samples[0]!.labels,
      ]),
      [["relabel_rules", 1, '{app="noise"}']],
    );
  });

  test("JSON, plain and gzip, on either path; entries have the time of their arrival", async () => {
    const receiver = collectingReceiver();
    await using server = await start(receiver);
    const type = { "content-type": "application/json" };
    assert.equal((await server.post("/api/v1/push", JSON_PUSH, type)).status, 204);
    const zipped = await server.post("/loki/api/v1/push", gzipSync(JSON_PUSH), {
      ...type,
      "content-encoding": "gzip",
    });
    assert.equal(zipped.status, 204);
    assert.deepEqual(
      receiver.entries.map(({ line }) => line),
      ["a line", "a line"],
    );
    const [first, second] = receiver.entries;
    assert.ok(first!.timestampNs < second!.timestampNs);
    assert.notEqual(first!.timestampNs, 1_795_195_742_305_927_407n);
  });

  test("bare lines: one entry each, empty ones passed over", async () => {
    const receiver = collectingReceiver();
    await using server = await start(receiver, { labels: { job: "raw" } });
    const text = "one\r\n\n  two\nthree";
    assert.equal((await server.post("/loki/api/v1/raw", text)).status, 204);
    const zipped = await server.post("/api/v1/raw", gzipSync("four\n"), {
      "content-encoding": "gzip",
    });
    assert.equal(zipped.status, 204);
    assert.deepEqual(
      receiver.entries.map(({ line, labels }) => [line, labels.get("job")]),
      [
        ["one", "raw"],
        ["  two", "raw"],
        ["three", "raw"],
        ["four", "raw"],
      ],
    );
    assert.equal((await server.post("/api/v1/raw", "x", { "content-encoding": "br" })).status, 415);
  });

  test("what is no push, and what is too large, is refused; the rest of a push arrives", async () => {
    const receiver = collectingReceiver();
    await using server = await start(receiver, { max_send_message_size: 400 });
    assert.equal((await server.get("/ready")).status, 200);
    assert.equal((await server.post("/api/v1/push", "nonsense")).status, 400);
    assert.equal((await server.post("/api/v1/push", "x".repeat(401))).status, 413);
    const bomb = gzipSync(JSON.stringify({ streams: [], filler: "x".repeat(10_000) }));
    const headers = { "content-type": "application/json", "content-encoding": "gzip" };
    assert.equal((await server.post("/api/v1/push", bomb, headers)).status, 413);
    assert.equal(receiver.entries.length, 0);
  });

  test("nothing is acknowledged that a receiver did not take", async () => {
    const refusing: LogsReceiver = {
      kind: "logs-receiver",
      owner: "refusing",
      append: () => Promise.reject(new Error("the disk is full")),
    };
    await using server = await start(refusing);
    const refused = await server.post("/api/v1/raw", "line");
    assert.equal(refused.status, 503);
    assert.equal(refused.headers.get("retry-after"), "5");
    assert.match(await refused.text(), /not taken: the disk is full/);
    const never: LogsReceiver = {
      kind: "logs-receiver",
      owner: "slow",
      append: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener("abort", () => reject(signal.reason as Error));
        }),
    };
    await using slow = await start(never, { http: { ...HTTP, server_write_timeout: 20 } });
    const late = await slow.post("/api/v1/raw", "line");
    assert.equal(late.status, 503);
    assert.match(await late.text(), /within 20 ms/);
  });

  test("pushes that real clients sent", { skip }, async () => {
    const receiver = collectingReceiver();
    await using server = await start(receiver, { use_incoming_timestamp: true });
    for (const name of readdirSync(CAPTURES).filter((file) => file.endsWith(".body"))) {
      const { rawHeaders } = JSON.parse(
        readFileSync(join(CAPTURES, name.replace(".body", ".json")), "utf8"),
      ) as { rawHeaders: string[] };
      const at = rawHeaders.findIndex((header) => header.toLowerCase() === "content-type");
      const answer = await server.post(
        "/loki/api/v1/push",
        readFileSync(join(CAPTURES, name)),
        at < 0 ? {} : { "content-type": rawHeaders[at + 1]! },
      );
      assert.equal(answer.status, 204, name);
    }
    assert.ok(receiver.entries.length >= 3);
    assert.ok(receiver.entries.every(({ labels, line }) => labels.size > 0 && line !== ""));
  });
});
