import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { Histogram, HistogramBuckets } from "@finch/model";
import fc from "fast-check";
import { readHistogram, writeHistogram } from "./histogram-bytes.ts";

const counts = (isWhole: boolean) =>
  isWhole ? fc.nat(2 ** 31 - 1).map((n) => n * 1024) : fc.double({ min: 0, noNaN: false });

function buckets(isWhole: boolean): fc.Arbitrary<HistogramBuckets> {
  return fc.record(
    {
      spans: fc
        .array(fc.tuple(fc.integer(), fc.nat(1000)), { maxLength: 4 })
        .map((spans) => Int32Array.from(spans.flat())),
      counts: fc.array(counts(isWhole), { maxLength: 12 }).map((list) => Float64Array.from(list)),
    },
    { noNullPrototype: true },
  );
}

const histogram: fc.Arbitrary<Histogram> = fc.boolean().chain((isWhole) =>
  fc
    .record(
      {
        schema: fc.constantFrom(-53, -4, 0, 8),
        resetHint: fc.constantFrom("unknown", "reset", "not-reset", "gauge"),
        zeroThreshold: fc.double({ noNaN: true }),
        zeroCount: counts(isWhole),
        count: counts(isWhole),
        sum: fc.double(),
        positive: buckets(isWhole),
        negative: buckets(isWhole),
        customBounds: fc
          .array(fc.double(), { maxLength: 5 })
          .map((list) => Float64Array.from(list)),
      },
      { noNullPrototype: true },
    )
    .map((made) => {
      // Without spans there are no counts, as everywhere.
      const { negative } = made;
      return negative.spans.length > 0
        ? (made as Histogram)
        : ({ ...made, negative: { ...negative, counts: new Float64Array(0) } } as Histogram);
    }),
);

function encode(value: Histogram): Uint8Array {
  const writer = new ByteWriter();
  writeHistogram(writer, value);
  return writer.finish();
}

test("what is written reads the same", () => {
  fc.assert(
    fc.property(histogram, (value) => {
      const reader = new ByteReader(encode(value));
      assert.deepEqual(readHistogram(reader, value.sum), value);
      assert.equal(reader.position, reader.end);
    }),
  );
});

test("cut or flipped bytes are a CodecError or another histogram, never a large allocation", () => {
  const [sample] = fc.sample(histogram, { seed: 1, numRuns: 1 });
  const bytes = encode(sample!);
  const attempt = (damaged: Uint8Array): void => {
    try {
      readHistogram(new ByteReader(damaged), 1);
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
    }
  };
  for (let end = 0; end < bytes.length; end++) attempt(bytes.subarray(0, end));
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    attempt(flipped);
  }
});
