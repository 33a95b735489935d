import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { isStaleAt, Labels, setStaleAt, wordsOf } from "@finch/model";
import type { Histogram, Series } from "@finch/model";
import { SymbolReceiver, SymbolSender } from "./label-symbols.ts";
import { packSeries, unpackSeries } from "./series-frame.ts";

const PLAIN = { noNullPrototype: true } as const;
const buckets = fc.record(
  {
    spans: fc.array(fc.integer(), { maxLength: 6 }).map((spans) => Int32Array.from(spans)),
    counts: fc.array(fc.double(), { maxLength: 6 }).map((counts) => Float64Array.from(counts)),
  },
  PLAIN,
);
const histogram: fc.Arbitrary<Histogram> = fc.record(
  {
    schema: fc.constantFrom(-53, -4, 0, 8),
    resetHint: fc.constantFrom("unknown", "reset", "not-reset", "gauge"),
    zeroThreshold: fc.double(),
    zeroCount: fc.double(),
    count: fc.double(),
    sum: fc.double(),
    positive: buckets,
    negative: buckets,
    customBounds: fc
      .array(fc.double(), { maxLength: 4 })
      .map((bounds) => Float64Array.from(bounds)),
  },
  PLAIN,
);
const text = fc.string({ minLength: 1, maxLength: 8, unit: "grapheme" });
const series: fc.Arbitrary<Series> = fc
  .record({
    labels: fc.dictionary(text, text, { maxKeys: 4 }),
    times: fc.uniqueArray(fc.integer({ min: -1e12, max: 2e12 }), { maxLength: 20 }),
    values: fc.array(fc.double(), { minLength: 20, maxLength: 20 }),
    histograms: fc.option(
      fc.array(fc.option(histogram, { nil: undefined }), { minLength: 20, maxLength: 20 }),
    ),
    hasStarts: fc.boolean(),
  })
  .map(({ labels, times, values, histograms, hasStarts }) => {
    const timestampsMs = Float64Array.from(times).sort();
    const { length } = timestampsMs;
    const some = histograms?.slice(0, length);
    return {
      labels: Labels.fromObject({ ...labels }),
      timestampsMs,
      values: Float64Array.from(values.slice(0, length)),
      ...(some?.some((one) => one !== undefined) ? { histograms: some } : undefined),
      ...(hasStarts ? { startTimestampsMs: timestampsMs.map((time) => time - 5) } : undefined),
    };
  });

describe("a frame of series", () => {
  test("is unpacked as it was packed, frame after frame", () => {
    fc.assert(
      fc.property(fc.array(fc.array(series, { maxLength: 12 }), { maxLength: 4 }), (batches) => {
        const sender = new SymbolSender();
        const receiver = new SymbolReceiver();
        for (const batch of batches) {
          const got = unpackSeries(packSeries(batch, sender), receiver);
          const plain = (list: readonly Series[]) =>
            list.map((one) => ({ ...one, labels: one.labels.pairs }));
          assert.deepEqual(plain(got), plain(batch));
        }
      }),
    );
  });

  test("carries a column of times that series share once, and hands out one view of it", () => {
    const times = [Float64Array.of(1, 2, 3), Float64Array.of(1, 2, 3), Float64Array.of(1, 2, 4)];
    const batch = times.map((timestampsMs, index) => ({
      labels: Labels.fromObject({ index: String(index) }),
      timestampsMs,
      values: Float64Array.of(index, index, index),
    }));
    const [a, b, c] = unpackSeries(packSeries(batch, new SymbolSender()), new SymbolReceiver());
    assert.equal(a!.timestampsMs, b!.timestampsMs);
    assert.notEqual(a!.timestampsMs, c!.timestampsMs);
  });

  test("leaves values in shared memory where they are", () => {
    const [one, other] = [0, 1].map((n) => new Float64Array(new SharedArrayBuffer(80)).fill(n));
    const timestampsMs = Float64Array.of(1, 2);
    const values = [
      one!.subarray(3, 5),
      other!.subarray(0, 2),
      one!.subarray(8),
      Float64Array.of(7, 8),
    ];
    const batch = values.map((column) => ({ labels: Labels.EMPTY, timestampsMs, values: column }));
    const frame = packSeries(batch, new SymbolSender());
    const got = unpackSeries(frame, new SymbolReceiver());
    assert.equal(frame.shared.length, 2);
    one![4] = 5;
    assert.deepEqual(
      got.map((series) => [...series.values]),
      [
        [0, 5],
        [1, 1],
        [0, 0],
        [7, 8],
      ],
    );
  });

  test("keeps stale markers", () => {
    const values = Float64Array.of(1, 0);
    setStaleAt(wordsOf(values), 1);
    const batch = [{ labels: Labels.EMPTY, timestampsMs: Float64Array.of(1, 2), values }];
    const [one] = unpackSeries(packSeries(batch, new SymbolSender()), new SymbolReceiver());
    assert.ok(isStaleAt(wordsOf(one!.values), 1));
  });

  test("sends a text once, until both sides forget", () => {
    const sender = new SymbolSender();
    const receiver = new SymbolReceiver();
    const long = "x".repeat(5_000_000);
    const send = (value: string) => {
      const labels = Labels.fromObject({ name: value });
      const frame = packSeries(
        [{ labels, timestampsMs: Float64Array.of(1), values: Float64Array.of(1) }],
        sender,
      );
      assert.equal(unpackSeries(frame, receiver)[0]!.labels.get("name"), value);
      return frame.symbols;
    };
    assert.equal(send("a").texts.length, 2);
    assert.equal(send("a").texts.length, 0);
    send(`${long}1`);
    send(`${long}2`);
    assert.deepEqual(send("a"), { isRestart: true, texts: ["name", "a"] });
  });
});
