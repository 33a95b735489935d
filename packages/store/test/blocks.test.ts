/** What blocks keep and tell: times that series share, stretches of them, counts of series, and damage in blocks of logs. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { createMatcher } from "@finch/model";
import type { Series } from "@finch/model";
import type { MetricStore } from "../src/api.ts";
import { openBlock } from "../src/block.ts";
import type { Block } from "../src/block.ts";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { PageCache } from "../src/page-cache.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { logBatch, NOW_MS, readEntries, sampleBatch, storeOptions } from "./store-fixtures.ts";

const BLOCK = "/data/signal/blocks/0000000001";
const signal = new AbortController().signal;

/** Samples of `series` at scrapes `from … to`, 15 s apart and a little off, as a scrape brings them. */
function scrapes(series: string, from: number, to: number) {
  return Array.from({ length: to - from }, (_, i) => ({
    series,
    t: NOW_MS - 3_600_000 + (from + i) * 15_000 + ((7 * (from + i)) % 5),
    v: from + i,
  }));
}

async function readSeries(
  store: MetricStore,
  range: { readonly startMs: number; readonly endMs: number },
): Promise<Map<string, Series>> {
  const found = new Map<string, Series>();
  for await (const batch of store.select({ matchers: [], ...range, signal }))
    for (const series of batch) found.set(series.labels.get("__name__"), series);
  return found;
}

const ALL = { startMs: -Infinity, endMs: Infinity };

test("series of one scrape share their times, on disk and in a batch", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openMetricStore(storeOptions(fileSystem));
  // One begins late, one ends early, one has a gap.
  await store.append(
    sampleBatch([
      ...scrapes("a", 0, 100),
      ...scrapes("b", 0, 100),
      ...scrapes("early", 0, 60),
      ...scrapes("gap", 0, 30),
      ...scrapes("gap", 31, 100),
      ...scrapes("late", 40, 100),
    ]),
  );
  await store.flush();
  const alone = await fileSystem.sizeOf(`${BLOCK}/times.bin`);
  await store.append(sampleBatch([...scrapes("a", 100, 150), ...scrapes("b", 100, 150)]));
  const series = await readSeries(store, ALL);
  assert.equal(series.get("a")!.timestampsMs, series.get("b")!.timestampsMs);
  for (const [name, from, to] of [
    ["a", 0, 150],
    ["early", 0, 60],
    ["late", 40, 100],
  ] as const) {
    const wanted = scrapes(name, from, to);
    assert.deepEqual(
      [...series.get(name)!.timestampsMs],
      wanted.map(({ t }) => t),
      name,
    );
    assert.deepEqual(
      [...series.get(name)!.values],
      wanted.map(({ v }) => v),
      name,
    );
  }
  assert.equal(series.get("gap")!.timestampsMs.length, 99);
  assert.ok(alone < 300, `${alone} bytes for two rows of times`);
});

test("a narrow look at long series cuts chunks where it must", async () => {
  await using store = await openMetricStore(
    storeOptions(new FaultyFileSystem(), { limits: { outOfOrderWindowMs: 1e9 } }),
  );
  await store.append(sampleBatch([...scrapes("a", -2000, 0), ...scrapes("late", -777, 0)]));
  await store.flush();
  for (const [from, to] of [
    [-2000, -1999],
    [-1500, -1400],
    [-1501, -1499],
    [-1000, -500],
    [-778, -776],
    [-3, 0],
  ] as const) {
    const at = scrapes("a", from, to);
    const found = await readSeries(store, { startMs: at[0]!.t, endMs: at.at(-1)!.t });
    assert.deepEqual(
      [...found.get("a")!.values],
      at.map(({ v }) => v),
      `from ${from}`,
    );
    const late = at.filter(({ v }) => v >= -777).map(({ v }) => v);
    assert.deepEqual([...(found.get("late")?.values ?? [])], late, `from ${from}`);
  }
});

test("cardinality counts series once, in memory and in blocks", async () => {
  await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
  await store.append(
    sampleBatch(["up", "cpu", "x"].map((series) => ({ series, t: NOW_MS, v: 1 }))),
  );
  await store.flush();
  await store.append(sampleBatch(["up", "yy"].map((series) => ({ series, t: NOW_MS + 1, v: 1 }))));
  assert.deepEqual(await store.cardinality({ matchers: [], limit: 2 }), {
    series: 4,
    metricNames: [
      { name: "cpu", series: 1 },
      { name: "up", series: 1 },
    ],
    labelNames: [
      { name: "__name__", values: 4, series: 4 },
      { name: "parity", values: 2, series: 4 },
    ],
    labelPairs: [
      { name: "parity", value: "even", series: 2 },
      { name: "parity", value: "odd", series: 2 },
    ],
  });
  const odd = [createMatcher("parity", "=", "odd")];
  assert.equal((await store.cardinality({ matchers: odd, limit: 10 })).series, 2);
  const empty = await store.cardinality({ matchers: [createMatcher("a", "=", "b")], limit: 1 });
  assert.equal(empty.series, 0);
});

test("a damaged block of logs is set aside after the answer that names it", async () => {
  const fileSystem = new FaultyFileSystem();
  await using store = await openLogStore(storeOptions(fileSystem));
  const ns = BigInt(NOW_MS) * 1_000_000n;
  await store.append(logBatch([{ stream: "a", ns, line: "in the block" }]));
  await store.flush();
  await store.append(logBatch([{ stream: "a", ns: ns + 1n, line: "in memory" }]));
  fileSystem.flipBit(`${BLOCK}/pages.bin`, 24);
  await assert.rejects(readEntries(store), {
    code: "store/corrupt-file",
    message: new RegExp(`^${BLOCK}/pages.bin is damaged at byte`),
  });
  assert.deepEqual(await readEntries(store), [`a@${ns + 1n} in memory`]);
  assert.equal(store.statistics().quarantined[0]?.directory, `${BLOCK}.damaged`);
  assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000001.damaged"]);
});

test("whether a series rises is told over all chunks of a block, and on into the head", async () => {
  await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
  const rows = 2000;
  const isRising = {
    up: true,
    flat: true,
    falls_once: false,
    falls_last: false,
    falls_after_the_block: false,
    stale: false,
  };
  const valueOf: Record<string, (i: number) => number> = {
    up: (i) => i,
    flat: () => 7,
    // Between two chunks.
    falls_once: (i) => (i < 512 ? 1000 + i : i),
    falls_after_the_block: (i) => (i < 1500 ? 1000 + i : i),
    falls_last: (i) => (i === rows - 1 ? 0 : i + 1),
    stale: (i) => (i === 700 ? NaN : i),
  };
  for (let i = 0; i < rows; i++) {
    if (i === 1500) await store.flush();
    await store.append(
      sampleBatch(
        Object.entries(valueOf).map(([series, value]) => ({
          series,
          t: NOW_MS - (rows - i) * 1000,
          v: value(i),
        })),
      ),
    );
  }
  const told: Record<string, boolean | undefined> = {};
  const signal = new AbortController().signal;
  const range = { startMs: -Infinity, endMs: Infinity };
  for await (const batch of store.select({ matchers: [], ...range, signal }))
    for (const series of batch) told[series.labels.get("__name__")] = series.isRising;
  assert.deepEqual(told, isRising);
});

test("series that are wanted by what is kept with them are those of the whole, labels and all", async () => {
  const fileSystem = new FaultyFileSystem();
  {
    await using store = await openLogStore(storeOptions(fileSystem));
    // Several pages of series; some are longer than others.
    const entries = Array.from({ length: 2500 }, (_, i) => ({
      stream: `app-${i % 700}`,
      ns: BigInt(NOW_MS) * 1_000_000n + BigInt(i),
      line: "x".repeat(1 + (i % 700)),
    }));
    await store.append(logBatch(entries));
    await store.flush();
  }
  const cache = new PageCache(1 << 20);
  const context = { fileSystem, cache, idle: new Set<Block>(), idleMax: 1 };
  const block = await openBlock(context, BLOCK);
  const numbers = Uint32Array.from({ length: 600 }, (_, i) => i + 50);
  const read = async (isWanted?: (payload: Uint8Array) => boolean) => {
    const found: string[] = [];
    for await (const page of block.index.seriesOf(numbers, isWanted))
      for (const { number, labels, payload } of page)
        found.push(`${number} ${labels.key} ${Buffer.from(payload).toString("hex")}`);
    return found;
  };
  const all = await read();
  assert.equal(all.length, 600);
  assert.deepEqual(await read(() => true), all);
  assert.deepEqual(await read(() => false), []);
  const isOdd = (payload: Uint8Array) => payload.at(-1)! % 3 === 0;
  const some = await read(isOdd);
  assert.ok(some.length > 0 && some.length < 600);
  assert.deepEqual(
    some,
    all.filter((text) => isOdd(Buffer.from(text.split(" ").at(-1)!, "hex"))),
  );
  await block.close();
});
