/** The kernels against their twin: the same bytes and bits of every block, and the same refusals. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import { CodecError } from "./errors.ts";
import { readFloatBlock, writeFloatBlock } from "./float-block.ts";
import { FloatBlockEncoder } from "./float-block-encoder.ts";
import { FloatBlockDecoder } from "./float-block-kernel.ts";

const decoder = new FloatBlockDecoder();
const encoder = new FloatBlockEncoder();

function wordsOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

function encode(values: Float64Array): Uint8Array {
  const writer = new ByteWriter();
  writer.writeBytes(Uint8Array.of(1, 2, 3));
  writeFloatBlock(writer, { values, words: wordsOf(values) }, 0, values.length);
  return writer.finish();
}

function check(values: Float64Array): void {
  const bytes = encode(values);
  const writer = new ByteWriter();
  writer.writeBytes(Uint8Array.of(1, 2, 3));
  encoder.write(writer, values, 0, values.length);
  assert.equal(Buffer.from(writer.finish()).toString("hex"), Buffer.from(bytes).toString("hex"));
  decoder.load(bytes);
  const found = new Float64Array(values.length);
  assert.equal(decoder.decode(3, found.length, found, 0), bytes.length);
  assert.deepEqual(wordsOf(found), wordsOf(values));
  const isRising = values.every((value, i) => value >= (values[i - 1] ?? -Infinity));
  assert.equal(decoder.isRising, isRising);
  const part = new Float64Array(2);
  const skip = values.length >> 1;
  decoder.decode(3, values.length, part, 1, skip, 1);
  assert.deepEqual(wordsOf(part).subarray(2), wordsOf(values).subarray(2 * skip, 2 * skip + 2));
}

/** Columns as they come from counters and gauges of every width, in whole numbers, decimals and sums. */
const column = fc
  .record({
    rows: fc.integer({ min: 1, max: 512 }),
    seed: fc.nat(),
    range: fc.integer({ min: 0, max: 52 }),
    scale: fc.constantFrom(1, 10, 100, 1e9, 4096, 1 / 4096, Math.PI),
    isSum: fc.boolean(),
    outliers: fc.constantFrom(0, 0, 0.01, 0.2),
    specials: fc.constantFrom(0, 0, 0.01, 0.2),
  })
  .map(({ rows, seed, range, scale, isSum, outliers, specials }) => {
    let state = seed;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    let sum = 0;
    return Float64Array.from({ length: rows }, () => {
      if (random() < specials) return [Number.NaN, Infinity, -0, 1e300, Math.PI][state % 5]!;
      const step = Math.floor(random() * 2 ** range) * (random() < outliers ? 1024 : 1);
      sum = isSum ? sum + step : step - 2 ** (range - 1);
      return sum / scale;
    });
  });

test("every block has the same bytes and decodes to the same bits", () => {
  fc.assert(fc.property(column, check), { numRuns: 3000 });
  const pair = fc.tuple(fc.nat(0xffffffff), fc.nat(0xffffffff));
  fc.assert(
    fc.property(fc.array(pair, { minLength: 1, maxLength: 64 }), (words) =>
      check(new Float64Array(Uint32Array.from(words.flat()).buffer)),
    ),
    { numRuns: 500 },
  );
  for (let width = 0; width <= 52; width++)
    for (const rows of [1, 2, 3, 4, 5, 8, 9, 255, 511, 512])
      check(
        Float64Array.from({ length: rows }, (_, i) =>
          Math.floor((((i * 7919) % 97) / 97) * 2 ** width),
        ),
      );
});

test("what the kernel refuses the twin names", () => {
  const columns = fc.sample(column, { numRuns: 60, seed: 3 });
  for (const values of columns) {
    const bytes = encode(values.subarray(0, 60).slice());
    const rows = Math.min(60, values.length);
    for (let cut = 3; cut < bytes.length; cut++) {
      decoder.load(bytes.subarray(0, cut));
      assert.throws(
        () => decoder.decode(3, rows, new Float64Array(rows), 0),
        CodecError,
        `cut ${cut}`,
      );
    }
    for (let bit = 24; bit < 8 * bytes.length; bit++) {
      const flipped = bytes.slice();
      flipped[bit >>> 3]! ^= 1 << (bit & 7);
      const found = new Float64Array(rows);
      decoder.load(flipped);
      let end: number;
      try {
        end = decoder.decode(3, rows, found, 0);
      } catch (error) {
        assert.ok(error instanceof CodecError, String(error));
        continue;
      }
      const twin = new Float64Array(rows);
      const reader = new ByteReader(flipped, 3);
      readFloatBlock(reader, { values: twin, words: wordsOf(twin) }, 0, rows);
      assert.equal(end, reader.position, `bit ${bit}`);
    }
  }
});
