/**
 * What Grafana's Loki data source and its Logs Drilldown ask, in their order and with their parameters and headers: the health check, the editor's
 * lists, Explore with its histogram and statistics, the tabs of Drilldown, the alerting pages; and what logcli reads of an answer.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ns, openApi, push, rangeData } from "./logs-api.ts";
import type { LogsApiUnderTest } from "./logs-api.ts";
import { NOW_MS } from "./serve.ts";

const HEADERS = {
  "user-agent": "Grafana/12.1.0",
  "x-loki-response-encoding-flags": "categorize-labels",
  "x-grafana-org-id": "1",
};
const START = ns(3600);
const END = ns(0);

async function filled(): Promise<LogsApiUnderTest> {
  const api = await openApi("disk");
  const line = (ago: number, level: string, text: string) =>
    [ns(ago), text, { detected_level: level, trace_id: `t${ago}` }] as [
      string,
      string,
      Record<string, string>,
    ];
  await push(
    api,
    [
      { app: "shop", env: "prod" },
      [
        line(1800, "info", '{"msg":"order 17 placed","took":"12ms","ok":true}'),
        line(900, "error", '{"msg":"order 18 refused","took":"7ms","ok":false}'),
      ],
    ],
    [{ app: "web", env: "prod" }, [line(60, "info", "path=/a status=200")]],
  );
  return api;
}

interface Call {
  readonly rule: string;
  readonly path: string;
  readonly parameters: Readonly<Record<string, string>>;
  readonly tags?: string;
  /** What the answer must hold, in this order. */
  readonly answer: RegExp;
}

const CALLS: readonly Call[] = [
  {
    rule: "save & test",
    path: "/loki/api/v1/query",
    parameters: { query: "vector(1)+vector(1)", time: "4000000000", direction: "backward" },
    answer:
      /^\{"status":"success","data":\{"resultType":"vector","result":\[\{"metric":\{\},"value":\[4000000000,"2"\]\}\]/,
  },
  {
    rule: "labels of the editor",
    path: "/loki/api/v1/labels",
    parameters: { start: START, end: END },
    answer: /"data":\["app","env","service_name"\]/,
  },
  {
    rule: "values of a label under the rest of the selector",
    path: "/loki/api/v1/label/app/values",
    parameters: { start: START, end: END, query: '{env="prod"}' },
    answer: /"data":\["shop","web"\]/,
  },
  {
    rule: "streams of the label browser",
    path: "/loki/api/v1/series",
    parameters: { "match[]": '{app="shop"}', start: START, end: END },
    answer: /"data":\[\{"app":"shop","env":"prod","service_name":"shop"\}\]/,
  },
  {
    rule: "how much a query would read",
    path: "/loki/api/v1/index/stats",
    parameters: { query: '{app="shop"}', start: START, end: END },
    answer: /^\{"streams":1,"chunks":\d+,"bytes":\d+,"entries":2\}$/,
  },
  {
    rule: "lines of Explore",
    path: "/loki/api/v1/query_range",
    parameters: {
      direction: "backward",
      end: END,
      limit: "1000",
      query: '{app="shop"} |= `order` | json | ok=`false`',
      start: START,
      step: "2000ms",
    },
    answer:
      /"resultType":"streams","encodingFlags":\["categorize-labels"\],"result":\[\{"stream":\{"app":"shop","env":"prod","service_name":"shop"\},"values":\[\["\d+","\{\\"msg\\":\\"order 18 refused\\".*","?\{?.*"structuredMetadata":\{"detected_level":"error","trace_id":"t900"\},"parsed":\{"msg":"order 18 refused","ok":"false","took":"7ms"\}/,
  },
  {
    rule: "the histogram of Explore",
    path: "/loki/api/v1/query_range",
    parameters: {
      direction: "backward",
      end: END,
      query: 'sum by (level, detected_level) (count_over_time({app="shop"}[1m]))',
      start: START,
      step: "60000ms",
    },
    tags: "Source=logvolhist",
    answer:
      /"resultType":"matrix","result":\[\{"metric":\{"detected_level":"error"\},"values":\[\[\d+,"1"\]\]\},\{"metric":\{"detected_level":"info"\}/,
  },
  {
    rule: "the sample that the editor learns fields from",
    path: "/loki/api/v1/query_range",
    parameters: {
      direction: "backward",
      end: END,
      limit: "10",
      query: '{app="shop"}',
      start: START,
    },
    tags: "Source=datasample",
    answer: /"resultType":"streams".*"values":\[\["\d+",/,
  },
  {
    rule: "limits that Drilldown asks first",
    path: "/loki/api/v1/drilldown-limits",
    parameters: {},
    answer: /"limits":\{.*"volume_enabled":true.*"pattern_ingester_enabled":true/,
  },
  {
    rule: "services of Drilldown",
    path: "/loki/api/v1/index/volume",
    parameters: {
      query: "{service_name=~`.+`}",
      start: START,
      end: END,
      limit: "5000",
      targetLabels: "service_name",
    },
    answer:
      /"resultType":"vector","result":\[\{"metric":\{"service_name":"shop"\},"value":\[\d+,"\d+"\]\},\{"metric":\{"service_name":"web"\}/,
  },
  {
    rule: "labels of Drilldown",
    path: "/loki/api/v1/detected_labels",
    parameters: { query: '{service_name="shop"}', start: START, end: END },
    answer: /"detectedLabels":\[\{"label":"app","cardinality":1\}/,
  },
  {
    rule: "fields of Drilldown",
    path: "/loki/api/v1/detected_fields",
    parameters: { query: '{service_name="shop"}', start: START, end: END, line_limit: "1000" },
    answer:
      /"label":"ok","type":"boolean","cardinality":2,"parsers":\["json"\],"jsonPath":\["ok"\].*"label":"took","type":"duration".*"limit":1000/,
  },
  {
    rule: "patterns of Drilldown",
    path: "/loki/api/v1/patterns",
    parameters: { query: '{service_name="shop"}', start: START, end: END, step: "10s" },
    answer:
      /"status":"success","data":\[\{"pattern":".*","level":"(?:info|error)","samples":\[\[\d+,1\]\]/,
  },
];

test("a data source of type Loki, and Logs Drilldown", async () => {
  await using api = await filled();
  for (const { rule, path, parameters, tags, answer } of CALLS) {
    const asked = new URLSearchParams(parameters).toString();
    const reply = await fetch(`http://127.0.0.1:${api.port}${path}?${asked}`, {
      headers: { ...HEADERS, ...(tags !== undefined && { "x-query-tags": tags }) },
    });
    const text = await reply.text();
    assert.equal(reply.status, 200, `${rule}: ${text}`);
    assert.match(reply.headers.get("content-type") ?? "", /^application\/json/, rule);
    assert.match(text, answer, rule);
  }
});

test("a query may be sent as a form, its parameters in the body", async () => {
  await using api = await filled();
  const form = new URLSearchParams({ query: '{app="web"}', start: START, end: END, limit: "1" });
  const reply = await api.post("/loki/api/v1/query_range", form.toString(), {
    "content-type": "application/x-www-form-urlencoded",
  });
  assert.equal(reply.status, 200, reply.text);
  assert.match(reply.text, /"path=\/a status=200"/);
});

test("statistics hold what logcli --stats and Grafana's inspector read", async () => {
  await using api = await filled();
  const { stats } = await rangeData(api, { query: '{app="shop"} |= "refused"', start: START });
  const { summary, querier } = stats as {
    summary: Record<string, number>;
    querier: { store: Record<string, number> };
  };
  assert.equal(summary["totalEntriesReturned"], 1);
  for (const name of [
    "bytesProcessedPerSecond",
    "linesProcessedPerSecond",
    "totalBytesProcessed",
    "totalLinesProcessed",
    "execTime",
    "queueTime",
    "subqueries",
  ])
    assert.ok(summary[name]! >= 0, name);
  assert.ok(summary["totalLinesProcessed"]! >= 1);
  assert.ok(querier.store["totalChunksRef"]! >= 1);
  assert.ok(summary["execTime"]! < NOW_MS);
});
