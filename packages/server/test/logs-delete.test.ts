/** Lines deleted over HTTP are out of every answer at once, also after a restart; what came later and what was taken back is there. */
import assert from "node:assert/strict";
import { request } from "node:http";
import { test } from "node:test";
import { ns, openApi, push, rangeData } from "./logs-api.ts";
import type { LogsApiUnderTest } from "./logs-api.ts";
import { NOW_MS } from "./serve.ts";

const PATH = "/loki/api/v1/delete";
const NOW = NOW_MS / 1000;

interface Listed {
  readonly request_id: string;
  readonly start_time: number;
  readonly end_time: number;
  readonly query: string;
  readonly status: string;
  readonly created_at: number;
}

async function send(
  api: LogsApiUnderTest,
  method: string,
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<readonly [status: number, text: string]> {
  const path = `${PATH}?${new URLSearchParams(parameters).toString()}`;
  return await new Promise((resolve, reject) => {
    const asked = request({ port: api.port, path, method, headers }, (reply) => {
      let text = "";
      reply.setEncoding("utf8");
      reply.on("data", (chunk: string) => (text += chunk));
      reply.on("end", () => resolve([reply.statusCode!, text.trim()]));
    });
    asked.on("error", reject);
    asked.end();
  });
}

async function list(api: LogsApiUnderTest): Promise<readonly Listed[]> {
  const answer = await api.get(PATH);
  assert.equal(answer.status, 200);
  return JSON.parse(answer.text) as readonly Listed[];
}

async function linesOf(api: LogsApiUnderTest, query = '{job=~".+"}'): Promise<readonly string[]> {
  const data = await rangeData(api, { query, start: ns(1000), limit: "1000" });
  const streams = data.result as { values: [string, string][] }[];
  return streams.flatMap(({ values }) => values.map(([, line]) => line)).toSorted();
}

async function filled(): Promise<LogsApiUnderTest> {
  const api = await openApi("disk");
  await push(
    api,
    [
      { job: "a" },
      [
        [ns(40), "level=debug user=1 late"],
        [ns(30), "level=info user=2"],
        [ns(20), "level=debug user=2"],
        [ns(10), "level=debug user=1 took=1s"],
        [ns(9), "level=debug user=1 took=soon"],
      ],
    ],
    [{ job: "b" }, [[ns(30), "level=debug user=1 other"]]],
  );
  return api;
}

const EVERYTHING = { start: "0" };

test("lines go by selector, line filter and label filter, and only within the time", async () => {
  await using api = await filled();
  const query = '{job="a"} |= "user=1" | detected_level="debug"';
  const start = String(NOW - 30);
  assert.deepEqual(await send(api, "POST", { query, start, end: ns(10) }), [204, ""]);
  assert.deepEqual(await linesOf(api), [
    "level=debug user=1 late",
    "level=debug user=1 other",
    "level=debug user=1 took=soon",
    "level=debug user=2",
    "level=info user=2",
  ]);
  assert.deepEqual(await linesOf(api, '{job="a"} |= "took"'), ["level=debug user=1 took=soon"]);
  const counted = await api.get("/loki/api/v1/query", {
    query: 'sum(count_over_time({job="a"}[1h]))',
    time: String(NOW),
  });
  assert.match(counted.text, /"value":\[\d+,"4"\]/);
  const stats = await api.get("/loki/api/v1/index/stats", { query: '{job="a"}' });
  assert.equal((JSON.parse(stats.text) as { entries: number }).entries, 4);
  const [listed] = await list(api);
  assert.deepEqual(listed, {
    request_id: "00000001",
    start_time: NOW - 30,
    end_time: NOW - 10,
    query,
    status: "received",
    created_at: NOW,
  });
});

test("a line on which a stage fails is not deleted: it does not match for sure", async () => {
  await using api = await filled();
  const query = '{job="a"} | logfmt | took >= 1s';
  assert.deepEqual(await send(api, "PUT", { ...EVERYTHING, query }), [204, ""]);
  assert.deepEqual(await linesOf(api, '{job="a"} |= "took"'), ["level=debug user=1 took=soon"]);
});

test("a whole stream is gone, its labels from the list of series, too; the same line sent again is there", async () => {
  await using api = await filled();
  const again = [{ job: "b" }, [[ns(30), "level=debug user=1 other"]]] as const;
  assert.deepEqual(await send(api, "POST", { ...EVERYTHING, query: '{job="b"}' }), [204, ""]);
  const jobs = async () => {
    const answer = await api.get("/loki/api/v1/series", { "match[]": '{job=~".+"}' });
    return (JSON.parse(answer.text) as { data: { job: string }[] }).data.map(({ job }) => job);
  };
  assert.deepEqual(await jobs(), ["a"]);
  await push(api, [again[0], again[1].map(([at, line]) => [at, line])]);
  assert.deepEqual(await linesOf(api, '{job="b"}'), ["level=debug user=1 other"]);
  assert.deepEqual(await jobs(), ["a", "b"]);
  await api.store.flush();
  assert.deepEqual(await linesOf(api, '{job="b"}'), ["level=debug user=1 other"]);
});

test("a delete is taken back by its id", async () => {
  await using api = await filled();
  const all = await linesOf(api);
  await send(api, "POST", { ...EVERYTHING, query: '{job="a"}' });
  await send(api, "POST", { ...EVERYTHING, query: '{job="b"}' });
  assert.deepEqual(await linesOf(api), []);
  const [first, second] = await list(api);
  assert.deepEqual(await send(api, "DELETE", { request_id: first!.request_id }), [204, ""]);
  assert.deepEqual(await list(api), [second]);
  assert.deepEqual(await linesOf(api, '{job="b"}'), []);
  assert.equal((await linesOf(api)).length, all.length - 1);
  assert.deepEqual(await send(api, "DELETE", { request_id: second!.request_id, force: "true" }), [
    204,
    "",
  ]);
  assert.deepEqual(await linesOf(api), all);
});

test("what is wrong with a delete is told in Loki's words", async () => {
  await using api = await filled();
  const query = '{job="a"}';
  const rows: readonly (readonly [string, Record<string, string>, number, RegExp])[] = [
    ["POST", { start: "0" }, 400, /^query not set$/],
    ["POST", { query }, 400, /^start time not set$/],
    ["POST", { query: "{", start: "0" }, 400, /^parse error/],
    ["POST", { query: "{}", start: "0" }, 400, /at least one regexp or equality matcher/],
    ["POST", { query: 'rate({a="b"}[1m])', start: "0" }, 400, /^delete requests take log queries/],
    ["POST", { query, start: "x" }, 400, /^invalid start time: require unix seconds or RFC3339/],
    ["POST", { query, start: "0", end: String(NOW + 1) }, 400, /^deletes in the future are not/],
    ["POST", { query, start: "9", end: "8" }, 400, /^start time can't be greater than end time$/],
    ["POST", { query, start: "0", max_interval: "x" }, 400, /^invalid max_interval/],
    ["POST", { query, start: "0", end: "60", max_interval: "2m" }, 400, /^max_interval can't be/],
    ["POST", { query, start: "0", end: "60", max_interval: "1m" }, 204, /^$/],
    ["DELETE", {}, 400, /^request_id not set$/],
    ["DELETE", { request_id: "0000beef" }, 404, /^could not find delete request with given id$/],
    ["DELETE", { request_id: "1", force: "maybe" }, 400, /^force: "maybe"/],
  ];
  for (const [method, parameters, status, message] of rows) {
    const [found, text] = await send(api, method, parameters);
    assert.equal(found, status, `${JSON.stringify(parameters)}: ${text}`);
    assert.match(text, message);
  }
});

test("a page of another site deletes nothing and takes nothing back", async () => {
  await using api = await filled();
  const all = await linesOf(api);
  const asked = { ...EVERYTHING, query: '{job="a"}' };
  for (const headers of [
    { origin: "https://example.com" },
    { origin: "null" },
    { "sec-fetch-site": "cross-site" },
  ]) {
    assert.equal((await send(api, "POST", asked, headers))[0], 403);
    assert.equal((await send(api, "DELETE", { request_id: "00000001" }, headers))[0], 403);
  }
  assert.deepEqual(await linesOf(api), all);
  const own = { origin: `http://localhost:${api.port}`, "sec-fetch-site": "same-origin" };
  assert.equal((await send(api, "POST", asked, own))[0], 204);
});
