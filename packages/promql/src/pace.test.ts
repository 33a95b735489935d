import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { sortPaced } from "./pace.ts";

void test("sorting with breaths is stable and answers what sorting at once does", async () => {
  let breaths = 0;
  const breather = {
    isBreathDue: () => true,
    breathe: () => {
      breaths++;
      return Promise.resolve();
    },
  };
  const items = fc.array(fc.tuple(fc.integer({ min: 0, max: 50 }), fc.integer()), {
    minLength: 0,
    maxLength: 9000,
    size: "max",
  });
  await fc.assert(
    fc.asyncProperty(items, async (pairs) => {
      const compare = (a: [number, number], b: [number, number]) => a[0] - b[0];
      assert.deepEqual(await sortPaced(breather, pairs, compare), pairs.toSorted(compare));
    }),
    { numRuns: 20 },
  );
  assert.ok(breaths > 0);
});
