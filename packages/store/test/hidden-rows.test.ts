/** Rows that are deleted or kept less long than others: out of answers and of the disk, for heads and blocks, under readers. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  createTestClock,
  histogramOf,
  NOW_MS,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

const HOUR_MS = 3_600_000;
const EVERYTHING = { matchers: [], startMs: -8e15, endMs: 8e15 };
const named = (name: string) => [createMatcher("__name__", "=", name)];

function rows(series: string, ...ages: readonly number[]): PlainSample[] {
  return ages.map((age) => ({ series, t: NOW_MS - age, v: age }));
}

async function seriesOf(store: MetricStore, startMs = -8e15, endMs = 8e15): Promise<string[]> {
  const found = await store.series({ matchers: [], startMs, endMs });
  return found.map((labels) => labels.get("__name__"));
}

async function agesOf(store: MetricStore): Promise<string[]> {
  return Array.from(await readSamples(store), ([key, v]) => `${key.split("@")[0]} ${v}`);
}

describe("deletes", () => {
  test("a series without samples left is no series; its labels are told until it is gone", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    await store.append(sampleBatch([...rows("a", 30, 20, 10), ...rows("b", 30)]));
    await store.deleteSeries({ matchers: named("a"), startMs: NOW_MS - 30, endMs: NOW_MS - 20 });
    await store.deleteSeries({ matchers: named("b"), startMs: -Infinity, endMs: Infinity });
    assert.deepEqual(await seriesOf(store), ["a"]);
    assert.deepEqual(await seriesOf(store, NOW_MS - 100, NOW_MS - 20), []);
    assert.deepEqual(await store.labelValues("__name__", EVERYTHING), ["a", "b"]);
    await store.cleanTombstones();
    assert.deepEqual(await seriesOf(store), ["a"]);
    assert.deepEqual(await store.labelValues("__name__", EVERYTHING), ["a"]);
    assert.deepEqual(await agesOf(store), ["a 10"]);
  });

  test("overlapping ones, of some samples of histograms with start times", async () => {
    const start = NOW_MS - 1000;
    const samples = Array.from({ length: 9 }, (_, i) => ({
      series: "h",
      t: NOW_MS - 90 + 10 * i,
      v: i,
      start: start + (i >> 2),
      histogram: i % 3 === 0 ? histogramOf(2, i) : undefined,
    }));
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    await store.append(sampleBatch(samples));
    for (const [from, to] of [
      [20, 40],
      [35, 50],
      [51, 52],
      [80, 80],
      [0, 0],
    ] as const)
      await store.deleteSeries({
        matchers: named("h"),
        startMs: NOW_MS - 90 + from,
        endMs: NOW_MS - 90 + to,
      });
    const read = async () => {
      const { signal } = new AbortController();
      const found: unknown[] = [];
      for await (const batch of store.select({ ...EVERYTHING, signal }))
        for (const { values, histograms, startTimestampsMs } of batch)
          for (const [i, v] of values.entries())
            found.push([v, histograms?.[i]?.sum, startTimestampsMs![i]! - start]);
      return found;
    };
    const left = [
      [1, undefined, 0],
      [6, 6, 1],
      [7, undefined, 1],
    ];
    assert.deepEqual(await read(), left);
    await store.cleanTombstones();
    assert.deepEqual(await read(), left);
    assert.equal(store.blocks().at(-1)?.samples, 3);
  });

  test("what is deleted is nowhere on disk after a clean, names and values neither", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(sampleBatch([...rows("to_be_forgotten", 20), ...rows("b", 20)]));
    await store.deleteSeries({ ...EVERYTHING, matchers: named("to_be_forgotten") });
    await store.cleanTombstones();
    const [block] = await fileSystem.list("/data/signal/blocks");
    const strings: string[] = [];
    for await (const page of await stringsOf(fileSystem, block!)) strings.push(...page);
    assert.deepEqual(strings, ["__name__", "b", "odd", "parity"]);
    assert.equal(store.statistics().pendingDeletes, 0);
  });

  test("one that finds nothing is forgotten by a clean, without writing a block", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(sampleBatch(rows("a", 20)));
    await store.flush();
    await store.deleteSeries({ ...EVERYTHING, matchers: named("other") });
    assert.equal(store.statistics().pendingDeletes, 1);
    await store.cleanTombstones();
    assert.equal(store.statistics().pendingDeletes, 0);
    assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000001"]);
  });

  test("a reader of before a clean does not see what was deleted before it began", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    await store.append(sampleBatch([...rows("a", 20, 10), ...rows("b", 20, 10)]));
    await store.deleteSeries({ ...EVERYTHING, matchers: named("a") });
    const { signal } = new AbortController();
    const reading = store.select({ ...EVERYTHING, signal })[Symbol.asyncIterator]();
    const first = reading.next();
    await store.cleanTombstones();
    const names: string[] = [];
    for (let next = await first; next.done !== true; next = await reading.next())
      for (const { labels } of next.value) names.push(labels.get("__name__"));
    assert.deepEqual(names, ["b"]);
  });

  test("ids go on after the list was lost", async () => {
    const fileSystem = new FaultyFileSystem();
    {
      await using store = await openMetricStore(storeOptions(fileSystem));
      await store.append(sampleBatch([...rows("a", 20), ...rows("b", 20)]));
      await store.deleteSeries({ ...EVERYTHING, matchers: named("a") });
      await store.cleanTombstones();
    }
    await fileSystem.remove("/data/signal/deletes.json");
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.deleteSeries({ ...EVERYTHING, matchers: named("b") });
    assert.deepEqual(await agesOf(store), []);
  });

  test("many are carried out without being asked to", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    await store.append(sampleBatch([...rows("a", 20), ...rows("b", 20)]));
    await store.flush();
    for (const [pending, count] of [
      [64, 64],
      [0, 1],
    ] as const) {
      for (let i = 0; i < count; i++)
        await store.deleteSeries({ ...EVERYTHING, matchers: named("a") });
      await store.compact();
      assert.equal(store.statistics().pendingDeletes, pending);
    }
    assert.deepEqual(await agesOf(store), ["b 20"]);
  });
});

async function stringsOf(
  fileSystem: FaultyFileSystem,
  block: string,
): Promise<AsyncIterable<readonly string[]>> {
  const { openBlock } = await import("../src/block.ts");
  const { PageCache } = await import("../src/page-cache.ts");
  const context = { fileSystem, cache: new PageCache(1e6), idle: new Set<never>(), idleMax: 1 };
  return (await openBlock(context, `/data/signal/blocks/${block}`)).index.strings();
}

describe("series that are kept less long", () => {
  const rules = [
    { matchers: [createMatcher("__name__", "=~", "short.*")], maxAgeMs: HOUR_MS },
    { matchers: named("shorter"), maxAgeMs: HOUR_MS / 2 },
  ];
  const open = (fileSystem: FaultyFileSystem, clock = createTestClock()) => {
    const options = storeOptions(fileSystem, { clock });
    return openMetricStore({ ...options, retention: { ...options.retention, rules } });
  };
  const ages = [2 * HOUR_MS, 0.7 * HOUR_MS, 1000];
  const batch = () =>
    sampleBatch([...rows("long", ...ages), ...rows("short", ...ages), ...rows("shorter", ...ages)]);
  const left = [
    ...ages.map((age) => `long ${age}`),
    `short ${ages[1]}`,
    "short 1000",
    "shorter 1000",
  ];

  test("are out of answers at once, in the head and in blocks, and off the disk with a merge", async () => {
    const clock = createTestClock();
    await using store = await open(new FaultyFileSystem(), clock);
    await store.append(batch());
    assert.deepEqual(await agesOf(store), left);
    assert.deepEqual(await seriesOf(store, 0, NOW_MS - 0.6 * HOUR_MS), ["long", "short"]);
    await store.flush();
    assert.deepEqual(await agesOf(store), left);
    assert.deepEqual(await seriesOf(store, 0, NOW_MS - 0.6 * HOUR_MS), ["long", "short"]);
    for (let i = 0; i < 3; i++) {
      await store.append(sampleBatch(rows("x", 10 + i)));
      await store.flush();
    }
    await store.compact();
    assert.deepEqual(
      store.blocks().map(({ samples }) => samples),
      [6 + 3],
    );
    assert.deepEqual(await agesOf(store), [...left, "x 12", "x 11", "x 10"]);
    clock.now += 3 * HOUR_MS;
    assert.deepEqual(await seriesOf(store), ["long", "x"]);
  });
});
