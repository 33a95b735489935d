/** Holds codec's kernel for pages to its twins, over lines as programs write them and lines of anything. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { LogPageKernel, PAGE_GRAMS_MAX } from "@finch/codec/kernels";
import fc from "fast-check";
import { filterOfKernel, GramCollector, makeFilter } from "./gram-filter.ts";

const kernel = new LogPageKernel();
const grams = new GramCollector();

/** Lines back to back, between bytes that belong to none. */
function layLines(lines: readonly Uint8Array[]) {
  const bounds = new Uint32Array(lines.length + 1);
  bounds[0] = 3;
  for (const [i, line] of lines.entries()) bounds[i + 1] = bounds[i]! + line.length;
  return { bytes: Buffer.concat([Buffer.from("abc"), ...lines, Buffer.from("def")]), bounds };
}

function load(lines: readonly Uint8Array[]) {
  const laid = layLines(lines);
  kernel.load(laid.bytes, laid.bounds, lines.length);
  return laid;
}

/** Words and what is between them, in which windows begin and end at any place of a step. */
const worded = fc
  .array(fc.oneof(fc.stringMatching(/^[ =:]{0,3}[a-zA-Z0-9_.\-ü]{0,40}$/), fc.string()), {
    maxLength: 12,
  })
  .map((parts) => Buffer.from(parts.join(" ")));
const anyLine = fc.oneof(
  worded,
  fc.uint8Array({ maxLength: 100 }),
  fc.uint8Array({ min: 0x70, max: 0xff, maxLength: 100 }),
);

void test("grams are those of the twin", () => {
  fc.assert(
    fc.property(fc.array(anyLine, { maxLength: 12 }), (lines) => {
      const { bytes, bounds } = load(lines);
      const expected = grams.collect(bytes, bounds, lines.length);
      assert.equal(kernel.collectGrams(), expected.length);
      assert.deepEqual(kernel.gramHashes().slice().sort(), expected.slice().sort());
      assert.deepEqual(filterOfKernel(kernel, expected.length), makeFilter(expected));
    }),
    { numRuns: 2000 },
  );
});

void test("a page with too many grams is known as such", () => {
  const ids = (count: number) =>
    Buffer.from(
      Array.from({ length: count }, (_, i) => (i * 0.7368062997280773).toFixed(16)).join(" "),
    );
  const some = [ids(10_000)];
  const { bytes, bounds } = load(some);
  const expected = grams.collect(bytes, bounds, 1);
  assert.ok(expected.length > 30_000);
  assert.equal(kernel.collectGrams(), expected.length);
  assert.deepEqual(filterOfKernel(kernel, expected.length), makeFilter(expected));
  const many = [ids(50_000)];
  const laid = load(many);
  assert.ok(grams.collect(laid.bytes, laid.bounds, 1).length > PAGE_GRAMS_MAX);
  assert.equal(kernel.collectGrams(), undefined);
});
