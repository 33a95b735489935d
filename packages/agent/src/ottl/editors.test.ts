/** Every editor, by the examples of OTTL's documentation, and every path. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { AnyValue } from "@finch/wire";
import { logsWith, metricsWith, runStatements, tracesWith } from "./ottl-harness.ts";

function plain(value: AnyValue | undefined): unknown {
  if (value instanceof Map)
    return Object.fromEntries([...value].map(([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
}

function toAnyValue(value: unknown): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "bigint") return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(toAnyValue) } };
  return { kvlistValue: { values: toKeyValues(value as Record<string, unknown>) } };
}

function toKeyValues(values: Readonly<Record<string, unknown>>): object[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: toAnyValue(value) }));
}

interface Row {
  readonly before: Readonly<Record<string, unknown>>;
  readonly statement: string;
  /** Attributes behind it, in order; or what the statement fails with. */
  readonly after: Readonly<Record<string, unknown>> | RegExp;
}

const FLAT = { a: "x", b: 5n, "http.method": "GET" };
const NESTED = {
  name: "test",
  address: { street: "first", house: 1234n },
  occupants: ["u1", "u2"],
};
const DEEP = { "0": { "1": { "2": { "3": { "4": "value" } } } } };

const ROWS: readonly Row[] = [
  {
    before: {},
    statement: 'set(attributes["a"], [1, {"b": nil}])',
    after: { a: [1n, { b: null }] },
  },
  { before: FLAT, statement: 'set(attributes["c"], attributes["missing"])', after: FLAT },
  { before: FLAT, statement: 'set(attributes, {"only": true})', after: { only: true } },
  { before: FLAT, statement: "set(attributes, 5)", after: /expected a map, got an int/ },
  { before: {}, statement: 'set(attributes["a"]["b"][1], "x")', after: { a: { b: [null, "x"] } } },
  { before: { a: ["p"] }, statement: 'set(attributes["a"][3], "x")', after: /index 3 is outside/ },
  {
    before: { a: "p" },
    statement: 'set(attributes["a"]["b"], 1)',
    after: /a string has no \[key\]/,
  },
  { before: { t: "a" }, statement: 'append(attributes["t"], "prod")', after: { t: ["a", "prod"] } },
  {
    before: { t: ["a"] },
    statement: 'append(attributes["t"], values = ["staging", 5])',
    after: { t: ["a", "staging", 5n] },
  },
  { before: {}, statement: 'append(attributes["t"], "x")', after: { t: ["x"] } },
  {
    before: { t: ["a", "b", "c", "d"] },
    statement: 'delete_index(attributes["t"], 0, 3)',
    after: { t: ["d"] },
  },
  { before: { t: ["a", "b"] }, statement: 'delete_index(attributes["t"], 1)', after: { t: ["a"] } },
  {
    before: { t: ["a"] },
    statement: 'delete_index(attributes["t"], 1)',
    after: /outside of a list of 1/,
  },
  {
    before: FLAT,
    statement: 'delete_key(attributes, "a")',
    after: { b: 5n, "http.method": "GET" },
  },
  { before: FLAT, statement: 'delete_key(attributes, "zz")', after: FLAT },
  {
    before: FLAT,
    statement: 'delete_key(attributes["a"], "zz")',
    after: /expected a map, got a string/,
  },
  {
    before: { Password: "1", b: 2n },
    statement: 'delete_matching_keys(attributes, "(?i).*password.*")',
    after: { b: 2n },
  },
  {
    before: { k_version: "1", b: 2n },
    statement: 'keep_matching_keys(attributes, "(?i).*VERSION.*")',
    after: { k_version: "1" },
  },
  {
    before: FLAT,
    statement: 'keep_keys(attributes, ["http.method", "b"])',
    after: { b: 5n, "http.method": "GET" },
  },
  { before: FLAT, statement: "keep_keys(attributes, [])", after: {} },
  {
    before: FLAT,
    statement: 'limit(attributes, 2, ["http.method"])',
    after: { a: "x", "http.method": "GET" },
  },
  { before: FLAT, statement: "limit(attributes, 3, [])", after: FLAT },
  { before: FLAT, statement: "limit(attributes, 0, [])", after: {} },
  {
    before: { a: 1n, b: 2n },
    statement: 'merge_maps(attributes, {"b": 3, "c": 4}, "insert")',
    after: { a: 1n, b: 2n, c: 4n },
  },
  {
    before: { a: 1n, b: 2n },
    statement: 'merge_maps(attributes, {"b": 3, "c": 4}, "update")',
    after: { a: 1n, b: 3n },
  },
  {
    before: { a: 1n, b: 2n },
    statement: 'merge_maps(attributes, {"b": 3, "c": 4}, "upsert")',
    after: { a: 1n, b: 3n, c: 4n },
  },
  {
    before: {},
    statement: 'merge_maps(attributes, ParseJSON(body), "upsert")',
    after: /ParseJSON: /,
  },
  {
    before: NESTED,
    statement: "flatten(attributes)",
    after: {
      name: "test",
      "address.street": "first",
      "address.house": 1234n,
      "occupants.0": "u1",
      "occupants.1": "u2",
    },
  },
  {
    before: NESTED,
    statement: 'flatten(attributes, "app")',
    after: {
      "app.name": "test",
      "app.address.street": "first",
      "app.address.house": 1234n,
      "app.occupants.0": "u1",
      "app.occupants.1": "u2",
    },
  },
  {
    before: DEEP,
    statement: "flatten(attributes, depth=2)",
    after: { "0.1.2": { "3": { "4": "value" } } },
  },
  { before: DEEP, statement: "flatten(attributes, depth=0)", after: DEEP },
  {
    before: {
      address: { street: { number: "first" }, house: "1234" },
      "address.street": { number: ["second", "third"] },
      "address.street.number": "fourth",
      occupants: ["user 1", "user 2"],
    },
    statement: "flatten(attributes, resolveConflicts=true)",
    after: {
      "address.street.number": "first",
      "address.house": "1234",
      "address.street.number.0": "second",
      "address.street.number.1": "third",
      "address.street.number.2": "fourth",
      occupants: "user 1",
      "occupants.0": "user 2",
    },
  },
  {
    before: { i: 42n, f: 3.14, b: true, m: { k: [1n] }, s: "x" },
    statement: "stringify_all(attributes)",
    after: { i: "42", f: "3.14", b: "true", m: '{"k":[1]}', s: "x" },
  },
  {
    before: { a: "hello", b: 5n },
    statement: "truncate_all(attributes, 3)",
    after: { a: "hel", b: 5n },
  },
  { before: { a: "日本" }, statement: "truncate_all(attributes, 4)", after: { a: "日" } },
  {
    before: { a: "0123456789" },
    statement: 'truncate_all(attributes, 8, truncation_marker = "(…)")',
    after: { a: "012(…)" },
  },
  {
    before: { a: "password=secret x" },
    statement: 'replace_pattern(attributes["a"], "password\\\\=[^\\\\s]*(\\\\s?)", "password=***")',
    after: { a: "password=***x" },
  },
  {
    before: { a: "kube_pod_name" },
    statement: 'replace_pattern(attributes["a"], "^kube_([0-9A-Za-z]+_)", "k8s.$1.")',
    after: { a: "k8s.pod_.name" },
  },
  {
    before: { a: "id=7 id=8" },
    statement: 'replace_pattern(attributes["a"], "id=(?P<n>[0-9])", "<${n}>$$")',
    after: { a: "<7>$ <8>$" },
  },
  {
    before: { a: "id=ab id=ab" },
    statement: 'replace_pattern(attributes["a"], "id=([a-z]+)", "$1", ToUpperCase, "[%s]")',
    after: { a: "[AB] [AB]" },
  },
  { before: { a: 5n }, statement: 'replace_pattern(attributes["a"], "5", "6")', after: { a: 5n } },
  {
    before: { a: "x" },
    statement: 'replace_pattern(attributes["missing"], "5", "6")',
    after: { a: "x" },
  },
  {
    before: { a: "/account/1234", b: "x", c: 5n },
    statement:
      'replace_all_patterns(attributes, "value", "/account/\\\\d{4}", "/account/{accountId}")',
    after: { a: "/account/{accountId}", b: "x", c: 5n },
  },
  {
    before: { kube_pod_name: "v", other: "v" },
    statement: 'replace_all_patterns(attributes, "key", "^kube_([0-9A-Za-z]+_)", "k8s.$1.")',
    after: { "k8s.pod_.name": "v", other: "v" },
  },
  {
    before: { a: "/user/3/list/9", b: "/user/3/x/list/9" },
    statement: 'replace_all_matches(attributes, "/user/*/list/*", "/user/{userId}/list/{listId}")',
    after: { a: "/user/{userId}/list/{listId}", b: "/user/3/x/list/9" },
  },
  {
    before: { a: "/user/3/list/9" },
    statement: 'replace_match(attributes["a"], "/user/*/list/*", "id", SHA256, "/user/%s")',
    after: { a: "/user/a56145270ce6b3bebd1dd012b73948677dd618d496488bc608a3cb43ce3547dd" },
  },
  {
    before: { a: "cab" },
    statement: 'replace_match(attributes["a"], "[a-c]?[^x]", "y")',
    after: { a: "y" },
  },
];

test("editors of maps and text", async (t) => {
  for (const { before, statement, after } of ROWS)
    await t.test(statement, () => {
      const tree = logsWith({ attributes: toKeyValues(before) });
      const faults = runStatements(
        { signal: "logs", tree },
        [statement.replace("(body)", '("{")')],
        { context: "log" },
      );
      if (after instanceof RegExp) assert.match(faults.join(), after);
      else {
        const { attributes } = tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
        assert.deepEqual(faults, []);
        assert.deepEqual(plain(attributes), after);
        assert.deepEqual([...attributes.keys()].toSorted(), Object.keys(after).toSorted());
      }
    });
});

test("what is put into an attribute shares nothing with where it came from", () => {
  const tree = logsWith({ attributes: toKeyValues({ a: { b: ["x"] } }) });
  runStatements(
    { signal: "logs", tree },
    [
      'set(cache["attrs"], attributes)',
      'keep_matching_keys(cache["attrs"], "none")',
      'set(attributes["copy"], attributes["a"])',
      'append(attributes["copy"]["b"], "y")',
    ],
    { context: "log" },
  );
  const { attributes } = tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  assert.deepEqual(plain(attributes), { a: { b: ["x"] }, copy: { b: ["x", "y"] } });
});

const SPAN = {
  name: "GET /api/1",
  kind: 2,
  traceId: "0102030405060708090a0b0c0d0e0f10",
  spanId: "0102030405060708",
  traceState: "a=1,svc=x",
  startTimeUnixNano: "1700000000000000000",
  endTimeUnixNano: "1700000001000000000",
  status: { code: 1, message: "m" },
  events: [{ name: "e" }],
  links: [{}],
};
const POINT = { startTimeUnixNano: "5", timeUnixNano: "9", attributes: toKeyValues({ p: "q" }) };

/** Paths: what is read, then what `set` makes of it. */
type PathRow = readonly [path: string, read: unknown, written?: string, then?: unknown];

const SPAN_PATHS: readonly PathRow[] = [
  ["name", "GET /api/1", '"n"', "n"],
  ["kind", 2n, "SPAN_KIND_CLIENT", 3n],
  ["kind.string", "Server", '"Producer"', "Producer"],
  ["kind.deprecated_string", "SPAN_KIND_SERVER", '"SPAN_KIND_CONSUMER"', "SPAN_KIND_CONSUMER"],
  [
    "trace_id.string",
    "0102030405060708090a0b0c0d0e0f10",
    '"FF020304050607080910111213141516"',
    "ff020304050607080910111213141516",
  ],
  ["span_id.string", "0102030405060708", '"0000000000000000"', "0000000000000000"],
  ["parent_span_id.string", "0000000000000000", '"0102030405060708"', "0102030405060708"],
  ["trace_state", "a=1,svc=x", '"b=2"', "b=2"],
  ['trace_state["svc"]', "x", '"y"', "y"],
  ["start_time_unix_nano", 1_700_000_000_000_000_000n, "7", 7n],
  ["end_time_unix_nano", 1_700_000_001_000_000_000n, "8", 8n],
  ["status.code", 1n, "STATUS_CODE_ERROR", 2n],
  ["status.message", "m", '"x"', "x"],
  ["dropped_attributes_count", 0n, "3", 3n],
  ["dropped_events_count", 0n, "4", 4n],
  ["dropped_links_count", 0n, "5", 5n],
  ["flags", 0n, "1", 1n],
  ['attributes["k"]', undefined, "1.5", 1.5],
  ['resource.attributes["service.name"]', "shop", '"cart"', "cart"],
  ["resource.dropped_attributes_count", 0n, "2", 2n],
  ["resource.schema_url", "", '"u"', "u"],
  ["scope.name", "lib", '"l"', "l"],
  ["instrumentation_scope.version", "1.2", '"3"', "3"],
  ['scope.attributes["x"]', undefined, "true", true],
  ["scope.schema_url", "", '"u"', "u"],
  ["span.name", "GET /api/1"],
  ["Len(events)", 1n],
  ["Len(links)", 1n],
  ["UnixSeconds(start_time)", 1_700_000_000n],
  ["IsRootSpan()", true],
];

const LOG_PATHS: readonly PathRow[] = [
  ["body", "b", '{"x": [1]}', { x: [1n] }],
  ["body.string", "b", '"c"', "c"],
  ["severity_number", 9n, "SEVERITY_NUMBER_ERROR2", 18n],
  ["severity_text", "INFO", '"W"', "W"],
  ["time_unix_nano", 5n, "6", 6n],
  ["observed_time_unix_nano", 7n, "8", 8n],
  ["flags", 1n, "0", 0n],
  ["event_name", "ev", '"x"', "x"],
  ["dropped_attributes_count", 0n, "2", 2n],
  [
    "trace_id.string",
    "0".repeat(32),
    '"0102030405060708090a0b0c0d0e0f10"',
    "0102030405060708090a0b0c0d0e0f10",
  ],
  ["UnixNano(time)", 5n],
  ["UnixNano(observed_time)", 7n],
];

function checkPaths(
  name: string,
  rows: readonly PathRow[],
  run: (statements: string[]) => AnyValue | undefined,
) {
  test(name, async (t) => {
    for (const [path, read, written, then] of rows)
      await t.test(path, () => {
        assert.deepEqual(plain(run([`set(attributes["result"], ${path})`])), read);
        if (written === undefined) return;
        const statements = [`set(${path}, ${written})`, `set(attributes["result"], ${path})`];
        assert.deepEqual(plain(run(statements)), then);
      });
  });
}

function noFaults(faults: readonly string[]): void {
  assert.deepEqual(faults, []);
}

checkPaths("paths of spans", SPAN_PATHS, (statements) => {
  const tree = tracesWith(SPAN);
  noFaults(runStatements({ signal: "traces", tree }, statements, { context: "span" }));
  return tree.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.attributes.get("result");
});

checkPaths("paths of logs", LOG_PATHS, (statements) => {
  const tree = logsWith({
    body: { stringValue: "b" },
    severityNumber: 9,
    severityText: "INFO",
    timeUnixNano: "5",
    observedTimeUnixNano: "7",
    flags: 1,
    eventName: "ev",
  });
  noFaults(runStatements({ signal: "logs", tree }, statements, { context: "log" }));
  return tree.resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!.attributes.get("result");
});

const POINTS: readonly (readonly [string, object, readonly PathRow[]])[] = [
  [
    "a sum",
    {
      sum: { dataPoints: [{ ...POINT, asInt: "4" }], aggregationTemporality: 2, isMonotonic: true },
    },
    [
      ["metric.type", 2n],
      ["metric.name", "m", '"n"', "n"],
      ["metric.unit", "s", '"ms"', "ms"],
      ["metric.description", "d", '"x"', "x"],
      ["metric.aggregation_temporality", 2n, "AGGREGATION_TEMPORALITY_DELTA", 1n],
      ["metric.is_monotonic", true, "false", false],
      ["value_int", 4n, "5", 5n],
      ["value_double", 0, "1.5", 1.5],
      ['attributes["p"]', "q", '"r"', "r"],
      ["start_time_unix_nano", 5n, "6", 6n],
      ["time_unix_nano", 9n, "10", 10n],
      ["UnixNano(time)", 9n],
      ["flags", 0n, "FLAG_NO_RECORDED_VALUE", 1n],
      ["count", undefined],
      ["Len(exemplars)", 0n],
      ["Len(metric.data_points)", 1n],
    ],
  ],
  [
    "a histogram",
    {
      histogram: {
        dataPoints: [
          { ...POINT, count: "3", sum: 4.5, bucketCounts: ["1", "2"], explicitBounds: [0.5] },
        ],
        aggregationTemporality: 1,
      },
    },
    [
      ["metric.type", 3n],
      ["metric.is_monotonic", undefined],
      ["count", 3n, "4", 4n],
      ["sum", 4.5, "5.5", 5.5],
      ["bucket_counts", [1n, 2n], "[3, 4]", [3n, 4n]],
      ["explicit_bounds", [0.5], "[1.5]", [1.5]],
      ["value_int", undefined],
    ],
  ],
  [
    "an exponential histogram",
    {
      exponentialHistogram: {
        dataPoints: [
          {
            ...POINT,
            count: "3",
            scale: -1,
            zeroCount: "1",
            positive: { offset: 2, bucketCounts: ["1"] },
          },
        ],
      },
    },
    [
      ["metric.type", 4n],
      ["scale", -1n, "2", 2n],
      ["zero_count", 1n, "0", 0n],
      ["positive.offset", 2n, "-3", -3n],
      ["positive.bucket_counts", [1n], "[2, 3]", [2n, 3n]],
      ["negative.offset", 0n],
    ],
  ],
  [
    "a summary",
    {
      summary: {
        dataPoints: [
          { ...POINT, count: "3", sum: 4.5, quantileValues: [{ quantile: 0.5, value: 1 }] },
        ],
      },
    },
    [
      ["metric.type", 5n],
      ["count", 3n],
      ["sum", 4.5, "0.5", 0.5],
      ["Len(quantile_values)", 1n],
      ["Len(exemplars) == 0", undefined],
    ],
  ],
];

for (const [name, data, rows] of POINTS)
  checkPaths(
    `paths of ${name}`,
    rows.filter(([path]) => !path.includes("==")),
    (statements) => {
      const tree = metricsWith({ name: "m", unit: "s", description: "d", ...data });
      noFaults(runStatements({ signal: "metrics", tree }, statements, { context: "datapoint" }));
      const metric = tree.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!;
      const points =
        metric.sum ?? metric.histogram ?? metric.exponentialHistogram ?? metric.summary;
      return points!.dataPoints[0]!.attributes.get("result");
    },
  );

test("fields that are set to what they cannot hold", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    "set(name, 5)": /expected a string, got an int/,
    'set(kind, "x")': /expected an int, got a string/,
    'set(kind.string, "Boss")': /"Boss" is no kind of span/,
    "set(trace_id, SpanID(0x0102030405060708))": /set to an id of 16 bytes, not to a span id/,
    'set(trace_id.string, "12")': /32 hexadecimal digits, not "12"/,
    'set(events, "x")': /span events cannot be set to a string/,
    "set(start_time, 5)": /expected a time, got an int/,
    'set(attributes["t"], start_time)': /a time cannot be stored/,
    'set(attributes["e"], events)': /span events cannot be stored/,
    'set(trace_state[0], "x")': /trace_state has one key, a string/,
  };
  for (const [statement, expected] of Object.entries(rows))
    await t.test(statement, () => {
      const tree = tracesWith(SPAN);
      const faults = runStatements({ signal: "traces", tree }, [statement], { context: "span" });
      assert.match(faults.join(), expected);
    });
});

function metricsAfter(statement: string, metric: object) {
  const tree = metricsWith({ name: "m", unit: "s", description: "d", ...metric });
  const faults = runStatements({ signal: "metrics", tree }, [statement], { context: "metric" });
  return { faults, metrics: tree.resourceMetrics[0]!.scopeMetrics[0]!.metrics };
}

const HISTOGRAM = {
  histogram: {
    dataPoints: [
      {
        ...POINT,
        count: "3",
        sum: 4.5,
        min: 1,
        max: 2,
        bucketCounts: ["1", "2"],
        explicitBounds: [0.5],
      },
    ],
    aggregationTemporality: 1,
  },
};
const SUMMARY = {
  summary: {
    dataPoints: [{ ...POINT, count: "3", sum: 4.5, quantileValues: [{ quantile: 0.5, value: 1 }] }],
  },
};

test("sums and gauges become each other", () => {
  const sum = {
    sum: { dataPoints: [{ ...POINT, asInt: "4" }], aggregationTemporality: 2, isMonotonic: true },
  };
  const [gauge] = metricsAfter("convert_sum_to_gauge()", sum).metrics;
  assert.deepEqual([gauge!.sum, gauge!.gauge!.dataPoints[0]!.asInt], [undefined, 4n]);
  const [back] = metricsAfter('convert_gauge_to_sum("delta", true)', {
    gauge: { dataPoints: [{ ...POINT, asDouble: 4 }] },
  }).metrics;
  const { dataPoints, ...rest } = back!.sum!;
  assert.deepEqual(
    [dataPoints[0]!.asDouble, rest],
    [4, { aggregationTemporality: 1, isMonotonic: true }],
  );
  assert.equal(metricsAfter("convert_sum_to_gauge()", HISTOGRAM).metrics[0]!.gauge, undefined);
});

test("sums and counts of histograms and summaries become metrics", () => {
  const extract = (statement: string, metric: object) => {
    const { faults, metrics } = metricsAfter(statement, metric);
    const added = metrics[1];
    if (added === undefined) return faults;
    const { dataPoints, ...rest } = added.sum!;
    const { asInt, asDouble, timeUnixNano, attributes } = dataPoints[0]!;
    return [added.name, added.unit, rest, asInt ?? asDouble, timeUnixNano, plain(attributes)];
  };
  const times = [9n, { p: "q" }];
  const delta = { aggregationTemporality: 1, isMonotonic: true };
  const cumulative = { aggregationTemporality: 2, isMonotonic: false };
  assert.deepEqual(extract('extract_sum_metric(true) where name == "m"', HISTOGRAM), [
    "m_sum",
    "s",
    delta,
    4.5,
    ...times,
  ]);
  assert.deepEqual(extract('extract_count_metric(true, ".count") where name == "m"', HISTOGRAM), [
    "m.count",
    "1",
    delta,
    3n,
    ...times,
  ]);
  assert.deepEqual(extract('extract_sum_metric(false) where name == "m"', SUMMARY), [
    "m_sum",
    "s",
    cumulative,
    4.5,
    ...times,
  ]);
  assert.deepEqual(extract('convert_summary_count_val_to_sum("delta", true)', SUMMARY), [
    "m_count",
    "s",
    delta,
    3n,
    ...times,
  ]);
  assert.deepEqual(
    extract('convert_summary_sum_val_to_sum("cumulative", false, ".sum")', SUMMARY),
    ["m.sum", "s", cumulative, 4.5, ...times],
  );
  assert.match(
    String(extract("extract_sum_metric(true)", { gauge: { dataPoints: [POINT] } })),
    /is for histograms/,
  );
});

test("metrics are copied and scaled", () => {
  const { metrics } = metricsAfter(
    'copy_metric(name="copy", unit="ms") where name == "m"',
    HISTOGRAM,
  );
  assert.deepEqual(
    metrics.map(({ name, unit, description }) => [name, unit, description]),
    [
      ["m", "s", "d"],
      ["copy", "ms", "d"],
    ],
  );
  assert.notEqual(metrics[0]!.histogram, metrics[1]!.histogram);
  const [scaled] = metricsAfter('scale_metric(10.0, "ds")', HISTOGRAM).metrics;
  const { sum, min, max, explicitBounds, bucketCounts } = scaled!.histogram!.dataPoints[0]!;
  assert.deepEqual(
    [scaled!.unit, sum, min, max, explicitBounds, bucketCounts],
    ["ds", 45, 10, 20, [5], [1n, 2n]],
  );
  const [gauge] = metricsAfter("scale_metric(0.5)", {
    gauge: { dataPoints: [{ ...POINT, asInt: "4" }] },
  }).metrics;
  assert.deepEqual(
    [gauge!.gauge!.dataPoints[0]!.asDouble, gauge!.gauge!.dataPoints[0]!.asInt, gauge!.unit],
    [2, undefined, "s"],
  );
});

test("spans are named by the semantic conventions", async (t) => {
  const rows: readonly (readonly [number, Readonly<Record<string, unknown>>, string])[] = [
    [
      2,
      { "http.request.method": "GET", "http.route": "/api/v1/users/{id}" },
      "GET /api/v1/users/{id}",
    ],
    [2, { "http.method": "GET", "url.path": "/api/v1/users/123" }, "GET"],
    [3, { "http.request.method": "GET", "url.template": "/u/{id}" }, "GET /u/{id}"],
    [2, { "rpc.system": "grpc", "rpc.service": "S", "rpc.method": "M" }, "S/M"],
    [3, { "rpc.system": "grpc", "rpc.service": "S" }, "S/*"],
    [3, { "rpc.system": "grpc", "rpc.method": "S/M" }, "S/M"],
    [
      3,
      {
        "db.system": "postgresql",
        "db.operation": "SELECT",
        "db.name": "shop",
        "db.collection.name": "t",
      },
      "SELECT shop.t",
    ],
    [3, { "db.system.name": "redis", "server.address": "h", "server.port": 6379n }, "h:6379"],
    [3, { "db.system.name": "redis", "db.query.summary": "GET k" }, "GET k"],
    [3, { "db.system.name": "redis" }, "redis"],
    [
      5,
      {
        "messaging.system": "kafka",
        "messaging.operation": "process",
        "messaging.destination.name": "q",
      },
      "process q",
    ],
    [4, { "messaging.system": "kafka", "messaging.destination.temporary": true }, "(temporary)"],
    [1, { "http.method": "GET" }, "old"],
    [2, {}, "old"],
  ];
  for (const [kind, attributes, expected] of rows)
    await t.test(expected, () => {
      const tree = tracesWith({ name: "old", kind, attributes: toKeyValues(attributes) });
      noFaults(
        runStatements({ signal: "traces", tree }, ['set_semconv_span_name("1.37.0", "original")'], {
          context: "span",
        }),
      );
      const [span] = tree.resourceSpans[0]!.scopeSpans[0]!.spans;
      assert.equal(span!.name, expected);
      assert.equal(span!.attributes.get("original"), expected === "old" ? undefined : "old");
    });
  const tree = tracesWith({ name: "old" });
  const run = (version: string) => () =>
    runStatements({ signal: "traces", tree }, [`set_semconv_span_name("${version}")`], {
      context: "span",
    });
  assert.throws(run("1.20.0"), /from 1.37.0 to 1.43.0/);
});
