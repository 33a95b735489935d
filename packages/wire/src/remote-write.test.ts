import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeSnappy, encodeSnappy, hashKey, ProtobufWriter } from "@finch/codec";
import { WriteRequestReader } from "@finch/codec/kernels";
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import { FinchError } from "@finch/runtime";
import fc from "fast-check";
import { DEFAULT_REMOTE_WRITE_LIMITS, FAULTS_MAX } from "./limits.ts";
import { decodeRemoteWrite, type RemoteWriteResult } from "./remote-write-decoder.ts";
import { writeHistogram } from "./native-histogram-protobuf.ts";
import { encodeRemoteWrite } from "./remote-write-encoder.ts";
import { negotiateRemoteWrite } from "./remote-write-negotiation.ts";

const limits = DEFAULT_REMOTE_WRITE_LIMITS;
const reader = new WriteRequestReader();

/** With the kernel and without, which must agree in everything, errors included. */
function decode(body: Uint8Array, changes = {}): RemoteWriteResult {
  const options = { limits: { ...limits, ...changes } };
  const plain = attempt(() => decodeRemoteWrite(body, options));
  const fast = attempt(() => decodeRemoteWrite(body, { ...options, reader }));
  if (plain instanceof Error || fast instanceof Error) {
    assert.deepEqual(fast, plain);
    throw plain as Error;
  }
  assert.deepEqual(contentsOf(fast), contentsOf(plain));
  for (let s = 0; s < fast.batch.seriesCount; s++) {
    const [start, end] = fast.batch.keyBounds.subarray(2 * s);
    const hash = hashKey(fast.batch.keyBytes.subarray(start, end));
    if (fast.batch.keyHashes !== undefined)
      assert.deepEqual(fast.batch.keyHashes.slice(4 * s, 4 * s + 4), hash);
  }
  return plain;
}

function attempt<Result>(run: () => Result): Result | Error {
  try {
    return run();
  } catch (error) {
    return error as Error;
  }
}

/** What a result says, whatever the order of its series: the kernel puts those that it leaves to others last. */
function contentsOf({ batch, ...rest }: RemoteWriteResult): unknown {
  const words = wordsOf(batch.values);
  const series = Array.from({ length: batch.seriesCount }, (_, s) => {
    const [from, to] = batch.sampleStarts.subarray(s, s + 2) as unknown as [number, number];
    return {
      labels: batch.labelsOf(s).pairs,
      key: Buffer.from(
        batch.keyBytes.subarray(batch.keyBounds[2 * s], batch.keyBounds[2 * s + 1]),
      ).toString("hex"),
      times: Array.from(batch.timestampsMs.subarray(from, to)),
      words: Array.from(words.subarray(2 * from, 2 * to)),
      histograms: Array.from({ length: to - from }, (_unused, i) =>
        batch.histograms?.get(from + i),
      ),
      exemplars: (batch.exemplars ?? []).filter((e) => e.series === s).map((e) => e.exemplar),
    };
  });
  const byLabels = (a: { key: string }, b: { key: string }) =>
    a.key < b.key ? -1 : a.key > b.key ? 1 : 0;
  return { ...rest, metadata: batch.metadata, series: series.toSorted(byLabels) };
}

type Series = {
  labels: readonly (readonly [string | Uint8Array, string | Uint8Array])[];
  samples?: number;
  histograms?: number;
  exemplars?: number;
  samplesFirst?: boolean;
};

/** A request written field by field, so that it can be wrong in ways that the encoder is not. */
function request(...series: readonly Series[]): Uint8Array {
  const writer = new ProtobufWriter();
  for (const {
    labels,
    samples = 1,
    histograms = 0,
    exemplars = 0,
    samplesFirst = false,
  } of series) {
    const outer = writer.begin(1);
    const writeSamples = () => {
      for (let i = 0; i < samples; i++) {
        const sample = writer.begin(2);
        writer.writeDoubleWords(1, 0, 0x3ff00000);
        writer.writeInt64(2, 1000 + i);
        writer.end(sample);
      }
    };
    if (samplesFirst) writeSamples();
    for (const [name, value] of labels) {
      const label = writer.begin(1);
      writer.writeBytes(1, bytesOf(name));
      writer.writeBytes(2, bytesOf(value));
      writer.end(label);
    }
    if (!samplesFirst) writeSamples();
    for (let i = 0; i < exemplars; i++) writer.end(writer.begin(3));
    for (let i = 0; i < histograms; i++) writer.end(writer.begin(4));
    writer.end(outer);
  }
  return encodeSnappy(writer.finish());
}

function bytesOf(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? new Uint8Array(Buffer.from(text)) : text;
}

function labelsIn(result: RemoteWriteResult): string[] {
  return Array.from({ length: result.batch.seriesCount }, (_, s) =>
    result.batch.labelsOf(s).toString(),
  );
}

void test("samples of these days, known labels, and labels that end as samples do", () => {
  const now = 1_796_000_000_000;
  const sampleBytes = (timeMs: number, isZero: boolean): Uint8Array => {
    const writer = new ProtobufWriter();
    const sample = writer.begin(2);
    // As Prometheus writes it: a zero is left out.
    if (!isZero) writer.writeDoubleWords(1, 12345, 0x3ff00000);
    writer.writeInt64(2, timeMs);
    writer.end(sample);
    return writer.finish();
  };
  // The same labels with one more, which looks like a sample to whoever reads from the end.
  const tails = [true, false].map((isZero) =>
    Buffer.from(sampleBytes(now, isZero)).toString("latin1"),
  );
  const values = ["plain", "é", "", ...tails.map((tail) => `x${tail}`)];
  const series = fc.record({
    value: fc.constantFrom(...values),
    last: fc.constantFrom(...values),
    times: fc.array(fc.constantFrom(now, now + 15_000, 1000, 2 ** 42, 2 ** 42 - 1, 2 ** 35, -1), {
      maxLength: 2,
    }),
    isZero: fc.boolean(),
    flip: fc.option(fc.nat(400), { freq: 8 }),
  });
  const encode = ({
    value,
    last,
    times,
    isZero,
    flip,
  }: typeof series extends fc.Arbitrary<infer S> ? S : never) => {
    const writer = new ProtobufWriter();
    for (const [name, text] of [
      ["__name__", "m"],
      ["a", value],
      ["b", last],
    ] as const) {
      if (name === "b" && last === "") continue;
      const label = writer.begin(1);
      writer.writeBytes(1, bytesOf(name));
      writer.writeBytes(2, name === "b" ? Buffer.from(text, "latin1") : bytesOf(text));
      writer.end(label);
    }
    const samples = times.map((time) => sampleBytes(time, isZero));
    const outer = new ProtobufWriter();
    outer.writeBytes(1, Buffer.concat([writer.finish(), ...samples]));
    const bytes = outer.finish();
    if (flip !== null) bytes[flip % bytes.length]! ^= 1 << (flip & 7);
    return bytes;
  };
  fc.assert(
    fc.property(fc.array(series, { maxLength: 300, size: "max" }), (list) => {
      const body = encodeSnappy(Buffer.concat(list.map(encode)));
      for (let time = 0; time < 2; time++) {
        const result = attempt(() => decode(body));
        if (result instanceof Error && !(result instanceof FinchError)) throw result;
      }
    }),
    { numRuns: 200 },
  );
});

void test("what is encoded decodes to the same, bit for bit", () => {
  const labels = fc.dictionary(
    fc.string({ minLength: 1, maxLength: 8 }).filter((n) => n !== "__name__"),
    fc.string({ unit: "grapheme", minLength: 1, maxLength: 200 }),
    { maxKeys: 6 },
  );
  const series = fc.record({
    labels,
    times: fc.array(fc.maxSafeInteger(), { minLength: 1, maxLength: 3 }),
    words: fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff)),
  });
  fc.assert(
    fc.property(fc.array(series, { maxLength: 8 }), (list) => {
      const rows = list.flatMap((s, i) =>
        s.times.map((time) => ({
          labels: Labels.fromObject({ ...s.labels, __name__: `m${i}` }),
          time,
          words: s.words,
        })),
      );
      const values = new Float64Array(rows.length);
      for (const [i, row] of rows.entries()) wordsOf(values).set(row.words, 2 * i);
      const { batch, ...rest } = decode(
        encodeRemoteWrite({
          labels: rows.map((r) => r.labels),
          timestampsMs: Float64Array.from(rows, (r) => r.time),
          values,
        }),
      );
      assert.deepEqual(rest, {
        skippedSeries: 0,
        skippedSamples: 0,
        droppedExemplars: 0,
        faults: [],
        limitFaults: [],
        badHistograms: 0,
        histogramFaults: [],
      });
      assert.equal(batch.seriesCount, list.length);
      assert.deepEqual(
        Array.from(batch.timestampsMs),
        rows.map((r) => r.time + 0),
      );
      assert.deepEqual(wordsOf(batch.values), wordsOf(values));
      for (const [s, one] of list.entries()) {
        assert.deepEqual(
          batch.labelsOf(s).pairs,
          Labels.fromObject({ ...one.labels, __name__: `m${s}` }).pairs,
        );
        assert.equal(batch.sampleStarts[s + 1]! - batch.sampleStarts[s]!, one.times.length);
      }
    }),
  );
});

void test("the bytes that stand for a series are the same in every request", () => {
  const one = decode(
    request({
      labels: [
        ["__name__", "a"],
        ["b", "c"],
      ],
    }),
  ).batch;
  const two = decode(
    request(
      { labels: [["__name__", "x"]], samples: 3 },
      {
        labels: [
          ["__name__", "a"],
          ["b", "c"],
        ],
        samples: 2,
        exemplars: 1,
      },
    ),
  ).batch;
  const key = (batch: typeof one, s: number) =>
    Buffer.from(
      batch.keyBytes.subarray(batch.keyBounds[2 * s], batch.keyBounds[2 * s + 1]),
    ).toString("hex");
  assert.equal(key(one, 0), key(two, 1));
  assert.notEqual(key(one, 0), key(two, 0));
});

const N = ["__name__", "up"] as const;
const ACCEPTED: readonly [name: string, series: Series, labels: string][] = [
  ["unsorted labels", { labels: [["b", "1"], N, ["a", "2"]] }, '{__name__="up", a="2", b="1"}'],
  ["an empty value is no label", { labels: [N, ["a", ""]] }, '{__name__="up"}'],
  [
    "UTF-8 names",
    {
      labels: [
        ["__name__", "http.server.duration"],
        ["über name", "ß"],
      ],
    },
    '{__name__="http.server.duration", über name="ß"}',
  ],
  ["samples before labels", { labels: [N], samplesFirst: true }, '{__name__="up"}'],
  [
    "values longer than 127 bytes",
    { labels: [N, ["a", "x".repeat(300)]] },
    `{__name__="up", a="${"x".repeat(300)}"}`,
  ],
];

for (const [name, series, labels] of ACCEPTED) {
  void test(`accepted: ${name}`, () => {
    const result = decode(request(series));
    assert.deepEqual(labelsIn(result), [labels]);
    assert.deepEqual(result.faults, []);
  });
}

type LeftOut = readonly [name: string, labels: Series["labels"], fault: RegExp];

const INVALID: readonly LeftOut[] = [
  ["no labels", [], /^series 0 is left out: it has no labels$/],
  ["no name", [["a", "b"]], /has no __name__/],
  [
    "empty metric name",
    [
      ["__name__", ""],
      ["a", "b"],
    ],
    /has no __name__/,
  ],
  ["empty label name", [N, ["", "b"]], /name of label 1 is empty/],
  ["the same label twice", [N, ["a", "1"], ["a", "2"]], /label "a" is given twice/],
  [
    "the same label twice, apart",
    [N, ["a", "1"], ["b", "1"], ["a", "1"]],
    /label "a" is given twice/,
  ],
  ["invalid UTF-8", [N, ["a", Uint8Array.of(0xff, 0xfe)]], /label 1 is not valid UTF-8/],
];

const OVER_LIMIT: readonly LeftOut[] = [
  ["long name", [N, ["a".repeat(1025), "1"]], /name of label 1 is longer than 1024 bytes/],
  ["long value", [N, ["a", "x".repeat(8193)]], /value of label 1 is longer than 8192 bytes/],
  [
    "many labels",
    [N, ...Array.from({ length: 128 }, (_, i) => [`l${i}`, "v"] as const)],
    /more than 128 labels/,
  ],
];

for (const [name, labels, fault] of [...INVALID, ...OVER_LIMIT]) {
  void test(`left out, the rest kept: ${name}`, () => {
    const result = decode(request({ labels, samples: 2 }, { labels: [N] }));
    assert.deepEqual(labelsIn(result), ['{__name__="up"}']);
    assert.deepEqual(Array.from(result.batch.timestampsMs), [1000]);
    assert.equal(result.skippedSeries, 1);
    assert.equal(result.skippedSamples, 2);
    assert.match(result.faults[0]!, fault);
    const overLimit = OVER_LIMIT.some((row) => row[0] === name);
    assert.deepEqual(result.limitFaults, overLimit ? result.faults : []);
  });
}

void test("a series over a limit is told however many others are left out before it", () => {
  const unnamed: Series = { labels: [["a", "b"]] };
  const { skippedSeries, faults, limitFaults } = decode(
    request(...Array.from({ length: 100 }, () => unnamed), { labels: OVER_LIMIT[0]![1] }),
  );
  assert.equal(skippedSeries, 101);
  assert.equal(faults.length, FAULTS_MAX);
  assert.deepEqual(limitFaults, [
    "series 100 is left out: the name of label 1 is longer than 1024 bytes",
  ]);
});

void test("native histograms and exemplars come with their series", () => {
  const histogram = {
    schema: 1,
    resetHint: "unknown",
    zeroThreshold: 0.001,
    zeroCount: 2,
    count: 5,
    sum: 7.5,
    positive: { spans: Int32Array.of(0, 2), counts: Float64Array.of(1, 2) },
    negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
    customBounds: new Float64Array(0),
  } as const;
  const writer = new ProtobufWriter();
  const outer = writer.begin(1);
  const label = writer.begin(1);
  writer.writeBytes(1, bytesOf("__name__"));
  writer.writeBytes(2, bytesOf("h"));
  writer.end(label);
  const exemplar = writer.begin(3);
  const trace = writer.begin(1);
  writer.writeBytes(1, bytesOf("trace_id"));
  writer.writeBytes(2, bytesOf("abc"));
  writer.end(trace);
  writer.writeDoubleWords(2, 0, 0x3ff00000);
  writer.writeInt64(3, 900);
  writer.end(exemplar);
  writeHistogram(writer, 4, { histogram, timestampMs: 1000, startTimestampMs: 0 });
  writeHistogram(writer, 4, {
    histogram: { ...histogram, count: -1 },
    timestampMs: 2000,
    startTimestampMs: 0,
  });
  writer.end(outer);
  const { batch, ...rest } = decode(encodeSnappy(writer.finish()));
  assert.equal(batch.seriesCount, 1);
  assert.deepEqual(Array.from(batch.timestampsMs), [1000]);
  assert.equal(batch.values[0], 7.5);
  assert.deepEqual([...batch.histograms!], [[0, histogram]]);
  assert.deepEqual(batch.exemplars, [
    {
      series: 0,
      exemplar: {
        labels: Labels.fromObject({ trace_id: "abc" }),
        value: 1,
        timestampMs: 900,
      },
    },
  ]);
  assert.equal(rest.badHistograms, 1);
  assert.match(rest.histogramFaults[0]!, /^histogram of series 0: observation count is {2}-1/);
});

void test("histograms, buckets and exemplars of a request are bounded", () => {
  const many = request({ labels: [N], histograms: 3, exemplars: 3 });
  assert.throws(() => decode(many, { histogramsMax: 2 }), /more than 2 histograms/);
  assert.throws(() => decode(many, { exemplarsMax: 2 }), /more than 2 exemplars/);
});

void test("a request damaged at any place is read, or refused, in the same way with the kernel", () => {
  const whole = decodeSnappy(
    request(
      { labels: [N, ["a", "x"]], samples: 2 },
      { labels: [N, ["b", "é"]] },
      { labels: [["z", "1"], N], exemplars: 1 },
      { labels: [N, ["c", "x".repeat(200)]], histograms: 1 },
    ),
    { sizeMax: 10_000 },
  ).slice();
  for (let at = 0; at < whole.length; at++) {
    attempt(() => decode(encodeSnappy(whole.subarray(0, at))));
    for (let bit = 0; bit < 8; bit++) {
      const flipped = whole.slice();
      flipped[at]! ^= 1 << bit;
      const result = attempt(() => decode(encodeSnappy(flipped)));
      if (result instanceof Error) assert.ok(result instanceof FinchError, String(result));
    }
  }
});

void test("stale markers and metadata arrive", () => {
  const values = new Float64Array(1);
  setStaleAt(wordsOf(values), 0);
  const metadata = [{ family: "up", type: "gauge", help: "Whether it is up.", unit: "" }] as const;
  const { batch } = decode(
    encodeRemoteWrite({
      labels: [Labels.fromObject({ __name__: "up" })],
      timestampsMs: Float64Array.of(5),
      values,
      metadata,
    }),
  );
  assert.deepEqual(wordsOf(batch.values), wordsOf(values));
  assert.deepEqual(batch.metadata, metadata);
});

const big = request({ labels: [N], samples: 50 }, { labels: [N] });
const REFUSED: readonly [
  name: string,
  body: Uint8Array,
  changes: object,
  kind: string,
  message: RegExp,
][] = [
  [
    "body too long",
    big,
    { bodyBytesMax: 10 },
    "too-large",
    /the body has \d+ bytes, 10 are allowed/,
  ],
  [
    "declares 4 GiB",
    Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0),
    {},
    "invalid",
    /4294967295 decoded bytes declared, 67108864 allowed/,
  ],
  ["decoded size over the limit", big, { decodedBytesMax: 100 }, "invalid", /100 allowed/],
  ["too many samples", big, { samplesMax: 20 }, "too-large", /more than 20 samples/],
  ["too many series", big, { seriesMax: 1 }, "too-large", /more than 1 series/],
  [
    "no snappy",
    new Uint8Array(Buffer.from("hello, this is plain text")),
    {},
    "invalid",
    /cannot read the remote write request: snappy/,
  ],
  [
    "no protobuf",
    encodeSnappy(new Uint8Array(Buffer.from("\u0007plain text"))),
    {},
    "invalid",
    /protobuf: .* at byte \d+/,
  ],
  [
    "timestamp out of range",
    encodeSnappy(
      Uint8Array.from([
        0x0a,
        0x0d,
        0x12,
        0x0b,
        0x10,
        ...Array.from({ length: 9 }, () => 0xff),
        0x7f,
      ]),
    ),
    {},
    "invalid",
    /longer than 64 bits at byte 5/,
  ],
];

for (const [name, body, changes, kind, message] of REFUSED) {
  void test(`refused: ${name}`, () => {
    assert.throws(
      () => decode(body, changes),
      (error: unknown) => {
        assert.ok(error instanceof FinchError);
        assert.equal(error.kind, kind);
        assert.match(error.message, message);
        return true;
      },
    );
  });
}

void test("a label that reaches beyond its series is refused, also when the body goes on", () => {
  const whole = decodeSnappy(request({ labels: [N] }, { labels: [N] }), { sizeMax: 1000 }).slice();
  // The second byte is the length of the first series, the fourth that of its first label.
  whole[1] = 8;
  assert.throws(() => decode(encodeSnappy(whole)), {
    kind: "invalid",
    message: /field 1 has \d+ bytes, \d+ are left/,
  });
});

const NEGOTIATED: readonly [
  type: string | undefined,
  encoding: string | undefined,
  answer: string | RegExp,
][] = [
  [undefined, undefined, "1.0"],
  ["application/x-protobuf", "snappy", "1.0"],
  ["application/x-protobuf;proto=prometheus.WriteRequest", "snappy", "1.0"],
  ["application/x-protobuf; proto=prometheus.WriteRequest", "", "1.0"],
  ["application/x-protobuf; charset=utf-8", "snappy", "1.0"],
  ["application/x-protobuf;proto=io.prometheus.write.v2.Request", "snappy", "2.0"],
  ["application/x-protobuf; proto=io.prometheus.write.v2.Request", undefined, "2.0"],
  ["APPLICATION/X-PROTOBUF;proto=io.prometheus.write.v2.Request", "snappy", "2.0"],
  [
    "application/x-protobuf;proto=io.prometheus.write.v3.Request",
    "snappy",
    /^got application\/x-protobuf;proto=io\.prometheus\.write\.v3\.Request content type; unknown type for remote write protobuf message io\.prometheus\.write\.v3\.Request, supported: prometheus\.WriteRequest, io\.prometheus\.write\.v2\.Request$/,
  ],
  ["application/x-protobuf;proto=toString", "snappy", /unknown type .* toString,/],
  [
    "application/json",
    "snappy",
    /^expected application\/x-protobuf as the first \(media\) part, got application\/json content-type$/,
  ],
  [
    "application/x-protobuf",
    "gzip",
    /^gzip encoding \(compression\) is not accepted by this server; only snappy is acceptable$/,
  ],
];

for (const [type, encoding, answer] of NEGOTIATED) {
  void test(`negotiate ${type} ${encoding}`, () => {
    if (typeof answer === "string") assert.equal(negotiateRemoteWrite(type, encoding), answer);
    else
      assert.throws(() => negotiateRemoteWrite(type, encoding), {
        kind: "unsupported-media",
        message: answer,
      });
  });
}
