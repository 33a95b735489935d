import assert from "node:assert/strict";
import { test } from "node:test";
import { ProtobufReader, ProtobufWriter } from "@finch/codec";
import { STALE_NAN_HIGH, STALE_NAN_LOW } from "@finch/model";
import type { Histogram } from "@finch/model";
import fc from "fast-check";
import { HISTOGRAM_BUCKETS_MAX } from "./limits.ts";
import { decodeHistogram, readHistogram, writeHistogram } from "./native-histogram-protobuf.ts";
import type { HistogramMessage } from "./native-histogram-protobuf.ts";

interface Fields {
  readonly countInt?: number;
  readonly countFloat?: number;
  readonly sum?: number;
  readonly sumWords?: readonly [low: number, high: number];
  readonly schema?: number;
  readonly zeroThreshold?: number;
  readonly zeroInt?: number;
  readonly zeroFloat?: number;
  readonly negativeSpans?: readonly (readonly [offset: number, length: number])[];
  readonly negativeDeltas?: readonly number[];
  readonly negativeCounts?: readonly number[];
  readonly positiveSpans?: readonly (readonly [offset: number, length: number])[];
  readonly positiveDeltas?: readonly number[];
  readonly positiveCounts?: readonly number[];
  readonly resetHint?: number;
  readonly timestamp?: number;
  readonly customValues?: readonly number[];
  readonly start?: number;
}

/** A message written field by field and number by number, unpacked, so that it can be wrong in ways that the encoder is not. */
function message(fields: Fields): Uint8Array {
  const writer = new ProtobufWriter();
  const int = (field: number, value: number | undefined) => {
    if (value !== undefined) writer.writeInt64(field, value);
  };
  const zigzag = (field: number, values: readonly number[]) => {
    for (const value of values) writer.writeInt64(field, value < 0 ? -2 * value - 1 : 2 * value);
  };
  const doubles = (field: number, values: readonly (number | undefined)[]) => {
    for (const value of values) {
      if (value === undefined) continue;
      const words = new Uint32Array(Float64Array.of(value).buffer);
      writer.writeDoubleWords(field, words[0]!, words[1]!);
    }
  };
  const spans = (field: number, list: Fields["positiveSpans"] = []) => {
    for (const [offset, length] of list) {
      const span = writer.begin(field);
      writer.writeInt64(1, offset < 0 ? -2 * offset - 1 : 2 * offset);
      writer.writeInt64(2, length);
      writer.end(span);
    }
  };
  int(1, fields.countInt);
  doubles(2, [fields.countFloat]);
  doubles(3, [fields.sum]);
  if (fields.sumWords !== undefined) writer.writeDoubleWords(3, ...fields.sumWords);
  zigzag(4, [fields.schema ?? 0]);
  doubles(5, [fields.zeroThreshold]);
  int(6, fields.zeroInt);
  doubles(7, [fields.zeroFloat]);
  spans(8, fields.negativeSpans);
  zigzag(9, fields.negativeDeltas ?? []);
  doubles(10, fields.negativeCounts ?? []);
  spans(11, fields.positiveSpans);
  zigzag(12, fields.positiveDeltas ?? []);
  doubles(13, fields.positiveCounts ?? []);
  int(14, fields.resetHint);
  int(15, fields.timestamp);
  doubles(16, fields.customValues ?? []);
  int(17, fields.start);
  return writer.finish();
}

function decode(fields: Fields): HistogramMessage {
  const bytes = message(fields);
  return decodeHistogram(bytes, 0, bytes.length);
}

function shown({ histogram }: HistogramMessage): unknown {
  if (histogram === undefined) return undefined;
  const { positive, negative, customBounds } = histogram;
  return {
    ...histogram,
    positive: [Array.from(positive.spans), Array.from(positive.counts)],
    negative: [Array.from(negative.spans), Array.from(negative.counts)],
    customBounds: Array.from(customBounds),
  };
}

const COMMON = {
  schema: 0,
  resetHint: "unknown",
  zeroThreshold: 0,
  zeroCount: 0,
  positive: [[], []],
  negative: [[], []],
  customBounds: [],
};

const READ: readonly [name: string, fields: Fields, histogram: object][] = [
  ["nothing but defaults", {}, { ...COMMON, count: 0, sum: 0 }],
  [
    "whole counts as differences",
    {
      countInt: 16,
      sum: 18.4,
      schema: 1,
      zeroThreshold: 0.001,
      zeroInt: 2,
      positiveSpans: [
        [0, 2],
        [1, 2],
      ],
      positiveDeltas: [1, 1, -1, 0],
      negativeSpans: [[-2, 2]],
      negativeDeltas: [4, 1],
      resetHint: 2,
    },
    {
      ...COMMON,
      schema: 1,
      resetHint: "not-reset",
      zeroThreshold: 0.001,
      zeroCount: 2,
      count: 16,
      sum: 18.4,
      positive: [
        [0, 2, 1, 2],
        [1, 2, 1, 1],
      ],
      negative: [
        [-2, 2],
        [4, 5],
      ],
    },
  ],
  [
    "counts with fractions need not add up",
    {
      countFloat: 7.5,
      sum: -1,
      schema: -4,
      zeroFloat: 0.5,
      positiveSpans: [[3, 1]],
      positiveCounts: [2.25],
      resetHint: 3,
    },
    {
      ...COMMON,
      schema: -4,
      resetHint: "gauge",
      zeroCount: 0.5,
      count: 7.5,
      sum: -1,
      positive: [[3, 1], [2.25]],
    },
  ],
  [
    "a zero count of the other kind is none",
    { countFloat: 1, zeroInt: 9 },
    { ...COMMON, count: 1, sum: 0 },
  ],
  [
    "custom bounds",
    {
      countInt: 6,
      sum: 4.5,
      schema: -53,
      positiveSpans: [[0, 3]],
      positiveDeltas: [2, 1, -2],
      customValues: [-1, 0.5],
    },
    {
      ...COMMON,
      schema: -53,
      count: 6,
      sum: 4.5,
      positive: [
        [0, 3],
        [2, 3, 1],
      ],
      customBounds: [-1, 0.5],
    },
  ],
  [
    "empty spans are folded, touching ones joined",
    {
      countInt: 4,
      positiveSpans: [
        [1, 0],
        [2, 1],
        [0, 1],
        [4, 0],
        [1, 2],
        [9, 0],
      ],
      positiveDeltas: [1, 0, 0, 0],
    },
    {
      ...COMMON,
      count: 4,
      sum: 0,
      positive: [
        [3, 2, 5, 2],
        [1, 1, 1, 1],
      ],
    },
  ],
  [
    "schema 9 becomes 8",
    {
      countInt: 15,
      schema: 9,
      positiveSpans: [
        [-1, 3],
        [5, 1],
      ],
      positiveDeltas: [1, 1, 2, 4],
    },
    {
      ...COMMON,
      schema: 8,
      count: 15,
      sum: 0,
      positive: [
        [0, 2, 2, 1],
        [3, 4, 8],
      ],
    },
  ],
  [
    "schema 52 becomes 8",
    { countFloat: 3, schema: 52, negativeSpans: [[5, 2]], negativeCounts: [1, 2] },
    { ...COMMON, schema: 8, count: 3, sum: 0, negative: [[1, 1], [3]] },
  ],
  [
    "fewer in buckets than counted, with NaN among them",
    { countInt: 3, sum: Number.NaN, positiveSpans: [[0, 1]], positiveDeltas: [2] },
    { ...COMMON, count: 3, sum: Number.NaN, positive: [[0, 1], [2]] },
  ],
];

for (const [name, fields, histogram] of READ) {
  test(`read: ${name}`, () => {
    const read = decode(fields);
    assert.equal(read.fault, undefined);
    assert.deepEqual(shown(read), histogram);
  });
}

const ONE = { positiveSpans: [[0, 1]], positiveDeltas: [1] } as const;
const CUSTOM = { schema: -53, customValues: [1, 2] } as const;

/** Wording as Prometheus' model/histogram has it. */
const REFUSED: readonly [fields: Fields, fault: string][] = [
  [
    { ...ONE, countInt: 2 },
    "1 observations found in buckets, but the Count field is 2: histogram's observation count should equal the number of observations found in the buckets (in absence of NaN)",
  ],
  [
    { ...ONE, countInt: 0, sum: Number.NaN },
    "1 observations found in buckets, but the Count field is 0: histogram's observation count should be at least the number of observations found in the buckets",
  ],
  [
    { countInt: 1, positiveSpans: [[0, 2]], positiveDeltas: [1] },
    "positive side: spans need 2 buckets, have 1 buckets: histogram spans specify different number of buckets than provided",
  ],
  [
    { countInt: 1, negativeSpans: [[0, 1]], negativeDeltas: [] },
    "negative side: spans need 1 buckets, have 0 buckets: histogram spans specify different number of buckets than provided",
  ],
  [
    {
      countInt: 2,
      positiveSpans: [
        [0, 1],
        [-1, 1],
      ],
      positiveDeltas: [1, 0],
    },
    "positive side: span number 2 with offset -1: histogram has a span whose offset is negative",
  ],
  [
    { countInt: 0, positiveSpans: [[0, 2]], positiveDeltas: [1, -2] },
    "positive side: bucket number 2 has observation count of -1: histogram has a bucket whose observation count is negative",
  ],
  [
    { countFloat: 0, negativeSpans: [[0, 1]], negativeCounts: [-0.5] },
    "negative side: bucket number 1 has observation count of -0.5: histogram has a bucket whose observation count is negative",
  ],
  [
    { countFloat: 1, zeroFloat: -1 },
    "zero bucket has observation count of -1: histogram has a bucket whose observation count is negative",
  ],
  [{ countFloat: -2 }, "observation count is  -2: histogram's observation count is negative"],
  [{ customValues: [1] }, "histogram with exponential schema must not have custom bounds"],
  ...[-5, 53, -52].map((schema): [Fields, string] => [
    { schema },
    `histogram has an invalid schema, which must be between -4 and 8 for exponential buckets, or -53 for custom buckets, got schema ${schema}`,
  ]),
  [
    { ...CUSTOM, customValues: [1, 1] },
    "custom buckets: previous bound is 1.000000 and current is 1.000000: histogram custom bounds must be in strictly increasing order",
  ],
  [
    { ...CUSTOM, customValues: [1, Infinity] },
    "custom buckets: last +Inf bound must not be explicitly defined: histogram custom bounds must be finite",
  ],
  [
    { ...CUSTOM, customValues: [Number.NaN] },
    "custom buckets: histogram custom bounds must not be NaN",
  ],
  [
    { ...CUSTOM, countInt: 1, positiveSpans: [[3, 1]], positiveDeltas: [1] },
    "custom buckets: only 2 custom bounds defined which is insufficient to cover total span length of 4: histogram custom bounds are too few",
  ],
  [
    { ...CUSTOM, countInt: 1, positiveSpans: [[-1, 1]], positiveDeltas: [1] },
    "custom buckets: span number 1 with offset -1: histogram has a span whose offset is negative",
  ],
  [{ ...CUSTOM, countInt: 1, zeroInt: 1 }, "custom buckets: must have zero count of 0"],
  [{ ...CUSTOM, zeroThreshold: 0.1 }, "custom buckets: must have zero threshold of 0"],
  [{ ...CUSTOM, negativeSpans: [[0, 0]] }, "custom buckets: must not have negative spans"],
  [{ ...CUSTOM, negativeDeltas: [1] }, "custom buckets: must not have negative buckets"],
  [
    { schema: 9, countInt: 1, positiveSpans: [[0, 2]], positiveDeltas: [1] },
    "have 1 buckets but spans need more: histogram spans specify different number of buckets than provided",
  ],
  [
    {
      countInt: 2,
      positiveSpans: [
        [2147483647, 1],
        [1, 1],
      ],
      positiveDeltas: [1, 0],
    },
    "span number 1 ends at bucket 2147483647: no bucket has an index beyond 2147483646",
  ],
];

for (const [fields, fault] of REFUSED) {
  test(`refused: ${fault.slice(0, 100)}`, () => {
    const read = decode(fields);
    assert.equal(read.fault, fault);
    assert.equal(read.histogram, undefined);
    assert.equal(read.isStale, false);
  });
}

test("a stale marker keeps its bits and is no histogram", () => {
  const read = decode({ sumWords: [STALE_NAN_LOW, STALE_NAN_HIGH], timestamp: 7 });
  assert.deepEqual(
    [read.isStale, read.histogram, read.fault, read.sumLow, read.sumHigh, read.timestampMs],
    [true, undefined, undefined, STALE_NAN_LOW, STALE_NAN_HIGH, 7],
  );
});

test("times arrive, also before 1970; one out of range is refused whole", () => {
  const read = decode({ timestamp: -5, start: 3 });
  assert.deepEqual([read.timestampMs, read.startTimestampMs], [-5, 3]);
  const writer = new ProtobufWriter();
  writer.writeBigInt(15, 2n ** 60n);
  const bytes = writer.finish();
  assert.throws(() => decodeHistogram(bytes, 0, bytes.length), { kind: "invalid" });
});

test("more buckets than allowed are counted, not stored", () => {
  const writer = new ProtobufWriter();
  writer.writeBytes(12, new Uint8Array(3 * HISTOGRAM_BUCKETS_MAX));
  const bytes = writer.finish();
  const read = decodeHistogram(bytes, 0, bytes.length);
  assert.equal(read.bucketCount, 3 * HISTOGRAM_BUCKETS_MAX);
  assert.match(read.fault!, /196608 buckets and bounds, 65536 of each are allowed/);
  assert.equal(decode({ ...ONE, countInt: 1 }).fault, undefined);
});

test("cut at any byte: a codec error or a fault, never a crash", () => {
  const bytes = message({ ...READ[1]![1], timestamp: 1, start: 1 });
  for (let end = 0; end < bytes.length; end++) {
    try {
      decodeHistogram(bytes, 0, end);
    } catch (error) {
      assert.equal((error as Error).name, "CodecError");
    }
  }
});

const buckets = (count: fc.Arbitrary<number>) =>
  fc
    .array(
      fc.record({
        gap: fc.integer({ min: 1, max: 5 }),
        counts: fc.array(count, { minLength: 1, maxLength: 4 }),
      }),
      { maxLength: 4 },
    )
    .map((runs) => ({
      spans: Int32Array.from(
        runs.flatMap(({ gap, counts }, i) => [i === 0 ? gap - 3 : gap, counts.length]),
      ),
      counts: Float64Array.from(runs.flatMap(({ counts }) => counts)),
    }));

function histograms(count: fc.Arbitrary<number>, isWhole: boolean): fc.Arbitrary<Histogram> {
  return fc
    .record({
      schema: fc.integer({ min: -4, max: 8 }),
      resetHint: fc.constantFrom("unknown", "reset", "not-reset", "gauge"),
      zeroThreshold: fc.double({ min: 0, max: 1, noNaN: true }),
      zeroCount: count,
      extra: count,
      sum: fc.double({ noNaN: true }),
      positive: buckets(count),
      negative: buckets(count),
    })
    .map(({ extra, ...rest }) => {
      const sum = (values: Float64Array) => values.reduce((all, one) => all + one, 0);
      const count = rest.zeroCount + sum(rest.positive.counts) + sum(rest.negative.counts);
      return { ...rest, count: isWhole ? count : count + extra, customBounds: new Float64Array(0) };
    });
}

test("what is written reads back the same", () => {
  const any = fc.oneof(
    histograms(fc.nat(1_000_000), true),
    histograms(
      fc.double({ min: 0, max: 1e9, noNaN: true }).map((n) => n + 0.5),
      false,
    ),
  );
  fc.assert(
    fc.property(any, fc.nat(), fc.nat(), (histogram, timestampMs, startTimestampMs) => {
      const writer = new ProtobufWriter();
      writeHistogram(writer, 3, { histogram, timestampMs, startTimestampMs });
      const reader = new ProtobufReader(writer.finish());
      reader.readTag();
      const outer = reader.enter();
      const read = readHistogram(reader);
      reader.leave(outer);
      assert.equal(reader.more(), false);
      assert.equal(read.fault, undefined);
      assert.deepEqual(
        [read.timestampMs, read.startTimestampMs, read.histogram],
        [timestampMs, startTimestampMs, histogram],
      );
    }),
  );
});
