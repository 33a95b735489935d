/** What the stores do by themselves, on a clock that is moved by hand: sealing, retention, and going on after trouble. */
import assert from "node:assert/strict";
import { setImmediate } from "node:timers/promises";
import { test } from "node:test";
import type { Clock } from "@finch/runtime";
import type { LogStore } from "../src/api.ts";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  createRandom,
  logBatch,
  NOW_MS,
  readEntries,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";

const HOUR_MS = 3_600_000;
const ns = (ms: number) => BigInt(ms) * 1_000_000n;

/** Sleepers wake when `pass` moves the clock, whatever they asked for. */
function createMovedClock(): Clock & { now: number; pass(ms: number): Promise<void> } {
  let wake = new Set<() => void>();
  const clock = {
    now: NOW_MS,
    nowMs: () => clock.now,
    nowNs: () => ns(clock.now),
    monotonicMs: () => performance.now(),
    sleep: (_ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        wake.add(resolve);
        signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
      }),
    async pass(ms: number) {
      clock.now += ms;
      const woken = wake;
      wake = new Set();
      for (const resolve of woken) resolve();
      // Until the loop sleeps again.
      while (wake.size === 0) await setImmediate();
    },
  };
  return clock;
}

test("retention goes on while the disk is too full to seal", async () => {
  const clock = createMovedClock();
  const fileSystem = new FaultyFileSystem();
  await using store = await openMetricStore(
    storeOptions(fileSystem, { clock, maxAgeMs: 10 * HOUR_MS }),
  );
  await store.append(sampleBatch([{ series: "a", t: NOW_MS - 8 * HOUR_MS, v: 1 }]));
  await store.flush();
  await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 2 }]));
  fileSystem.failWritesOf(/\.tmp\//, "ENOSPC");
  await clock.pass(3 * HOUR_MS);
  assert.equal(store.statistics().blocks, 0, "the old block gives its space back");
  assert.deepEqual([...(await readSamples(store)).values()], [2]);
  fileSystem.failWritesOf(undefined, "");
  await clock.pass(15_000);
  assert.equal(store.statistics().blocks, 1);
  assert.deepEqual([...(await readSamples(store)).values()], [2]);
});

test("a clock that was ahead and jumped back does not shut new data out", async () => {
  const clock = createMovedClock();
  const ahead = NOW_MS + 1000 * 24 * HOUR_MS;
  clock.now = ahead;
  const options = (directory: string) => storeOptions(fileSystem, { clock, directory });
  const fileSystem = new FaultyFileSystem();
  await using metrics = await openMetricStore(options("/data/metrics"));
  await using logs = await openLogStore(options("/data/logs"));
  await metrics.append(sampleBatch([{ series: "a", t: ahead, v: 1 }]));
  await logs.append(logBatch([{ stream: "a", ns: ns(ahead), line: "ahead" }]));
  await metrics.flush();
  clock.now = NOW_MS;
  const sample = await metrics.append(sampleBatch([{ series: "a", t: NOW_MS, v: 2 }]));
  assert.deepEqual([sample.accepted, sample.rejections], [1, []]);
  const entry = await logs.append(logBatch([{ stream: "a", ns: ns(NOW_MS), line: "back" }]));
  assert.deepEqual(entry, { accepted: 1, duplicates: 0, rejections: [] });
  assert.equal((await readSamples(metrics)).size, 2);
  assert.equal((await readEntries(logs)).length, 2);
});

test("logs: a clock that jumps hours ahead and back loses no line and seals none twice", async () => {
  const clock = createMovedClock();
  const fileSystem = new FaultyFileSystem();
  const options = storeOptions(fileSystem, { clock, maxAgeMs: 72 * HOUR_MS });
  const sent: string[] = [];
  let row = 0;
  const append = async (store: LogStore, ms: number) => {
    const line = `line ${row++}`;
    const { accepted, rejections } = await store.append(
      logBatch([{ stream: "a", ns: ns(ms), line }]),
    );
    assert.deepEqual([accepted, rejections], [1, []], line);
    sent.push(`a@${ns(ms)} ${line}`);
  };
  const check = async (store: LogStore, when: string) =>
    assert.deepEqual((await readEntries(store)).toSorted(), sent.toSorted(), when);
  {
    await using store = await openLogStore(options);
    await append(store, clock.now);
    for (const hours of [20, -30, 9, -9, 40, -40]) {
      await clock.pass(hours * HOUR_MS);
      await append(store, clock.now);
      // A sender whose clock did not jump; what is far in the future is refused, as it must be.
      if (clock.now >= NOW_MS) await append(store, NOW_MS);
      await check(store, `after a jump of ${hours} hours`);
    }
    await store.flush();
    await check(store, "in blocks");
  }
  await using store = await openLogStore(options);
  await append(store, clock.now);
  await check(store, "after a start with the clock far back");
});

test("series that come and go do not fill the head, those that stay do not seal it", async () => {
  const clock = createMovedClock();
  await using store = await openMetricStore(
    storeOptions(new FaultyFileSystem(), { clock, limits: { headSeriesMax: 100 } }),
  );
  const scrape = async (names: readonly string[]) => {
    const { rejections } = await store.append(
      sampleBatch(names.map((series) => ({ series, t: clock.now, v: 1 }))),
    );
    assert.deepEqual(rejections, []);
    await clock.pass(60_000);
  };
  const staying = Array.from({ length: 30 }, (_, i) => `stays_${i}`);
  // 30 that stay, and 20 new ones every 15 minutes.
  for (let minute = 0; minute < 110; minute++)
    await scrape([
      ...staying,
      ...Array.from({ length: 20 }, (_, i) => `${Math.floor(minute / 15)}_${i}`),
    ]);
  const { blocks, headSeries } = store.statistics();
  assert.ok(blocks >= 1 && blocks <= 6, `${blocks} blocks`);
  assert.ok(headSeries <= 100);
  await store.flush();
  // Merges change how many blocks there are; only a seal adds samples to them.
  const sealed = () => store.blocks().reduce((sum, { samples }) => sum + samples, 0);
  const before = sealed();
  const many = Array.from({ length: 95 }, (_, i) => `stays_${i}`);
  for (let minute = 0; minute < 20; minute++) await scrape(many);
  assert.equal(sealed(), before);
});

test("hours that come within minutes are not held all at once, a late sample seals nothing", async () => {
  const limits = { headBytesMax: 1_000_000 };
  await using store = await openMetricStore(storeOptions(new FaultyFileSystem(), { limits }));
  await store.append(sampleBatch([{ series: "late", t: NOW_MS - 10 * 3_600_000, v: 1 }]));
  await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
  assert.equal(store.statistics().blocks, 0);
  const random = createRandom(1);
  const series = Array.from({ length: 100 }, (_, i) => `s${i}`);
  let hours = 0;
  for (; hours < 24 && store.statistics().blocks === 0; hours++) {
    for (let second = 0; second < 3600; second += 15) {
      const t = NOW_MS - (24 - hours) * 3_600_000 + second * 1000;
      await store.append(sampleBatch(series.map((name) => ({ series: name, t, v: random() }))));
      await setImmediate();
    }
  }
  assert.ok(store.statistics().blocks > 0, "sealed");
  assert.ok(store.statistics().headBytes < limits.headBytesMax, `${hours} h in the head`);
});

test("a sender that repeats itself does not grow the log without end", async () => {
  const clock = createMovedClock();
  await using store = await openLogStore(
    storeOptions(new FaultyFileSystem(), { clock, limits: { headBytesMax: 100_000 } }),
  );
  const batch = logBatch([{ stream: "a", ns: ns(NOW_MS), line: "-".repeat(50_000) }]);
  for (let i = 0; i < 100; i++) await store.append(batch);
  for (let i = 0; i < 10_000 && store.statistics().blocks === 0; i++) await setImmediate();
  assert.ok(store.statistics().blocks > 0, "the head was sealed");
  await store.flush();
  assert.ok(store.statistics().walBytes < 1000);
  assert.equal((await readEntries(store)).length, 1);
});
