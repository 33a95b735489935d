/** The admin API over real HTTP: off unless turned on; deletes what it is told and nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import type { Row } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

const NOW = NOW_MS / 1000;
const ROWS: readonly Row[] = ["a", "b"].flatMap((job) =>
  [40, 30, 20, 10].map((secondsAgo): Row => [{ __name__: "up", job }, secondsAgo, secondsAgo]),
);

async function act(
  api: ServedMetrics,
  action: string,
  options: { readonly method?: string; readonly tenant?: string } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { method = "POST", tenant } = options;
  const reply = await fetch(`http://127.0.0.1:${api.port}/api/v1/admin/tsdb/${action}`, {
    method,
    ...(tenant === undefined ? {} : { headers: { "x-scope-orgid": tenant } }),
  });
  return { status: reply.status, text: await reply.text() };
}

test("it is off unless turned on", async () => {
  await using api = await openApi();
  for (const action of ["delete_series?match[]=up", "clean_tombstones", "snapshot"]) {
    const answer = await act(api, action);
    assert.equal(answer.status, 503, action);
    assert.match(answer.text, /"errorType":"unavailable","error":"admin APIs disabled/);
  }
});

test("deletes a range of what matches, cleans, copies", async () => {
  const snapshots: boolean[] = [];
  const admin = {
    snapshot: async ({ skipHead }: { readonly skipHead: boolean }) => {
      snapshots.push(skipHead);
      return "20261120T000000Z-0000000000000001";
    },
  };
  await using api = await openApi({}, NOW_MS, { admin });
  await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS);
  const bad: readonly [action: string, error: RegExp][] = [
    ["delete_series", /no match\[\] parameter provided/],
    ["delete_series?match[]=up&match[]={", /invalid parameter \\"match\[\]\\"/],
    ["delete_series?match[]=up&start=x", /invalid parameter \\"start\\"/],
    ["snapshot?skip_head=maybe", /invalid parameter \\"skip_head\\"/],
  ];
  for (const [action, error] of bad) {
    const answer = await act(api, action);
    assert.equal(answer.status, 400, action);
    assert.match(answer.text, error);
  }
  const sums = () => api.query("sum by (job) (sum_over_time(up[1m]))");
  assert.deepEqual(await sums(), { '{job="a"}': "100", '{job="b"}': "100" });
  const range = `start=${NOW - 30}&end=${NOW - 20}`;
  const answer = await act(api, `delete_series?match[]=up{job="a"}&${range}`, { method: "PUT" });
  assert.deepEqual([answer.status, answer.text], [204, ""]);
  assert.deepEqual(await sums(), { '{job="a"}': "50", '{job="b"}': "100" });
  assert.equal((await act(api, "clean_tombstones")).status, 204);
  assert.deepEqual(await sums(), { '{job="a"}': "50", '{job="b"}': "100" });
  const copied = await act(api, "snapshot?skip_head=true");
  assert.equal(
    copied.text,
    '{"status":"success","data":{"name":"20261120T000000Z-0000000000000001"}}',
  );
  assert.deepEqual(snapshots, [true]);
});

test("a tenant deletes its own series alone", async () => {
  const admin = { snapshot: () => Promise.reject(new Error("nobody asks")) };
  await using api = await openApi({}, NOW_MS, { admin, multitenancy: true });
  for (const tenant of ["one", "two"]) {
    const headers = { ...WRITE_HEADERS, "x-scope-orgid": tenant };
    assert.equal((await api.post("/api/v1/push", encode(ROWS), headers)).status, 200);
  }
  assert.equal((await act(api, "delete_series?match[]=up")).status, 401);
  assert.equal((await act(api, "delete_series?match[]=up", { tenant: "one" })).status, 204);
  const count = async (tenant: string) => {
    const headers = { "x-scope-orgid": tenant };
    const url = `http://127.0.0.1:${api.port}/api/v1/query?query=count(up)&time=${NOW}`;
    return await (await fetch(url, { headers })).text();
  };
  assert.match(await count("one"), /"result":\[\]/);
  assert.match(await count("two"), /"2"\]\}\]/);
});
