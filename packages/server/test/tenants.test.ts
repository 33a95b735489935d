/** Tenants over real HTTP: each reads and writes its own series, whatever it asks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher, formatMatcher, Labels } from "@finch/model";
import { decodeReadFrames, encodeReadRequest } from "@finch/wire";
import { parseTenants } from "../src/metrics/tenant-id.ts";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import type { Row } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

const NOW = NOW_MS / 1000;

const open = () => openApi({}, NOW_MS, { multitenancy: true });

/** Asks as a tenant; undefined sends no header. */
async function ask(
  api: ServedMetrics,
  tenant: string | undefined,
  path: string,
  body?: Uint8Array,
): Promise<{ readonly status: number; readonly text: string; readonly bytes: Uint8Array }> {
  const reply = await fetch(`http://127.0.0.1:${api.port}${path}`, {
    ...(body === undefined ? {} : { method: "POST", body: new Uint8Array(body) }),
    headers: {
      ...(body === undefined ? {} : WRITE_HEADERS),
      ...(tenant === undefined ? {} : { "x-scope-orgid": tenant }),
    },
  });
  const bytes = new Uint8Array(await reply.arrayBuffer());
  return { status: reply.status, text: new TextDecoder().decode(bytes), bytes };
}

async function write(api: ServedMetrics, tenant: string, rows: readonly Row[]): Promise<void> {
  const answer = await ask(api, tenant, "/api/v1/push", encode(rows));
  assert.equal(answer.status, 200, answer.text);
}

/** The same series in each tenant, with another value, and one that only it has. */
async function filled(): Promise<ServedMetrics> {
  const api = await open();
  for (const [tenant, value] of [
    ["anonymous", 1],
    ["team-a", 2],
    ["team-b", 3],
  ] as const) {
    await write(api, tenant, [
      [{ __name__: "up", job: "x" }, 10, value],
      [{ __name__: `only_${value}`, job: `y${value}` }, 10, value],
    ]);
  }
  return api;
}

const query = (text: string) =>
  `/prometheus/api/v1/query?query=${encodeURIComponent(text)}&time=${NOW}`;

/** Metric and value of each element. */
function elements(text: string): readonly (readonly [object, string])[] {
  const { data } = JSON.parse(text) as {
    data: { result: readonly { metric: object; value: readonly [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => [metric, value[1]]);
}

const dataOf = (text: string): unknown => (JSON.parse(text) as { data: unknown }).data;

test("without a header it is 401, with a bad one 400; health and status ask for none", async () => {
  await using api = await open();
  for (const path of ["/api/v1/query?query=up", "/prometheus/api/v1/labels", "/federate"]) {
    const answer = await ask(api, undefined, path);
    assert.deepEqual([answer.status, answer.text], [401, "no org id\n"], path);
  }
  assert.equal((await ask(api, undefined, "/api/v1/push", encode([]))).status, 401);
  for (const [tenant, error] of [
    ["a/b", /tenant ID 'a\/b' contains unsupported character '\/'/],
    ["..", /tenant ID is '.' or '..'/],
    ["a".repeat(151), /tenant ID is too long: max 150 characters/],
    ["a||b", /no org id between the bars/],
  ] as const) {
    const answer = await ask(api, tenant, "/api/v1/labels");
    assert.equal(answer.status, 400);
    assert.match(answer.text, error);
  }
  for (const path of ["/ready", "/-/healthy", "/api/v1/status/buildinfo", "/api/v1/features"])
    assert.equal((await ask(api, undefined, path)).status, 200, path);
});

test("names of tenants: sorted, each once", () => {
  assert.equal(parseTenants(""), undefined);
  assert.deepEqual(parseTenants("b|a|b"), ["a", "b"]);
  assert.deepEqual(parseTenants("it's(*)_-!.x"), ["it's(*)_-!.x"]);
  const many = Array.from({ length: 101 }, (_, i) => `t${i}`).join("|");
  assert.throws(() => parseTenants(many), /too many tenants: 101, limit 100/);
});

test("a tenant sees its own series and nothing else, by every way of asking", async () => {
  await using api = await filled();
  for (const [tenant, value] of [
    ["anonymous", "1"],
    ["team-a", "2"],
    ["team-b", "3"],
  ] as const) {
    const rows: readonly [path: string, data: unknown][] = [
      [
        `/api/v1/series?match[]={job!=""}`,
        [
          { __name__: `only_${value}`, job: `y${value}` },
          { __name__: "up", job: "x" },
        ],
      ],
      ["/api/v1/labels", ["__name__", "job"]],
      ["/api/v1/label/job/values", ["x", `y${value}`]],
      ["/api/v1/label/__tenant_id__/values", []],
      [`/api/v1/series?match[]={__tenant_id__="team-a"}`, []],
      [
        `/api/v1/series?match[]={__tenant_id__!="team-a",__name__="up"}`,
        [{ __name__: "up", job: "x" }],
      ],
    ];
    for (const [path, data] of rows)
      assert.deepEqual(dataOf((await ask(api, tenant, path)).text), data, `${tenant} ${path}`);
    const answer = await ask(api, tenant, query('{__name__=~".+"}'));
    assert.deepEqual(elements(answer.text), [
      [{ __name__: `only_${value}`, job: `y${value}` }, value],
      [{ __name__: "up", job: "x" }, value],
    ]);
    const federated = await ask(api, tenant, "/federate?match[]=up");
    assert.match(federated.text, new RegExp(`^up\\{job="x",instance=""\\} ${value} `, "m"));
    const body = encodeReadRequest({
      queries: [{ startMs: 0, endMs: NOW_MS, matchers: [createMatcher("job", "=", "x")] }],
      acceptedTypes: ["streamed-xor-chunks"],
    });
    const [series] = decodeReadFrames((await ask(api, tenant, "/api/v1/read", body)).bytes);
    assert.deepEqual(
      series!.map(({ labels, values }) => [labels.toObject(), [...values]]),
      [[{ __name__: "up", job: "x" }, [Number(value)]]],
    );
    const found = await ask(api, tenant, "/api/v1/search/metric_names?search[]=only");
    assert.match(found.text, new RegExp(`^\\{"results":\\[\\{"name":"only_${value}"\\}\\]\\}`));
  }
  assert.deepEqual(elements((await ask(api, "nobody", query("up"))).text), []);
  assert.deepEqual(dataOf((await ask(api, "nobody", "/api/v1/labels")).text), []);
});

test("several tenants read together, told apart by __tenant_id__", async () => {
  await using api = await filled();
  const both = "team-b|anonymous";
  assert.deepEqual(elements((await ask(api, both, query("up"))).text), [
    [{ __name__: "up", __tenant_id__: "anonymous", job: "x" }, "1"],
    [{ __name__: "up", __tenant_id__: "team-b", job: "x" }, "3"],
  ]);
  assert.deepEqual(
    elements((await ask(api, both, query('sum(up{__tenant_id__=~"a.*|team-a"})'))).text),
    [[{}, "1"]],
  );
  assert.deepEqual(elements((await ask(api, both, query('up{__tenant_id__!="anonymous"}'))).text), [
    [{ __name__: "up", __tenant_id__: "team-b", job: "x" }, "3"],
  ]);
  const rows: readonly [path: string, data: unknown][] = [
    ["/api/v1/labels", ["__name__", "__tenant_id__", "job"]],
    ["/api/v1/label/__tenant_id__/values", ["anonymous", "team-b"]],
    ["/api/v1/label/job/values", ["x", "y1", "y3"]],
  ];
  for (const [path, data] of rows)
    assert.deepEqual(dataOf((await ask(api, both, path)).text), data, path);
  const written = await ask(api, both, "/api/v1/push", encode([[{ __name__: "up" }, 0, 1]]));
  assert.equal(written.status, 400);
  assert.match(written.text, /multiple org IDs present/);
});

test("the label of tenants cannot be sent; in a value the name is nothing special", async () => {
  await using api = await open();
  for (const tenant of ["anonymous", "team-a"]) {
    const forged: readonly Row[] = [[{ __name__: "up", __tenant_id__: "team-b" }, 10, 1]];
    const answer = await ask(api, tenant, "/api/v1/push", encode(forged));
    assert.equal(answer.status, 400);
    assert.match(answer.text, /the label __tenant_id__ is kept for the names of tenants/);
    await write(api, tenant, [[{ __name__: "up", job: "__tenant_id__" }, 10, 1]]);
  }
  assert.deepEqual(elements((await ask(api, "team-b", query("up"))).text), []);
});

test("metadata is each tenant's own", async () => {
  await using api = await open();
  await write(api, "team-a", [[{ __name__: "up" }, 10, 1]]);
  const told = dataOf((await ask(api, "team-a", "/api/v1/metadata")).text) as object;
  assert.deepEqual(Object.keys(told), ["up"]);
  assert.deepEqual(dataOf((await ask(api, "team-b", "/api/v1/metadata")).text), {});
  assert.deepEqual(dataOf((await ask(api, "anonymous", "/api/v1/metadata")).text), {});
});

test("exemplars come from the tenant's own series", async () => {
  const asked: string[] = [];
  await using api = await openApi(
    {
      exemplars: async ({ matchers }) => {
        asked.push(matchers.map(formatMatcher).join());
        const labels = Labels.fromObject({ __name__: "up", __tenant_id__: "team-a" });
        return [{ labels, exemplars: [{ labels: Labels.EMPTY, value: 1, timestampMs: 1000 }] }];
      },
    },
    NOW_MS,
    { multitenancy: true },
  );
  const answer = await ask(api, "team-a", "/api/v1/query_exemplars?query=up");
  assert.deepEqual(asked, ['__name__="up",__tenant_id__="team-a"']);
  assert.deepEqual(dataOf(answer.text), [
    { seriesLabels: { __name__: "up" }, exemplars: [{ labels: {}, value: "1", timestamp: 1 }] },
  ]);
});

test("samples of one tenant repeat, and grow, without touching another's", async () => {
  await using api = await open();
  for (const secondsAgo of [30, 20, 10]) {
    await write(api, "team-a", [[{ __name__: "up" }, secondsAgo, secondsAgo]]);
    await write(api, "team-b", [[{ __name__: "up" }, secondsAgo, -secondsAgo]]);
  }
  await api.store.flush();
  const values = async (tenant: string) =>
    elements((await ask(api, tenant, query("sum_over_time(up[1m])"))).text)[0]?.[1];
  assert.deepEqual([await values("team-a"), await values("team-b")], ["60", "-60"]);
});
