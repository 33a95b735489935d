/** Merges and deletes of metric blocks: what is merged when, and under readers. With faults at every operation: `compaction-crash.test.ts`. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { longestSpanMs, planCompaction } from "../src/compaction-plan.ts";
import type { PlannedBlock } from "../src/compaction-plan.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  createTestClock,
  NOW_MS,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";

const HOUR_MS = 3_600_000;
const signal = new AbortController().signal;

/** Blocks of two hours, one after the other, with these levels. */
function blocksOf(levels: string, lateMs = 0): PlannedBlock[] {
  return Array.from(levels, (level, i) => ({
    level: Number(level),
    minMs: NOW_MS + i * 2 * HOUR_MS - lateMs,
    maxMs: NOW_MS + (i + 1) * 2 * HOUR_MS,
    rows: 1,
    bytes: 1000,
  }));
}

describe("plan", () => {
  const day = 24 * HOUR_MS;
  for (const [name, blocks, spanMs, plan] of [
    ["too few", blocksOf("000"), day, undefined],
    ["four of a level", blocksOf("0000"), day, [0, 4]],
    ["the oldest first", blocksOf("00000000"), day, [0, 4]],
    ["of one level only", blocksOf("10001111"), 2 * day, [4, 8]],
    ["behind a shorter run", blocksOf("1110000"), day, [3, 7]],
    ["not beyond the span", blocksOf("0000"), 4 * HOUR_MS, undefined],
    ["late samples do not count", blocksOf("0000", 60 * HOUR_MS), day, [0, 4]],
    ["large ones stay", blocksOf("0000").map((b) => ({ ...b, bytes: 2 ** 31 })), day, undefined],
  ] as const) {
    test(name, () => {
      const found = planCompaction(blocks, spanMs);
      assert.deepEqual(found === undefined ? undefined : [found.from, found.to], plan);
    });
  }

  test("the span follows the retention", () => {
    assert.equal(longestSpanMs(72 * HOUR_MS), 8 * HOUR_MS);
    assert.equal(longestSpanMs(300 * day), 30 * day);
    assert.equal(longestSpanMs(Infinity), 31 * day);
  });
});

async function flushRows(store: MetricStore, from: number, to: number): Promise<void> {
  for (let row = from; row < to; row++) {
    await store.append(
      sampleBatch(
        [
          { series: "a", t: NOW_MS - 1000 + row, v: row },
          { series: `s${row}`, t: NOW_MS - 2000, v: row },
        ],
        [{ family: `f${row}`, type: "gauge", help: "", unit: "" }],
      ),
    );
    await store.flush();
  }
}

test("blocks are merged into one, with what they had", async () => {
  const fileSystem = new FaultyFileSystem();
  const options = storeOptions(fileSystem);
  {
    await using store = await openMetricStore(options);
    await flushRows(store, 0, 5);
    const before = await readSamples(store);
    await store.compact();
    assert.deepEqual(await readSamples(store), before);
    assert.deepEqual(
      store
        .blocks()
        .map(({ block, level, sources, series, samples }) => [
          block,
          level,
          sources,
          series,
          samples,
        ]),
      [
        [6, 1, [1, 2, 3, 4], 5, 8],
        [5, 0, [], 2, 2],
      ],
    );
  }
  assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000005", "0000000006"]);
  await using store = await openMetricStore(options);
  assert.equal((await readSamples(store)).size, 10);
  assert.equal(store.metadata().size, 5);
});

test("a reader of before a merge reads on", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openMetricStore(storeOptions(fileSystem));
  await flushRows(store, 0, 4);
  const reading = store
    .select({ matchers: [], startMs: -Infinity, endMs: Infinity, signal })
    [Symbol.asyncIterator]();
  const first = reading.next();
  await store.compact();
  let samples = 0;
  for (let next = await first; next.done !== true; next = await reading.next())
    for (const { values } of next.value) samples += values.length;
  assert.equal(samples, 8);
  assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000005"]);
});

test("nothing is merged on a disk that is nearly full", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openMetricStore(
    storeOptions(fileSystem, { limits: { freeBytesMin: 1e9 } }),
  );
  await flushRows(store, 0, 4);
  fileSystem.freeBytes = 1e9;
  await store.compact();
  assert.equal(store.statistics().compactionsTotal, 0);
  fileSystem.freeBytes = 2e9;
  await store.compact();
  assert.equal(store.statistics().compactionsTotal, 1);
  assert.equal(store.blocks().length, 1);
});

test("blocks that expire while they are merged do not come back", async () => {
  const clock = createTestClock();
  const fileSystem = new FaultyFileSystem();
  await using store = await openMetricStore(storeOptions(fileSystem, { clock, maxAgeMs: HOUR_MS }));
  for (let row = 0; row < 4; row++) {
    await store.append(sampleBatch([{ series: "a", t: NOW_MS - row * 1000, v: row }]));
    await store.flush();
  }
  // All but the first, which has the newest sample.
  clock.now += HOUR_MS;
  await Promise.all([store.compact(), store.expire()]);
  assert.deepEqual([...(await readSamples(store)).values()], [0]);
  assert.deepEqual(
    store.blocks().map(({ sources }) => sources.length),
    [0],
  );
  assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000001"]);
  assert.equal(store.statistics().compactionFailuresTotal, 0);
});

test("of equal times the oldest goes on winning after merges", async () => {
  await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
  for (let v = 1; v <= 9; v++) {
    await store.append(sampleBatch([{ series: "a", t: NOW_MS, v }]));
    await store.flush();
  }
  await store.compact();
  assert.deepEqual([...(await readSamples(store)).values()], [1]);
  await store.deleteSeries({ matchers: [], startMs: NOW_MS, endMs: NOW_MS });
  assert.equal((await readSamples(store)).size, 0);
  await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 10 }]));
  await store.flush();
  for (const work of [() => store.cleanTombstones(), () => store.compact()]) {
    await work();
    assert.deepEqual([...(await readSamples(store)).values()], [10]);
  }
  assert.equal(store.statistics().pendingDeletes, 0);
});

test("deletes concern what was there, in memory and in blocks, and nothing else", async () => {
  const fileSystem = new FaultyFileSystem();
  const options = storeOptions(fileSystem);
  const rows = (from: number) =>
    sampleBatch(
      ["a", "b"].flatMap((series) =>
        Array.from({ length: 10 }, (_, i) => ({ series, t: NOW_MS - 1000 + from + i, v: i })),
      ),
    );
  const a = [createMatcher("__name__", "=", "a")];
  {
    await using store = await openMetricStore(options);
    await store.append(rows(0));
    await store.flush();
    await store.append(rows(10));
    await store.deleteSeries({ matchers: a, startMs: NOW_MS - 995, endMs: NOW_MS - 986 });
    assert.equal((await readSamples(store, a)).size, 10);
    assert.equal((await readSamples(store)).size, 30);
    await store.append(sampleBatch([{ series: "a", t: NOW_MS - 990, v: 77 }]));
    assert.equal((await readSamples(store, a)).get(`a@${NOW_MS - 990}`), 77);
  }
  {
    await using store = await openMetricStore(options);
    assert.equal((await readSamples(store, a)).size, 11);
    const bytes = store.blocks().reduce((sum, block) => sum + block.samples, 0);
    await store.cleanTombstones();
    assert.equal(
      store.blocks().reduce((sum, block) => sum + block.samples, 0),
      bytes - 10,
    );
    assert.equal((await readSamples(store, a)).size, 11);
    await store.deleteSeries({ matchers: [], startMs: -Infinity, endMs: Infinity });
    await store.cleanTombstones();
    assert.equal((await readSamples(store)).size, 0);
  }
  await using store = await openMetricStore(options);
  assert.equal((await readSamples(store)).size, 0, "the log does not bring it back");
  await store.append(rows(0));
  assert.equal((await readSamples(store)).size, 20);
});

test("a damaged list of deletes is set aside by name", async () => {
  const fileSystem = new FaultyFileSystem();
  const options = storeOptions(fileSystem);
  {
    await using store = await openMetricStore(options);
    await flushRows(store, 0, 1);
    await store.deleteSeries({ matchers: [], startMs: -Infinity, endMs: Infinity });
    assert.equal((await readSamples(store)).size, 0);
  }
  fileSystem.flipBit("/data/signal/deletes.json", 40);
  await using store = await openMetricStore(options);
  assert.equal((await readSamples(store)).size, 2);
  assert.ok((await fileSystem.list("/data/signal")).includes("deletes.json.damaged"));
});

test("retention rules take series from blocks that are too old for them", async () => {
  const clock = createTestClock();
  const options = storeOptions(new FaultyFileSystem(), { clock });
  const rules = [{ matchers: [createMatcher("__name__", "=", "a")], maxAgeMs: HOUR_MS }];
  await using store = await openMetricStore({
    ...options,
    retention: { ...options.retention, rules },
  });
  await flushRows(store, 0, 1);
  await store.compact();
  assert.equal((await readSamples(store)).size, 2, "not old enough");
  clock.now += 2 * HOUR_MS;
  await flushRows(store, 3, 6);
  await store.compact();
  assert.deepEqual(
    [...(await readSamples(store)).keys()].map((key) => key.split("@")[0]),
    ["s0", "s3", "s4", "s5"],
  );
});
