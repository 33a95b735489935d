/** Ranks kept member after member are those that sorting each step gives. */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Extremes, isBetter } from "./aggregate-extremes.ts";

const STEPS = 5;
const value = fc.oneof(fc.integer({ min: -3, max: 3 }), fc.constantFrom(NaN, Infinity, -Infinity));
const member = fc.record({
  values: fc.array(value, { minLength: STEPS, maxLength: STEPS }),
  present: fc.array(fc.constantFrom(0, 1, 1, 2), { minLength: STEPS, maxLength: STEPS }),
});

void test("the best of each step, of equals the first", () => {
  const property = fc.property(
    fc.array(member, { maxLength: 12 }),
    fc.array(fc.integer({ min: 0, max: 6 }), { minLength: STEPS - 1, maxLength: STEPS - 1 }),
    fc.constantFrom<1 | -1>(1, -1),
    (members, limits, sign) => {
      const extremes = new Extremes(Int32Array.from(limits), 1, sign);
      for (const [index, { values, present }] of members.entries())
        extremes.add(index, {
          values: Float64Array.from(values),
          present: Uint8Array.from(present),
        });
      for (const [at, limit] of limits.entries()) {
        const step = at + 1;
        const found: number[] = [];
        extremes.pickedAt(step, found);
        const valueOf = (index: number) => sign * members[index]!.values[step]!;
        const sorted = [...members.keys()]
          .filter((index) => members[index]!.present[step] === 1)
          .sort((a, b) =>
            isBetter(valueOf(a), valueOf(b)) ? -1 : isBetter(valueOf(b), valueOf(a)) ? 1 : 0,
          );
        assert.deepEqual(found, sorted.slice(0, limit));
      }
    },
  );
  fc.assert(property, { numRuns: 1000 });
});
