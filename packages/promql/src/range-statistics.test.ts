import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { rate } from "./range-rate.ts";
import { avgOverTime, maxOverTime, minOverTime, sumOverTime } from "./range-statistics.ts";
import { Annotations } from "./annotations.ts";
import { RangeNotes } from "./range-notes.ts";
import { slideWindows } from "./window.ts";
import type { RangeFunction } from "./window.ts";

const samples = fc.array(
  fc.record({
    gap: fc.integer({ min: 1, max: 40 }),
    value: fc.oneof(fc.integer({ min: -50, max: 50 }), fc.constantFrom(NaN, Infinity, 0)),
  }),
  { maxLength: 60 },
);
const grid = fc.record({
  startMs: fc.integer({ min: 0, max: 100 }),
  stepMs: fc.integer({ min: 1, max: 60 }),
  rangeMs: fc.integer({ min: 1, max: 300 }),
});

interface Case {
  readonly timestampsMs: Float64Array;
  readonly values: Float64Array;
  readonly references: Float64Array;
  readonly rangeMs: number;
}

function runOn(
  run: RangeFunction,
  { timestampsMs, values, references, rangeMs }: Case,
): readonly (number | undefined)[] {
  const steps = references.length;
  const bounds = { first: new Int32Array(steps), last: new Int32Array(steps) };
  slideWindows(timestampsMs, references, rangeMs, bounds);
  const out = new Float64Array(steps);
  const present = new Uint8Array(steps);
  const rest = {
    histograms: undefined,
    isRising: false,
    startTimestampsMs: undefined,
    startMs: 0,
    stepMs: 0,
    params: [],
    shared: {},
    scratch: new Float64Array(0),
    notes: new RangeNotes(new Annotations(""), { start: 0, end: 0 }),
  };
  const input = { timestampsMs, values, steps, ...bounds, references, rangeMs, ...rest };
  run(input, { values: out, present });
  return Array.from(out, (value, step) => (present[step] === 1 ? value : undefined));
}

/** The plain way: each window by itself. */
function plainly(
  { timestampsMs, values, references, rangeMs }: Case,
  reduce: (window: readonly number[]) => number,
): readonly (number | undefined)[] {
  return Array.from(references, (end) => {
    const window = [...values].filter(
      (_, i) => timestampsMs[i]! > end - rangeMs && timestampsMs[i]! <= end,
    );
    return window.length === 0 ? undefined : reduce(window);
  });
}

const REDUCTIONS: readonly (readonly [
  name: string,
  run: RangeFunction,
  plain: (window: readonly number[]) => number,
])[] = [
  [
    "max_over_time",
    maxOverTime,
    (window) => window.reduce((a, b) => (b > a || Number.isNaN(a) ? b : a)),
  ],
  [
    "min_over_time",
    minOverTime,
    (window) => window.reduce((a, b) => (b < a || Number.isNaN(a) ? b : a)),
  ],
  ["sum_over_time", sumOverTime, (window) => window.reduce((a, b) => a + b)],
];

for (const [name, run, plain] of REDUCTIONS) {
  void test(`${name} slides to what each window gives by itself`, () => {
    fc.assert(
      fc.property(samples, grid, (rows, { startMs, stepMs, rangeMs }) => {
        let at = 0;
        const timestampsMs = Float64Array.from(rows, ({ gap }) => (at += gap));
        const references = Float64Array.from({ length: 40 }, (_, step) => startMs + step * stepMs);
        const input = {
          timestampsMs,
          values: Float64Array.from(rows, ({ value }) => value),
          references,
          rangeMs,
        };
        assert.deepEqual(runOn(run, input), plainly(input, plain));
      }),
    );
  });
}

void test("a mean whose sum would overflow is taken step by step", () => {
  const values = Float64Array.from([1e308, 1e308, 1e308]);
  const [mean] = runOn(avgOverTime, {
    timestampsMs: Float64Array.from([1, 2, 3]),
    values,
    references: Float64Array.from([3]),
    rangeMs: 10,
  });
  assert.ok(Math.abs(mean! / 1e308 - 1) < 1e-12);
});

/** Sample values 10 s apart from 10 s on, the range at 60 s, and the rate times the range. */
const RATES: readonly (readonly [
  what: string,
  values: readonly number[],
  rangeMs: number,
  growth: number,
])[] = [
  ["reaches both edges", [0, 10, 20, 30, 40, 50], 60_000, 50],
  ["counts what was there before a reset", [100, 110, 5, 15, 25, 35], 60_000, 54],
  [
    "stretches by half a distance where the range reaches far beyond",
    [100, 110, 120, 130, 140, 150],
    120_000,
    55,
  ],
  ["does not stretch below zero", [2, 12, 22, 32, 42, 52], 120_000, 52],
];

for (const [what, values, rangeMs, growth] of RATES) {
  void test(`rate ${what}`, () => {
    const timestampsMs = Float64Array.from(values, (_, i) => (i + 1) * 10_000);
    const [answer] = runOn(rate, {
      timestampsMs,
      values: Float64Array.from(values),
      references: Float64Array.from([60_000]),
      rangeMs,
    });
    assert.ok(
      Math.abs(answer! * (rangeMs / 1000) - growth) < 1e-9,
      `${answer! * (rangeMs / 1000)}`,
    );
  });
}
