/** The reading half of the metrics API besides queries: syntax, lists, search, status, federation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createEngine } from "@finch/promql";
import { Notifications } from "../src/index.ts";
import { encode, openApi, WRITE_HEADERS } from "./metrics-harness.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import type { Row } from "./metrics-harness.ts";
import { POOLS } from "./scrape-pools.ts";
import { fixedClock, NOW_MS } from "./serve.ts";

const NOW = NOW_MS / 1000;

const ROWS: readonly Row[] = [
  [{ __name__: "http_requests_total", job: "api", instance: "a:1" }, 30, 4],
  [{ __name__: "http_requests_total", job: "api", instance: "a:1" }, 10, 5],
  [{ __name__: "up", job: "api", instance: "a:1" }, 10, 1],
  [{ __name__: "up", job: "web" }, 20, 0],
  [{ __name__: "up", job: "old" }, 301, 1],
];

async function filledApi(): Promise<ServedMetrics> {
  const api = await openApi();
  const written = await api.post("/api/v1/write", encode(ROWS), WRITE_HEADERS);
  assert.equal(written.status, 204);
  return api;
}

const dataOf = (answer: { readonly text: string }): unknown =>
  (JSON.parse(answer.text) as { readonly data: unknown }).data;

const selector = (name: string, more: object = {}) => ({
  type: "vectorSelector",
  name,
  offset: 0,
  offsetExpr: null,
  matchers: [{ name: "__name__", value: name, type: "=" }],
  timestamp: null,
  startOrEnd: null,
  anchored: false,
  smoothed: false,
  ...more,
});

const matching = (more: object = {}) => ({
  card: "one-to-one",
  labels: [],
  on: false,
  include: [],
  fillValues: { lhs: null, rhs: null },
  ...more,
});

const duration = (op: string, lhs: unknown, rhs: unknown, wrapped = false) => ({
  type: "durationExpr",
  op,
  lhs,
  rhs,
  wrapped,
});

const seconds = (val: string, isDuration: boolean) => ({
  type: "numberLiteral",
  val,
  duration: isDuration,
});

const SYNTAX: readonly (readonly [query: string, tree: object])[] = [
  ["1.5e3", { type: "numberLiteral", val: "1500" }],
  ["-Inf", { type: "numberLiteral", val: "-Inf" }],
  ["-up", { type: "unaryExpr", op: "-", expr: selector("up") }],
  ['"a\\"b"', { type: "stringLiteral", val: 'a"b' }],
  ["(up)", { type: "parenExpr", expr: selector("up") }],
  [
    'up{job=~"a|b"} offset 5m @ 10.5',
    selector("up", {
      offset: 300_000,
      timestamp: 10_500,
      matchers: [
        { name: "job", value: "a|b", type: "=~" },
        { name: "__name__", value: "up", type: "=" },
      ],
    }),
  ],
  [
    '{"my.metric"} @ end()',
    selector("", {
      startOrEnd: "end",
      matchers: [{ name: "__name__", value: "my.metric", type: "=" }],
    }),
  ],
  ["up[5m]", { ...selector("up"), type: "matrixSelector", range: 300_000, rangeExpr: null }],
  [
    "up[5m:] offset -1m",
    {
      type: "subquery",
      expr: selector("up"),
      range: 300_000,
      rangeExpr: null,
      offset: -60_000,
      offsetExpr: null,
      step: 0,
      stepExpr: null,
      timestamp: null,
      startOrEnd: null,
    },
  ],
  [
    "up[5m + 1m] offset (10m / 2)",
    {
      ...selector("up"),
      type: "matrixSelector",
      range: 0,
      rangeExpr: duration("+", seconds("300", true), seconds("60", true)),
      offsetExpr: duration("/", seconds("600", true), seconds("2", false), true),
    },
  ],
  [
    "up[max_of(step(), -(1m))]",
    {
      ...selector("up"),
      type: "matrixSelector",
      range: 0,
      rangeExpr: duration(
        "max_of",
        duration("step", null, null),
        duration("-", null, duration("+", null, seconds("60", true), true)),
      ),
    },
  ],
  [
    "topk without (job) (2, up)",
    {
      type: "aggregation",
      op: "topk",
      expr: selector("up"),
      param: { type: "numberLiteral", val: "2" },
      grouping: ["job"],
      without: true,
    },
  ],
  [
    "round(up)",
    {
      type: "call",
      func: {
        name: "round",
        argTypes: ["vector", "scalar"],
        variadic: 1,
        returnType: "vector",
      },
      args: [selector("up")],
    },
  ],
  [
    "up > bool on (job) group_left (env) up",
    {
      type: "binaryExpr",
      op: ">",
      lhs: selector("up"),
      rhs: selector("up"),
      matching: matching({ card: "many-to-one", labels: ["job"], on: true, include: ["env"] }),
      bool: true,
    },
  ],
  [
    "up and up",
    {
      type: "binaryExpr",
      op: "and",
      lhs: selector("up"),
      rhs: selector("up"),
      matching: matching({ card: "many-to-many" }),
      bool: false,
    },
  ],
  [
    "up * 2",
    {
      type: "binaryExpr",
      op: "*",
      lhs: selector("up"),
      rhs: { type: "numberLiteral", val: "2" },
      matching: null,
      bool: false,
    },
  ],
];

test("parse_query: the tree of each kind of expression", async () => {
  await using api = await openApi();
  for (const [query, tree] of SYNTAX)
    assert.deepEqual(dataOf(await api.get("/api/v1/parse_query", { query })), tree, query);
  const bad = await api.get("/api/v1/parse_query", { query: "sum(" });
  assert.equal(bad.status, 400);
  assert.match(bad.text, /invalid parameter \\"query\\": 1:5: parse error: /);
});

test("rules: empty, and every parameter is checked", async () => {
  await using api = await openApi();
  const rows: readonly [parameters: string, status: number, error: RegExp][] = [
    ["", 200, /"data":\{"groups":\[\]\}/],
    ["type=alert&exclude_alerts=true&rule_name[]=a&file[]=b&group_limit=3", 200, /"groups":\[\]/],
    ["type=x", 400, /invalid parameter \\"type\\": not supported value \\"x\\"/],
    ["exclude_alerts=maybe", 400, /invalid parameter \\"exclude_alerts\\"/],
    ["match[]={", 400, /parse error/],
    ["group_limit=0", 400, /group_limit needs to be greater than 0/],
    ["group_limit=x", 400, /group_limit needs to be a valid number/],
    ["group_next_token=abc", 400, /group_limit needs to be present/],
    ["group_limit=1&group_next_token=abc", 400, /invalid group_next_token 'abc'/],
  ];
  for (const [parameters, status, error] of rows) {
    const answer = await api.get("/api/v1/rules", new URLSearchParams(parameters));
    assert.equal(answer.status, status, parameters);
    assert.match(answer.text, error, parameters);
  }
  assert.deepEqual(dataOf(await api.get("/api/v1/alerts")), { alerts: [] });
  assert.deepEqual(dataOf(await api.get("/api/v1/alertmanagers")), {
    activeAlertmanagers: [],
    droppedAlertmanagers: [],
  });
});

test("search: names, values, order, score, limits, metadata", async () => {
  await using api = await filledApi();
  const rows: readonly [path: string, parameters: string, lines: readonly object[]][] = [
    [
      "metric_names",
      "search[]=httptotal&include_score=true&sort_by=score",
      [
        // Runs of 4, 1 and 4 of 9 characters, gaps of 7 and 3 of 19 between.
        { results: [{ name: "http_requests_total", score: ((33 - 10 / 19) / 81) * 0.999 }] },
        { status: "success", has_more: false },
      ],
    ],
    [
      "metric_names",
      "search[]=UP&case_sensitive=false&include_metadata=true&start=0",
      [
        { results: [{ name: "up", type: "gauge", help: "Whether it is up." }] },
        { status: "success", has_more: false },
      ],
    ],
    [
      "label_names",
      "sort_by=alpha&sort_dir=dsc&limit=2&batch_size=1",
      [
        { results: [{ name: "job" }] },
        { results: [{ name: "instance" }] },
        { status: "success", has_more: true },
      ],
    ],
    [
      "label_values",
      "label=job&match[]=up&match[]=http_requests_total",
      [
        { results: [{ value: "api" }, { value: "old" }, { value: "web" }] },
        { status: "success", has_more: false },
      ],
    ],
    [
      "label_values",
      `label=job&end=${NOW - 200}`,
      [{ results: [{ value: "old" }] }, { status: "success", has_more: false }],
    ],
    [
      "label_values",
      "label=job&search[]=wen&fuzz_alg=jarowinkler&fuzz_threshold=70",
      [{ results: [{ value: "web" }] }, { status: "success", has_more: false }],
    ],
    [
      "label_values",
      "label=job&search[]=zzz",
      [{ results: [] }, { status: "success", has_more: false }],
    ],
  ];
  for (const [path, parameters, lines] of rows) {
    const answer = await api.get(`/api/v1/search/${path}`, new URLSearchParams(parameters));
    assert.equal(answer.headers.get("content-type"), "application/x-ndjson; charset=utf-8");
    const told = answer.text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as object);
    assert.deepEqual(told, lines, `${path} ${parameters}`);
  }
});

test("search: what is wrong is said as Prometheus says it", async () => {
  await using api = await openApi();
  const rows: readonly [parameters: string, error: string][] = [
    ["", 'missing required parameter "label"'],
    ["label=a&limit=0", 'invalid limit "0": must be a positive integer'],
    ["label=a&limit=10001", "limit 10001 exceeds the maximum (10000)"],
    ["label=a&batch_size=x", 'invalid batch_size "x": must be a positive integer'],
    ["label=a&fuzz_threshold=101", 'invalid fuzz_threshold "101": must be 0-100'],
    ["label=a&fuzz_alg=x", 'unsupported fuzz_alg "x": must be one of [subsequence jarowinkler]'],
    ["label=a&sort_dir=asc", "sort_dir is only valid when sort_by is set"],
    ["label=a&sort_by=score", "sort_by=score requires search[] to be set"],
    ["label=a&sort_by=x", 'invalid sort_by "x" for label_values: must be "alpha" or "score"'],
    ["label=a&case_sensitive=x", 'invalid case_sensitive "x": must be boolean'],
    ["label=a&start=2&end=1", "end timestamp must not be before start timestamp"],
    [`label=a${"&search[]=x".repeat(33)}`, "too many search[] terms: got 33, maximum is 32"],
  ];
  for (const [parameters, error] of rows) {
    const answer = await api.get("/api/v1/search/label_values", new URLSearchParams(parameters));
    assert.equal(answer.status, 400, parameters);
    assert.equal((JSON.parse(answer.text) as { error: string }).error, error);
  }
});

test("federate: the newest sample of each series within the lookback, sorted by name", async () => {
  await using api = await filledApi();
  const answer = await api.get(
    "/federate",
    new URLSearchParams([
      ["match[]", "up"],
      ["match[]", '{__name__=~".+",job="api"}'],
    ]),
  );
  assert.equal(answer.headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  assert.equal(
    answer.text,
    `# TYPE http_requests_total untyped
http_requests_total{instance="a:1",job="api"} 5 ${NOW_MS - 10_000}
# TYPE up untyped
up{instance="a:1",job="api"} 1 ${NOW_MS - 10_000}
up{job="web",instance=""} 0 ${NOW_MS - 20_000}
`,
  );
  assert.equal((await api.get("/federate")).text, "");
  const bad = await api.get("/federate", { "match[]": "up{" });
  assert.deepEqual(
    [bad.status, bad.headers.get("content-type")],
    [400, "text/plain; charset=utf-8"],
  );
});

test("status pages: this server as it is", async () => {
  await using api = await filledApi();
  assert.deepEqual(dataOf(await api.get("/api/v1/status/config")), { yaml: "data_dir: ./data\n" });
  assert.deepEqual(dataOf(await api.get("/api/v1/status/flags")), { "data-dir": "./data" });
  assert.deepEqual(dataOf(await api.get("/api/v1/status/walreplay")), {
    min: 0,
    max: 0,
    current: 0,
  });
  assert.deepEqual(dataOf(await api.get("/api/v1/status/runtimeinfo")), {
    startTime: new Date(NOW_MS - 60_000).toISOString(),
    CWD: "/srv",
    hostname: "here",
    serverTime: new Date(NOW_MS).toISOString(),
    reloadConfigSuccess: true,
    lastConfigTime: new Date(NOW_MS - 60_000).toISOString(),
    corruptionCount: 0,
    goroutineCount: 5,
    GOMAXPROCS: 2,
    GOMEMLIMIT: 2 ** 30,
    GOGC: "",
    GODEBUG: "",
    storageRetention: "3d or 40% of the disk",
  });
  const mimir = dataOf(await api.get("/prometheus/api/v1/status/buildinfo")) as object;
  assert.deepEqual(
    { ...mimir },
    { ...mimir, application: "Grafana Mimir", features: { ...featuresOf(mimir) } },
  );
  assert.equal(featuresOf(mimir)["ruler_config_api"], "false");
});

const featuresOf = (data: object) =>
  (data as { readonly features: Readonly<Record<string, string>> }).features;

test("targets: active ones with health, labels and metadata", async () => {
  await using api = await openApi({}, NOW_MS, { scrapePools: () => POOLS });
  const all = dataOf(await api.get("/api/v1/targets")) as {
    readonly activeTargets: readonly Record<string, unknown>[];
  };
  assert.deepEqual(all.activeTargets[0], {
    discoveredLabels: { __address__: "localhost:9100", job: "a" },
    labels: { instance: "localhost:9100", job: "a" },
    scrapePool: "a",
    scrapeUrl: "http://localhost:9100/metrics",
    globalUrl: "http://here:9100/metrics",
    lastError: "",
    lastScrape: new Date(NOW_MS - 1500).toISOString(),
    lastScrapeDuration: 0.0125,
    health: "up",
    scrapeInterval: "15s",
    scrapeTimeout: "10s",
  });
  assert.deepEqual(
    all.activeTargets.map(({ health, lastScrape }) => [health, lastScrape]).slice(1),
    [
      ["down", new Date(NOW_MS - 2000).toISOString()],
      ["unknown", "0001-01-01T00:00:00Z"],
    ],
  );
  const rows: readonly [parameters: string, active: number, counts: object][] = [
    ["state=ACTIVE&scrapePool=b", 1, {}],
    ["state=dropped", 0, { a: 0, b: 0 }],
    ["scrapePool=zzz", 0, { a: 0, b: 0 }],
  ];
  for (const [parameters, active, droppedTargetCounts] of rows) {
    const data = dataOf(await api.get("/api/v1/targets", new URLSearchParams(parameters)));
    const { activeTargets, ...rest } = data as { readonly activeTargets: readonly object[] };
    assert.deepEqual(
      [activeTargets.length, rest],
      [active, { droppedTargets: [], droppedTargetCounts }],
      parameters,
    );
  }
  assert.deepEqual(dataOf(await api.get("/api/v1/scrape_pools")), { scrapePools: ["a", "b"] });
});

test("targets/metadata: of all families or one, of all targets or some", async () => {
  await using api = await openApi({}, NOW_MS, { scrapePools: () => POOLS });
  const rows: readonly [parameters: string, told: readonly string[]][] = [
    ["", ["localhost:9100 up", "localhost:9100 size_bytes", "10.0.0.1:9100 up"]],
    ["metric=up", ["localhost:9100 -", "10.0.0.1:9100 -"]],
    ["limit=1", ["localhost:9100 up", "localhost:9100 size_bytes"]],
    ["limit=0", []],
    ['match_target={instance=~"10.*"}', ["10.0.0.1:9100 up"]],
  ];
  for (const [parameters, told] of rows) {
    const data = dataOf(await api.get("/api/v1/targets/metadata", new URLSearchParams(parameters)));
    const list = data as readonly { target: { instance: string }; metric?: string }[];
    assert.deepEqual(
      list.map(({ target, metric }) => `${target.instance} ${metric ?? "-"}`),
      told,
      parameters,
    );
  }
  const bad = await api.get("/api/v1/targets/metadata", { match_target: "{" });
  assert.match(bad.text, /invalid parameter \\"match_target\\"/);
});

test("features: a function is on exactly when a query may use it", async () => {
  await using api = await openApi();
  const data = dataOf(await api.get("/api/v1/features")) as Record<string, Record<string, boolean>>;
  const engine = createEngine({ clock: fixedClock });
  const isRefused = async (name: string) => {
    try {
      await engine.instantQuery({
        source: { select: async function* () {} },
        query: `${name}()`,
        timeMs: 0,
        signal: new AbortController().signal,
      });
    } catch (error) {
      return /is not enabled/.test(String(error));
    }
    return false;
  };
  for (const name of ["time", "step", "pi", "start"])
    assert.equal(data["promql_functions"]![name], !(await isRefused(name)), name);
  assert.equal(data["promql_operators"]!["limitk"], false);
  assert.equal(data["api"]!["search"], true);
});

test("notifications: a list, and a stream that ends when the server does", async () => {
  const notifications = new Notifications(fixedClock);
  await using api = await openApi({}, NOW_MS, { notifications });
  assert.deepEqual(dataOf(await api.get("/api/v1/notifications")), []);
  notifications.add("something is wrong");
  const date = new Date(NOW_MS).toISOString();
  const told = { text: "something is wrong", date, active: true };
  assert.deepEqual(dataOf(await api.get("/api/v1/notifications")), [told]);
  const live = await fetch(`http://127.0.0.1:${api.port}/api/v1/notifications/live`);
  assert.equal(live.headers.get("content-type"), "text/event-stream");
  const reader = live.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("data:")) text += (await reader.read()).value ?? "";
  notifications.remove("something is wrong");
  notifications.close();
  for (let done = false; !done;) {
    const read = await reader.read();
    text += read.value ?? "";
    done = read.done;
  }
  assert.equal(
    text,
    `:\n\ndata: ${JSON.stringify(told)}\n\ndata: ${JSON.stringify({ ...told, active: false })}\n\n`,
  );
  const late = await api.get("/api/v1/notifications/live");
  assert.equal(late.status, 204);
});
