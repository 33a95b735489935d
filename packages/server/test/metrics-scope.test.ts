/**
 * Read scopes of the metrics API. Two servers: one holds series of the scope alone, the other series of others as well. Whoever is limited to the scope gets
 * the same answer of both, whatever they ask: then nothing of the others shows, be it in values, names, counts, statistics or faults.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import { encodeReadRequest } from "@finch/wire";
import { DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { scopeReads } from "../src/metrics/scoped-store.ts";
import { serveMetrics } from "./metrics-api.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import { askScoped, INSIDE, OUTSIDE, SCOPE_PARAMETER, scopeOf, several } from "./read-scope.ts";
import type { Ask } from "./read-scope.ts";
import { NOW_MS } from "./serve.ts";

const NOW = NOW_MS / 1000;

function series(host: string, from: number, value: number): string {
  const at = NOW - from;
  const labels = `host="${host}",job="${host}-job"`;
  return `# HELP up Whether it is up.
# TYPE up gauge
up{${labels}} ${value} ${at}
# HELP ${host.replaceAll("-", "_")}_only Of this host.
# TYPE ${host.replaceAll("-", "_")}_only counter
${host.replaceAll("-", "_")}_only_total{${labels},kind="x"} ${value} ${at} # {trace_id="${host}-trace"} 1 ${at}
# TYPE latency histogram
latency_bucket{${labels},le="0.1"} ${value} ${at} # {trace_id="${host}-bucket"} 0.05 ${at}
latency_bucket{${labels},le="+Inf"} ${2 * value} ${at}
latency_count{${labels}} ${2 * value} ${at}
latency_sum{${labels}} ${value} ${at}
`;
}

const OPEN_METRICS = { "content-type": "application/openmetrics-text; version=1.0.0" };

async function write(api: ServedMetrics, hosts: readonly string[], from: number): Promise<void> {
  for (const [at, host] of hosts.entries()) {
    const body = `${series(host, from, at + 1)}# EOF\n`;
    const answer = await api.post("/api/v1/import/prometheus", body, OPEN_METRICS);
    assert.ok(answer.status < 300, answer.text);
  }
}

const MINE = ["web-1", "web-2"];
const OTHERS = [`${OUTSIDE}-1`, `${OUTSIDE}-2`, `${OUTSIDE}-3`];

/** Some in a block, some in memory. */
async function filled(hosts: readonly string[], isLarge: boolean): Promise<ServedMetrics> {
  const query = { ...DEFAULT_METRICS_LIMITS.query, mainThreadSamplesMax: 0 };
  const api = await serveMetrics({ about: { scopeOf }, ...(isLarge && { limits: { query } }) });
  // The oldest and the newest sample are of others, if there are any.
  const others = hosts.filter((host) => host.startsWith(OUTSIDE));
  await write(api, others, 240);
  await write(api, hosts, 120);
  await api.store.flush();
  await write(api, hosts, 30);
  await write(api, others, 10);
  return api;
}

const QUERIES = [
  "up",
  '{__name__=~".+"}',
  '{__name__!=""}',
  '{host!~"web.*"}',
  '{host!="web-1",__name__="up"}',
  `up{host="${OUTSIDE}-1"}`,
  `up{host=~"${OUTSIDE}.*|web-1"}`,
  'up{host=""}',
  `absent(up{host="${OUTSIDE}-1"})`,
  `absent_over_time(${OUTSIDE}_1_only_total[5m])`,
  "absent(up)",
  "count(up)",
  "count by (host) (up)",
  'group without () ({__name__=~".+"})',
  "topk(10, up)",
  "sort_desc(up)",
  "quantile(0.9, up)",
  'count_values("v", up)',
  "sum(up) / count(up)",
  "scalar(sum(up))",
  "up * on () group_left () count(up)",
  `up or on () up{host="${OUTSIDE}-1"}`,
  `up unless on (job) up{host=~"${OUTSIDE}.*"}`,
  `vector(1) and on () up{host="${OUTSIDE}-1"}`,
  'label_replace(up, "all", "$1", "host", "(.*)")',
  'label_join(up, "all", "-", "host", "job")',
  "histogram_quantile(0.5, sum by (le) (latency_bucket))",
  "sum_over_time(up[5m])",
  "max_over_time(count(up)[5m:30s])",
  "rate(web_1_only_total[5m])",
  "up offset 1m",
  "up @ end()",
  // Faults that name the series they are about.
  "up * on () up",
  "up + on (kind) group_left () latency_count",
  'label_replace(up, "host", "same", "host", ".*")',
  'up{host=~"("}',
  "up{",
];

/** What is asked of each path; a test holds that every one is there. */
const ASKS: Readonly<Record<string, readonly (Omit<Ask, "path"> & { readonly path?: string })[]>> =
  {
    "/api/v1/query": QUERIES.flatMap((query) => [
      { parameters: { query, time: String(NOW), stats: "all" } },
      { parameters: { query, time: String(NOW), limit: "1" } },
    ]),
    "/api/v1/query_range": QUERIES.map((query) => ({
      parameters: { query, start: String(NOW - 300), end: String(NOW), step: "30", stats: "all" },
    })),
    "/api/v1/format_query": [{ parameters: { query: "up" } }],
    "/api/v1/parse_query": [{ parameters: { query: "up" } }],
    "/api/v1/series": [
      { parameters: several("match[]", ['{__name__=~".+"}', `{host=~"${OUTSIDE}.*"}`]) },
      { parameters: several("match[]", ['{host!~"web.*",__name__!=""}']) },
      { parameters: {} },
    ],
    "/api/v1/labels": [{}, { parameters: several("match[]", [`{host=~"${OUTSIDE}.*"}`]) }],
    "/api/v1/label/:name/values": [
      { path: "/api/v1/label/host/values" },
      { path: "/api/v1/label/__name__/values" },
      {
        path: `/api/v1/label/job/values`,
        parameters: several("match[]", [`{host!="web-1",__name__!=""}`]),
      },
    ],
    "/api/v1/metadata": [
      {},
      { parameters: { metric: `${OUTSIDE}_1_only` } },
      { parameters: { limit: "100" } },
    ],
    "/api/v1/query_exemplars": [
      { parameters: { query: '{__name__=~".+"}', start: String(NOW - 300), end: String(NOW) } },
      { parameters: { query: `up{host="${OUTSIDE}-1"}`, start: "0", end: String(NOW) } },
    ],
    "/api/v1/search/metric_names": [
      { parameters: { include_metadata: "true" } },
      { parameters: several("search[]", [OUTSIDE], { include_score: "true" }) },
    ],
    "/api/v1/search/label_names": [{}],
    "/api/v1/search/label_values": [{ parameters: { label: "host" } }],
    "/api/v1/status/tsdb": [{}, { parameters: { limit: "1" } }],
    "/api/v1/status/tsdb/blocks": [{}],
    "/api/v1/read": (["samples", "streamed-xor-chunks"] as const).map((type) => ({
      body: new Uint8Array(
        encodeReadRequest({
          queries: [
            createMatcher("__name__", "=~", ".+"),
            createMatcher("host", "=~", `${OUTSIDE}.*`),
          ].map((matcher) => ({ startMs: 0, endMs: NOW_MS, matchers: [matcher] })),
          acceptedTypes: [type],
        }),
      ),
    })),
    "/federate": [
      { parameters: several("match[]", ['{__name__=~".+"}', `{host=~"${OUTSIDE}.*"}`]) },
    ],
    "/api/v1/cardinality/label_names": [
      { parameters: { limit: "500" } },
      { parameters: { limit: "1" } },
    ],
    "/api/v1/cardinality/label_values": [
      { parameters: several("label_names[]", ["host", "__name__", "job"], { limit: "500" }) },
    ],
    "/api/v1/cardinality/active_series": [{ parameters: { selector: '{__name__=~".+"}' } }],
  };

/** Paths whose answers are about the store as a whole, which somebody who reads a part of it is told nothing of. */
const NOT_OF_SERIES = new Set(["/api/v1/status/tsdb", "/api/v1/status/tsdb/blocks"]);

function asksOf(api: ServedMetrics): readonly Ask[] {
  const routes = [...api.api.routes, ...api.api.mimirRoutes].filter(
    ({ access, path }) => access === "read" && !path.startsWith("/prometheus/"),
  );
  const paths = [...new Set(routes.map(({ path }) => path))];
  assert.deepEqual(paths.toSorted(), Object.keys(ASKS).toSorted());
  return paths.flatMap((path) => ASKS[path]!.map((ask) => ({ path, ...ask })));
}

for (const isLarge of [false, true])
  describe(isLarge ? "in query workers" : "on the main thread", () => {
    test("who is limited sees the same as if there was nothing else", async () => {
      await using alone = await filled(MINE, isLarge);
      await using among = await filled([...MINE, ...OTHERS], isLarge);
      const ports = [alone, among].map(({ port }) => port);
      let told = 0;
      for (const ask of asksOf(among)) {
        // Cardinality is of Mimir's API alone.
        const path = ask.path.includes("/cardinality/") ? `/prometheus${ask.path}` : ask.path;
        const wanted = { ...ask, path };
        const [expected, found] = await Promise.all(
          ports.map((port) => askScoped(port, wanted, INSIDE)),
        );
        const label = `${path} ${new URLSearchParams(ask.parameters).toString()}`;
        assert.equal(found, expected, label);
        assert.ok(!isTold(found!, wanted), label);
        if (NOT_OF_SERIES.has(ask.path)) continue;
        const unlimited = await askScoped(alone.port, wanted, "");
        assert.equal(found, unlimited, `all of the scope is shown: ${label}`);
        if ((await askScoped(among.port, wanted, "")) !== unlimited) told++;
      }
      assert.ok(told > 60, `only ${told} questions told of others when nobody was limited`);
    });

    test("scopes asked in turns do not see one another's", async () => {
      await using api = await filled([...MINE, ...OTHERS], isLarge);
      const query = {
        path: "/api/v1/query",
        parameters: { query: "count by (host) (up)", time: String(NOW) },
      };
      for (let round = 0; round < 3; round++)
        for (const host of [...MINE, ...OTHERS, "nobody"]) {
          const text = await askScoped(api.port, query, `{host="${host}"}`);
          const hosts = [...text.matchAll(/"host":"([^"]+)"/g)].map(([, name]) => name);
          assert.deepEqual(hosts, host === "nobody" ? [] : [host]);
        }
    });
  });

/** Whether the answer names what is outside, other than by repeating the question. */
function isTold(text: string, { parameters }: Ask): boolean {
  const asked = new URLSearchParams(parameters).toString();
  return text.includes(OUTSIDE) && !asked.includes(OUTSIDE);
}

test("who is limited changes nothing", async () => {
  await using api = await filled(MINE, false);
  const scoped = scopeReads(api.store, { key: "", matchers: [] });
  for (const change of [
    () => scoped.deleteSeries({ matchers: [], startMs: 0, endMs: NOW_MS }),
    () => scoped.flush(),
    () => scoped.expire(),
    () => scoped.compact(),
    () => scoped.cleanTombstones(),
  ])
    await assert.rejects(change(), (error: { code?: string }) => error.code === "server/read-only");
  await scoped[Symbol.asyncDispose]();
  assert.equal((await api.query("count(up)"))["{}"], "2");
});

test("every route says what somebody must be allowed", async () => {
  await using api = await filled([], false);
  const { routes, mimirRoutes, queryRoutes, otlp } = api.api;
  for (const { path, access } of [
    ...routes,
    ...mimirRoutes,
    ...queryRoutes,
    ...otlp.receiverRoutes,
  ])
    assert.ok(access !== undefined, path);
  const open = [...routes, ...mimirRoutes].filter(({ access }) => access === "open");
  assert.deepEqual([...new Set(open.map(({ path }) => path))].toSorted(), [
    "/-/healthy",
    "/-/ready",
    "/ready",
  ]);
});

test("a scope holds within tenants, one and several", async () => {
  await using api = await serveMetrics({ about: { scopeOf, multitenancy: true } });
  const ask = async (tenant: string, about: RequestInit & { readonly path: string }) => {
    const { path, ...init } = about;
    const headers = { "x-scope-orgid": tenant, ...(init.headers as Record<string, string>) };
    const reply = await fetch(`http://127.0.0.1:${api.port}${path}`, { ...init, headers });
    const text = await reply.text();
    assert.ok(reply.ok, text);
    return text;
  };
  for (const tenant of ["team-a", "team-b"])
    for (const host of ["web-1", `${OUTSIDE}-1`])
      await ask(tenant, {
        path: "/api/v1/import/prometheus",
        method: "POST",
        headers: OPEN_METRICS,
        body: `${series(host, 30, 1)}# EOF\n`,
      });
  const parameters = new URLSearchParams({ [SCOPE_PARAMETER]: INSIDE, query: '{__name__=~"up"}' });
  for (const [tenants, count] of [
    ["team-a", 1],
    ["team-a|team-b", 2],
    ["team-c", 0],
  ] as const) {
    const query = parameters.toString();
    const found = await ask(tenants, { path: `/api/v1/query?${query}&time=${NOW}` });
    assert.equal(found.split('"host":"web-1"').length - 1, count, found);
    assert.ok(!found.includes(OUTSIDE));
    for (const path of [
      "/api/v1/label/host/values",
      "/api/v1/label/__name__/values",
      "/api/v1/metadata",
    ]) {
      const told = await ask(tenants, { path: `${path}?${query}` });
      assert.ok(!told.includes(OUTSIDE), told);
    }
  }
});
