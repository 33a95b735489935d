/** Chunks and rows of times as they are written and read back, with everything a sample can have. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter, CodecError } from "@finch/codec";
import { wordsOf } from "@finch/model";
import type { Histogram } from "@finch/model";
import { ChunkPageReader, writeChunk } from "./metric-chunk.ts";
import type { SampleColumns } from "./sample-columns.ts";

const buckets = fc.array(fc.nat(1000), { maxLength: 6 }).map((counts) => ({
  spans: counts.length === 0 ? new Int32Array(0) : Int32Array.of(-2, 1, 3, counts.length - 1),
  counts: Float64Array.from(counts),
}));

const histogram: fc.Arbitrary<Histogram> = fc.record({
  schema: fc.constantFrom(-53, -4, 0, 8),
  resetHint: fc.constantFrom("unknown", "reset", "not-reset", "gauge"),
  zeroThreshold: fc.constantFrom(0, 1e-128, 0.5),
  zeroCount: fc.nat(100),
  count: fc.nat(1e6),
  sum: fc.double(),
  positive: buckets,
  negative: buckets,
  customBounds: fc.constantFrom(new Float64Array(0), Float64Array.of(0.5, 1, 2.5)),
});

const columns: fc.Arbitrary<SampleColumns> = fc
  .array(
    fc.record({
      value: fc.double(),
      histogram: fc.option(histogram, { nil: undefined, freq: 2 }),
      start: fc.constantFrom(0, 0, 1_700_000_000_000, 1_700_000_000_001),
    }),
    { minLength: 1, maxLength: 40 },
  )
  .map((rows) => ({
    timestampsMs: Float64Array.from(rows, (_, i) => i),
    values: Float64Array.from(rows, ({ value, histogram: h }) => h?.sum ?? value),
    histograms: rows.map(({ histogram: h }) => (h === undefined ? undefined : { ...h })),
    startTimestampsMs: Float64Array.from(rows, ({ start }) => start),
  }));

test("chunks come back with histograms and start times", () => {
  fc.assert(
    fc.property(columns, (samples) => {
      const writer = new ByteWriter();
      writeChunk(writer, samples, 0, samples.values.length);
      const values = new Float64Array(samples.values.length);
      const target = {
        rows: values.length,
        skip: 0,
        take: values.length,
        values,
        at: 0,
        isRising: false,
      };
      const { histograms, startTimestampsMs } = new ChunkPageReader(writer.finish()).read(
        0,
        target,
      );
      assert.deepEqual(wordsOf(values), wordsOf(samples.values));
      assert.deepEqual(
        histograms ?? samples.histograms!.map(() => undefined),
        samples.histograms!.slice(),
      );
      const unknown = new Float64Array(values.length);
      assert.deepEqual(startTimestampsMs ?? unknown, samples.startTimestampsMs);
    }),
    { numRuns: 300 },
  );
});

test("floats alone cost nothing more", () => {
  const values = Float64Array.from({ length: 100 }, (_, i) => i * 3);
  const writer = new ByteWriter();
  writeChunk(
    writer,
    { timestampsMs: values, values, startTimestampsMs: new Float64Array(100) },
    0,
    100,
  );
  assert.ok(writer.length < 8, `${writer.length} bytes`);
});

test("a cut or flipped chunk is a CodecError or other samples", () => {
  const sample = fc.sample(columns, { numRuns: 1, seed: 7 })[0]!;
  const writer = new ByteWriter();
  writeChunk(writer, sample, 0, sample.values.length);
  const bytes = writer.finish();
  const read = (damaged: Uint8Array) => {
    try {
      const values = new Float64Array(sample.values.length);
      new ChunkPageReader(damaged).read(0, {
        rows: values.length,
        skip: 0,
        take: values.length,
        values,
        at: 0,
        isRising: false,
      });
      return "read";
    } catch (error) {
      assert.ok(error instanceof CodecError, String(error));
      return "refused";
    }
  };
  for (let cut = 0; cut < bytes.length; cut++)
    assert.equal(read(bytes.subarray(0, cut)), "refused");
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >>> 3]! ^= 1 << (bit & 7);
    read(flipped);
  }
});
