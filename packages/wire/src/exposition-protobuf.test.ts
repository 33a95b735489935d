import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ByteWriter, ProtobufWriter } from "@finch/codec";
import { Labels, wordsOf, type Histogram } from "@finch/model";
import { boundText, parseProtobufExposition } from "./exposition-protobuf.ts";
import { formatFederation } from "./federation-format.ts";
import { DEFAULT_EXPOSITION_LIMITS } from "./limits.ts";
import { limitResolution, schemaOfFactor } from "./native-histogram-resolution.ts";

const OPTIONS = {
  limits: DEFAULT_EXPOSITION_LIMITS,
  nativeHistograms: true,
  classicHistograms: false,
};

function writeDouble(writer: ProtobufWriter, field: number, value: number): void {
  const words = wordsOf(Float64Array.of(value));
  writer.writeDoubleWords(field, words[0]!, words[1]!);
}

function writePair(writer: ProtobufWriter, name: string, value: string): void {
  const label = writer.begin(1);
  writer.writeString(1, name);
  writer.writeString(2, value);
  writer.end(label);
}

interface FamilyDraft {
  readonly name: string;
  readonly type: number;
  readonly metric: (writer: ProtobufWriter) => void;
}

function family({ name, type, metric }: FamilyDraft): Uint8Array {
  const writer = new ProtobufWriter();
  writer.writeString(1, name);
  writer.writeString(2, `help of ${name}`);
  writer.writeInt64(3, type);
  const mark = writer.begin(4);
  writePair(writer, "code", "200");
  metric(writer);
  writer.end(mark);
  const message = writer.finish();
  const out = new ByteWriter(message.length + 5);
  out.writeVarint(message.length);
  out.writeBytes(message);
  return out.finish();
}

/** One classic bucket with an exemplar, and the native part of five observations. */
const LATENCY = family({
  name: "latency_seconds",
  type: 4,
  metric: (writer) => {
    const histogram = writer.begin(7);
    writer.writeInt64(1, 5);
    writeDouble(writer, 2, 18.4);
    const bucket = writer.begin(3);
    writer.writeInt64(1, 4);
    writeDouble(writer, 2, 1);
    const exemplar = writer.begin(3);
    writePair(writer, "trace_id", "abc");
    writeDouble(writer, 2, 0.7);
    const time = writer.begin(3);
    writer.writeInt64(1, 1_700_000_000);
    writer.writeInt64(2, 250_000_000);
    writer.end(time);
    writer.end(exemplar);
    writer.end(bucket);
    writer.writeInt64(5, 6); // schema 3, zigzag
    writeDouble(writer, 6, 0.001);
    writer.writeInt64(7, 1);
    const span = writer.begin(12);
    writer.writeInt64(1, 2); // offset 1
    writer.writeInt64(2, 2);
    writer.end(span);
    writer.writeInt64(13, 2); // 1, then one more: 2, 2
    writer.writeInt64(13, 4);
    writer.end(histogram);
  },
});

const NAME = new Set(["__name__"]);

function rowsOf(exposition: ReturnType<typeof parseProtobufExposition>): string[] {
  return exposition.labels.map((labels, row) => {
    const others = labels.drop(NAME);
    const told = others.size === 0 ? "" : others.toString();
    return `${labels.get("__name__")}${told} ${exposition.values[row]}`;
  });
}

void describe("parseProtobufExposition", () => {
  void test("a counter has labels, a value, a time and an exemplar", () => {
    const exposition = parseProtobufExposition(
      family({
        name: "hits_total",
        type: 0,
        metric: (writer) => {
          const counter = writer.begin(3);
          writeDouble(writer, 1, 7);
          const exemplar = writer.begin(2);
          writePair(writer, "trace_id", "x");
          writeDouble(writer, 2, 1);
          writer.end(exemplar);
          writer.end(counter);
          writer.writeInt64(6, 1234);
        },
      }),
      OPTIONS,
    );
    assert.deepEqual(rowsOf(exposition), ['hits_total{code="200"} 7']);
    assert.equal(exposition.timestampsMs[0], 1234);
    assert.deepEqual(exposition.metadata, [
      { family: "hits_total", type: "counter", help: "help of hits_total", unit: "" },
    ]);
    assert.equal(exposition.exemplars[0]!.labels.get("trace_id"), "x");
    assert.equal(exposition.exemplars[0]!.timestampMs, undefined);
  });

  void test("a summary is its quantiles, sum and count", () => {
    const exposition = parseProtobufExposition(
      family({
        name: "rpc",
        type: 2,
        metric: (writer) => {
          const summary = writer.begin(4);
          writer.writeInt64(1, 3);
          writeDouble(writer, 2, 1.5);
          const quantile = writer.begin(3);
          writeDouble(writer, 1, 1);
          writeDouble(writer, 2, 0.9);
          writer.end(quantile);
          writer.end(summary);
        },
      }),
      OPTIONS,
    );
    assert.deepEqual(rowsOf(exposition), [
      'rpc{code="200", quantile="1.0"} 0.9',
      'rpc_sum{code="200"} 1.5',
      'rpc_count{code="200"} 3',
    ]);
    assert.ok(Number.isNaN(exposition.timestampsMs[0]));
  });

  void test("a native histogram is one row, with the exemplars of its classic buckets", () => {
    const exposition = parseProtobufExposition(LATENCY, OPTIONS);
    assert.deepEqual(rowsOf(exposition), ['latency_seconds{code="200"} 18.4']);
    const histogram = exposition.histograms.get(0)!;
    assert.equal(histogram.schema, 3);
    assert.deepEqual([...histogram.positive.spans], [1, 2]);
    assert.deepEqual([...histogram.positive.counts], [1, 3]);
    assert.equal(histogram.zeroCount, 1);
    assert.deepEqual(
      exposition.exemplars.map(({ row, value, timestampMs }) => [row, value, timestampMs]),
      [[0, 0.7, 1_700_000_000_250]],
    );
  });

  void test("classic series come beside it, or in its place", () => {
    const classic = [
      'latency_seconds_count{code="200"} 5',
      'latency_seconds_sum{code="200"} 18.4',
      'latency_seconds_bucket{code="200", le="1.0"} 4',
      'latency_seconds_bucket{code="200", le="+Inf"} 5',
    ];
    const both = parseProtobufExposition(LATENCY, { ...OPTIONS, classicHistograms: true });
    assert.deepEqual(rowsOf(both).slice(1), classic);
    const instead = parseProtobufExposition(LATENCY, { ...OPTIONS, nativeHistograms: false });
    assert.deepEqual(rowsOf(instead), classic);
    assert.equal(instead.histograms.size, 0);
    assert.equal(instead.exemplars[0]!.row, 2);
  });

  void test("reads what federation writes", () => {
    const histogram: Histogram = parseProtobufExposition(LATENCY, OPTIONS).histograms.get(0)!;
    const samples = [
      {
        labels: Labels.fromObject({ __name__: "a" }),
        timestampMs: 5,
        value: 2,
        histogram: undefined,
      },
      { labels: Labels.fromObject({ __name__: "b" }), timestampMs: 6, value: 0, histogram },
    ];
    const chunks = [
      ...formatFederation(samples, "protobuf", { externalLabels: [], allowUtf8: false }),
    ].map((chunk) => Buffer.from(chunk as Uint8Array));
    const exposition = parseProtobufExposition(Buffer.concat(chunks), OPTIONS);
    assert.deepEqual(rowsOf(exposition), ["a 2", "b 18.4"]);
    assert.deepEqual(exposition.histograms.get(1), histogram);
    assert.deepEqual([...exposition.timestampsMs], [5, 6]);
  });

  void test("labels are found again in the cache", () => {
    const cache = new Map<string, Labels>();
    const first = parseProtobufExposition(LATENCY, { ...OPTIONS, cache });
    const second = parseProtobufExposition(LATENCY, { ...OPTIONS, cache });
    assert.equal(second.labels[0], first.labels[0]);
  });

  void test("cut anywhere, it is refused or shorter, and never crashes", () => {
    for (let end = 1; end < LATENCY.length; end++)
      assert.throws(() => parseProtobufExposition(LATENCY.subarray(0, end), OPTIONS), {
        code: "wire/bad-body",
      });
  });

  void test("a histogram that contradicts itself is refused by name", () => {
    const bad = family({
      name: "broken",
      type: 4,
      metric: (writer) => {
        const histogram = writer.begin(7);
        writer.writeInt64(1, 9);
        const span = writer.begin(12);
        writer.writeInt64(2, 1);
        writer.end(span);
        writer.writeInt64(13, 2);
        writer.end(histogram);
      },
    });
    assert.throws(() => parseProtobufExposition(bad, OPTIONS), /broken: .*observations found/);
  });
});

void describe("limitResolution", () => {
  const fine: Histogram = {
    schema: 2,
    resetHint: "unknown",
    zeroThreshold: 0,
    zeroCount: 0,
    count: 10,
    sum: 1,
    positive: { spans: Int32Array.of(1, 4), counts: Float64Array.of(1, 2, 3, 4) },
    negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
    customBounds: new Float64Array(0),
  };

  void test("joins neighbours until there are few enough", () => {
    const limited = limitResolution(fine, { bucketsMax: 2, schemaMax: Infinity })!;
    assert.equal(limited.schema, 1);
    assert.deepEqual([...limited.positive.counts], [3, 7]);
    assert.equal(limitResolution(fine, { bucketsMax: 4, schemaMax: Infinity }), fine);
    assert.equal(limitResolution(fine, { bucketsMax: 0, schemaMax: 0 })!.schema, 0);
  });

  void test("gives up when the coarsest has too many", () => {
    const both = { ...fine, negative: fine.positive };
    assert.equal(limitResolution(both, { bucketsMax: 1, schemaMax: Infinity }), undefined);
  });

  void test("a factor is the schema whose bounds are at least so far apart", () => {
    const cases = [
      [0, Infinity],
      [1, Infinity],
      [1.1, 2],
      [2, 0],
      [4, -1],
      [1e9, -4],
    ] as const;
    for (const [factor, schema] of cases) assert.equal(schemaOfFactor(factor), schema, `${factor}`);
  });
});

void test("boundText writes bounds as OpenMetrics does", () => {
  const cases = [
    [1, "1.0"],
    [0.25, "0.25"],
    [-3, "-3.0"],
    [1e21, "1e+21"],
    [Infinity, "+Inf"],
  ] as const;
  for (const [bound, text] of cases) assert.equal(boundText(bound), text);
});
