import assert from "node:assert/strict";
import { test } from "node:test";
import { quantile } from "./window-functions.ts";

/** Quantile, values, answer. */
const CASES: readonly (readonly [number, readonly number[], number])[] = [
  [0.5, [3, 1, 2], 2],
  [0.5, [1, 2, 3, 4], 2.5],
  [0, [5, 7], 5],
  [1, [5, 7], 7],
  [-0.1, [1], -Infinity],
  [1.5, [1], Infinity],
  [0.5, [], NaN],
  [NaN, [1], NaN],
  [1, [NaN, 2, 1], 2],
  [0, [NaN, 2, 1], NaN],
  [0.9, [9], 9],
];

for (const [q, values, answer] of CASES) {
  test(`quantile ${q} of ${values.join(" ")}`, () => {
    assert.deepEqual(quantile(q, Float64Array.from(values)), answer);
  });
}
