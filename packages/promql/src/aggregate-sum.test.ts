/** Sums of columns and of growth against a sum made number by number, to the last bit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { SumReducer } from "./aggregate-sum.ts";
import { ColumnBlocks } from "./column-blocks.ts";
import { KahanSum } from "./kahan.ts";
import { GROWTH, isRising, steadyGrowth } from "./range-rate.ts";
import { RangeNotes } from "./range-notes.ts";
import { Annotations } from "./annotations.ts";
import { countPresent } from "./values.ts";
import { slideWindows } from "./window.ts";
import type { WindowInput } from "./window.ts";

const STEPS = 12;
const number = fc.oneof(
  fc.constantFrom(0, -0, 1e308, -1e308, 1.7976931348623157e308, 5e-324, Infinity, -Infinity, NaN),
  fc.double({ noDefaultInfinity: true, noNaN: true }),
  fc.double({ min: -1000, max: 1000, noNaN: true }),
);
const column = fc.record({
  values: fc.array(number, { minLength: STEPS, maxLength: STEPS }),
  present: fc.oneof(
    fc.constant(Array.from({ length: STEPS }, () => 1)),
    fc.array(fc.constantFrom(0, 1), { minLength: STEPS, maxLength: STEPS }),
  ),
});

void test("columns add up as numbers do one by one", () => {
  const property = fc.property(fc.array(column, { minLength: 1, maxLength: 6 }), (columns) => {
    const sum = new SumReducer(new ColumnBlocks(STEPS), new ColumnBlocks(STEPS));
    const sums = Array.from({ length: STEPS }, () => new KahanSum());
    const marks = new Uint8Array(STEPS);
    for (const { values, present } of columns) {
      const member = { values: Float64Array.from(values), present: Uint8Array.from(present) };
      sum.add(member, countPresent(member.present));
      for (let step = 0; step < STEPS; step++) {
        if (present[step] === 0) continue;
        marks[step] = 1;
        sums[step]!.add(values[step]!);
      }
    }
    const { values, present } = sum.finish();
    assert.deepEqual(present, marks);
    assert.deepEqual(
      [...values],
      sums.map(({ total }) => total),
    );
  });
  fc.assert(property, { numRuns: 2000 });
});

const RANGE_MS = 60_000;
const counter = fc.record({
  start: fc.constantFrom(0, -0, 0.5, -3, 7, 1000, 1e6, 1e300, -1e300),
  growth: fc.array(fc.constantFrom(0, 0, 0.1, 1, 2.5, 1000, 1e307), {
    minLength: 40,
    maxLength: 40,
  }),
  phaseMs: fc.constantFrom(0, 1, 2500),
  /** A term that comes as a column in front of it. */
  column: fc.option(fc.constantFrom(-1e300, -0.1, 3, 1e308, NaN, Infinity), {
    freq: 6,
    nil: undefined,
  }),
});

void test("growth that goes straight into a sum is the growth of the plain way", () => {
  // From before the first sample until behind the last: windows at both ends have one or none.
  const references = Float64Array.from({ length: STEPS }, (_, step) => -20_000 + step * 35_000);
  const property = fc.property(
    fc.array(counter, { minLength: 1, maxLength: 6 }),
    fc.constantFrom<"rate" | "increase">("rate", "increase"),
    (counters, name) => {
      const straight = new SumReducer(new ColumnBlocks(STEPS), new ColumnBlocks(STEPS));
      const sums = Array.from({ length: STEPS }, () => new KahanSum());
      const marks = new Uint8Array(STEPS);
      for (const { start, growth, phaseMs, column: whole } of counters) {
        if (whole !== undefined) {
          const values = new Float64Array(STEPS).fill(whole);
          straight.add({ values, present: new Uint8Array(STEPS).fill(1) }, STEPS);
          for (const sum of sums) sum.add(whole);
          marks.fill(1);
        }
        const input = inputOf(start, growth, { phaseMs, references });
        assert.ok(isRising(input.values));
        const term = steadyGrowth(input, GROWTH[name], new Float64Array(STEPS).fill(NaN));
        assert.ok(term !== undefined);
        straight.addGrowth(term);
        for (let step = 0; step < STEPS; step++) {
          if (input.last[step]! - input.first[step]! < 2) continue;
          marks[step] = 1;
          sums[step]!.add(growthAt(input, step, name === "rate" ? RANGE_MS / 1000 : 1));
        }
      }
      const { values, present } = straight.finish();
      assert.deepEqual(present, marks);
      if (counters.every(({ column: whole }) => whole === undefined))
        assert.ok(present[0] === 0 && present.at(-1) === 0 && present.includes(1));
      assert.deepEqual(
        [...values],
        sums.map(({ total }) => total),
      );
    },
  );
  fc.assert(property, { numRuns: 1000 });
});

function inputOf(
  start: number,
  growth: readonly number[],
  { phaseMs, references }: { readonly phaseMs: number; readonly references: Float64Array },
): WindowInput {
  let value = start;
  const values = Float64Array.from(growth, (more) => (value += more));
  const timestampsMs = Float64Array.from(growth, (_, i) => i * 7000 + phaseMs);
  const bounds = { first: new Int32Array(STEPS), last: new Int32Array(STEPS) };
  slideWindows(timestampsMs, references, RANGE_MS, bounds);
  return {
    ...bounds,
    timestampsMs,
    values,
    histograms: undefined,
    startTimestampsMs: undefined,
    isRising: true,
    steps: STEPS,
    references,
    rangeMs: RANGE_MS,
    startMs: 0,
    stepMs: 0,
    params: [],
    scratch: new Float64Array(0),
    notes: new RangeNotes(new Annotations(""), { start: 0, end: 0 }),
    shared: {},
  };
}

/** The growth in one window, as the definition has it. */
function growthAt(input: WindowInput, step: number, divisor: number): number {
  const { timestampsMs, values, first, last, references, rangeMs } = input;
  const a = first[step]!;
  const b = last[step]! - 1;
  const growth = values[b]! - values[a]!;
  const sampled = (timestampsMs[b]! - timestampsMs[a]!) / 1000;
  const average = sampled / (b - a);
  let toStart = (timestampsMs[a]! - (references[step]! - rangeMs)) / 1000;
  let toEnd = (references[step]! - timestampsMs[b]!) / 1000;
  if (toStart >= average * 1.1) toStart = average / 2;
  if (toEnd >= average * 1.1) toEnd = average / 2;
  if (growth > 0 && values[a]! >= 0) toStart = Math.min(toStart, sampled * (values[a]! / growth));
  return growth * ((sampled + toStart + toEnd) / sampled / divisor);
}
