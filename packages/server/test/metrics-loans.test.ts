/** Query workers over real HTTP that read the blocks of the store themselves. */
import assert from "node:assert/strict";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { encode, WRITE_HEADERS } from "./metrics-harness.ts";
import type { Row } from "./metrics-harness.ts";
import { serveMetrics } from "./metrics-api.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

/** No query is small. */
const limits = { query: { ...DEFAULT_METRICS_LIMITS.query, mainThreadSamplesMax: 0 } };

async function write(api: ServedMetrics, rows: readonly Row[], tenant?: string): Promise<void> {
  const headers = {
    ...WRITE_HEADERS,
    ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
  };
  const url = `http://127.0.0.1:${api.port}/api/v1/push`;
  const reply = await fetch(url, { method: "POST", headers, body: encode(rows) });
  assert.equal(reply.status, 200);
}

async function valuesOf(
  api: ServedMetrics,
  query: string,
  tenant?: string,
): Promise<readonly (readonly [object, string])[]> {
  const parameters = new URLSearchParams({ query, time: String(NOW_MS / 1000) });
  const headers: Record<string, string> = tenant === undefined ? {} : { "x-scope-orgid": tenant };
  const url = `http://127.0.0.1:${api.port}/prometheus/api/v1/query?${parameters.toString()}`;
  const reply = await fetch(url, { headers });
  const text = await reply.text();
  assert.equal(reply.status, 200, text);
  const { data } = JSON.parse(text) as {
    data: { result: readonly { metric: object; value: readonly [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => [metric, value[1]]);
}

const up = (job: string, secondsAgo: number, value: number): Row => [
  { __name__: "up", job },
  secondsAgo,
  value,
];

test("what is in blocks, in memory, and in both is answered once", async () => {
  await using api = await serveMetrics({ limits });
  await write(api, [up("a", 200, 1), up("b", 200, 2)]);
  await api.store.flush();
  await write(api, [up("b", 100, 3)]);
  await api.store.flush();
  await write(api, [up("b", 10, 4), up("c", 10, 5)]);
  assert.deepEqual(await valuesOf(api, "sum_over_time(up[5m])"), [
    [{ job: "a" }, "1"],
    [{ job: "b" }, "9"],
    [{ job: "c" }, "5"],
  ]);
  assert.deepEqual(await valuesOf(api, "sum(up)"), [[{}, "10"]]);
  assert.deepEqual(await valuesOf(api, "sum(up offset 150s) + count(up)"), [[{}, "6"]]);
});

test("a tenant reads its own series in blocks, several see whose they are", async () => {
  await using api = await serveMetrics({ limits, about: { multitenancy: true } });
  for (const [tenant, value] of [
    ["anonymous", 1],
    ["team-a", 2],
    ["team-b", 3],
  ] as const)
    await write(api, [up("x", 100, value)], tenant);
  await api.store.flush();
  await write(api, [up("x", 10, 4)], "team-a");
  const sum = "sum_over_time(up[5m])";
  assert.deepEqual(await valuesOf(api, sum, "anonymous"), [[{ job: "x" }, "1"]]);
  assert.deepEqual(await valuesOf(api, sum, "team-a"), [[{ job: "x" }, "6"]]);
  assert.deepEqual(await valuesOf(api, sum, "anonymous|team-a"), [
    [{ __tenant_id__: "anonymous", job: "x" }, "1"],
    [{ __tenant_id__: "team-a", job: "x" }, "6"],
  ]);
  assert.deepEqual(await valuesOf(api, 'up{__tenant_id__="team-b"}', "team-a"), []);
});

test("a block that a worker finds damaged is set aside, and the next query goes on without it", async () => {
  await using api = await serveMetrics({ limits });
  await write(api, [up("a", 100, 1)]);
  await api.store.flush();
  await write(api, [up("a", 10, 2)]);
  const { directory } = api;
  const blocks = join(directory, "metrics", "blocks");
  const [name] = await readdir(blocks);
  const path = join(blocks, name!, "pages.bin");
  const bytes = await readFile(path);
  bytes[24]! ^= 1;
  await writeFile(path, bytes);
  const answer = await api.get("/api/v1/query", { query: "up[5m]", time: String(NOW_MS / 1000) });
  assert.equal(answer.status, 500, answer.text);
  assert.match(answer.text, /is damaged at byte/);
  assert.deepEqual(await valuesOf(api, "sum_over_time(up[5m])"), [[{ job: "a" }, "2"]]);
  assert.deepEqual(await readdir(blocks), [`${name!}.damaged`]);
  assert.equal(api.store.statistics().quarantined.length, 1);
});
