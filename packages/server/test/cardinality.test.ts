/** What makes the store large, over real HTTP, as Prometheus and as Mimir tell it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import type { Row } from "./metrics-harness.ts";
import { NOW_MS } from "./serve.ts";

const ROWS: readonly Row[] = [
  [{ __name__: "up", job: "a", instance: "1" }, 10, 1],
  [{ __name__: "up", job: "a", instance: "2" }, 10, 1],
  [{ __name__: "up", job: "b", instance: "1" }, 10, 1],
  // Not active any more, but in memory.
  [{ __name__: "requests_total", job: "a" }, 1_800, 1],
  // Long over.
  [{ __name__: "ended", job: "zzz" }, 10_000, 1],
];

async function filled(options: { readonly multitenancy?: boolean } = {}): Promise<ServedMetrics> {
  const api = await openApi({}, undefined, options);
  const written = await api.post("/api/v1/push", encode(ROWS), {
    ...WRITE_HEADERS,
    "x-scope-orgid": "t",
  });
  assert.equal(written.status, 200, written.text);
  return api;
}

test("status/tsdb: the largest of everything", async () => {
  await using api = await filled();
  const { data } = JSON.parse((await api.get("/api/v1/status/tsdb", { limit: "2" })).text) as {
    data: Record<string, unknown> & { headStats: Record<string, number> };
  };
  const { minTime: _min, maxTime: _max, ...stats } = data.headStats;
  assert.deepEqual(stats, { numSeries: 5, numLabelPairs: 6, chunkCount: 5 });
  assert.deepEqual(data["seriesCountByMetricName"], [
    { name: "up", value: 3 },
    { name: "ended", value: 1 },
  ]);
  assert.deepEqual(data["labelValueCountByLabelName"], [
    { name: "__name__", value: 2 },
    { name: "instance", value: 2 },
  ]);
  assert.deepEqual(data["memoryInBytesByLabelName"], [
    { name: "__name__", value: 16 },
    { name: "instance", value: 2 },
  ]);
  assert.deepEqual(data["seriesCountByLabelValuePair"], [
    { name: "__name__=up", value: 3 },
    { name: "job=a", value: 3 },
  ]);
  for (const [limit, error] of [
    ["0", /limit must be a positive number/],
    ["10001", /limit must not exceed 10000/],
    ["x", /cannot parse/],
  ] as const) {
    const answer = await api.get("/api/v1/status/tsdb", { limit });
    assert.equal(answer.status, 400);
    assert.match(answer.text, error);
  }
});

const CASES: readonly (readonly [request: string, answer: unknown])[] = [
  [
    "label_names?limit=2",
    {
      label_values_count_total: 6,
      label_names_count: 3,
      cardinality: [
        { label_name: "__name__", label_values_count: 2 },
        { label_name: "instance", label_values_count: 2 },
      ],
    },
  ],
  [
    'label_names?selector={job="b"}&count_method=active',
    {
      label_values_count_total: 3,
      label_names_count: 3,
      cardinality: [
        { label_name: "__name__", label_values_count: 1 },
        { label_name: "instance", label_values_count: 1 },
        { label_name: "job", label_values_count: 1 },
      ],
    },
  ],
  [
    "label_values?label_names[]=instance&label_names[]=job&label_names[]=nothing&limit=1",
    {
      series_count_total: 4,
      labels: [
        {
          label_name: "job",
          label_values_count: 2,
          series_count: 4,
          cardinality: [{ label_value: "a", series_count: 3 }],
        },
        {
          label_name: "instance",
          label_values_count: 2,
          series_count: 3,
          cardinality: [{ label_value: "1", series_count: 2 }],
        },
      ],
    },
  ],
  [
    'active_series?selector={job="a"}',
    {
      data: [
        { __name__: "up", instance: "1", job: "a" },
        { __name__: "up", instance: "2", job: "a" },
      ],
    },
  ],
  ["active_series?selector=requests_total", { data: [] }],
];

test("Mimir's cardinality: of names, of values, of what is active", async () => {
  await using api = await filled();
  for (const [request, answer] of CASES) {
    const told = await api.get(`/prometheus/api/v1/cardinality/${request}`);
    assert.deepEqual(JSON.parse(told.text), answer, request);
  }
});

test("bad requests are told in plain text", async () => {
  await using api = await openApi();
  for (const [request, error] of [
    ["label_values", /'label_names\[\]' param is required/],
    ["label_values?label_names[]=", /invalid 'label_names' param ''/],
    ["label_names?limit=501", /'limit' param cannot be greater than '500'/],
    ["label_names?limit=-1", /'limit' param cannot be less than '0'/],
    ["label_names?count_method=x", /known options are: inmemory, active/],
    ["label_names?selector={", /parse error/],
    ["active_series", /missing 'selector' parameter/],
  ] as const) {
    const answer = await api.get(`/prometheus/api/v1/cardinality/${request}`);
    assert.equal(answer.status, 400, request);
    assert.match(answer.text, error);
  }
});

test("limits and figures are the tenant's", async () => {
  await using api = await filled({ multitenancy: true });
  const ask = async (tenant: string, path: string): Promise<unknown> => {
    const headers = { "x-scope-orgid": tenant };
    return await (
      await fetch(`http://127.0.0.1:${api.port}/prometheus${path}`, { headers })
    ).json();
  };
  const rate = ROWS.length / 60;
  assert.deepEqual(await ask("t", "/api/v1/user_stats"), {
    ingestionRate: rate,
    numSeries: 5,
    APIIngestionRate: rate,
    RuleIngestionRate: 0,
  });
  assert.deepEqual(await ask("other", "/api/v1/user_stats"), {
    ingestionRate: 0,
    numSeries: 0,
    APIIngestionRate: 0,
    RuleIngestionRate: 0,
  });
  const limits = (await ask("t", "/api/v1/user_limits")) as Record<string, number>;
  assert.equal(limits["max_label_names_per_series"], 30);
  assert.equal(limits["max_global_series_per_user"], 1000);
  assert.equal(limits["compactor_blocks_retention_period"], 259_200);
});

test("status/tsdb/blocks: each block with what it holds", async () => {
  await using api = await filled();
  assert.deepEqual(JSON.parse((await api.get("/api/v1/status/tsdb/blocks")).text), {
    status: "success",
    data: { blocks: [] },
  });
  await api.store.flush();
  const { data } = JSON.parse((await api.get("/api/v1/status/tsdb/blocks")).text) as {
    data: { blocks: readonly { readonly ulid: string; readonly compaction: object }[] };
  };
  assert.equal(data.blocks.length, 1);
  const { ulid, ...rest } = data.blocks[0]!;
  assert.match(ulid, /^[0-9A-HJKMNP-TV-Z]{26}$/);
  assert.deepEqual(rest, {
    minTime: NOW_MS - 10_000_000,
    maxTime: NOW_MS - 10_000,
    stats: { numSamples: 5, numSeries: 5 },
    compaction: { level: 1, sources: [ulid] },
    version: 1,
  });
});
