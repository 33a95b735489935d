/** Metrics pushed as lines and as text over real HTTP: Influx, imports, the Pushgateway's groups. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { serveMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

test("Influx: every path, compressed or not; what is wrong is told as JSON", async () => {
  await using metrics = await serveMetrics();
  const at = `${NOW_MS}000000`;
  for (const [i, path] of ["/api/v1/push/influx/write", "/api/v2/write", "/write"].entries()) {
    const plain = await metrics.post(path, `m,i=${i} v=${i},t="text" ${at}`);
    assert.deepEqual([plain.status, plain.text], [204, ""]);
    const packed = new Uint8Array(gzipSync(`z,i=${i} v=${i} ${NOW_MS}`));
    const answer = await metrics.post(`${path}?precision=ms`, packed, {
      "content-encoding": "gzip",
    });
    assert.equal(answer.status, 204, answer.text);
  }
  assert.deepEqual(await metrics.query("m_v + z_v"), {
    '{i="0"}': "0",
    '{i="1"}': "2",
    '{i="2"}': "4",
  });
  const bad = await metrics.post("/write", "m v=x");
  assert.equal(bad.status, 400);
  assert.match(
    (JSON.parse(bad.text) as { error: string }).error,
    /^line 1, column 5: invalid field value/,
  );
  const partial = await metrics.post("/write", `m v=7\nfar v=1 ${NOW_MS + 3_600_000}000000`);
  assert.equal(partial.status, 400);
  assert.match(partial.text, /partial write: out of bounds: timestamp is too far in the future/);
  assert.deepEqual(await metrics.query("m_v{i=''}"), { '{__name__="m_v"}': "7" });
});

test("imports: text and OpenMetrics, with times, extra labels and exemplars", async () => {
  await using metrics = await serveMetrics();
  const text = `# HELP a Some a.\n# TYPE a gauge\na{x="1"} 2\na{x="2"} 3 ${NOW_MS - 1000}\n`;
  const plain = await metrics.post("/api/v1/import/prometheus?extra_label=job=j=1", text);
  assert.deepEqual([plain.status, plain.text], [204, ""]);
  assert.deepEqual(await metrics.query("a"), {
    '{__name__="a", job="j=1", x="1"}': "2",
    '{__name__="a", job="j=1", x="2"}': "3",
  });
  const open = `# TYPE o counter\no_total 5 # {trace_id="t"} 1\n# EOF\n`;
  const answer = await metrics.post(
    `/api/v1/import/prometheus?timestamp=${NOW_MS - 5000}&extra_label=job=j`,
    open,
    {
      "content-type": "application/openmetrics-text; version=1.0.0",
    },
  );
  assert.equal(answer.status, 204, answer.text);
  assert.deepEqual(await metrics.query("timestamp(o_total)"), {
    '{job="j"}': String(NOW_MS / 1000 - 5),
  });
  const exemplars = await metrics.get("/api/v1/query_exemplars", {
    query: "o_total",
    start: String(NOW_MS / 1000 - 60),
    end: String(NOW_MS / 1000),
  });
  assert.match(exemplars.text, /"trace_id":"t"/);
  const bad = await metrics.post("/api/v1/import/prometheus", "a{ 1\n");
  assert.equal(bad.status, 400);
  assert.match(bad.text, /1:/);
  assert.equal(
    (await metrics.post("/api/v1/import/prometheus?extra_label=x", "a 1\n")).status,
    400,
  );
  assert.equal((await metrics.post("/api/v1/import/prometheus?timestamp=x", "a 1\n")).status, 400);
});

/** The status of a request whose path is sent as it is. */
function send(port: number, method: string, path: string, body = ""): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const sent = request({ port, host: "127.0.0.1", method, path, agent: false }, (response) => {
      let text = "";
      response.on("data", (chunk: Buffer) => (text += chunk.toString()));
      response.on("end", () => resolve([response.statusCode ?? 0, text]));
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

test("groups: POST replaces metrics, PUT the group, DELETE ends it", async () => {
  let nowMs = NOW_MS - 10_000;
  await using metrics = await serveMetrics({ nowMs: () => nowMs });
  const step = async (method: string, path: string, body: string, status: number) => {
    nowMs += 1000;
    const [actual, text] = await send(metrics.port, method, path, body);
    assert.equal(actual, status, text);
  };
  const group = "/metrics/job/backup/instance/h1";
  await step("POST", group, 'done{job="own",step="a"} 1\ndone{step="b"} 2\nsize 3\n', 200);
  const query = (text: string) => metrics.query(text);
  assert.deepEqual(await query('{job="backup",__name__!="push_time_seconds"}'), {
    '{__name__="done", instance="h1", job="backup", step="a"}': "1",
    '{__name__="done", instance="h1", job="backup", step="b"}': "2",
    '{__name__="size", instance="h1", job="backup"}': "3",
  });
  assert.deepEqual(await query("push_time_seconds"), {
    '{__name__="push_time_seconds", instance="h1", job="backup"}': String((NOW_MS - 9000) / 1000),
  });
  await step("POST", group, 'done{step="a"} 4\n', 200);
  assert.deepEqual(Object.values(await query('{__name__=~"done|size"}')), ["4", "3"]);
  await step("PUT", group, "size 5\n", 200);
  assert.deepEqual(await query('{__name__=~"done|size"}'), {
    '{__name__="size", instance="h1", job="backup"}': "5",
  });
  await step("DELETE", group, "", 202);
  assert.deepEqual(await query('{job="backup"}'), {});
  await step("DELETE", "/metrics/job/never", "", 202);
});

test("grouping keys: base64, escapes, empty values; what is wrong is named", async () => {
  await using metrics = await serveMetrics();
  const value = Buffer.from("/var/ü").toString("base64url");
  const rows: readonly [
    path: string,
    status: number,
    told: RegExp,
    labels?: Record<string, string>,
  ][] = [
    [`/metrics/job@base64/${value}/a/b%2Fc`, 200, /^$/, { job: "/var/ü", a: "b/c" }],
    ["/metrics/job/x/path@base64/=", 200, /^$/, { job: "x" }],
    ["/metrics/job/", 400, /job name is required/],
    ["/metrics/job@base64/=", 400, /job name is required/],
    ["/metrics/job/x/a", 400, /label without a value: "a"/],
    ["/metrics/job/x/__name__/b", 400, /improper label name "__name__"/],
    ["/metrics/job/x/a/b/a/c", 400, /"a" is given twice/],
    ["/metrics/job/x/a@base64/***", 400, /is not base64/],
    ["/metrics/job/x/a@base64/_w", 400, /not valid UTF-8/],
  ];
  for (const [i, [path, status, told, labels]] of rows.entries()) {
    const [actual, text] = await send(metrics.port, "POST", path, `m${i}{path="own"} 1\n`);
    assert.equal(actual, status, `${path}: ${text}`);
    assert.match(text, told);
    if (labels === undefined) continue;
    // A label with an empty value in the path is taken away from the metrics.
    const own = path.includes("path@") ? {} : { path: "own" };
    const { text: series } = await metrics.get("/api/v1/series", { "match[]": `m${i}` });
    const { data } = JSON.parse(series) as { data: object[] };
    assert.deepEqual(data, [{ __name__: `m${i}`, ...labels, ...own }]);
  }
  const [status, text] = await send(metrics.port, "PUT", "/metrics/job/x", `m 1 ${NOW_MS}\n`);
  assert.deepEqual([status, text], [400, "pushed metrics must not have timestamps\n"]);
});
