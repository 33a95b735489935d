/** `otelcol.receiver.prometheus`: what samples become, and that they come back as they were through `otelcol.exporter.prometheus`. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { isStaleAt, Labels, wordsOf } from "@finch/model";
import type { Histogram, MetricMetadata } from "@finch/model";
import { encodeOtlpTreeJson } from "@finch/wire";
import { exporterPrometheus } from "../src/components/otelcol/exporter-prometheus.ts";
import { receiverPrometheus } from "../src/components/otelcol/receiver-prometheus.ts";
import { SampleBuilder } from "../src/components/prometheus/sample-builder.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import type { SampleSet, TelemetryConsumer } from "../src/receivers.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { valuesOf } from "./prometheus-harness.ts";

const IDENTITY = { job: "app", instance: "10.0.0.7:8080" };
const series = (name: string, labels: Record<string, string> = {}) =>
  Labels.fromObject({ __name__: name, ...IDENTITY, ...labels });
const family = (name: string, type: MetricMetadata["type"]): MetricMetadata => ({
  family: name,
  type,
  help: `Help of ${name}.`,
  unit: "",
});
const METADATA = [
  family("requests_total", "counter"),
  family("errors", "counter"),
  family("heap", "gauge"),
  family("latency", "histogram"),
  family("size", "summary"),
];
const NATIVE: Histogram = {
  schema: 1,
  resetHint: "unknown",
  zeroThreshold: 0.001,
  zeroCount: 2,
  count: 11,
  sum: 20,
  positive: { spans: Int32Array.of(-1, 2, 2, 1), counts: Float64Array.of(1, 3, 5) },
  negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
  customBounds: new Float64Array(0),
};
const CUSTOM: Histogram = {
  ...NATIVE,
  schema: -53,
  zeroThreshold: 0,
  zeroCount: 0,
  count: 6,
  positive: { spans: Int32Array.of(1, 2), counts: Float64Array.of(2, 4) },
  customBounds: Float64Array.of(1, 5),
};

/** What a scrape of an application brings. */
function scraped(timeMs: number, requests: number): SampleSet {
  const builder = new SampleBuilder();
  builder.add(series("up"), timeMs, 1);
  builder.add(series("requests_total", { code: "200" }), timeMs, requests);
  builder.add(series("errors_total"), timeMs, 1);
  builder.add(series("heap"), timeMs, 2.5);
  for (const [le, count] of [
    ["0.1", 1],
    ["1", 4],
    ["+Inf", 6],
  ] as const)
    builder.add(series("latency_bucket", { le }), timeMs, count);
  builder.add(series("latency_sum"), timeMs, 3);
  builder.add(series("latency_count"), timeMs, 6);
  builder.add(series("size", { quantile: "0.5" }), timeMs, 10);
  builder.add(series("size_sum"), timeMs, 100);
  builder.add(series("size_count"), timeMs, 9);
  builder.addHistogram(series("native"), timeMs, NATIVE);
  builder.addHistogram(series("custom"), timeMs, CUSTOM);
  builder.addStale(series("heap", { gone: "yes" }), timeMs);
  builder.add(series("target_info", { host_name: "h1" }), timeMs, 1);
  builder.add(series("scoped", { otel_scope_name: "lib", otel_scope_version: "1" }), timeMs, 7);
  builder.addExemplar(series("requests_total", { code: "200" }), {
    labels: Labels.fromObject({ trace_id: "0102030405060708090a0b0c0d0e0f10", user: "u" }),
    value: 1,
    timestampMs: timeMs,
  });
  builder.addExemplar(series("latency_bucket", { le: "1" }), {
    labels: Labels.fromObject({ span_id: "0102030405060708" }),
    value: 0.7,
    timestampMs: timeMs,
  });
  return builder.build(METADATA);
}

/** A receiver whose output a test has, and how to send. */
async function open() {
  const directory = await temporaryDirectory();
  const batches: AnyBatch[] = [];
  const sink: TelemetryConsumer = {
    kind: "otel-consumer",
    owner: "test",
    signals: ["metrics"],
    consume: (batch) => Promise.resolve(void batches.push(batch)),
  };
  const running = startComponent(
    receiverPrometheus,
    valuesOf(receiverPrometheus.arguments, { output: { metrics: [sink] } }),
    directory.path,
  );
  return {
    batches,
    send: (set: SampleSet) => running.exports.receiver.append(set, AbortSignal.timeout(5000)),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

interface Shown {
  readonly resource: unknown;
  readonly scopes: readonly string[];
  readonly metrics: ReadonlyMap<string, Record<string, unknown>>;
}

function shownOf(batch: AnyBatch): Shown {
  assert.ok(batch.signal === "metrics");
  const [resource] = batch.tree().resourceMetrics;
  const json = JSON.parse(Buffer.from(encodeOtlpTreeJson("metrics", batch.tree())).toString()) as {
    resourceMetrics: [{ scopeMetrics: { metrics: { name: string }[] }[] }];
  };
  const metrics = json.resourceMetrics[0].scopeMetrics.flatMap((scope) => scope.metrics);
  return {
    resource: Object.fromEntries(resource!.resource.attributes),
    scopes: resource!.scopeMetrics.map(({ scope }) => `${scope.name} ${scope.version}`),
    metrics: new Map(metrics.map((metric) => [metric.name, metric as Record<string, unknown>])),
  };
}

test("each kind of series becomes what it is in OpenTelemetry", async () => {
  await using receiver = await open();
  await receiver.send(scraped(1000, 5));
  const { resource, scopes, metrics } = shownOf(receiver.batches[0]!);
  assert.deepEqual(resource, {
    "service.name": "app",
    "server.address": "10.0.0.7",
    "service.instance.id": "10.0.0.7:8080",
    "server.port": "8080",
    host_name: "h1",
  });
  assert.deepEqual(scopes, [" ", "lib 1"]);
  const times = { startTimeUnixNano: "1000000000", timeUnixNano: "1000000000" };
  const described = (name: string, type: string) => ({
    name,
    description: `Help of ${name}.`,
    metadata: [{ key: "prometheus.type", value: { stringValue: type } }],
  });
  assert.deepEqual(metrics.get("requests_total"), {
    ...described("requests_total", "counter"),
    sum: {
      aggregationTemporality: 2,
      isMonotonic: true,
      dataPoints: [
        {
          ...times,
          asDouble: 5,
          attributes: [{ key: "code", value: { stringValue: "200" } }],
          exemplars: [
            {
              timeUnixNano: "1000000000",
              asDouble: 1,
              traceId: "0102030405060708090a0b0c0d0e0f10",
              filteredAttributes: [{ key: "user", value: { stringValue: "u" } }],
            },
          ],
        },
      ],
    },
  });
  assert.ok("sum" in metrics.get("errors_total")!, "the type of OpenMetrics' family is found");
  assert.deepEqual(metrics.get("latency")!["histogram"], {
    aggregationTemporality: 2,
    dataPoints: [
      {
        ...times,
        count: "6",
        sum: 3,
        bucketCounts: ["1", "3", "2"],
        explicitBounds: [0.1, 1],
        exemplars: [{ timeUnixNano: "1000000000", asDouble: 0.7, spanId: "0102030405060708" }],
      },
    ],
  });
  assert.deepEqual(metrics.get("size")!["summary"], {
    dataPoints: [
      { ...times, count: "9", sum: 100, quantileValues: [{ quantile: 0.5, value: 10 }] },
    ],
  });
  assert.deepEqual(metrics.get("native")!["exponentialHistogram"], {
    aggregationTemporality: 2,
    dataPoints: [
      {
        ...times,
        count: "11",
        sum: 20,
        scale: 1,
        zeroCount: "2",
        zeroThreshold: 0.001,
        positive: { offset: -2, bucketCounts: ["1", "3", "0", "0", "5"] },
        negative: {},
      },
    ],
  });
  assert.deepEqual(
    (metrics.get("custom")!["histogram"] as { dataPoints: object[] }).dataPoints[0],
    { ...times, count: "6", sum: 20, bucketCounts: ["0", "2", "4"], explicitBounds: [1, 5] },
  );
  assert.deepEqual(metrics.get("heap")!["gauge"], {
    dataPoints: [
      { timeUnixNano: "1000000000", asDouble: 2.5 },
      {
        timeUnixNano: "1000000000",
        flags: 1,
        attributes: [{ key: "gone", value: { stringValue: "yes" } }],
      },
    ],
  });
});

test("a counter keeps when it began until it falls", async () => {
  await using receiver = await open();
  for (const [timeMs, value] of [
    [1000, 5],
    [2000, 6],
    [3000, 1],
    [4000, 2],
  ] as const)
    await receiver.send(scraped(timeMs, value));
  const starts = receiver.batches.map((batch) => {
    const sum = shownOf(batch).metrics.get("requests_total")!["sum"] as {
      readonly dataPoints: readonly { readonly startTimeUnixNano: string }[];
    };
    return Number(sum.dataPoints[0]!.startTimeUnixNano) / 1e9;
  });
  assert.deepEqual(starts, [1, 1, 3, 3]);
});

test("samples come back as they were through otelcol.exporter.prometheus", async () => {
  await using receiver = await open();
  const sent = scraped(1000, 5);
  await receiver.send(sent);
  await using directory = await temporaryDirectory();
  const sets: SampleSet[] = [];
  await using exporter = startComponent(
    exporterPrometheus,
    valuesOf(exporterPrometheus.arguments, {
      add_metric_suffixes: false,
      forward_to: [
        {
          kind: "metrics-receiver",
          owner: "test",
          append: (set: SampleSet) => Promise.resolve(void sets.push(set)),
        },
      ],
    }),
    directory.path,
  );
  await exporter.exports.input.consume(receiver.batches[0]!, AbortSignal.timeout(5000));
  const lines = ({ labels, values, timestampsMs, histograms }: SampleSet) => {
    const words = wordsOf(values);
    return labels
      .map((one, row) => {
        const histogram = histograms?.get(row);
        const value = isStaleAt(words, row) ? "stale" : values[row]!;
        const shown = histogram === undefined ? value : `${histogram.count} ${histogram.sum}`;
        return `${String(one)} ${shown} @${timestampsMs[row]!}`;
      })
      .filter((line) => !line.includes("target_info") && !line.includes('"custom'))
      .toSorted();
  };
  assert.deepEqual(lines(sets[0]!), lines(sent));
});
