import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  alignSpan,
  combineColumns,
  frameFromSeries,
  growFrame,
  lastMeasured,
  lastValue,
  sumColumns,
} from "../src/series/frame.ts";

const one = (times: number[], values: number[], labels: Record<string, string> = {}) => ({
  labels,
  times,
  values,
});

describe("frames", () => {
  test("spans are multiples of the step inside the range", () => {
    assert.deepEqual(alignSpan(12_000, 29_000, 5), { start: 15, end: 25, step: 5 });
  });
  test("missing points become null, NaN too, and series without any point vanish", () => {
    const frame = frameFromSeries(
      [one([5, 15], [1, 3], { a: "1" }), one([5], [Number.NaN], { a: "2" })],
      { start: 5, end: 15, step: 5 },
    );
    assert.deepEqual(frame.times, [5, 10, 15]);
    assert.deepEqual(
      frame.series.map((item) => item.values),
      [[1, null, 3]],
    );
  });
  test("growing replaces the overlap, appends, and drops what is too old", () => {
    const first = frameFromSeries([one([5, 10, 15], [1, 2, 3])], { start: 5, end: 15, step: 5 });
    const next = growFrame(first, [one([15, 20], [33, 4])], { start: 15, end: 20, step: 5 }, 10);
    assert.deepEqual(next.times, [10, 15, 20]);
    assert.deepEqual(next.series[0]?.values, [2, 33, 4]);
    assert.deepEqual(first.series[0]?.values, [1, 2, 3]);
  });
  test("a series that starts late is null before, one that stops is null after", () => {
    const first = frameFromSeries([one([5], [1], { a: "old" })], { start: 5, end: 5, step: 5 });
    const next = growFrame(
      first,
      [one([10], [2], { a: "new" })],
      { start: 10, end: 10, step: 5 },
      5,
    );
    assert.deepEqual(
      next.series.map((item) => item.values),
      [
        [1, null],
        [null, 2],
      ],
    );
  });
  test("after a pause the hole is part of the grid", () => {
    const first = frameFromSeries([one([5], [1])], { start: 5, end: 5, step: 5 });
    const next = growFrame(first, [one([20], [4])], { start: 20, end: 20, step: 5 }, 5);
    assert.deepEqual(next.times, [5, 10, 15, 20]);
    assert.deepEqual(next.series[0]?.values, [1, null, null, 4]);
  });
  test("piece by piece gives the same as at once", () => {
    fc.assert(
      fc.property(
        fc.array(fc.option(fc.integer({ min: 0, max: 9 }), { nil: null }), {
          minLength: 4,
          maxLength: 40,
        }),
        fc.integer({ min: 1, max: 5 }),
        (points, size) => {
          const series = (from: number, to: number) => {
            const kept = points
              .map((value, index) => ({ value, time: 5 + 5 * index }))
              .filter((point) => point.value !== null && point.time >= from && point.time <= to);
            return [
              one(
                kept.map((point) => point.time),
                kept.map((point) => point.value!),
              ),
            ];
          };
          const end = 5 * points.length;
          const whole = frameFromSeries(series(5, end), { start: 5, end, step: 5 });
          let grown = frameFromSeries(series(5, 5), { start: 5, end: 5, step: 5 });
          for (let at = 5; at < end; at = Math.min(end, at + 5 * size)) {
            const to = Math.min(end, at + 5 * size);
            grown = growFrame(grown, series(at, to), { start: at, end: to, step: 5 }, 5);
          }
          assert.deepEqual(grown, whole);
        },
      ),
    );
  });
  test("the last measured time skips nulls", () => {
    const frame = frameFromSeries([one([5, 10], [1, 2])], { start: 5, end: 20, step: 5 });
    assert.equal(lastMeasured(frame), 10);
    assert.equal(lastValue(frame.series[0]!.values), 2);
    assert.equal(lastValue([null]), null);
  });
  test("sums count null as nothing, unless all are null", () => {
    assert.deepEqual(
      sumColumns([
        [1, null, null],
        [2, 3, null],
      ]),
      [3, 3, null],
    );
    assert.deepEqual(
      combineColumns([], () => 1),
      [],
    );
  });
});
