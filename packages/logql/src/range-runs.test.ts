import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import fc from "fast-check";
import { selectAll } from "./line-filter.ts";
import { firstStep, lastStep, RowTimes, RunFinder } from "./range-runs.ts";

const ORIGIN_NS = 1_795_000_000_000_000_000n;

test("rows of a run lie in the windows of the same steps, and every row is in one", () => {
  const cases = fc.record({
    times: fc.array(fc.integer({ min: -400, max: 900 }), { maxLength: 300 }),
    step: fc.integer({ min: 1, max: 90 }),
    range: fc.integer({ min: 1, max: 300 }),
    steps: fc.integer({ min: 1, max: 20 }),
    // Neighbours that are seconds apart, and those in one nanosecond.
    unit: fc.constantFrom(1n, 1_000_000_000n, 2n ** 33n),
  });
  fc.assert(
    fc.property(cases, ({ times, step, range, steps, unit }) => {
      const scale = Number(unit);
      const windows = { originNs: ORIGIN_NS, step: step * scale, range: range * scale, steps };
      const sorted = times.toSorted((a, b) => a - b);
      const timestampsNs = BigInt64Array.from(sorted, (time) => ORIGIN_NS + BigInt(time) * unit);
      const entries = {
        count: sorted.length,
        timestampsNs,
        lines: new Uint8Array(0),
        lineBounds: new Uint32Array(sorted.length + 1),
        metadataSets: [Labels.EMPTY],
        metadataOf: new Uint32Array(sorted.length),
      };
      const rowTimes = new RowTimes(entries, selectAll(sorted.length), ORIGIN_NS);
      const runs = new RunFinder(windows).find(rowTimes, sorted.length);
      let row = 0;
      for (let run = 0; run < runs.count; run++)
        for (; row < runs.ends[run]!; row++) {
          const time = sorted[row]! * scale;
          assert.equal(rowTimes.at(row), time);
          assert.equal(runs.firsts[run], firstStep(windows, time));
          assert.equal(runs.lasts[run], lastStep(windows, time));
        }
      assert.equal(row, sorted.length);
    }),
    { numRuns: 2000 },
  );
});
