/** Paths for large inputs answer the same as those for small ones. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { histogramOf } from "../test/histogram-of.ts";
import { createEngine } from "./engine.ts";
import { createMemorySource } from "./memory-source.ts";

const engine = createEngine({ clock: systemClock });

function seriesOf(count: number, samples: number): readonly Series[] {
  return Array.from({ length: count }, (_, number) => ({
    labels: Labels.fromObject({ __name__: "m", number: String(number) }),
    timestampsMs: Float64Array.from({ length: samples }, (_, i) => i * 1000),
    values: Float64Array.from({ length: samples }, (_, i) => ((i + number) * 7919) % 1009),
  }));
}

void test("a window function over many large windows answers what each step alone does", async () => {
  const source = createMemorySource(seriesOf(1, 6000));
  for (const call of ["quantile_over_time(0.9, m[50m])", "rate(m[50m])", "changes(m[50m])"]) {
    const range = { startMs: 3_000_000, endMs: 6_000_000, stepMs: 3000 };
    const { series } = await engine.rangeQuery({ source, query: call, ...range });
    const { values } = series[0]!;
    assert.equal(values.length, 1001);
    for (let step = 0; step < values.length; step += 97) {
      const timeMs = range.startMs + step * range.stepMs;
      const alone = await engine.instantQuery({ source, query: call, timeMs });
      assert.ok(alone.type === "vector");
      assert.equal(values[step], alone.values[0], `${call} at step ${step}`);
    }
  }
});

void test("so does one over a series of floats and histograms", async () => {
  const [one] = seriesOf(1, 6000);
  const histogram = histogramOf("count:5 sum:1 buckets:[2 3]");
  const histograms = Array.from(one!.values, (_, i) => (i === 4999 ? histogram : undefined));
  const source = createMemorySource([{ ...one!, histograms }]);
  const range = { startMs: 3_000_000, endMs: 6_000_000, stepMs: 3000 };
  for (const query of ["rate(m[50m])", "quantile_over_time(0.9, m[50m])"]) {
    const { series } = await engine.rangeQuery({ source, query, ...range });
    const { timestampsMs, values } = series[0]!;
    for (let at = 0; at < values.length; at += 97) {
      const alone = await engine.instantQuery({ source, query, timeMs: timestampsMs[at]! });
      assert.ok(alone.type === "vector");
      assert.equal(values[at], alone.values[0], `${query} at ${timestampsMs[at]}`);
    }
  }
});

void test("topk and bottomk answer the same whether they insert or sort", async () => {
  const source = createMemorySource(seriesOf(300, 2));
  for (const name of ["topk", "bottomk"]) {
    const ask = async (k: number) => {
      const query = `${name}(${k}, m)`;
      const answer = await engine.instantQuery({ source, query, timeMs: 1000 });
      assert.ok(answer.type === "vector");
      return answer.labels.map((labels) => labels.get("number"));
    };
    const all = await ask(1e9);
    assert.equal(all.length, 300);
    assert.deepEqual(await ask(100), all.slice(0, 100));
    assert.deepEqual(await ask(10), all.slice(0, 10));
  }
});
