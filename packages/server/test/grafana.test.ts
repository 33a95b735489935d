/**
 * What Grafana's Prometheus data source asks, in its order and with its parameters: the health check, the editor's completion, panels, exemplars,
 * the alerting pages. Once as a Prometheus data source, once as one of Mimir.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { encodeRemoteWrite2 } from "@finch/wire";
import { serveMetrics } from "./metrics-api.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

const START = (NOW_MS - 3_600_000) / 1000;
const END = NOW_MS / 1000;
const FORM = { "content-type": "application/x-www-form-urlencoded" };

async function filled(): Promise<ServedMetrics> {
  const api = await serveMetrics();
  const times = Float64Array.from({ length: 60 }, (_, i) => NOW_MS - (59 - i) * 15_000);
  const body = encodeRemoteWrite2([
    {
      labels: Labels.fromObject({ __name__: "http_requests_total", job: "api", code: "200" }),
      timestampsMs: times,
      values: times.map((_, i) => i * 30),
      exemplars: [
        {
          labels: Labels.fromObject({ trace_id: "abc" }),
          value: 0.25,
          timestampMs: NOW_MS - 20_000,
        },
      ],
      metadata: { type: "counter", help: "Requests.", unit: "" },
    },
  ]);
  const written = await api.post("/api/v1/write", new Uint8Array(body), {
    "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "content-encoding": "snappy",
  });
  assert.equal(written.status, 204, written.text);
  return api;
}

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly parameters: string;
  /** What the answer must hold, in this order. */
  readonly answer: RegExp;
}

const METRIC = encodeURIComponent('{__name__="http_requests_total"}');

const CALLS: readonly Call[] = [
  // Save & test.
  {
    method: "POST",
    path: "/api/v1/query",
    parameters: "query=1%2B1&time=4",
    answer: /^\{"status":"success","data":\{"resultType":"scalar","result":\[4,"2"\]\}\}$/,
  },
  {
    method: "GET",
    path: "/api/v1/status/buildinfo",
    parameters: "",
    answer: /"version":"\d+\.\d+/,
  },
  // The editor.
  {
    method: "GET",
    path: "/api/v1/metadata",
    parameters: "limit=40000",
    answer: /"http_requests_total":\[\{"type":"counter"/,
  },
  {
    method: "POST",
    path: "/api/v1/labels",
    parameters: `start=${START}&end=${END}&limit=40000&match%5B%5D=${METRIC}`,
    answer: /"data":\["__name__","code","job"\]/,
  },
  {
    method: "GET",
    path: "/api/v1/label/__name__/values",
    parameters: `start=${START}&end=${END}&limit=40000`,
    answer: /"data":\["http_requests_total"\]/,
  },
  {
    method: "GET",
    path: "/api/v1/label/job/values",
    parameters: `start=${START}&end=${END}&match%5B%5D=${METRIC}`,
    answer: /"data":\["api"\]/,
  },
  {
    method: "POST",
    path: "/api/v1/series",
    parameters: `start=${START}&end=${END}&limit=40000&match%5B%5D=${METRIC}`,
    answer: /"data":\[\{"__name__":"http_requests_total","code":"200","job":"api"\}\]/,
  },
  {
    method: "GET",
    path: "/api/v1/parse_query",
    parameters: "query=sum(up)",
    answer: /"type":"aggregation"/,
  },
  {
    method: "POST",
    path: "/api/v1/format_query",
    parameters: "query=sum(up)by(job)",
    answer: /"data":"sum by \(job\) \(up\)"/,
  },
  // A panel: the range is milliseconds as fractions of seconds, the step whole seconds.
  {
    method: "POST",
    path: "/api/v1/query_range",
    parameters: `query=${encodeURIComponent('sum(rate(http_requests_total{job="api"}[1m0s]))')}&start=${START}.123&end=${END}.123&step=15`,
    answer:
      /^\{"status":"success","data":\{"resultType":"matrix","result":\[\{"metric":\{\},"values":\[\[\d+\.123,".*"1\.9+8"\]/,
  },
  {
    method: "POST",
    path: "/api/v1/query",
    parameters: `query=http_requests_total&time=${END}.001`,
    answer: /"resultType":"vector","result":\[\{"metric":.*"value":\[\d+\.001,"1770"\]/,
  },
  {
    method: "POST",
    path: "/api/v1/query_exemplars",
    parameters: `query=http_requests_total&start=${START}.123&end=${END}.123`,
    answer:
      /"seriesLabels":.*"exemplars":\[\{"labels":\{"trace_id":"abc"\},"value":"0.25","timestamp":/,
  },
  // Alerting.
  { method: "GET", path: "/api/v1/rules", parameters: "", answer: /"data":\{"groups":\[\]\}/ },
  { method: "GET", path: "/api/v1/alerts", parameters: "", answer: /"data":\{"alerts":\[\]\}/ },
];

for (const [kind, prefix] of [
  ["Prometheus", ""],
  ["Mimir", "/prometheus"],
] as const) {
  test(`a data source of type ${kind}`, async () => {
    await using api = await filled();
    for (const { method, path, parameters, answer } of CALLS) {
      const told =
        method === "GET"
          ? await api.get(prefix + path, new URLSearchParams(parameters))
          : await api.post(prefix + path, parameters, FORM);
      assert.equal(told.status, 200, `${path}: ${told.text}`);
      assert.equal(told.headers.get("content-type"), "application/json", path);
      assert.match(told.text, answer, path);
    }
    // By this Grafana's alerting decides whether rules can be edited here.
    const build = await api.get(`${prefix}/api/v1/status/buildinfo`);
    const { data } = JSON.parse(build.text) as { data: Record<string, unknown> };
    assert.equal(data["application"], kind === "Mimir" ? "Grafana Mimir" : undefined);
  });
}
