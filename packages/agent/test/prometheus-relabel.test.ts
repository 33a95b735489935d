import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Labels, setStaleAt, wordsOf } from "@finch/model";
import { prometheusRelabel } from "../src/components/prometheus/relabel.ts";
import type { SampleSet } from "../src/receivers.ts";
import {
  collectingReceiver,
  handClock,
  linesOf,
  runComponent,
  valuesOf,
} from "./prometheus-harness.ts";

const NEVER = new AbortController().signal;
const RULES = [
  { source_labels: ["__name__"], regex: "secret_.*", action: "drop" },
  { source_labels: ["path"], regex: "/api/(.*)", target_label: "route" },
  { regex: "path", action: "labeldrop" },
];

function start(changes: object = {}) {
  const receiver = collectingReceiver();
  const clock = handClock(1000);
  const values = valuesOf(prometheusRelabel.arguments, {
    forward_to: [receiver],
    rule: RULES,
    ...changes,
  });
  const component = runComponent(prometheusRelabel, { values, clock });
  return {
    receiver,
    clock,
    component,
    values,
    figure: (name: string) => component.figures.get(`alloy_prometheus_relabel_${name}`),
  };
}

function samplesOf(...rows: readonly Record<string, string>[]): SampleSet {
  return {
    labels: rows.map((row) => Labels.fromObject(row)),
    values: Float64Array.from(rows, (_, index) => index),
    timestampsMs: new Float64Array(rows.length).fill(5),
    metadata: [{ family: "a", type: "gauge", help: "", unit: "" }],
  };
}

void describe("prometheus.relabel", () => {
  void test("rewrites and drops, and keeps the bits of stale markers", async () => {
    const { receiver, component } = start();
    await using _ = component;
    const samples = samplesOf(
      { __name__: "a", path: "/api/x" },
      { __name__: "secret_b" },
      { __name__: "c" },
    );
    setStaleAt(wordsOf(samples.values), 2);
    await component.exports.receiver.append(samples, NEVER);
    assert.deepEqual(linesOf(receiver.batches[0]!), [
      '{__name__="a", route="x"} 0 @5',
      '{__name__="c"} stale @5',
    ]);
    assert.equal(receiver.metadata.length, 1);
    assert.equal(component.exports.rules.length, 3);
  });

  void test("remembers outcomes, and forgets series that end", async () => {
    const { component, figure } = start();
    await using _ = component;
    const row = { __name__: "a", path: "/api/x" };
    await component.exports.receiver.append(samplesOf(row), NEVER);
    await component.exports.receiver.append(samplesOf(row), NEVER);
    assert.deepEqual(
      [figure("cache_misses"), figure("cache_hits"), figure("cache_size")],
      [1, 1, 1],
    );
    const ending = samplesOf(row);
    setStaleAt(wordsOf(ending.values), 0);
    await component.exports.receiver.append(ending, NEVER);
    assert.deepEqual(
      [figure("cache_misses"), figure("cache_hits"), figure("cache_size")],
      [1, 2, 0],
    );
  });

  void test("gives up the outcome unused for longest when the cache is full", async () => {
    const { component, figure } = start({ max_cache_size: 2 });
    await using _ = component;
    for (const name of ["a", "b", "a", "c", "a", "b"])
      await component.exports.receiver.append(samplesOf({ __name__: name }), NEVER);
    // Known when asked again: a, twice. b went for c, since a had been used after it.
    assert.deepEqual(
      [figure("cache_hits"), figure("cache_misses"), figure("cache_size")],
      [2, 4, 2],
    );
  });

  void test("forgets outcomes after cache_ttl, and all of them with new rules", async () => {
    const { component, clock, figure, values, receiver } = start({ cache_ttl: 100 });
    await using _ = component;
    await component.exports.receiver.append(samplesOf({ __name__: "a" }), NEVER);
    const sleeping = clock.sleep(101);
    await clock.tick();
    await sleeping;
    await component.exports.receiver.append(samplesOf({ __name__: "a" }), NEVER);
    assert.deepEqual([figure("cache_hits"), figure("cache_misses")], [0, 2]);
    const before = component.exports.rules;
    component.change({ ...values, rule: [] });
    while (component.exports.rules === before) await Promise.resolve();
    await component.exports.receiver.append(samplesOf({ __name__: "secret_b" }), NEVER);
    assert.deepEqual(linesOf(receiver.batches.at(-1)!), ['{__name__="secret_b"} 0 @5']);
  });

  void test("a receiver that refuses does not keep the others from theirs", async () => {
    const refusing = {
      kind: "metrics-receiver",
      owner: "refusing",
      append: () => Promise.reject(new Error("full")),
    } as const;
    const receiver = collectingReceiver();
    const { component } = start({ forward_to: [refusing, receiver] });
    await using _ = component;
    await component.exports.receiver.append(samplesOf({ __name__: "a" }), NEVER);
    assert.equal(receiver.batches.length, 1);
    assert.equal(
      component.figures.get('prometheus_forward_failed_samples_total{"receiver":"refusing"}'),
      1,
    );
  });
});
