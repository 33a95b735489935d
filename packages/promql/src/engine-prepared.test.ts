import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { histogramOf } from "../test/histogram-of.ts";
import { createEngine } from "./engine.ts";
import { createMemorySource } from "./memory-source.ts";

const timestampsMs = Float64Array.from({ length: 20 }, (_, i) => i * 15_000);
const source = createMemorySource([
  {
    labels: Labels.fromObject({ __name__: "x_total", job: "a" }),
    timestampsMs,
    values: timestampsMs.map((ms) => ms / 1000),
  },
  {
    labels: Labels.fromObject({ __name__: "h", job: "a" }),
    timestampsMs,
    values: new Float64Array(20),
    histograms: Array.from({ length: 20 }, (_, i) =>
      histogramOf(`count:${i} sum:${i} buckets:[${i}]`),
    ),
  },
]);
const engine = createEngine({ clock: systemClock });

void test("a prepared query is evaluated at any number of times", async () => {
  const prepared = engine.prepare("rate(x_total[1m]) * 2 > 0");
  for (const timeMs of [60_000, 120_000, 240_000]) {
    const { elements, warnings, statistics } = await engine.evaluateAt({
      source,
      prepared,
      timeMs,
    });
    assert.deepEqual(
      elements.map(({ labels, value, histogram }) => [
        labels.toString(),
        Math.round(value * 1e9) / 1e9,
        histogram,
      ]),
      [['{job="a"}', 2, undefined]],
    );
    assert.deepEqual([warnings, statistics.series], [[], 1]);
  }
});

void test("elements may be histograms, with the remarks of the query", async () => {
  const prepared = engine.prepare("increase(h[1m])");
  const { elements, warnings } = await engine.evaluateAt({ source, prepared, timeMs: 60_000 });
  assert.equal(elements.length, 1);
  assert.equal(elements[0]!.histogram?.count, 4);
  assert.deepEqual(warnings, []);
  const mixed = engine.prepare('sum({job="a"})');
  const none = await engine.evaluateAt({ source, prepared: mixed, timeMs: 60_000 });
  assert.deepEqual(none.elements, []);
  assert.deepEqual(none.warnings, [
    "PromQL warning: encountered a mix of histograms and floats for aggregation (1:5)",
  ]);
});

void test("a scalar is an element without labels, other types are refused", async () => {
  const at = async (query: string) =>
    await engine.evaluateAt({ source, prepared: engine.prepare(query), timeMs: 60_000 });
  const { elements } = await at("time() + 1");
  assert.deepEqual(elements, [{ labels: Labels.EMPTY, value: 61 }]);
  for (const query of ['"text"', "x_total[1m]"])
    await assert.rejects(at(query), { message: "rule result is not a vector or scalar" });
});

void test("over a range it answers what a range query does", async () => {
  const range = { source, startMs: 0, endMs: 240_000, stepMs: 30_000 };
  const query = "sum by (job) (increase(x_total[1m]))";
  const prepared = await engine.evaluateRange({ ...range, prepared: engine.prepare(query) });
  const asked = await engine.rangeQuery({ ...range, query });
  assert.deepEqual(prepared.series, asked.series);
});

void test("limits may be an evaluation's own", async () => {
  const prepared = engine.prepare("rate(x_total[5m])");
  const request = { source, prepared, timeMs: 240_000 };
  await assert.rejects(engine.evaluateAt({ ...request, limits: { samplesMax: 3 } }), {
    kind: "unprocessable",
    message: /too many samples .*limit 3/,
  });
  assert.equal((await engine.evaluateAt(request)).elements.length, 1);
});

void test("what is wrong with a query is found when it is prepared", () => {
  assert.throws(() => engine.prepare("sum("), { code: "promql/parse-error" });
  assert.throws(() => engine.prepare("mad_over_time(x_total[1m])"), /is not enabled/);
});
