import assert from "node:assert/strict";
import { test } from "node:test";
import { CodecError } from "@finch/codec";
import fc from "fast-check";
import { SelectionEdges } from "../log-edges.ts";
import { ascending } from "../number-columns.ts";
import {
  BIN_UNITS_NS,
  binEndNs,
  binGrid,
  binOf,
  decodeBins,
  encodeBins,
  rowsOfBins,
  timesOfBins,
  widenBins,
} from "./time-bins.ts";

const SECOND_NS = 1_000_000_000n;

/** Ascending times, many of them whole seconds and minutes, before 1970 too. */
const TIMES = fc
  .tuple(
    fc.integer({ min: -5000, max: 5000 }),
    fc.array(fc.constantFrom(0n, 1n, SECOND_NS - 1n, SECOND_NS, 7n * SECOND_NS, 60n * SECOND_NS), {
      minLength: 30,
      maxLength: 300,
    }),
  )
  .map(([first, steps]) => {
    let time = BigInt(first) * SECOND_NS;
    return BigInt64Array.from([time, ...steps.map((step) => (time += step))]);
  });

function gridOf(times: BigInt64Array) {
  return binGrid({ rows: times.length, minNs: times[0]!, maxNs: times.at(-1)! });
}

test("rows stand in the bins of their times, also in wider ones and between bounds", () => {
  let binned = 0;
  fc.assert(
    fc.property(TIMES, fc.nat(), fc.nat(), (times, a, b) => {
      const grid = gridOf(times);
      if (grid === undefined) return;
      binned++;
      const span = { minNs: times[0]!, maxNs: times.at(-1)! };
      const own = decodeBins(encodeBins(times, grid), grid, times.length);
      for (const unitNs of BIN_UNITS_NS.filter((unit) => unit >= grid.unitNs)) {
        const bins = widenBins(own, unitNs);
        const ends = times.map((time) => binEndNs(binOf(time, unitNs), unitNs));
        assert.deepEqual(timesOfBins(bins, ascending(times.length)), ends);
        const boundOf = (n: number): bigint => {
          const bin = binOf(times[n % times.length]!, unitNs) + (n % 3) - 1;
          return binEndNs(bin, unitNs) + 1n;
        };
        const startNs = a % 5 === 0 ? times[0]! : boundOf(a);
        const endNs = b % 5 === 0 ? times.at(-1)! + 1n : boundOf(b);
        const between = [...times.keys()].filter(
          (row) => times[row]! >= startNs && times[row]! < endNs,
        );
        assert.deepEqual([...rowsOfBins(bins, span, { startNs, endNs })], between);
      }
    }),
    { numRuns: 500 },
  );
  assert.ok(binned > 50, `${binned} pages have bins`);
});

test("bins that are cut, or of other rows, are refused", () => {
  const times = BigInt64Array.from({ length: 200 }, (_, i) => BigInt(i) * SECOND_NS);
  const grid = gridOf(times)!;
  const bytes = encodeBins(times, grid);
  const damaged = [bytes.subarray(1), Uint8Array.of(...bytes, 0), bytes.map((rows) => rows + 1)];
  for (const other of damaged) assert.throws(() => decodeBins(other, grid, 200), CodecError);
  assert.throws(() => decodeBins(bytes, grid, 199), CodecError);
});

test("edges part times as a look at each of them says", () => {
  const small = fc.bigInt({ min: -60n, max: 60n });
  fc.assert(
    fc.property(
      fc.record({
        originNs: small,
        stepNs: fc.bigInt({ min: 1n, max: 30n }),
        rangeNs: fc.bigInt({ min: 1n, max: 40n }),
        count: fc.integer({ min: 1, max: 6 }),
      }),
      small,
      fc.bigInt({ min: 0n, max: 50n }),
      (edges, minNs, length) => {
        const { originNs, stepNs, rangeNs, count } = edges;
        const ends = Array.from({ length: count }, (_, k) => originNs + BigInt(k) * stepNs);
        const all = [...ends, ...ends.map((end) => end - rangeNs)];
        const selection = new SelectionEdges(edges, { startNs: 0n, endNs: 1n });
        const isParted = all.some((edge) => edge >= minNs && edge < minNs + length);
        assert.equal(selection.part(minNs, minNs + length), isParted);
      },
    ),
    { numRuns: 2000 },
  );
});
