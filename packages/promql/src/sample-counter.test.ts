/** Figures as Prometheus 3 gives them for the same queries. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { createEngine } from "./engine.ts";
import { createMemorySource } from "./memory-source.ts";

const engine = createEngine({ clock: systemClock });
const timestampsMs = Float64Array.from({ length: 41 }, (_, i) => i * 10_000);
const values = timestampsMs.map((time) => time / 10_000);
const three = ["1", "2", "3"].map((a) => Labels.fromObject({ __name__: "three", a }));
const source = createMemorySource(
  [Labels.fromObject({ __name__: "one" }), ...three].map((labels) => ({
    labels,
    timestampsMs,
    values,
  })),
);

const INSTANTS: readonly [query: string, looked: number, read: number][] = [
  ["1", 0, 0],
  ["one", 1, 1],
  ["timestamp(one)", 1, 1],
  ["three", 3, 3],
  ["one[60s]", 6, 6],
  ["one[60s] @ 30", 4, 4],
  ["one[60s] offset 10s", 6, 6],
  ["max_over_time(three[60s])", 18, 18],
  ["absent_over_time(one[60s])", 6, 6],
  ["sum(max_over_time(three[60s] @ 30))", 12, 12],
  ["one[60s:5s]", 12, 12],
  ["max_over_time(three[60s:5s])", 36, 36],
  ["max_over_time(one[60s])[20s:5s]", 24, 8],
];

for (const [query, looked, read] of INSTANTS) {
  test(`${query} looks at ${looked} samples`, async () => {
    const { statistics } = await engine.instantQuery({
      source,
      query,
      timeMs: 201_000,
      countSamples: true,
    });
    assert.deepEqual([...statistics.counted!.looked], [looked]);
    assert.deepEqual([...statistics.counted!.read], [read]);
  });
}

test("a range query counts at each step", async () => {
  const range = { source, startMs: 201_000, endMs: 220_000, stepMs: 5000, countSamples: true };
  const counts = async (query: string) => {
    const { statistics } = await engine.rangeQuery({ ...range, query });
    return [[...statistics.counted!.looked], [...statistics.counted!.read]];
  };
  assert.deepEqual(await counts("one"), [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
  assert.deepEqual(await counts("sum(max_over_time(one[60s]))"), [
    [6, 6, 6, 6],
    [6, 0, 1, 0],
  ]);
  assert.deepEqual(await counts("one @ 30"), [
    [1, 1, 1, 1],
    [1, 1, 1, 1],
  ]);
  const { statistics } = await engine.rangeQuery({ ...range, query: "one", countSamples: false });
  assert.equal(statistics.counted, undefined);
});
