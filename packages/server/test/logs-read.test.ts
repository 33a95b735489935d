/** What Grafana's Logs Drilldown and older clients ask besides queries: detected labels and fields, volumes over time, limits, legacy paths. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ns, openApi, push } from "./logs-api.ts";
import type { LogsApiUnderTest } from "./logs-api.ts";
import { NOW_MS } from "./serve.ts";

async function data(api: LogsApiUnderTest, path: string, parameters = {}): Promise<unknown> {
  const answer = await api.get(path, parameters);
  assert.equal(answer.status, 200, `${path}: ${answer.text}`);
  assert.match(answer.headers.get("content-type") ?? "", /^application\/json/);
  return JSON.parse(answer.text) as unknown;
}

for (const kind of ["memory", "disk"] as const) {
  test(`${kind}: detected labels are counted, none are left out of an answer without them`, async () => {
    await using api = await openApi(kind);
    await push(
      api,
      [{ job: "a", env: "p" }, [[ns(60), "x"]]],
      [{ job: "b", env: "p" }, [[ns(50), "y"]]],
    );
    const labels = (parameters = {}) => data(api, "/loki/api/v1/detected_labels", parameters);
    assert.deepEqual(await labels(), {
      detectedLabels: [
        { label: "env", cardinality: 1 },
        { label: "job", cardinality: 2 },
        { label: "service_name", cardinality: 2 },
      ],
    });
    assert.deepEqual(await labels({ query: '{job="b"}' }), {
      detectedLabels: [
        { label: "env", cardinality: 1 },
        { label: "job", cardinality: 1 },
        { label: "service_name", cardinality: 1 },
      ],
    });
    assert.deepEqual(await labels({ end: ns(3000) }), {});
    const id = (n: number) => `8c3f7f20-1b7a-4b6e-9d1e-0000000000${n}`;
    await push(
      api,
      [{ job: "c", pid: "17", on: "0", pod: "4", trace: id(10) }, [[ns(40), "z"]]],
      [{ job: "c", pid: "1e3", on: "1", pod: "5", trace: id(11) }, [[ns(40), "z"]]],
    );
    const found = (await labels({ query: '{job="c"}' })) as { detectedLabels: { label: string }[] };
    // Numbers and ids are nothing to choose from; a switch is, and so is what names a place.
    assert.deepEqual(
      found.detectedLabels.map(({ label }) => label),
      ["job", "on", "pod", "service_name"],
    );
  });

  test(`${kind}: detected fields have the type that all their values share, and the way to them`, async () => {
    await using api = await openApi(kind);
    const json = (status: unknown, took: string, ok: boolean) =>
      JSON.stringify({ status, took, ok, http: { "user-agent": "curl" }, list: [1], gone: null });
    await push(
      api,
      [
        { job: "j" },
        [
          [ns(9), json(200, "1.5s", true), { trace: "t1", detected_level: "info" }],
          [ns(8), json(404, "20ms", false), { trace: "t2", detected_level: "info" }],
        ],
      ],
      [{ job: "l" }, [[ns(7), "job=x size=5KB load=0.5 status=oops", { detected_level: "info" }]]],
    );
    const fields = { query: '{job=~".+"}' };
    assert.deepEqual(await data(api, "/loki/api/v1/detected_fields", fields), {
      fields: [
        { label: "detected_level", type: "string", cardinality: 1, parsers: null },
        {
          label: "http_user_agent",
          type: "string",
          cardinality: 1,
          parsers: ["json"],
          jsonPath: ["http", "user-agent"],
        },
        { label: "job_extracted", type: "string", cardinality: 1, parsers: ["logfmt"] },
        { label: "load", type: "float", cardinality: 1, parsers: ["logfmt"] },
        { label: "ok", type: "boolean", cardinality: 2, parsers: ["json"], jsonPath: ["ok"] },
        { label: "size", type: "bytes", cardinality: 1, parsers: ["logfmt"] },
        {
          label: "status",
          type: "string",
          cardinality: 3,
          parsers: ["json", "logfmt"],
          jsonPath: ["status"],
        },
        { label: "took", type: "duration", cardinality: 2, parsers: ["json"], jsonPath: ["took"] },
        { label: "trace", type: "string", cardinality: 2, parsers: null },
      ],
      limit: 1000,
    });
    // The newest line only; of its fields two.
    const newest = (await data(api, "/loki/api/v1/detected_fields", {
      ...fields,
      line_limit: "1",
      limit: "2",
    })) as { fields: { label: string }[]; limit: number };
    assert.equal(newest.limit, 2);
    assert.deepEqual(
      newest.fields.map(({ label }) => label),
      ["detected_level", "job_extracted"],
    );
    const status = (await data(api, "/loki/api/v1/detected_fields", {
      query: '{job="j"} | ok="true"',
    })) as { fields: object[] };
    assert.deepEqual(status.fields, []);
    const piped = (await data(api, "/loki/api/v1/detected_fields", {
      query: '{job="j"} | json | status > 300 | label_format twice="{{.status}}"',
    })) as { fields: { label: string; type: string; cardinality: number; parsers: unknown }[] };
    assert.deepEqual(
      piped.fields.filter(({ label }) => ["status", "twice"].includes(label)),
      [
        { label: "status", type: "int", cardinality: 1, parsers: ["json"], jsonPath: ["status"] },
        { label: "twice", type: "int", cardinality: 1, parsers: null },
      ],
    );
  });

  test(`${kind}: values of one detected field`, async () => {
    await using api = await openApi(kind);
    const values = Array.from(
      { length: 5 },
      (_, i) => [ns(10 - i), `n=${i} other=x`] as [string, string],
    );
    await push(api, [{ job: "a" }, values]);
    const path = "/loki/api/v1/detected_field/n/values";
    const query = { query: '{job="a"}' };
    assert.deepEqual(await data(api, path, query), {
      values: ["0", "1", "2", "3", "4"],
      limit: 1000,
    });
    assert.deepEqual(await data(api, path, { ...query, limit: "2", line_limit: "3" }), {
      values: ["3", "4"],
      limit: 2,
    });
    assert.deepEqual(await data(api, "/loki/api/v1/detected_field/none/values", query), {
      values: [],
      limit: 1000,
    });
  });

  test(`${kind}: volumes by step are a matrix, a vector where each has one value`, async () => {
    await using api = await openApi(kind);
    await push(
      api,
      [
        { job: "a" },
        [
          [ns(100), "aaaa"],
          [ns(95), "aa"],
          [ns(10), "a"],
        ],
      ],
      [{ job: "b" }, [[ns(90), "bbbbbbbbbb"]]],
    );
    const range = { query: '{job=~".+"}', start: ns(100), end: ns(0), step: "50" };
    const volumes = async (parameters: Record<string, string>) => {
      const answer = (await data(api, "/loki/api/v1/index/volume_range", parameters)) as {
        data: { resultType: string; result: unknown; stats: { summary: Record<string, number> } };
      };
      assert.equal(answer.data.stats.summary["totalLinesProcessed"], 4);
      return [answer.data.resultType, answer.data.result];
    };
    const at = NOW_MS / 1000;
    assert.deepEqual(await volumes(range), [
      "matrix",
      [
        { metric: { job: "b" }, values: [[at - 100, "10"]] },
        {
          metric: { job: "a" },
          values: [
            [at - 100, "6"],
            [at - 50, "1"],
          ],
        },
      ],
    ]);
    assert.deepEqual(await volumes({ ...range, step: "100" }), [
      "vector",
      [
        { metric: { job: "b" }, value: [at - 100, "10"] },
        { metric: { job: "a" }, value: [at - 100, "7"] },
      ],
    ]);
    assert.deepEqual(await volumes({ ...range, limit: "1", step: "100", aggregateBy: "labels" }), [
      "vector",
      [{ metric: { job: "" }, value: [at - 100, "17"] }],
    ]);
    const shards = await data(api, "/loki/api/v1/index/shards", {
      ...range,
      targetBytesPerShard: "1000000",
    });
    const { shards: list } = shards as { shards: { stats: object }[] };
    assert.deepEqual(
      list.map(({ stats }) => stats),
      [{ streams: 2, chunks: 2, bytes: 17, entries: 4 }],
    );
  });

  test(`${kind}: what the paths of before 2019 answer`, async () => {
    await using api = await openApi(kind);
    await push(api, [
      { job: "a" },
      [
        [ns(2), "one", { detected_level: "info" }],
        [ns(1), "two", { detected_level: "info" }],
      ],
    ]);
    const found = (await data(api, "/api/prom/query", {
      query: '{job="a"}',
      regexp: "^t",
    })) as { streams: unknown };
    assert.deepEqual(found.streams, [
      {
        labels: '{detected_level="info", job="a", service_name="a"}',
        entries: [{ ts: "2026-11-19T23:59:59Z", line: "two" }],
      },
    ]);
    assert.deepEqual(await data(api, "/api/prom/label"), { values: ["job", "service_name"] });
    assert.deepEqual(await data(api, "/api/prom/label/job/values"), { values: ["a"] });
    const metric = await api.get("/api/prom/query", { query: 'rate({job="a"}[1m])' });
    assert.deepEqual(
      [metric.status, metric.text.trim()],
      [400, "legacy endpoints only support streams result type"],
    );
  });
}

test("limits are told under Loki's names, rules and alerts as Prometheus tells that there are none", async () => {
  await using api = await openApi("memory");
  const limits = (await data(api, "/config/tenant/v1/limits")) as Record<string, unknown>;
  assert.equal(limits["max_entries_limit_per_query"], 5000);
  assert.equal(limits["max_query_length"], "30d1h");
  assert.equal(limits["retention_period"], "3d");
  const drilldown = (await data(api, "/loki/api/v1/drilldown-limits")) as Record<string, unknown>;
  assert.deepEqual(drilldown["limits"], limits);
  assert.equal(drilldown["version"], "0.1.0");
  assert.deepEqual(await data(api, "/prometheus/api/v1/rules"), {
    status: "success",
    data: { groups: [] },
  });
  assert.deepEqual(await data(api, "/prometheus/api/v1/alerts"), {
    status: "success",
    data: { alerts: [] },
  });
});

test("bad requests name the parameter, in plain text", async () => {
  await using api = await openApi("memory");
  const selector = { query: '{a="b"}' };
  const rows: readonly (readonly [string, Record<string, string>, RegExp])[] = [
    ["patterns", {}, /^parse error/],
    ["patterns", { query: 'rate({a="b"}[1m])' }, /^lines are chosen by log queries/],
    ["detected_fields", {}, /^parse error/],
    ["detected_fields", { query: 'rate({a="b"}[1m])' }, /^only log selector is supported/],
    ["detected_fields", { ...selector, line_limit: "-1" }, /^line_limit must be a positive value/],
    ["detected_fields", { ...selector, line_limit: "5001" }, /\(5001 > 5000\)/],
    ["detected_field/x/values", { ...selector, limit: "x" }, /^limit: "x" is not a whole number/],
    ["detected_labels", { query: "{a" }, /^parse error/],
    ["index/volume_range", { ...selector, aggregateBy: "x" }, /^invalid aggregation option "x"/],
    ["index/volume_range", { ...selector, step: "0.01" }, /^exceeded maximum resolution of 11,000/],
    ["index/shards", { ...selector, targetBytesPerShard: "0" }, /^targetBytesPerShard must be/],
  ];
  for (const [path, parameters, message] of rows) {
    const answer = await api.get(`/loki/api/v1/${path}`, parameters);
    assert.equal(answer.status, 400, `${path}: ${answer.text}`);
    assert.match(answer.text, message, path);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain/, path);
  }
});
