/** Histograms, start times and exemplars: in the head, in answers, after recovery, and what is refused of them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { createMatcher, Labels } from "@finch/model";
import type { Exemplar } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { histogramOf, NOW_MS, readRich, sampleBatch, storeOptions } from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

const sample: fc.Arbitrary<PlainSample> = fc
  .record({
    series: fc.constantFrom("a", "b", "cc"),
    t: fc.integer({ min: 0, max: 40 }).map((t) => NOW_MS - 100 + t),
    v: fc.constantFrom(1, 2.5),
    buckets: fc.constantFrom(0, 0, 1, 3),
    start: fc.constantFrom(0, 0, NOW_MS - 5000, NOW_MS - 4000),
  })
  .map(({ series, t, v, buckets, start }) => ({
    series,
    t,
    v,
    histogram: buckets > 0 ? histogramOf(buckets, v) : undefined,
    start,
  }));

const same = (a: PlainSample, b: PlainSample): boolean =>
  a.v === b.v && a.histogram?.count === b.histogram?.count;

describe("histograms and start times", () => {
  test("equal a model, whatever comes late or twice, over seals and recovery", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(sample, { minLength: 1, maxLength: 30 }), { maxLength: 6 }),
        fc.nat(5),
        fc.nat(5),
        async (batches, reopenAt, sealAt) => {
          const options = storeOptions(new FaultyFileSystem());
          let store = await openMetricStore(options);
          const model = new Map<string, PlainSample>();
          /** Since the last seal: what the store compares new samples with. */
          let fresh = new Map<string, PlainSample>();
          for (const [index, rows] of batches.entries()) {
            if (index === reopenAt) {
              await store[Symbol.asyncDispose]();
              store = await openMetricStore(options);
            }
            if (index === sealAt) {
              await store.flush();
              fresh = new Map();
            }
            const told = { accepted: 0, histograms: 0, duplicates: 0, refused: [] as string[] };
            for (const row of rows) {
              const key = `${row.series}@${row.t}`;
              const known = fresh.get(key);
              if (known === undefined) {
                fresh.set(key, row);
                if (!model.has(key)) model.set(key, row);
                told.accepted++;
                if (row.histogram !== undefined) told.histograms++;
              } else if (same(known, row)) told.duplicates++;
              else told.refused.push(row.histogram === undefined ? "sample" : "histogram");
            }
            const result = await store.append(sampleBatch(rows));
            assert.deepEqual(
              {
                accepted: result.accepted,
                histograms: result.acceptedHistograms,
                duplicates: result.duplicates,
                refused: result.rejections.map(({ kind }) => kind),
              },
              told,
            );
            assert.deepEqual(await readRich(store), sorted(model));
          }
          await store[Symbol.asyncDispose]();
          await using again = await openMetricStore(options);
          assert.deepEqual(await readRich(again), sorted(model));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("a histogram beside float samples of its series, and one that is refused for its time", async () => {
    await using store = await openMetricStore(
      storeOptions(new FaultyFileSystem(), { limits: { futureWindowMs: 10 } }),
    );
    const result = await store.append(
      sampleBatch([
        { series: "h", t: NOW_MS - 2, v: 4 },
        { series: "h", t: NOW_MS - 1, v: 7, histogram: histogramOf(2, 7) },
        { series: "h", t: NOW_MS + 11, v: 7, histogram: histogramOf(2, 7) },
        { series: "h", t: NOW_MS, v: 9, histogram: histogramOf(3, 9) },
      ]),
    );
    assert.deepEqual([result.accepted, result.acceptedHistograms], [3, 2]);
    assert.deepEqual(result.rejections, [
      { index: 2, kind: "histogram", reason: "too-far-in-future", timestampMs: NOW_MS + 11 },
    ]);
    const found = await readRich(store);
    assert.deepEqual(
      [...found.values()].map(({ v, histogram }) => [v, histogram?.count]),
      [
        [4, undefined],
        [7, 2],
        [9, 3],
      ],
    );
  });
});

function sorted(model: ReadonlyMap<string, PlainSample>): Map<string, PlainSample> {
  return new Map([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe("exemplars", () => {
  const exemplar = (timestampMs: number, value: number, trace = "t"): Exemplar => ({
    labels: Labels.fromObject({ trace_id: trace }),
    value,
    timestampMs,
  });
  const everything = {
    matchers: [createMatcher("__name__", "=~", ".+")],
    startMs: -8e15,
    endMs: 8e15,
  };
  const append = (store: MetricStore, ...exemplars: readonly Exemplar[]) =>
    store.append(
      sampleBatch(
        [{ series: "up", t: NOW_MS, v: 1 }],
        [],
        exemplars.map((one) => ({ series: 0, exemplar: one })),
      ),
    );

  test("in order of time, value and labels; the newest again is taken once", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    const result = await append(
      store,
      exemplar(10, 1, "a"),
      exemplar(10, 1, "b"),
      exemplar(10, 1, "b"),
      exemplar(10, 2, "a"),
      exemplar(9, 5),
      exemplar(10, 1, "z"),
      exemplar(11, 0),
    );
    assert.deepEqual([result.accepted, result.acceptedExemplars], [1, 5]);
    assert.deepEqual(result.rejections, [
      { index: 0, kind: "exemplar", reason: "out-of-order", timestampMs: 9 },
      { index: 0, kind: "exemplar", reason: "out-of-order", timestampMs: 10 },
    ]);
    const [found] = await store.exemplars(everything);
    assert.equal(found?.labels.get("__name__"), "up");
    assert.deepEqual(
      found.exemplars.map(({ timestampMs, value, labels }) => [
        timestampMs,
        value,
        labels.get("trace_id"),
      ]),
      [
        [10, 1, "a"],
        [10, 1, "b"],
        [10, 2, "a"],
        [11, 0, "t"],
      ],
    );
    const some = await store.exemplars({ ...everything, startMs: 11 });
    assert.deepEqual(
      some.map(({ exemplars }) => exemplars.length),
      [1],
    );
    const none = await store.exemplars({
      ...everything,
      matchers: [createMatcher("__name__", "=", "down")],
    });
    assert.deepEqual(none, []);
  });

  test("survive a seal, and a restart since the last one", async () => {
    const options = storeOptions(new FaultyFileSystem());
    {
      await using store = await openMetricStore(options);
      await append(store, exemplar(1, 1));
      await store.flush();
      await append(store, exemplar(2, 2));
      const [found] = await store.exemplars(everything);
      assert.equal(found?.exemplars.length, 2);
    }
    await using store = await openMetricStore(options);
    const [found] = await store.exemplars(everything);
    assert.deepEqual(
      found?.exemplars.map(({ value }) => value),
      [2],
    );
  });

  test("of a series without samples are refused", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    const batch = sampleBatch(
      [{ series: "up", t: 0, v: 1 }],
      [],
      [{ series: 0, exemplar: exemplar(1, 1) }],
    );
    const result = await store.append({
      ...batch,
      sampleStarts: Uint32Array.of(0, 0),
      timestampsMs: new Float64Array(0),
      values: new Float64Array(0),
    });
    assert.deepEqual(result.rejections, [
      { index: 0, kind: "exemplar", reason: "unknown-series", timestampMs: 1 },
    ]);
  });
});
