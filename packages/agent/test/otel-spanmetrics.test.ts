/** `otelcol.connector.spanmetrics`: what is summed up, by what, and when it is told. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeOtlpTree, DEFAULT_OTLP_LIMITS } from "@finch/wire";
import type { MetricsData } from "@finch/wire";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { spanmetrics } from "../src/components/otelcol/connector-spanmetrics.ts";
import { SpanMetrics } from "../src/components/otelcol/span-metrics.ts";
import type { SpanMetricsOptions } from "../src/components/otelcol/span-metrics.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { valuesOf } from "./prometheus-harness.ts";

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const span = (name: string, durationMs: number, more: object = {}) => ({
  name,
  kind: 2,
  startTimeUnixNano: "1000000000",
  endTimeUnixNano: String(1_000_000_000 + durationMs * 1e6),
  ...more,
});
const request = (service: string, spans: readonly object[]) =>
  encodeOtlpJson({
    resourceSpans: [
      {
        resource: { attributes: [text("service.name", service), text("region", "eu")] },
        scopeSpans: [{ spans }],
      },
    ],
  });
const tracesOf = (bytes: Uint8Array) => decodeOtlpTree("traces", bytes, DEFAULT_OTLP_LIMITS);

const OPTIONS: SpanMetricsOptions = {
  namespace: "traces.span.metrics",
  dimensions: [],
  excluded: [],
  resourceKeys: [],
  isDelta: false,
  boundsMs: [10, 100],
  unit: "ms",
  seriesMax: 100,
  expiryMs: 0,
};
const at = (seconds: number) => ({ ns: BigInt(seconds) * 1_000_000_000n, ms: seconds * 1000 });

/** Points by metric and dimensions, with the resource's service and the time they began. */
function shown(data: MetricsData | undefined): readonly string[] {
  return (data?.resourceMetrics ?? []).flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.flatMap(({ name, unit, sum, histogram }) => {
        const service = resource.attributes.get("service.name") as string;
        const of = (point: {
          readonly attributes: ReadonlyMap<string, unknown>;
          readonly startTimeUnixNano: bigint;
        }) =>
          `${service}: ${name} ${[...point.attributes.values()].join(" ")} from ${point.startTimeUnixNano / 1_000_000_000n}s`;
        return [
          ...(sum?.dataPoints ?? []).map((point) => `${of(point)} = ${point.asInt}`),
          ...(histogram?.dataPoints ?? []).map(
            (point) =>
              `${of(point)} = ${point.count} in ${point.sum} ${unit} [${point.bucketCounts.join(" ")}] up to [${point.explicitBounds.join(" ")}]`,
          ),
        ];
      }),
    ),
  );
}

test("calls and durations by service, name, kind and status go on from flush to flush", () => {
  const metrics = new SpanMetrics();
  const first = [span("GET /", 5), span("GET /", 50, { status: { code: 2 } }), span("GET /", 10)];
  metrics.add(tracesOf(request("cart", first)), OPTIONS, at(1));
  const unset = "cart GET / SPAN_KIND_SERVER STATUS_CODE_UNSET from 1s";
  const error = "cart GET / SPAN_KIND_SERVER STATUS_CODE_ERROR from 1s";
  assert.deepEqual(shown(metrics.flush(OPTIONS, at(2))), [
    `cart: traces.span.metrics.calls ${unset} = 2`,
    `cart: traces.span.metrics.calls ${error} = 1`,
    `cart: traces.span.metrics.duration ${unset} = 2 in 15 ms [2 0 0] up to [10 100]`,
    `cart: traces.span.metrics.duration ${error} = 1 in 50 ms [0 1 0] up to [10 100]`,
  ]);
  metrics.add(tracesOf(request("cart", [span("GET /", 1000)])), OPTIONS, at(3));
  assert.equal(
    shown(metrics.flush(OPTIONS, at(4)))[2],
    `cart: traces.span.metrics.duration ${unset} = 3 in 1015 ms [2 0 1] up to [10 100]`,
  );
});

test("deltas begin anew at each flush", () => {
  const metrics = new SpanMetrics();
  const options = { ...OPTIONS, isDelta: true, boundsMs: undefined };
  for (const [seconds, calls] of [
    [1, 2],
    [3, 1],
  ] as const) {
    const spans = Array.from({ length: calls }, () => span("a", 1));
    metrics.add(tracesOf(request("s", spans)), options, at(seconds));
    const [point] = shown(metrics.flush(options, at(seconds + 1)));
    assert.equal(
      point,
      `s: traces.span.metrics.calls s a SPAN_KIND_SERVER STATUS_CODE_UNSET from ${seconds}s = ${calls}`,
    );
  }
  assert.equal(metrics.flush(options, at(9)), undefined);
});

test("dimensions are of the span, else of the resource, else what is written; others are left out", () => {
  const metrics = new SpanMetrics();
  const options = {
    ...OPTIONS,
    boundsMs: undefined,
    namespace: "",
    excluded: ["span.kind", "status.code", "service.name"],
    dimensions: [
      { name: "method", default: undefined },
      { name: "region", default: undefined },
      { name: "tier", default: "none" },
      { name: "missing", default: undefined },
    ],
  };
  const spans = [span("a", 1, { attributes: [text("method", "GET")] }), span("a", 1)];
  metrics.add(tracesOf(request("s", spans)), options, at(1));
  assert.deepEqual(shown(metrics.flush(options, at(2))), [
    "s: calls a GET eu none from 1s = 1",
    "s: calls a eu none from 1s = 1",
  ]);
});

test("series beyond the limit are one, and those without spans are forgotten in time", () => {
  const metrics = new SpanMetrics();
  const options = { ...OPTIONS, boundsMs: undefined, seriesMax: 2, expiryMs: 5000 };
  const spans = ["a", "b", "c", "d"].map((name) => span(name, 1));
  metrics.add(tracesOf(request("s", spans)), options, at(1));
  const counts = shown(metrics.flush(options, at(2))).map((line) => line.split(" = ")[1]);
  assert.deepEqual(counts, ["1", "1", "2"]);
  metrics.add(tracesOf(request("s", [span("a", 1)])), options, at(6));
  assert.equal(shown(metrics.flush(options, at(8))).length, 1);
});

test("otelcol.connector.spanmetrics tells in seconds where that is wanted, at its interval", async () => {
  await using directory = await temporaryDirectory();
  const told = Promise.withResolvers<AnyBatch>();
  const sink = {
    kind: "otel-consumer",
    owner: "test",
    signals: ["metrics"],
    consume: (batch: AnyBatch) => Promise.resolve(told.resolve(batch)),
  } as const;
  await using running = startComponent(
    spanmetrics,
    valuesOf(spanmetrics.arguments, {
      metrics_flush_interval: 20,
      histogram: { unit: "s", explicit: { buckets: ["100ms", "1s"] } },
      output: { metrics: [sink] },
    }),
    directory.path,
  );
  const bytes = request("cart", [span("GET /", 500)]);
  const { input } = running.exports;
  await input.consume(TelemetryBatch.ofRequest("traces", bytes), AbortSignal.timeout(5000));
  const batch = await told.promise;
  assert.ok(batch.signal === "metrics");
  const [, duration] = shown(batch.tree());
  assert.match(duration!, /duration .* = 1 in 0\.5 s \[0 1 0\] up to \[0\.1 1\]$/);
});

test("buckets that do not ascend, or are no durations, are refused", () => {
  const fault = (buckets: readonly string[]) =>
    spanmetrics.check!(valuesOf(spanmetrics.arguments, { histogram: { explicit: { buckets } } }));
  assert.match(fault(["1s", "100ms"])!.message, /must ascend/);
  assert.match(fault(["soon"])!.message, /"soon" is no duration/);
  assert.equal(fault(["1ms", "1s"]), undefined);
});
