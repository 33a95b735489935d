import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { ExemplarRing } from "./exemplar-ring.ts";

const series = (name: string) => Labels.fromObject({ __name__: name });
const exemplar = (timestampMs: number) => ({ labels: Labels.EMPTY, value: 1, timestampMs });
const all = { matchers: [], startMs: 0, endMs: 1e6 };

test("the oldest of all series makes room, and a series goes with its last one", () => {
  const ring = new ExemplarRing(4);
  for (const [name, timestampMs] of [
    ["a", 1],
    ["b", 2],
    ["a", 3],
    ["b", 4],
    ["b", 5],
    ["b", 6],
    ["b", 7],
  ] as const)
    assert.ok(ring.add(series(name), exemplar(timestampMs)));
  assert.deepEqual(
    ring
      .select(all)
      .map(({ labels, exemplars }) => [
        labels.get("__name__"),
        exemplars.map(({ timestampMs }) => timestampMs),
      ]),
    [["b", [4, 5, 6, 7]]],
  );
  // What is gone does not count as order any more.
  assert.ok(ring.add(series("a"), exemplar(1)));
  assert.deepEqual(
    ring.select(all).map(({ labels }) => labels.get("__name__")),
    ["a", "b"],
  );
});

test("a ring of one place, and a series that makes room for itself", () => {
  const ring = new ExemplarRing(1);
  for (let timestampMs = 1; timestampMs < 5; timestampMs++)
    assert.ok(ring.add(series("a"), exemplar(timestampMs)));
  assert.ok(!ring.add(series("a"), exemplar(2)));
  assert.deepEqual(ring.select(all)[0]?.exemplars, [exemplar(4)]);
});
