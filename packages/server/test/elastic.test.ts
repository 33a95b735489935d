/** Elasticsearch's `_bulk` over real HTTP into a real store. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { DEFAULT_RETENTION } from "@finch/store";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { openMemoryLogStore } from "./memory-log-store.ts";
import { BUILD, fixedClock, NOW_MS, serve } from "./serve.ts";

async function openApi() {
  const failing: { fault: Error | undefined } = { fault: undefined };
  const lines: string[] = [];
  const store = openMemoryLogStore();
  store.tail((labels, entries) => {
    for (let row = 0; row < entries.count; row++) {
      const line = entries.lines.subarray(entries.lineBounds[row], entries.lineBounds[row + 1]);
      const metadata = entries.metadataSets[entries.metadataOf[row]!]!;
      lines.push(`${labels.toString()} ${Buffer.from(line).toString()} ${metadata.toString()}`);
    }
  });
  const api = createLogsApi({
    store: {
      ...store,
      append: (batch) =>
        failing.fault === undefined ? store.append(batch) : Promise.reject(failing.fault),
    },
    clock: fixedClock,
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const served = await serve(api.elasticRoutes);
  return { ...served, failing, lines };
}

const at = new Date(NOW_MS).toISOString();
const bulk = (...documents: readonly object[]) =>
  documents.map((one) => `{"create":{}}\n${JSON.stringify(one)}\n`).join("");

test("a bulk is stored before it is answered, and each operation has its outcome", async () => {
  await using api = await openApi();
  const body = bulk(
    { "@timestamp": at, message: "a", host: "h" },
    { "@timestamp": "2020-01-01T00:00:00Z", message: "old" },
  );
  const { headers, status, text } = await api.post("/logs-app/_bulk", body);
  assert.deepEqual([status, headers.get("x-elastic-product")], [200, "Elasticsearch"]);
  const reply = JSON.parse(text) as {
    errors: boolean;
    items: { create: { status: number; _index: string; error?: object } }[];
  };
  assert.equal(reply.errors, true);
  assert.deepEqual(
    reply.items.map(({ create }) => [create._index, create.status, create.error]),
    [
      ["logs-app", 201, undefined],
      ["logs-app", 400, { type: "illegal_argument_exception", reason: "@timestamp is too old" }],
    ],
  );
  assert.deepEqual(api.lines, [
    '{host="h", index="logs-app", service_name="unknown_service"} a {detected_level="unknown"}',
  ]);
  const packed = await api.post(
    "/_bulk?filter_path=errors,items.*.status",
    new Uint8Array(gzipSync('{"index":{"_index":"z"}}\n{"message":"b"}\n')),
    { "content-encoding": "gzip" },
  );
  assert.match(
    packed.text,
    /^\{"took":\d+,"errors":false,"items":\[\{"index":\{"status":201\}\}\]\}$/,
  );
  assert.equal(api.lines.length, 2);
});

test("faults are told in Elasticsearch's shape, and what may go later is 429 or 503", async () => {
  await using api = await openApi();
  for (const [kind, status] of [
    ["limited", 429],
    ["unavailable", 503],
  ] as const) {
    api.failing.fault = new FinchError(kind, "test/fault", "no room", { retryAfterSeconds: 3 });
    const answer = await api.post("/x/_bulk", bulk({ message: "a" }));
    assert.deepEqual([answer.status, answer.headers.get("retry-after")], [status, "3"]);
    const { error } = JSON.parse(answer.text) as {
      error: { reason: string; root_cause: object[] };
    };
    assert.deepEqual([error.reason, error.root_cause.length], ["no room", 1]);
  }
  api.failing.fault = undefined;
  const bad = await api.post("/_bulk", "nonsense\n");
  assert.equal(bad.status, 400);
  assert.match(bad.text, /"type":"parse_exception","reason":"line 1 of the bulk body is no action/);
  assert.equal(api.lines.length, 0);
});

test("what shippers ask before they send", async () => {
  await using api = await openApi();
  const root = await api.get("/");
  assert.match(root.text, /"number":"8\..*"tagline":"You Know, for Search"/);
  assert.match((await api.get("/_license")).text, /"status":"active".*"type":"basic"/);
  for (const path of [
    "/_ilm/policy/filebeat",
    "/_index_template/filebeat-8.19.0",
    "/_data_stream/filebeat",
    "/_cluster/health",
    "/_nodes/http",
    "/_ingest/pipeline/x",
  ]) {
    const { headers, status } = await api.get(path);
    assert.deepEqual([status, headers.get("x-elastic-product")], [200, "Elasticsearch"], path);
  }
  const put = await fetch(`http://127.0.0.1:${api.port}/_index_template/logs`, {
    method: "PUT",
    body: "{}",
  });
  assert.equal(await put.text(), '{"acknowledged":true}');
  const head = await fetch(`http://127.0.0.1:${api.port}/_template/logs`, { method: "HEAD" });
  assert.equal(head.status, 200);
});
