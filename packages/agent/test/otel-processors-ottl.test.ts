/** `otelcol.processor.attributes`, `.transform` and `.filter` in a running agent. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import type { Attributes, LogsData, MetricsData, TracesData } from "@finch/wire";
import { dataPointsOf } from "../src/otel/telemetry-items.ts";
import { startProcessor, toKeyValues } from "./processor-harness.ts";

const OUTPUT = "output {\ntraces = SINK\nmetrics = SINK\nlogs = SINK\n}";
const RESOURCE = { attributes: toKeyValues({ "service.name": "shop", env: "prod" }) };

const spansWith = (...spans: object[]) => ({
  resourceSpans: [
    { resource: RESOURCE, scopeSpans: [{ scope: { name: "lib", version: "1" }, spans }] },
  ],
});
const logsWith = (...logRecords: object[]) => ({
  resourceLogs: [{ resource: RESOURCE, scopeLogs: [{ scope: { name: "lib" }, logRecords }] }],
});
const metricsWith = (...metrics: object[]) => ({
  resourceMetrics: [{ resource: RESOURCE, scopeMetrics: [{ scope: { name: "lib" }, metrics }] }],
});

/** Attributes of spans, records and points, in order, as plain objects. */
function attributesIn(trees: readonly (TracesData | LogsData | MetricsData)[]): unknown[] {
  return trees.flatMap(itemsOf).map(({ attributes }) => Object.fromEntries(attributes));
}

function itemsOf(tree: TracesData | LogsData | MetricsData): { attributes: Attributes }[] {
  if ("resourceSpans" in tree)
    return tree.resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  if ("resourceLogs" in tree)
    return tree.resourceLogs.flatMap(({ scopeLogs }) =>
      scopeLogs.flatMap(({ logRecords }) => logRecords),
    );
  const metrics = tree.resourceMetrics.flatMap(({ scopeMetrics }) =>
    scopeMetrics.flatMap((scope) => scope.metrics),
  );
  return metrics.flatMap((metric) => [...dataPointsOf(metric)]);
}

async function runActions(actions: string, attributes: Record<string, unknown>) {
  await using flow = await startProcessor(
    `otelcol.processor.attributes "p" {\n${actions}\n${OUTPUT}\n}`,
  );
  const client = {
    metadata: new Map([["x-tenant", ["a", "b"]]]),
    address: "10.0.0.7",
  };
  const out = await flow.send(
    "traces",
    spansWith({ name: "s", attributes: toKeyValues(attributes) }),
    client,
  );
  return attributesIn(out)[0];
}

const action = (fields: Record<string, unknown>) =>
  `action {\n${Object.entries(fields)
    .map(([key, value]) => `${key} = ${JSON.stringify(value)}`)
    .join("\n")}\n}`;
const sha256 = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex");

test("actions on attributes", async (t) => {
  const eight = Buffer.alloc(8);
  eight.writeBigInt64LE(12n);
  const rows: readonly (readonly [Record<string, unknown>, Record<string, unknown>, unknown])[] = [
    [{ key: "a", action: "insert", value: 123 }, {}, { a: 123n }],
    [{ key: "a", action: "insert", value: 1.5 }, {}, { a: 1.5 }],
    [{ key: "a", action: "INSERT", value: true }, { a: "old" }, { a: "old" }],
    [{ key: "a", action: "update", value: "new" }, { a: "old" }, { a: "new" }],
    [{ key: "a", action: "update", value: "new" }, {}, {}],
    [{ key: "a", action: "upsert", value: "new" }, { a: 1n }, { a: "new" }],
    [{ key: "a", action: "upsert", from_attribute: "b" }, { b: "x" }, { b: "x", a: "x" }],
    [{ key: "a", action: "upsert", from_attribute: "none" }, { b: "x" }, { b: "x" }],
    [{ key: "a", action: "upsert", from_context: "metadata.X-Tenant" }, {}, { a: "a;b" }],
    [{ key: "a", action: "upsert", from_context: "client.address" }, {}, { a: "10.0.0.7" }],
    [{ key: "a", action: "upsert", from_context: "metadata.none" }, {}, {}],
    [{ key: "a", action: "delete" }, { a: 1n, b: 2n }, { b: 2n }],
    [{ key: "", pattern: "(?i)^PASS", action: "delete" }, { password: "x", b: "y" }, { b: "y" }],
    [{ key: "b", pattern: "^p", action: "delete" }, { password: "x", b: "y" }, {}],
    [{ key: "a", action: "hash" }, { a: "mail" }, { a: sha256("mail") }],
    [{ key: "a", action: "hash" }, { a: 12n }, { a: sha256(eight) }],
    [{ key: "a", action: "hash" }, { a: true }, { a: sha256(Buffer.from([1])) }],
    [{ key: "a", action: "hash" }, { a: ["x"] }, { a: "" }],
    [
      { key: "a", pattern: "/v1/(?P<doc>.*)/(?P<do>.*)$", action: "extract" },
      { a: "/v1/7/put", doc: "old" },
      { a: "/v1/7/put", doc: "7", do: "put" },
    ],
    [{ key: "a", pattern: "(?P<x>z)", action: "extract" }, { a: "y" }, { a: "y" }],
    [{ key: "a", action: "convert", converted_type: "int" }, { a: "12" }, { a: 12n }],
    [{ key: "a", action: "convert", converted_type: "int" }, { a: 2.9 }, { a: 2n }],
    [{ key: "a", action: "convert", converted_type: "int" }, { a: "x" }, { a: "x" }],
    [{ key: "a", action: "convert", converted_type: "double" }, { a: "1.25" }, { a: 1.25 }],
    [{ key: "a", action: "convert", converted_type: "string" }, { a: 1.5 }, { a: "1.5" }],
    [
      { key: "a", action: "convert", converted_type: "string" },
      { a: { b: "<", a: 1n } },
      { a: '{"a":1,"b":"\\u003c"}' },
    ],
  ];
  for (const [fields, before, after] of rows)
    await t.test(JSON.stringify(fields), async () => {
      assert.deepEqual(await runActions(action(fields), before), after);
    });
});

test("actions are done in order, to every item of every signal", async () => {
  await using flow = await startProcessor(
    `otelcol.processor.attributes "p" {
${action({ key: "a", action: "insert", value: "1" })}
${action({ key: "b", action: "upsert", from_attribute: "a" })}
${OUTPUT}
}`,
  );
  const changed = { a: "1", b: "1" };
  assert.deepEqual(attributesIn(await flow.send("traces", spansWith({}, {}))), [changed, changed]);
  assert.deepEqual(
    attributesIn(await flow.send("logs", logsWith({ body: { stringValue: "x" } }))),
    [changed],
  );
  const metrics = metricsWith(
    { name: "g", gauge: { dataPoints: [{ asDouble: 1 }] } },
    { name: "s", summary: { dataPoints: [{ count: "1" }] } },
  );
  assert.deepEqual(attributesIn(await flow.send("metrics", metrics)), [changed, changed]);
});

async function included(
  blocks: string,
  signal: "traces" | "logs" | "metrics",
  request: object,
): Promise<string> {
  const output = `output {\n${signal} = SINK\n}`;
  const mark = action({ key: "hit", action: "insert", value: "yes" });
  await using flow = await startProcessor(
    `otelcol.processor.attributes "p" {\n${mark}\n${blocks}\n${output}\n}`,
  );
  const out = await flow.send(signal, request);
  return attributesIn(out)
    .map((attributes) => ("hit" in (attributes as object) ? "1" : "0"))
    .join("");
}

test("what actions are for", async (t) => {
  const spans = spansWith(
    { name: "GET /a", kind: 2, attributes: toKeyValues({ n: 5n, s: "x" }) },
    { name: "GET /b", kind: 3 },
  );
  const logs = logsWith(
    { body: { stringValue: "login ok" }, severityNumber: 9, severityText: "INFO" },
    { body: { stringValue: "boom" }, severityNumber: 17 },
    {},
  );
  const metrics = metricsWith(
    { name: "cpu.a", gauge: { dataPoints: [{}] } },
    { name: "mem", gauge: { dataPoints: [{}] } },
  );
  const rows: readonly (readonly [string, "traces" | "logs" | "metrics", object, string])[] = [
    ['include {\nmatch_type = "strict"\nspan_names = ["GET /a", "x"]\n}', "traces", spans, "10"],
    ['include {\nmatch_type = "regexp"\nspan_names = ["^GET /[bc]$"]\n}', "traces", spans, "01"],
    ['exclude {\nmatch_type = "regexp"\nspan_names = ["/b"]\n}', "traces", spans, "10"],
    ['include {\nmatch_type = "strict"\nservices = ["shop"]\n}', "traces", spans, "11"],
    ['include {\nmatch_type = "strict"\nservices = ["sho"]\n}', "traces", spans, "00"],
    [
      'include {\nmatch_type = "strict"\nspan_kinds = ["SPAN_KIND_CLIENT"]\n}',
      "traces",
      spans,
      "01",
    ],
    [
      'include {\nmatch_type = "strict"\nattribute {\nkey = "n"\nvalue = 5\n}\n}',
      "traces",
      spans,
      "10",
    ],
    [
      'include {\nmatch_type = "strict"\nattribute {\nkey = "n"\nvalue = "5"\n}\n}',
      "traces",
      spans,
      "00",
    ],
    [
      'include {\nmatch_type = "regexp"\nattribute {\nkey = "n"\nvalue = "^5$"\n}\nattribute {\nkey = "s"\n}\n}',
      "traces",
      spans,
      "10",
    ],
    [
      'include {\nmatch_type = "strict"\nresource {\nkey = "env"\nvalue = "prod"\n}\nlibrary {\nname = "lib"\nversion = "1"\n}\n}',
      "traces",
      spans,
      "11",
    ],
    [
      'include {\nmatch_type = "strict"\nlibrary {\nname = "lib"\nversion = ""\n}\n}',
      "traces",
      spans,
      "00",
    ],
    [
      'include {\nmatch_type = "strict"\nservices = ["shop"]\n}\nexclude {\nmatch_type = "strict"\nspan_names = ["GET /b"]\n}',
      "traces",
      spans,
      "10",
    ],
    ['include {\nmatch_type = "regexp"\nlog_bodies = ["^login"]\n}', "logs", logs, "100"],
    ['include {\nmatch_type = "strict"\nlog_severity_texts = ["INFO"]\n}', "logs", logs, "100"],
    [
      'include {\nmatch_type = "strict"\nlog_severity {\nmin = "WARN"\nmatch_undefined = true\n}\n}',
      "logs",
      logs,
      "011",
    ],
    [
      'include {\nmatch_type = "strict"\nlog_severity {\nmin = "INFO"\nmatch_undefined = false\n}\n}',
      "logs",
      logs,
      "110",
    ],
    ['include {\nmatch_type = "regexp"\nmetric_names = ["^cpu"]\n}', "metrics", metrics, "10"],
  ];
  for (const [blocks, signal, request, expected] of rows)
    await t.test(blocks.replaceAll("\n", " "), async () => {
      assert.equal(await included(blocks, signal, request), expected);
    });
});

async function refusal(component: string): Promise<string> {
  try {
    await using flow = await startProcessor(component);
    assert.ok(flow);
    return "";
  } catch (error) {
    return String(error);
  }
}

test("arguments of the attributes processor that contradict each other", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    [action({ key: "a", action: "replace" })]: /must be one of insert, update/,
    [action({ key: "", action: "insert", value: 1 })]: /is empty/,
    [action({ key: "", action: "hash" })]: /key or pattern is needed/,
    [action({ key: "a", action: "insert" })]:
      /insert takes one of value, from_attribute and from_context/,
    [action({ key: "a", action: "insert", value: 1, from_attribute: "b" })]: /takes one of value/,
    [action({ key: "a", action: "insert", value: [1] })]: /must be a string, a number or a bool/,
    [action({ key: "a", action: "insert", from_context: "auth.sub" })]:
      /not supported yet: auth\.NAME/,
    [action({ key: "a", action: "delete", value: 1 })]: /delete does not take it/,
    [action({ key: "a", action: "extract" })]: /extract needs a pattern/,
    [action({ key: "a", action: "extract", pattern: "(a)(?P<b>b)" })]: /all groups need names/,
    [action({ key: "a", action: "extract", pattern: "(?P<b>" })]: /bad regular expression/,
    [action({ key: "a", action: "convert" })]: /convert needs it/,
    [action({ key: "a", action: "delete", converted_type: "int" })]: /only convert takes it/,
    'include {\nmatch_type = "glob"\n}': /must be strict or regexp/,
    'include {\nmatch_type = "strict"\n}': /says nothing to compare with/,
    'include {\nmatch_type = "regexp"\nservices = ["("]\n}': /bad regular expression/,
    'include {\nmatch_type = "strict"\nlog_severity {\nmin = "LOUD"\nmatch_undefined = true\n}\n}':
      /logs have none|traces have none|must be TRACE/,
    "debug_metrics {\ndisable_high_cardinality_metrics = false\n}":
      /not supported yet: disable_high/,
  };
  for (const [blocks, expected] of Object.entries(rows))
    await t.test(blocks.replaceAll("\n", " "), async () => {
      assert.match(
        await refusal(`otelcol.processor.attributes "p" {\n${blocks}\n${OUTPUT}\n}`),
        expected,
      );
    });
});

test("what a signal does not have cannot decide about it", async () => {
  const include = 'include {\nmatch_type = "strict"\nmetric_names = ["x"]\n}';
  await using flow = await startProcessor(
    `otelcol.processor.attributes "p" {\n${include}\n${OUTPUT}\n}`,
  );
  const { health } = flow.agent.components().find(({ id }) => id.endsWith(".p"))!;
  assert.match(health.message, /traces have none: take output\.traces out, or this/);
});

test("statements change every signal, lists in order", async () => {
  await using flow = await startProcessor(`otelcol.processor.transform "p" {
	statements {
		trace  = [\`set(span.name, Concat([span.name, resource.attributes["env"]], "@"))\`]
		metric = [\`set(metric.unit, "1") where datapoint.attributes["core"] == nil\`]
	}
	trace_statements {
		context    = "resource"
		statements = [\`delete_key(attributes, "env")\`, \`keep_keys(attributes, ["service.name"])\`]
	}
	log_statements {
		context    = "log"
		conditions = [\`IsMatch(body, "^{")\`]
		statements = [
			\`merge_maps(cache, ParseJSON(body), "upsert")\`,
			\`set(severity_text, ToUpperCase(cache["level"]))\`,
			\`set(body, cache["msg"])\`,
		]
	}
	${OUTPUT}
}`);
  const [spans] = await flow.send("traces", spansWith({ name: "a" }));
  assert.equal(spans!.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.name, "a@prod");
  assert.deepEqual([...spans!.resourceSpans[0]!.resource.attributes], [["service.name", "shop"]]);
  const [metrics] = await flow.send(
    "metrics",
    metricsWith({ name: "m", gauge: { dataPoints: [{ asDouble: 1 }] } }),
  );
  assert.equal(metrics!.resourceMetrics[0]!.scopeMetrics[0]!.metrics[0]!.unit, "1");
  const [logs] = await flow.send(
    "logs",
    logsWith(
      { body: { stringValue: '{"level":"warn","msg":"low"}' } },
      { body: { stringValue: "plain" } },
    ),
  );
  const records = logs!.resourceLogs[0]!.scopeLogs[0]!.logRecords;
  assert.deepEqual(
    records.map(({ severityText, body }) => [severityText, body]),
    [
      ["WARN", "low"],
      ["", "plain"],
    ],
  );
});

test("a statement that fails is passed over and logged once, or refuses the batch", async () => {
  const config = (mode: string) => `otelcol.processor.transform "p" {
	error_mode = "${mode}"
	log_statements {
		context    = "log"
		statements = [\`set(body, ParseJSON(body))\`, \`set(severity_text, "after")\`]
	}
	${OUTPUT}
}`;
  const request = logsWith({ body: { stringValue: "a" } }, { body: { stringValue: "b" } });
  await using ignoring = await startProcessor(config("ignore"));
  const [out] = await ignoring.send("logs", request);
  assert.deepEqual(
    out!.resourceLogs[0]!.scopeLogs[0]!.logRecords.map(({ severityText }) => severityText),
    ["after", "after"],
  );
  const told = ignoring.lines.filter((line) => line.includes("a statement failed"));
  assert.equal(told.length, 1);
  assert.match(told[0]!, /ParseJSON: /);
  await using refusing = await startProcessor(config("propagate"));
  await assert.rejects(
    refusing.send("logs", request),
    /otelcol\.processor\.transform\.p: a statement failed: ParseJSON: /,
  );
});

test("wrong statements are told where they stand", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    'trace_statements {\ncontext = "log"\nstatements = []\n}':
      /must be one of resource, scope, span, spanevent/,
    'log_statements {\ncontext = "log"\nstatements = [`sett(body, 1)`]\n}':
      /unknown function sett \(did you mean "set"\?\)/,
    'log_statements {\ncontext = "log"\nconditions = [`boddy == 1`]\nstatements = []\n}':
      /unknown path boddy in the context log \(did you mean "body"\?\)/,
    'log_statements {\ncontext = "log"\nstatements = []\nerror_mode = "shout"\n}':
      /must be one of ignore, silent, propagate/,
    'statements {\nmetric = [`set(name, "x")`]\n}': /a path begins with its context here/,
  };
  for (const [blocks, expected] of Object.entries(rows))
    await t.test(blocks.replaceAll("\n", " "), async () => {
      assert.match(
        await refusal(`otelcol.processor.transform "p" {\n${blocks}\n${OUTPUT}\n}`),
        expected,
      );
    });
});

test("records are dropped where a condition holds, and what is left empty with them", async () => {
  await using flow = await startProcessor(`otelcol.processor.filter "p" {
	traces {
		span      = [\`name == "drop"\`, \`attributes["n"] > 5\`]
		spanevent = [\`name == "noise"\`]
	}
	metrics {
		metric    = [\`type == METRIC_DATA_TYPE_SUMMARY\`, \`HasAttrOnDatapoint("bad", "yes")\`]
		datapoint = [\`attributes["core"] == "1"\`]
	}
	log_conditions {
		conditions = [\`log.severity_number < SEVERITY_NUMBER_WARN\`, \`resource.attributes["env"] == "test"\`]
	}
	log_conditions {
		context    = "resource"
		conditions = [\`attributes["service.name"] == "muted"\`]
	}
	${OUTPUT}
}`);
  const [spans] = await flow.send("traces", {
    resourceSpans: [
      ...spansWith(
        { name: "drop" },
        { name: "stay", events: [{ name: "noise" }, { name: "e" }] },
        { name: "big", attributes: toKeyValues({ n: 6n }) },
      ).resourceSpans,
      ...spansWith({ name: "drop" }).resourceSpans,
    ],
  });
  assert.equal(spans!.resourceSpans.length, 1);
  const left = spans!.resourceSpans[0]!.scopeSpans[0]!.spans;
  assert.deepEqual(
    left.map(({ name, events }) => [name, events.map((event) => event.name)]),
    [["stay", ["e"]]],
  );
  const point = (attributes: Record<string, unknown>) => ({
    asDouble: 1,
    attributes: toKeyValues(attributes),
  });
  const [metrics] = await flow.send(
    "metrics",
    metricsWith(
      { name: "a", gauge: { dataPoints: [point({ core: "1" }), point({ core: "2" })] } },
      { name: "b", gauge: { dataPoints: [point({ core: "1" })] } },
      { name: "c", gauge: { dataPoints: [point({ bad: "yes" })] } },
      { name: "d", summary: { dataPoints: [{ count: "1" }] } },
    ),
  );
  const kept = metrics!.resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  assert.deepEqual(
    kept.map(({ name, gauge }) => [name, gauge!.dataPoints.length]),
    [["a", 1]],
  );
  const muted = {
    ...logsWith({ severityNumber: 17 }).resourceLogs[0]!,
    resource: { attributes: toKeyValues({ "service.name": "muted" }) },
  };
  const [logs] = await flow.send("logs", {
    resourceLogs: [...logsWith({ severityNumber: 9 }, { severityNumber: 13 }).resourceLogs, muted],
  });
  assert.equal(logs!.resourceLogs.length, 1);
  assert.deepEqual(
    logs!.resourceLogs[0]!.scopeLogs[0]!.logRecords.map(({ severityNumber }) => severityNumber),
    [13],
  );
  assert.deepEqual(await flow.send("logs", logsWith({ severityNumber: 9 })), []);
  const dropped = flow.agent.live.drops
    .all()
    .map(({ kind, reason, amount }) => [kind, reason, amount]);
  assert.deepEqual(dropped, [
    ["spans", "a condition holds", 3],
    ["samples", "a condition holds", 4],
    ["lines", "a condition holds", 3],
  ]);
});

test("wrong conditions are told where they stand", async (t) => {
  const rows: Readonly<Record<string, RegExp>> = {
    'traces {\nspan = [`nam == "x"`]\n}':
      /unknown path nam in the context span \(did you mean "name"\?\)/,
    'traces {\nspan = []\n}\ntrace_conditions {\nconditions = [`span.name == "x"`]\n}':
      /trace_conditions cannot be used beside it/,
    'log_conditions {\ncontext = "span"\nconditions = [`true`]\n}':
      /must be one of resource, scope, log/,
    'log_conditions {\nconditions = [`body == "x"`]\n}': /a path begins with its context here/,
    "logs {\nlog_record = [`body`]\n}": /must be compared with something/,
  };
  for (const [blocks, expected] of Object.entries(rows))
    await t.test(blocks.replaceAll("\n", " "), async () => {
      assert.match(
        await refusal(`otelcol.processor.filter "p" {\n${blocks}\n${OUTPUT}\n}`),
        expected,
      );
    });
});
