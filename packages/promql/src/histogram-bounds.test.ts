import assert from "node:assert/strict";
import { test } from "node:test";
import { boundOf, coarserIndex, exponentialBound } from "./histogram-bounds.ts";

const NONE = new Float64Array(0);

for (const [index, schema, bound] of [
  [0, 0, 1],
  [1, 0, 2],
  [-1, 0, 0.5],
  [1, -1, 4],
  [-1, -4, 2 ** -16],
  [64, -4, Number.MAX_VALUE],
  [65, -4, Infinity],
  [1024, 0, Number.MAX_VALUE],
  [1025, 0, Infinity],
  [4096, 2, Number.MAX_VALUE],
  [4097, 2, Infinity],
  [-1074, 0, 2 ** -1074],
  [256, 8, 2],
] as const) {
  void test(`bucket ${index} of schema ${schema} ends at ${bound}`, () => {
    assert.equal(boundOf(index, schema, NONE), bound);
  });
}

void test("bounds inside an octave are those of Prometheus to the last digit", () => {
  assert.equal(exponentialBound(0, 1), 1);
  assert.equal(exponentialBound(1, 1), 2 * 0.7071067811865475);
  assert.equal(exponentialBound(-1, 1), 0.7071067811865475);
  assert.equal(exponentialBound(3, 2), 2 * 0.8408964152537144);
  assert.equal(exponentialBound(-1, 3), 0.9170040432046711);
});

void test("bounds ascend without a gap between octaves", () => {
  for (let index = -300; index < 600; index++)
    assert.ok(exponentialBound(index, 8) < exponentialBound(index + 1, 8), `${index}`);
});

void test("a coarser bucket ends where the last of its parts does", () => {
  for (let index = -20; index <= 20; index++) {
    const coarser = coarserIndex(index, 3, 1);
    assert.ok(exponentialBound(index, 3) <= exponentialBound(coarser, 1) * (1 + 1e-15));
    assert.ok(exponentialBound(index - 1, 3) >= exponentialBound(coarser - 1, 1) * (1 - 1e-15));
  }
});

void test("custom buckets begin and end with the infinities", () => {
  const bounds = Float64Array.of(-1, 5, 10);
  assert.deepEqual(
    [-1, 0, 1, 2, 3].map((index) => boundOf(index, -53, bounds)),
    [-Infinity, -1, 5, 10, Infinity],
  );
});
