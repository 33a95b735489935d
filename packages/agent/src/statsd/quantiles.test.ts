import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SlidingQuantiles } from "./quantiles.ts";

const WINDOW = { maxAgeMs: 10_000, pieces: 5, exactMax: 100 };
const WANTED = [0, 0.5, 0.9, 1];

void describe("quantiles of late", () => {
  void test("few observations are exact", () => {
    const quantiles = new SlidingQuantiles(WINDOW);
    for (const value of [3, 1, 2, 5, 4, 10, 9, 8, 7, 6]) quantiles.observe(value, 0);
    assert.deepEqual(quantiles.values(WANTED, 0), [1, 5, 9, 10]);
  });

  void test("many are within half a percent", () => {
    const quantiles = new SlidingQuantiles(WINDOW);
    for (let i = 1; i <= 100_000; i++) quantiles.observe((i * 7919) % 100_000, 0);
    for (const [index, value] of quantiles.values([0.01, 0.5, 0.99], 0).entries()) {
      const exact = [1000, 50_000, 99_000][index]!;
      assert.ok(Math.abs(value - exact) / exact < 0.006, `${value} instead of ${exact}`);
    }
  });

  void test("zeros and negative values have their place", () => {
    const quantiles = new SlidingQuantiles({ ...WINDOW, exactMax: 0 });
    for (const value of [-100, -1, 0, 0, 1]) quantiles.observe(value, 0);
    const [least, , middle, , most] = quantiles.values([0.2, 0.4, 0.6, 0.8, 1], 0);
    assert.ok(Math.abs(least! + 100) < 0.6);
    assert.equal(middle, 0);
    assert.ok(Math.abs(most! - 1) < 0.006);
  });

  void test("what is older than the window is forgotten, piece by piece", () => {
    const quantiles = new SlidingQuantiles(WINDOW);
    quantiles.observe(1, 0);
    quantiles.observe(2, 5000);
    assert.deepEqual(quantiles.values([0, 1], 9000), [1, 2]);
    assert.deepEqual(quantiles.values([0, 1], 11_000), [2, 2]);
    assert.deepEqual(quantiles.values([0.5], 60_000), [NaN]);
    quantiles.observe(3, 60_000);
    assert.deepEqual(quantiles.values([0, 1], 61_000), [3, 3]);
  });
});
