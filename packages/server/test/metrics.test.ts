/** The metrics API over real HTTP, with the real store and engine. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { FinchError } from "@finch/runtime";
import { DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { Row } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

const UP = { __name__: "up", job: "a", instance: "x:1" };
const ROWS: readonly Row[] = [
  [UP, 30, 1],
  [UP, 15, 1],
  [UP, 0, 0.5],
  [{ __name__: "up", job: "b", instance: "y:1" }, 0, 1e-7],
];

test("writes and queries: bytes as Prometheus sends them", async () => {
  await using api = await openApi();
  const written = await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS);
  assert.deepEqual([written.status, written.text], [204, ""]);
  const now = NOW_MS / 1000;
  const rows: readonly [path: string, parameters: Record<string, string>, body: string][] = [
    [
      "/api/v1/query",
      { query: "up" },
      `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"x:1","job":"a"},"value":[${now},"0.5"]},{"metric":{"__name__":"up","instance":"y:1","job":"b"},"value":[${now},"1e-07"]}]}}`,
    ],
    [
      "/api/v1/query",
      { query: "up", limit: "1" },
      `{"status":"success","data":{"resultType":"vector","result":[{"metric":{"__name__":"up","instance":"x:1","job":"a"},"value":[${now},"0.5"]}]},"warnings":["results truncated due to limit"]}`,
    ],
    [
      "/api/v1/query",
      { query: "1+1", time: "4" },
      '{"status":"success","data":{"resultType":"scalar","result":[4,"2"]}}',
    ],
    [
      "/api/v1/query",
      { query: '"x\\"y"', time: "4.1" },
      '{"status":"success","data":{"resultType":"string","result":[4.1,"x\\"y"]}}',
    ],
    [
      "/api/v1/query",
      { query: "up", time: "1.5" },
      '{"status":"success","data":{"resultType":"vector","result":[]}}',
    ],
    [
      "/api/v1/query_range",
      { query: 'up{job="a"}', start: String(now - 30), end: String(now), step: "15" },
      `{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","instance":"x:1","job":"a"},"values":[[${now - 30},"1"],[${now - 15},"1"],[${now},"0.5"]]}]}}`,
    ],
    [
      "/api/v1/series",
      { "match[]": 'up{job="b"}' },
      '{"status":"success","data":[{"__name__":"up","instance":"y:1","job":"b"}]}',
    ],
    ["/api/v1/labels", {}, '{"status":"success","data":["__name__","instance","job"]}'],
    [
      "/api/v1/labels",
      { limit: "2" },
      '{"status":"success","data":["__name__","instance"],"warnings":["results truncated due to limit"]}',
    ],
    ["/api/v1/label/job/values", {}, '{"status":"success","data":["a","b"]}'],
    ["/api/v1/label/U__job/values", { "match[]": "up" }, '{"status":"success","data":["a","b"]}'],
    ["/api/v1/label/job/values", { end: "1" }, '{"status":"success","data":[]}'],
    ["/api/v1/labels", { start: "2", end: "1" }, '{"status":"success","data":[]}'],
    ["/api/v1/series", { start: "2", end: "1", "match[]": "up" }, '{"status":"success","data":[]}'],
    ["/api/v1/metadata", { limit: "0" }, '{"status":"success","data":{}}'],
    [
      "/api/v1/query",
      { query: "vector(1)", time: "4.1", lookback_delta: "0" },
      '{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[4.100,"1"]}]}}',
    ],
    [
      "/api/v1/format_query",
      { query: `sum by (${"a".repeat(90)}) (up) / 2` },
      `{"status":"success","data":"  sum by (${"a".repeat(90)}) (\\n    up\\n  )\\n/\\n  2"}`,
    ],
    [
      "/api/v1/metadata",
      {},
      '{"status":"success","data":{"up":[{"type":"gauge","unit":"","help":"Whether it is up."}]}}',
    ],
    ["/api/v1/metadata", { metric: "nothing" }, '{"status":"success","data":{}}'],
    ["/api/v1/format_query", { query: "sum( up )" }, '{"status":"success","data":"sum(up)"}'],
    ["/prometheus/api/v1/label/job/values", {}, '{"status":"success","data":["a","b"]}'],
  ];
  for (const [path, parameters, body] of rows) {
    const answer = await api.get(path, parameters);
    assert.equal(answer.text, body, `${path} ${JSON.stringify(parameters)}`);
    assert.equal(answer.status, 200);
    assert.equal(answer.headers.get("content-type"), "application/json");
  }
  const posted = await api.post("/api/v1/query", "query=up&limit=1", {
    "content-type": "application/x-www-form-urlencoded",
  });
  assert.equal(posted.text, rows[1]![2]);
});

test("what is in memory goes into a block when it is asked for", async () => {
  await using api = await openApi();
  await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS);
  assert.equal(api.store.statistics().blocks, 0);
  const flushed = await api.post("/ingester/flush?wait=true", new Uint8Array(0), {});
  assert.deepEqual([flushed.status, flushed.text], [204, ""]);
  assert.equal(api.store.statistics().blocks, 1);
});

test("bad queries get Prometheus' errors", async () => {
  await using api = await openApi();
  const range = { query: "up", start: "0", end: "60", step: "15" };
  const rows: readonly [
    path: string,
    parameters: Record<string, string>,
    status: number,
    type: string,
    message: RegExp,
  ][] = [
    [
      "/api/v1/query",
      { query: "sum(" },
      400,
      "bad_data",
      /^invalid parameter "query": 1:5: parse error: /,
    ],
    ["/api/v1/query", {}, 400, "bad_data", /^invalid parameter "query": .*no expression/],
    [
      "/api/v1/query",
      { query: "up", time: "x" },
      400,
      "bad_data",
      /^invalid parameter "time": invalid time value for 'time': cannot parse "x" to a valid timestamp/,
    ],
    [
      "/api/v1/query",
      { query: "up", timeout: "x" },
      400,
      "bad_data",
      /^invalid parameter "timeout": cannot parse "x" to a valid duration/,
    ],
    [
      "/api/v1/query",
      { query: "up", limit: "-1" },
      400,
      "bad_data",
      /^invalid parameter "limit": limit must be non-negative/,
    ],
    ["/api/v1/query", { query: "up", limit: "ten" }, 400, "bad_data", /^invalid parameter "limit"/],
    [
      "/api/v1/query_range",
      { ...range, end: "-1" },
      400,
      "bad_data",
      /^invalid parameter "end": end timestamp must not be before start time/,
    ],
    [
      "/api/v1/query_range",
      { ...range, step: "0" },
      400,
      "bad_data",
      /^invalid parameter "step": zero or negative query resolution/,
    ],
    [
      "/api/v1/query_range",
      { ...range, step: "" },
      400,
      "bad_data",
      /^invalid parameter "step": cannot parse ""/,
    ],
    [
      "/api/v1/query_range",
      { ...range, start: "" },
      400,
      "bad_data",
      /^invalid parameter "start": cannot parse "" to a valid timestamp/,
    ],
    [
      "/api/v1/query_range",
      { ...range, end: "110001", step: "10" },
      400,
      "bad_data",
      /^exceeded maximum resolution of 11,000 points/,
    ],
    [
      "/api/v1/query_range",
      { ...range, query: "up[5m]" },
      400,
      "bad_data",
      /invalid expression type "range vector" for range query/,
    ],
    ["/api/v1/series", {}, 400, "bad_data", /^no match\[\] parameter provided/],
    [
      "/api/v1/series",
      { "match[]": '{job=~".*"}' },
      400,
      "bad_data",
      /^invalid parameter "match\[\]"/,
    ],
    [
      "/api/v1/series",
      { "match[]": "up{" },
      400,
      "bad_data",
      /^invalid parameter "match\[\]": 1:4: parse error/,
    ],
    ["/api/v1/label/%FF/values", {}, 400, "bad_data", /bad percent-encoding/],
  ];
  for (const [path, parameters, status, type, message] of rows) {
    const answer = await api.get(path, parameters);
    const where = `${path} ${JSON.stringify(parameters)}: ${answer.text}`;
    assert.equal(answer.status, status, where);
    const body = JSON.parse(answer.text) as { status: string; errorType: string; error: string };
    assert.deepEqual([body.status, body.errorType], ["error", type], where);
    assert.match(body.error, message, where);
  }
});

test("selectors of one request are bounded, the same one counts once", async () => {
  await using api = await openApi();
  const ask = (selectors: readonly string[]) =>
    api.post(
      "/api/v1/series",
      new URLSearchParams(selectors.map((text) => ["match[]", text])).toString(),
      { "content-type": "application/x-www-form-urlencoded" },
    );
  const same = await ask(Array.from({ length: 1500 }, () => "up"));
  assert.equal(same.text, '{"status":"success","data":[]}');
  const many = await ask(Array.from({ length: 1001 }, (_, i) => `up${i}`));
  assert.equal(many.status, 400);
  assert.match(many.text, /too many match\[\] selectors: 1001, limit 1000/);
});

test("what is wrong with a write is told with the right status", async () => {
  await using api = await openApi();
  const good = encode(ROWS);
  const broken = new Uint8Array(good);
  broken[0] = 0xff;
  broken[1] = 0xff;
  const rows: readonly [
    rule: string,
    body: Uint8Array<ArrayBuffer>,
    headers: Record<string, string>,
    status: number,
  ][] = [
    ["Prometheus' own headers", good, WRITE_HEADERS, 204],
    [
      "the message named",
      good,
      { ...WRITE_HEADERS, "content-type": "application/x-protobuf; proto=prometheus.WriteRequest" },
      204,
    ],
    ["JSON", good, { ...WRITE_HEADERS, "content-type": "application/json" }, 415],
    [
      "an unknown message",
      good,
      {
        ...WRITE_HEADERS,
        "content-type": "application/x-protobuf;proto=io.prometheus.write.v3.Request",
      },
      415,
    ],
    ["gzip", good, { ...WRITE_HEADERS, "content-encoding": "gzip" }, 415],
    ["broken snappy", broken, WRITE_HEADERS, 400],
    ["empty", new Uint8Array(0), WRITE_HEADERS, 400],
  ];
  for (const [rule, body, headers, status] of rows) {
    const answer = await api.post("/api/v1/write", body, headers);
    assert.equal(answer.status, status, `${rule}: ${answer.text}`);
    assert.equal(answer.headers.get("x-prometheus-remote-write-samples-written"), null);
  }
  assert.equal((await api.get("/api/v1/write")).status, 405);
  assert.equal((await api.post("/api/v1/push", good, WRITE_HEADERS)).status, 200);
});

test("refused samples are named in a 400 after the rest is stored", async () => {
  await using api = await openApi();
  const rows: readonly Row[] = [...ROWS, [{ __name__: "tomorrow" }, -86_400, 1]];
  const answer = await api.post("/api/v1/write", encode(rows), WRITE_HEADERS);
  assert.equal(answer.status, 400);
  assert.match(answer.text, /^out of bounds.*\{__name__="tomorrow"\}, timestamp \d+\n$/);
  const stored = await api.get("/api/v1/query", { query: "count(up)" });
  assert.match(stored.text, /"2"\]\}\]\}\}$/);
});

test("a series with bad labels is skipped by Prometheus' path and refused by Mimir's, the rest is stored by both", async () => {
  for (const [path, status] of [
    ["/api/v1/write", 204],
    ["/api/v1/push", 400],
  ] as const) {
    await using api = await openApi();
    const answer = await api.post(
      path,
      encode([[{ nameless: "x" }, 0, 1], ...ROWS]),
      WRITE_HEADERS,
    );
    assert.equal(answer.status, status, answer.text);
    const stored = await api.get("/api/v1/query", { query: "count(up)" });
    assert.match(stored.text, /"2"\]\}\]\}\}$/);
  }
});

test("a store that cannot take more is never a 400", async () => {
  for (const [kind, status] of [
    ["limited", 429],
    ["unavailable", 503],
    ["internal", 500],
  ] as const) {
    const fault = new FinchError(kind, "store/x", "not now", { retryAfterSeconds: 7 });
    await using api = await openApi({ append: () => Promise.reject(fault) });
    const answer = await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS);
    assert.equal(answer.status, status);
    assert.equal(answer.headers.get("retry-after"), "7");
  }
});

test("a body over the limit is 413", async () => {
  await using api = await openApi();
  const answer = await api.post(
    "/api/v1/write",
    new Uint8Array(DEFAULT_METRICS_LIMITS.writeBytesMax + 1),
    WRITE_HEADERS,
  );
  assert.equal(answer.status, 413);
});

test("build information and health", async () => {
  await using api = await openApi();
  const build = JSON.parse((await api.get("/api/v1/status/buildinfo")).text) as {
    data: Record<string, string>;
  };
  assert.deepEqual(Object.keys(build.data), [
    "version",
    "revision",
    "branch",
    "buildUser",
    "buildDate",
    "goVersion",
  ]);
  assert.match(build.data["version"]!, /^\d+\.\d+\.\d+\+finch\.0\.1\.0$/);
  for (const path of ["/-/healthy", "/-/ready", "/ready"])
    assert.equal((await api.get(path)).status, 200);
});

test("a query that is given up while it runs is 499 or a closed connection, and leaves its place", async () => {
  const started = Promise.withResolvers<void>();
  await using api = await openApi({
    async *select({ signal }) {
      started.resolve();
      await new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason as Error));
      });
      yield [];
    },
  });
  const gaveUp = new AbortController();
  const asked = fetch(`http://127.0.0.1:${api.port}/api/v1/query?query=up`, {
    signal: gaveUp.signal,
  });
  await started.promise;
  gaveUp.abort();
  await assert.rejects(asked);
  const late = await api.get("/api/v1/query", { query: "up", timeout: "10ms" });
  assert.equal(late.status, 503);
  assert.match(late.text, /"errorType":"timeout"/);
});

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures", "remote-write-deb");

test(
  "what Debian's Prometheus sends is taken",
  { skip: !existsSync(CAPTURES) && "no captures here: set FINCH_SHARED" },
  async () => {
    const bodies = readdirSync(CAPTURES).filter((name) => name.endsWith(".body"));
    // The day the samples are from; the store refuses what lies far from now.
    await using api = await openApi({}, Date.parse("2026-11-20T18:20:00Z"));
    for (const name of bodies) {
      const answer = await api.post(
        "/api/v1/write",
        new Uint8Array(readFileSync(join(CAPTURES, name))),
        WRITE_HEADERS,
      );
      assert.equal(answer.status, 204, `${name}: ${answer.text}`);
    }
    const names = JSON.parse((await api.get("/api/v1/label/__name__/values")).text) as {
      data: string[];
    };
    assert.ok(names.data.includes("up"), names.data.join(" "));
  },
);
