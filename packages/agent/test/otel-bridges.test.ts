/** The ways between OpenTelemetry's components and those of Loki and Prometheus, in a running graph. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStaleAt, Labels, wordsOf } from "@finch/model";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { defineComponent } from "../src/component.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { LogEntry, LogsReceiver, MetricsReceiver, SampleSet } from "../src/receivers.ts";
import { required } from "../src/schema.ts";
import { untilStopped } from "../src/until-aborted.ts";
import { startFlow } from "./otel-harness.ts";

const attribute = (key: string, value: object) => ({ key, value });
const text = (stringValue: string) => ({ stringValue });

/** Sinks of Loki and Prometheus that keep what they get, and a source of entries. */
function stands() {
  const entries: LogEntry[] = [];
  const sets: SampleSet[] = [];
  const source: { send?: (entries: readonly LogEntry[]) => Promise<void> } = {};
  return {
    entries,
    sets,
    send: (sent: readonly LogEntry[]) => source.send!(sent),
    components: {
      "loki.sink.test": defineComponent<{}, { readonly receiver: LogsReceiver }>({
        name: "loki.sink.test",
        stability: "generally-available",
        summary: "Keeps.",
        arguments: {},
        exports: { receiver: "Takes." },
        run(context, signal) {
          const append = (more: readonly LogEntry[]) => {
            entries.push(...more);
            return Promise.resolve();
          };
          context.setExports({ receiver: { kind: "logs-receiver", owner: context.id, append } });
          return untilStopped(context, signal);
        },
      }),
      "prometheus.sink.test": defineComponent<{}, { readonly receiver: MetricsReceiver }>({
        name: "prometheus.sink.test",
        stability: "generally-available",
        summary: "Keeps.",
        arguments: {},
        exports: { receiver: "Takes." },
        run(context, signal) {
          const append = (set: SampleSet) => {
            sets.push(set);
            return Promise.resolve();
          };
          context.setExports({ receiver: { kind: "metrics-receiver", owner: context.id, append } });
          return untilStopped(context, signal);
        },
      }),
      "loki.source.test": defineComponent({
        name: "loki.source.test",
        stability: "generally-available",
        summary: "Sends.",
        arguments: { forward_to: required("list(logs-receiver)", "Where to.") },
        exports: {},
        run(context, signal) {
          source.send = async (sent) => {
            for (const receiver of context.arguments().forward_to)
              await receiver.append(sent, signal);
          };
          return untilStopped(context, signal);
        },
      }),
    },
  };
}

const LOKI = `
otelcol.receiver.test "r" {
	output { logs = [otelcol.exporter.loki.l.input] }
}
otelcol.exporter.loki "l" { forward_to = [loki.sink.test.k.receiver] }
loki.sink.test "k" { }
`;
const RESOURCE = [
  attribute("service.name", text("cart")),
  attribute("service.namespace", text("shop")),
  attribute("service.instance.id", text("i-1")),
  attribute("host.name", text("h1")),
];

/** What becomes of one record: labels, line, time. */
async function lokiEntryOf(record: object, resource: readonly object[] = RESOURCE, scope = {}) {
  const stand = stands();
  await using flow = await startFlow(LOKI, stand.components);
  await flow.send(
    TelemetryBatch.ofRequest(
      "logs",
      encodeOtlpJson({
        resourceLogs: [
          { resource: { attributes: resource }, scopeLogs: [{ scope, logRecords: [record] }] },
        ],
      }),
    ),
  );
  const drops = flow.agent.live.drops.all().map(({ reason, amount }) => `${reason} ${amount}`);
  const [entry] = stand.entries;
  if (entry === undefined) return { drops };
  return { labels: entry.labels.toObject(), line: entry.line, timeNs: entry.timestampNs, drops };
}

const IDENTITY = { exporter: "OTLP", instance: "i-1", job: "shop/cart" };

test("otelcol.exporter.loki: identity and level are labels, the rest is JSON as the collector writes it", async () => {
  const entry = await lokiEntryOf(
    {
      timeUnixNano: "1700000000123456789",
      severityNumber: 18,
      severityText: "ERR",
      body: text("a <b> & c"),
      traceId: "0102030405060708090a0b0c0d0e0f10",
      spanId: "0102030405060708",
      flags: 1,
      attributes: [
        attribute("n", { intValue: "9007199254740993" }),
        attribute("b", { boolValue: true }),
        attribute("m", { kvlistValue: { values: [attribute("z", text("1"))] } }),
      ],
    },
    RESOURCE,
    { name: "lib", version: "1.2" },
  );
  assert.deepEqual(entry, {
    labels: { ...IDENTITY, level: "ERROR2" },
    line:
      '{"body":"a \\u003cb\\u003e \\u0026 c","traceid":"0102030405060708090a0b0c0d0e0f10","spanid":"0102030405060708","severity":"ERR","flags":1,' +
      '"attributes":{"b":true,"m":{"z":"1"},"n":9007199254740993},' +
      '"resources":{"host.name":"h1","service.instance.id":"i-1","service.name":"cart","service.namespace":"shop"},' +
      '"instrumentation_scope":{"name":"lib","version":"1.2"}}',
    timeNs: 1_700_000_000_123_456_789n,
    drops: [],
  });
});

test("otelcol.exporter.loki: hints make labels, name the format, and are not in the line", async () => {
  const entry = await lokiEntryOf(
    {
      observedTimeUnixNano: "7",
      body: text("raw text"),
      attributes: [
        attribute("loki.attribute.labels", text("http.method, deep.er,missing")),
        attribute("http.method", text("GET")),
        attribute("deep", { kvlistValue: { values: [attribute("er", { intValue: "3" })] } }),
        attribute("loki.format", text("raw")),
      ],
    },
    [
      attribute("loki.resource.labels", {
        arrayValue: { values: [text("host.name"), text("9lives")] },
      }),
      attribute("host.name", text("h1")),
      attribute("9lives", text("cat")),
    ],
  );
  assert.deepEqual(entry, {
    labels: {
      exporter: "OTLP",
      host_name: "h1",
      key_9lives: "cat",
      http_method: "GET",
      deep_er: "3",
    },
    line: "raw text",
    timeNs: 7n,
    drops: [],
  });
});

const LOGFMT: readonly (readonly [name: string, record: object, line: string])[] = [
  [
    "a text body is msg, and what has spaces is quoted",
    { body: text("two words"), severityText: "WARN", attributes: [attribute("a b", text("x=1"))] },
    'msg="two words" severity=WARN attribute_ab="x=1"',
  ],
  [
    "a body of logfmt is taken apart, and what the record knows better replaces it",
    { body: text('msg="hi there" traceID=old'), traceId: "00000000000000000000000000000001" },
    'msg="hi there" traceID=00000000000000000000000000000001',
  ],
  [
    "maps and lists are flattened",
    {
      body: {
        kvlistValue: { values: [attribute("a", { arrayValue: { values: [text("x"), {}] } })] },
      },
      attributes: [attribute("d", { doubleValue: 1e21 }), attribute("i", { intValue: "5" })],
    },
    "a_0=x attribute_d=1e+21 attribute_i=5",
  ],
];
for (const [name, record, line] of LOGFMT)
  test(`otelcol.exporter.loki, logfmt: ${name}`, async () => {
    const entry = await lokiEntryOf(record, [attribute("loki.format", text("logfmt"))]);
    assert.equal(entry.line, line);
  });

test("otelcol.exporter.loki: a format that is none is dropped and counted", async () => {
  const entry = await lokiEntryOf({ body: text("x") }, [attribute("loki.format", text("xml"))]);
  assert.deepEqual(entry, { drops: ["loki.format 1"] });
});

test("entries go through OpenTelemetry and come back with their labels, lines and times", async () => {
  const stand = stands();
  await using flow = await startFlow(
    `
loki.source.test "s" { forward_to = [otelcol.receiver.loki.in.receiver] }
otelcol.receiver.loki "in" { output { logs = [otelcol.exporter.loki.out.input, otelcol.exporter.test.look.input] } }
otelcol.exporter.loki "out" { forward_to = [loki.sink.test.k.receiver] }
otelcol.exporter.test "look" { }
loki.sink.test "k" { }
`,
    stand.components,
  );
  const labels = Labels.fromObject({ app: "web", filename: "/var/log/web/a.log" });
  await stand.send([
    {
      labels,
      timestampNs: 1_700_000_000_000_000_001n,
      line: "hello",
      structuredMetadata: Labels.fromObject({ trace_id: "abc", app: "no" }),
    },
  ]);
  const [seen] = flow.kept.get("look")!;
  assert.ok(seen?.signal === "logs");
  const record = seen.tree().resourceLogs[0]!.scopeLogs[0]!.logRecords[0]!;
  assert.equal(record.body, "hello");
  assert.deepEqual(Object.fromEntries(record.attributes), {
    "log.file.path": "/var/log/web/a.log",
    "log.file.name": "a.log",
    "loki.attribute.labels": "app,filename",
    app: "web",
    filename: "/var/log/web/a.log",
    trace_id: "abc",
  });
  const [back] = stand.entries;
  assert.deepEqual(back!.labels.toObject(), { exporter: "OTLP", ...labels.toObject() });
  assert.equal(back!.timestampNs, 1_700_000_000_000_000_001n);
  assert.deepEqual(JSON.parse(back!.line), {
    body: "hello",
    attributes: {
      "log.file.name": "a.log",
      "log.file.path": "/var/log/web/a.log",
      trace_id: "abc",
    },
  });
});

const METRICS = {
  resourceMetrics: [
    {
      resource: { attributes: RESOURCE },
      scopeMetrics: [
        {
          scope: { name: "lib", version: "1.2", attributes: [attribute("x", text("y"))] },
          metrics: [
            {
              name: "http.requests",
              unit: "1",
              description: "Requests.",
              sum: {
                isMonotonic: true,
                aggregationTemporality: 2,
                dataPoints: [
                  {
                    timeUnixNano: "2000000000",
                    asInt: "5",
                    attributes: [attribute("code", text("200"))],
                  },
                ],
              },
            },
            {
              name: "heap",
              unit: "By",
              gauge: { dataPoints: [{ timeUnixNano: "1000000000", asDouble: 1.5, flags: 1 }] },
            },
            {
              name: "lost",
              sum: {
                isMonotonic: true,
                aggregationTemporality: 1,
                dataPoints: [{ timeUnixNano: "1000000000", asInt: "1" }],
              },
            },
          ],
        },
      ],
    },
  ],
};

async function samplesOf(options: string) {
  const stand = stands();
  await using flow = await startFlow(
    `
otelcol.receiver.test "r" {
	output { metrics = [otelcol.exporter.prometheus.p.input] }
}
otelcol.exporter.prometheus "p" {
	forward_to = [prometheus.sink.test.k.receiver]
	${options}
}
prometheus.sink.test "k" { }
`,
    stand.components,
  );
  await flow.send(TelemetryBatch.ofRequest("metrics", encodeOtlpJson(METRICS)));
  const [set] = stand.sets;
  const words = wordsOf(set!.values);
  const samples = set!.labels.map(
    (labels, row) =>
      `${String(labels)} ${isStaleAt(words, row) ? "stale" : set!.values[row]!} @${set!.timestampsMs[row]!}`,
  );
  return { samples, metadata: set!.metadata, drops: flow.agent.live.drops.all() };
}

test("otelcol.exporter.prometheus: names, labels and target_info as Alloy makes them; delta points are dropped", async () => {
  const { samples, metadata, drops } = await samplesOf("");
  assert.deepEqual(samples, [
    '{__name__="http_requests_total", code="200", instance="i-1", job="shop/cart", otel_scope_name="lib", otel_scope_version="1.2"} 5 @2000',
    '{__name__="heap_bytes", instance="i-1", job="shop/cart", otel_scope_name="lib", otel_scope_version="1.2"} stale @1000',
    '{__name__="target_info", host_name="h1", instance="i-1", job="shop/cart"} 1 @2000',
  ]);
  assert.deepEqual(metadata, []);
  assert.deepEqual(
    drops.map(({ kind, amount }) => [kind, amount]),
    [["samples", 1]],
  );
});

test("otelcol.exporter.prometheus: each option does what it says", async () => {
  const { samples, metadata } = await samplesOf(`
	add_metric_suffixes                   = false
	include_scope_labels                  = false
	resource_to_telemetry_conversion      = true
	keep_identifying_resource_attributes  = true
	honor_metadata                        = true
`);
  const promoted =
    'host_name="h1", instance="i-1", job="shop/cart", service_instance_id="i-1", service_name="cart", service_namespace="shop"';
  assert.deepEqual(samples, [
    `{__name__="http_requests", code="200", ${promoted}} 5 @2000`,
    `{__name__="heap", ${promoted}} stale @1000`,
    `{__name__="target_info", ${promoted}} 1 @2000`,
  ]);
  assert.deepEqual(
    metadata.map(({ family, type, help }) => `${family} ${type} ${help}`),
    ["http_requests counter Requests.", "heap gauge ", "target_info gauge Target metadata"],
  );
  const none = await samplesOf("include_target_info = false");
  assert.equal(none.samples.length, 2);
});
