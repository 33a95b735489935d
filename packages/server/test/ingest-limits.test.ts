/** What writers are told when the store has no room for another series: real HTTP, real stores. */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { nodeFileSystem, silentLogger } from "@finch/runtime";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore, openMetricStore } from "@finch/store";
import { encodeRemoteWrite } from "@finch/wire";
import {
  createLogsApi,
  createMetricsApi,
  DEFAULT_LOGS_LIMITS,
  DEFAULT_METRICS_LIMITS,
} from "../src/index.ts";
import { BUILD, fixedClock, NOW_MS, serve, surroundings, temporaryDirectory } from "./serve.ts";

const storeOptions = (directory: string) => ({
  directory,
  fileSystem: nodeFileSystem,
  clock: fixedClock,
  log: silentLogger,
  limits: { ...DEFAULT_LIMITS, headSeriesMax: 1, freeBytesMin: 0 },
  retention: DEFAULT_RETENTION,
});

test("remote write: a new series beyond the limit is a 400, and what there is room for is stored", async () => {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const store = opened.use(await openMetricStore(storeOptions(join(path, "metrics"))));
  const limits = DEFAULT_METRICS_LIMITS;
  const api = createMetricsApi({
    store,
    clock: fixedClock,
    log: silentLogger,
    limits,
    ...surroundings(),
  });
  const served = opened.use(await serve(api.routes));
  const body = encodeRemoteWrite({
    labels: ["known", "new"].map((name) => Labels.fromObject({ __name__: name })),
    timestampsMs: Float64Array.of(NOW_MS, NOW_MS),
    values: Float64Array.of(1, 2),
  });
  for (const path of ["/api/v1/write", "/api/v1/push"]) {
    const { status, text } = await served.post(path, new Uint8Array(body));
    assert.equal(status, 400);
    assert.match(text, /^too many series at once.*\{__name__="new"\}, timestamp \d+\n$/);
  }
  const long = encodeRemoteWrite({
    labels: [Labels.fromObject({ __name__: "new", long: "x".repeat(8000) })],
    timestampsMs: Float64Array.of(NOW_MS),
    values: Float64Array.of(1),
  });
  const refused = await served.post("/api/v1/write", new Uint8Array(long));
  assert.equal(refused.status, 400);
  assert.ok(refused.text.length < 1500, "labels are not sent back whole");
  const { text } = await served.get("/api/v1/query", { query: "known" });
  assert.match(text, /"value":\[\d+,"1"\]/);
});

test("Loki push: a new stream beyond the limit is a 429, and what there is room for is stored", async () => {
  await using opened = new AsyncDisposableStack();
  const { path } = opened.use(await temporaryDirectory());
  const store = opened.use(await openLogStore(storeOptions(join(path, "logs"))));
  const limits = DEFAULT_LOGS_LIMITS;
  const api = createLogsApi({
    store,
    clock: fixedClock,
    limits,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const served = opened.use(await serve(api.routes));
  const streams = ["known", "new"].map((app) => ({
    stream: { app },
    values: [[`${NOW_MS - 1}000000`, "line"]],
  }));
  const body = JSON.stringify({ streams });
  for (let attempt = 0; attempt < 2; attempt++) {
    const { status, headers, text } = await served.post("/loki/api/v1/push", body, {
      "content-type": "application/json",
    });
    assert.equal(status, 429);
    assert.ok(Number(headers.get("retry-after")) > 0);
    assert.match(text, /too many streams.*app="new"/);
  }
  const query = { query: '{app=~".+"}', since: "1h" };
  const { data } = JSON.parse((await served.get("/loki/api/v1/query_range", query)).text) as {
    data: { result: { stream: { app: string }; values: unknown[] }[] };
  };
  assert.deepEqual(
    data.result.map(({ stream, values }) => [stream.app, values.length]),
    [["known", 1]],
  );
});
