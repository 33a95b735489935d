import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import type { Histogram, SampleBatch } from "@finch/model";
import { DEFAULT_REMOTE_WRITE_LIMITS } from "./limits.ts";
import { decodeRemoteWrite2 } from "./remote-write-2-decoder.ts";
import { encodeRemoteWrite2 } from "./remote-write-2-encoder.ts";
import { decodeRemoteWrite } from "./remote-write-decoder.ts";
import { encodeRemoteWrite } from "./remote-write-encoder.ts";

const limits = { ...DEFAULT_REMOTE_WRITE_LIMITS, labelsPerSeriesMax: 4, labelValueBytesMax: 300 };
const decode = (body: Uint8Array, changes = {}) =>
  decodeRemoteWrite2(body, { limits: { ...limits, ...changes } });

interface Series {
  readonly refs: readonly number[];
  readonly packed?: boolean;
  readonly samples?: readonly number[];
  readonly exemplars?: readonly { readonly refs: readonly number[]; readonly at?: number }[];
  readonly metadata?: readonly [type: number, help: number, unit: number];
  readonly histogram?: (writer: ProtobufWriter) => void;
  readonly created?: number;
}

interface Request {
  readonly symbols: readonly (string | Uint8Array)[];
  readonly series: readonly Series[];
  readonly symbolsLast?: boolean;
}

/** A request written field by field, so that it can be wrong in ways that the encoder is not. */
function request({ symbols, series, symbolsLast = false }: Request): Uint8Array {
  const writer = new ProtobufWriter();
  const writeSymbols = () => {
    for (const symbol of symbols)
      writer.writeBytes(4, typeof symbol === "string" ? Buffer.from(symbol) : symbol);
  };
  if (!symbolsLast) writeSymbols();
  for (const one of series) writeSeries(writer, one);
  if (symbolsLast) writeSymbols();
  return encodeSnappy(writer.finish());
}

function writeSeries(writer: ProtobufWriter, series: Series): void {
  const message = writer.begin(5);
  for (const at of series.samples ?? []) {
    const sample = writer.begin(2);
    writer.writeDoubleWords(1, 0, 0x3ff00000);
    writer.writeInt64(2, at);
    writer.end(sample);
  }
  writeRefs(writer, series.refs, series.packed ?? true);
  series.histogram?.(writer);
  for (const { refs, at = 0 } of series.exemplars ?? []) {
    const exemplar = writer.begin(4);
    writeRefs(writer, refs, true);
    writer.writeInt64(3, at);
    writer.end(exemplar);
  }
  if (series.metadata !== undefined) {
    const metadata = writer.begin(5);
    for (const [i, value] of series.metadata.entries()) writer.writeInt64([1, 3, 4][i]!, value);
    writer.end(metadata);
  }
  if (series.created !== undefined) writer.writeInt64(6, series.created);
  writer.end(message);
}

function writeRefs(writer: ProtobufWriter, refs: readonly number[], packed: boolean): void {
  if (!packed) {
    for (const ref of refs) writer.writeInt64(1, ref);
    return;
  }
  const bytes: number[] = [];
  for (const ref of refs) {
    if (ref >= 0x80) bytes.push((ref & 0x7f) | 0x80, ref >>> 7);
    else bytes.push(ref);
  }
  writer.writeBytes(1, Uint8Array.from(bytes));
}

const SYMBOLS = ["", "__name__", "up", "job", "node", "help text", "seconds", "long"];
const GOOD: Series = { refs: [1, 2, 3, 4], samples: [10] };

function labelsIn(batch: SampleBatch): string[] {
  return Array.from({ length: batch.seriesCount }, (_, s) => batch.labelsOf(s).toString());
}

test("what is encoded decodes to the same, bit for bit", () => {
  const histogram: Histogram = {
    schema: 3,
    resetHint: "not-reset",
    zeroThreshold: 1e-128,
    zeroCount: 1,
    count: 6,
    sum: 12.5,
    positive: { spans: Int32Array.of(-2, 2), counts: Float64Array.of(2, 3) },
    negative: { spans: new Int32Array(0), counts: new Float64Array(0) },
    customBounds: new Float64Array(0),
  };
  const values = new Float64Array([1.5, 12.5, 0]);
  setStaleAt(wordsOf(values), 2);
  const exemplar = {
    labels: Labels.fromObject({ trace_id: "abc" }),
    value: 0.25,
    timestampMs: 21,
  };
  const labels = Labels.fromObject({ __name__: "rpc seconds", "über.name": "ß", job: "a" });
  const { batch, ...rest } = decode(
    encodeRemoteWrite2([
      {
        labels,
        timestampsMs: Float64Array.of(20, 21, 22),
        values,
        histograms: new Map([[1, histogram]]),
        startTimestampsMs: Float64Array.of(5, 6, 0),
        exemplars: [exemplar],
        metadata: { type: "histogram", help: "Durations.", unit: "seconds" },
      },
    ]),
  );
  assert.deepEqual(rest, {
    skippedSeries: 0,
    skippedSamples: 0,
    skippedHistograms: 0,
    droppedExemplars: 0,
    faultCount: 0,
    faults: [],
  });
  assert.deepEqual(batch.labelsOf(0).pairs, labels.pairs);
  // The order on the wire: floats and histograms keep their rows.
  assert.deepEqual(Array.from(batch.timestampsMs), [20, 21, 22]);
  assert.deepEqual(wordsOf(batch.values), wordsOf(values));
  assert.deepEqual([...batch.histograms!], [[1, histogram]]);
  assert.deepEqual(Array.from(batch.startTimestampsMs!), [5, 6, 0]);
  assert.deepEqual(batch.exemplars, [{ series: 0, exemplar }]);
  assert.deepEqual(batch.metadata, [
    { family: "rpc seconds", type: "histogram", help: "Durations.", unit: "seconds" },
  ]);
});

test("the bytes of a series are those of remote write 1.0, however it orders labels", () => {
  const labels = Labels.fromObject({ __name__: "up", job: "node" });
  const first = decodeRemoteWrite(
    encodeRemoteWrite({
      labels: [labels],
      timestampsMs: Float64Array.of(10),
      values: Float64Array.of(1),
    }),
    { limits },
  ).batch;
  const key = (batch: SampleBatch) =>
    Buffer.from(batch.keyBytes.subarray(batch.keyBounds[0], batch.keyBounds[1])).toString("hex");
  for (const refs of [
    [1, 2, 3, 4],
    [3, 4, 1, 2],
    [3, 4, 7, 0, 1, 2],
  ])
    assert.equal(
      key(decode(request({ symbols: SYMBOLS, series: [{ ...GOOD, refs }] })).batch),
      key(first),
    );
});

const ACCEPTED: readonly [rule: string, request: Request, labels: string][] = [
  ["symbols behind the series", { symbols: SYMBOLS, series: [GOOD], symbolsLast: true }, UP()],
  ["references one by one", { symbols: SYMBOLS, series: [{ ...GOOD, packed: false }] }, UP()],
  [
    "an empty value is no label",
    { symbols: SYMBOLS, series: [{ ...GOOD, refs: [1, 2, 3, 0] }] },
    '{__name__="up"}',
  ],
  [
    "a symbol given twice",
    { symbols: [...SYMBOLS, "node"], series: [{ ...GOOD, refs: [1, 2, 3, 8] }] },
    UP(),
  ],
];

function UP(): string {
  return '{__name__="up", job="node"}';
}

for (const [rule, sent, labels] of ACCEPTED) {
  test(`accepted: ${rule}`, () => {
    const { batch, faults } = decode(request(sent));
    assert.deepEqual(faults, []);
    assert.deepEqual(labelsIn(batch), [labels]);
  });
}

/** Wording as Prometheus' receiver has it. */
const LEFT_OUT: readonly [
  series: Series,
  fault: string,
  symbols?: readonly (string | Uint8Array)[],
][] = [
  [{ ...GOOD, refs: [3, 4] }, 'invalid metric name or labels, got {job="node"}'],
  [{ ...GOOD, refs: [1, 0] }, 'invalid metric name or labels, got {__name__=""}'],
  [{ ...GOOD, refs: [1, 2, 0, 4] }, 'invalid metric name or labels, got {="node", __name__="up"}'],
  [
    { ...GOOD, refs: [1, 2, 3, 8] },
    'invalid metric name or labels, got {__name__="up", job="\ufffd"}',
    [...SYMBOLS, Uint8Array.of(0xff)],
  ],
  [
    { ...GOOD, refs: [1, 2, 3, 4, 3, 2] },
    'invalid labels for series, labels {__name__="up", job="node", job="up"}, duplicated label job',
  ],
  [{ ...GOOD, refs: [1, 2, 3] }, "parsing labels for series [1 2 3]: invalid labelRefs length 3"],
  [
    { ...GOOD, refs: [1, 999] },
    "parsing labels for series [1 999]: labelRefs 1 (name) = 999 (value) outside of symbols table (size 8)",
  ],
  [
    { ...GOOD, metadata: [1, 0, 999] },
    "parsing metadata for series [1 2 3 4]: metadata unit_ref 999 outside of symbols table (size 8)",
  ],
  [
    { ...GOOD, metadata: [1, 999, 0] },
    "parsing metadata for series [1 2 3 4]: metadata help_ref 999 outside of symbols table (size 8)",
  ],
  [
    { refs: [1, 2], metadata: [1, 5, 6] },
    'TimeSeries must contain at least one sample or histogram for series {__name__="up"}',
  ],
  [
    { ...GOOD, refs: [1, 2, 2, 2, 3, 2, 4, 2, 5, 2] },
    'series has 5 labels, 4 are allowed: {__name__="up", help text="up", job="up", node="up", up="up"}',
  ],
  [
    { ...GOOD, refs: [1, 2, 3, 8] },
    `value of label job has 301 bytes, 300 are allowed: {__name__="up", job="${"x".repeat(301)}"}`,
    [...SYMBOLS, "x".repeat(301)],
  ],
];

for (const [series, fault, symbols = SYMBOLS] of LEFT_OUT) {
  test(`left out, the rest kept: ${fault.slice(0, 90)}`, () => {
    const result = decode(request({ symbols, series: [series, GOOD] }));
    assert.deepEqual(result.faults, [fault]);
    assert.deepEqual(labelsIn(result.batch), [UP()]);
    assert.deepEqual(Array.from(result.batch.timestampsMs), [10]);
    assert.deepEqual(
      [result.skippedSeries, result.skippedSamples, result.batch.exemplars, result.batch.metadata],
      [1, series.samples?.length ?? 0, undefined, []],
    );
  });
}

test("a bad histogram is left out of its series, samples beside it stay", () => {
  const histogram = (writer: ProtobufWriter) => {
    const message = writer.begin(3);
    writer.writeInt64(1, 7);
    writer.end(message);
  };
  const result = decode(request({ symbols: SYMBOLS, series: [{ ...GOOD, histogram }] }));
  assert.deepEqual(result.faults, [
    `0 observations found in buckets, but the Count field is 7: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN) for series ${UP()}`,
  ]);
  assert.deepEqual(
    [result.skippedSeries, result.skippedHistograms, result.batch.timestampsMs.length],
    [0, 1, 1],
  );
});

test("exemplars: a wrong reference is told, labels that are too long are dropped", () => {
  const long = "x".repeat(130);
  const result = decode(
    request({
      symbols: [...SYMBOLS, long],
      series: [
        {
          ...GOOD,
          exemplars: [{ refs: [3, 99] }, { refs: [3, 8] }, { refs: [3, 4, 3, 2] }, { refs: [] }],
        },
      ],
    }),
  );
  assert.deepEqual(result.faults, [
    `parsing exemplar for series ${UP()}: labelRefs 3 (name) = 99 (value) outside of symbols table (size 9)`,
  ]);
  assert.equal(result.droppedExemplars, 2);
  // Without a time of its own an exemplar is one of the newest sample.
  assert.deepEqual(
    result.batch.exemplars?.map(({ exemplar }) => [exemplar.labels.size, exemplar.timestampMs]),
    [[0, 10]],
  );
});

test("exemplars alone stay in the batch: only a store knows whether their series is there", () => {
  const { batch, faults } = decode(
    request({
      symbols: SYMBOLS,
      series: [{ refs: [1, 2], exemplars: [{ refs: [3, 4], at: 7 }] }, GOOD],
    }),
  );
  assert.deepEqual(faults, []);
  assert.deepEqual(Array.from(batch.sampleStarts), [0, 0, 1]);
  assert.deepEqual(
    batch.exemplars?.map(({ series, exemplar }) => [series, exemplar.timestampMs]),
    [[0, 7]],
  );
});

test("a start for all samples, as drafts of the protocol had it, fills those without one", () => {
  const { batch } = decode(
    request({ symbols: SYMBOLS, series: [{ ...GOOD, samples: [10, 20], created: 5 }, GOOD] }),
  );
  assert.deepEqual(Array.from(batch.startTimestampsMs!), [5, 5, 0]);
});

test("metadata: the family of a histogram's series, once", () => {
  const symbols = [...SYMBOLS, "rpc_bucket", "rpc_count", "le"];
  const metadata = [3, 5, 6] as const;
  const { batch } = decode(
    request({
      symbols,
      series: [
        { ...GOOD, refs: [1, 8, 10, 2], metadata },
        { ...GOOD, refs: [1, 8, 10, 4], metadata },
        { ...GOOD, refs: [1, 9], metadata },
      ],
    }),
  );
  assert.deepEqual(batch.metadata, [
    { family: "rpc", type: "histogram", help: "help text", unit: "seconds" },
  ]);
});

const many = request({
  symbols: SYMBOLS,
  series: Array.from({ length: 20 }, () => ({
    ...GOOD,
    exemplars: [{ refs: [3, 4] }],
    metadata: [1, 5, 6] as const,
  })),
});
const REFUSED: readonly [
  rule: string,
  body: Uint8Array,
  changes: object,
  kind: string,
  message: RegExp,
][] = [
  ["body too long", many, { bodyBytesMax: 10 }, "too-large", /10 are allowed/],
  ["too many series", many, { seriesMax: 19 }, "too-large", /more than 19 series/],
  ["too many samples", many, { samplesMax: 19 }, "too-large", /more than 19 samples/],
  ["too many exemplars", many, { exemplarsMax: 19 }, "too-large", /more than 19 exemplars/],
  ["too many symbols", many, { symbolsMax: 7 }, "too-large", /more than 7 symbols/],
  [
    "labels too long in sum",
    many,
    { labelBytesMax: 200 },
    "too-large",
    /labels .* more than 200 bytes/,
  ],
  [
    "no snappy",
    Buffer.from("hello, this is plain text"),
    {},
    "invalid",
    /cannot read the remote write request: snappy/,
  ],
  [
    "no protobuf",
    encodeSnappy(Buffer.from("*\u0007plain text")),
    {},
    "invalid",
    /protobuf: .* at byte \d+/,
  ],
  [
    "a sample of another kind",
    encodeSnappy(Uint8Array.of(0x2a, 0x02, 0x10, 0x01)),
    {},
    "invalid",
    /field 2 has wire type 0 instead of 2/,
  ],
];

for (const [rule, body, changes, kind, message] of REFUSED) {
  test(`refused: ${rule}`, () => {
    assert.throws(() => decode(body, changes), { kind, message });
  });
}
