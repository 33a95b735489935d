import assert from "node:assert/strict";
import { test } from "node:test";
import { wordsOf } from "@finch/model";
import type { Histogram } from "@finch/model";
import { clipSamples, mergeSamples } from "./sample-columns.ts";
import type { SampleColumns } from "./sample-columns.ts";

const NO_BUCKETS = { spans: new Int32Array(0), counts: new Float64Array(0) };

function histogram(count: number): Histogram {
  return {
    schema: 0,
    resetHint: "unknown",
    zeroThreshold: 0,
    zeroCount: count,
    count,
    sum: 0,
    positive: NO_BUCKETS,
    negative: NO_BUCKETS,
    customBounds: new Float64Array(0),
  };
}

function run(times: readonly number[], value: number): SampleColumns {
  return {
    timestampsMs: Float64Array.from(times),
    values: new Float64Array(times.length).fill(value),
  };
}

function show({ timestampsMs, values }: SampleColumns): string {
  return Array.from(timestampsMs, (t, i) => `${t}=${values[i]}`).join(" ");
}

const MERGES: readonly [name: string, runs: readonly SampleColumns[], merged: string][] = [
  ["nothing", [], ""],
  ["one after the other", [run([1, 2], 1), run([3], 2)], "1=1 2=1 3=2"],
  ["one before the other", [run([3], 1), run([1, 2], 2)], "1=2 2=2 3=1"],
  ["the first wins", [run([1, 3, 5], 1), run([1, 2, 3, 6], 2)], "1=1 2=2 3=1 5=1 6=2"],
  ["three", [run([5], 1), run([1, 5], 2), run([1, 3, 5, 7], 3)], "1=2 3=3 5=1 7=3"],
  ["inside", [run([1, 9], 1), run([2, 3, 4], 2)], "1=1 2=2 3=2 4=2 9=1"],
];

for (const [name, runs, merged] of MERGES)
  void test(`merge: ${name}`, () => assert.equal(show(mergeSamples(runs)), merged));

void test("histograms, start times and NaN bits go with their samples", () => {
  const stale = run([2], 0);
  wordsOf(stale.values).set([2, 0x7ff00000]);
  const merged = mergeSamples([
    { ...run([1, 3], 1), histograms: [histogram(1), undefined] },
    { ...stale, startTimestampsMs: Float64Array.of(7) },
  ]);
  assert.deepEqual(
    merged.histograms?.map((h) => h?.count),
    [1, undefined, undefined],
  );
  assert.deepEqual([...merged.startTimestampsMs!], [0, 7, 0]);
  assert.deepEqual([...wordsOf(merged.values).subarray(2, 4)], [2, 0x7ff00000]);
  const clipped = clipSamples(merged, 2, 2);
  assert.deepEqual([...clipped.startTimestampsMs!], [7]);
  assert.equal(clipped.histograms?.length, 1);
});
