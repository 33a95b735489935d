/** Rules of the stores that need no fault: limits, windows, retention, views that last, damage in blocks, the lock. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { setImmediate } from "node:timers/promises";
import { createMatcher, isStaleAt, setStaleAt, wordsOf } from "@finch/model";
import { nodeFileSystem } from "@finch/runtime";
import { lockDirectory } from "../src/directory-lock.ts";
import { openLogStore } from "../src/log-store.ts";
import { openMetricStore } from "../src/metric-store.ts";
import type { StoreOptions } from "../src/api.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import {
  createRandom,
  createTestClock,
  logBatch,
  NOW_MS,
  readEntries,
  readSamples,
  sampleBatch,
  storeOptions,
} from "./store-fixtures.ts";

const BLOCK = "/data/signal/blocks/0000000001";
const ns = (ms: number) => BigInt(ms) * 1_000_000n;

describe("what is refused", () => {
  test("samples outside the window, one by one, with the reason", async () => {
    const options = storeOptions(new FaultyFileSystem(), {
      limits: { outOfOrderWindowMs: 1000, futureWindowMs: 500 },
    });
    await using store = await openMetricStore(options);
    await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
    const result = await store.append(
      sampleBatch([
        { series: "a", t: NOW_MS - 1001, v: 1 },
        { series: "b", t: NOW_MS - 1000, v: 1 },
        { series: "a", t: NOW_MS + 501, v: 1 },
        { series: "a", t: NOW_MS, v: 2 },
        { series: "a", t: NOW_MS + 500, v: 2 },
      ]),
    );
    assert.deepEqual([result.accepted, result.duplicates], [2, 0]);
    assert.deepEqual(
      result.rejections.map(({ index, kind, reason, timestampMs }) => [
        index,
        kind,
        reason,
        timestampMs,
      ]),
      [
        [0, "sample", "too-old", NOW_MS - 1001],
        [2, "sample", "too-far-in-future", NOW_MS + 501],
        [3, "sample", "duplicate-timestamp", NOW_MS],
      ],
    );
    assert.equal(store.statistics().rejectedTotal, 3);
  });

  test("entries outside the window", async () => {
    await using store = await openLogStore(
      storeOptions(new FaultyFileSystem(), {
        limits: { outOfOrderWindowMs: 1000, futureWindowMs: 500 },
      }),
    );
    await store.append(logBatch([{ stream: "a", ns: ns(NOW_MS), line: "x" }]));
    const { accepted, rejections } = await store.append(
      logBatch([
        { stream: "b", ns: ns(NOW_MS - 2000), line: "x" },
        { stream: "b", ns: ns(NOW_MS), line: "x" },
        { stream: "b", ns: ns(NOW_MS + 700), line: "x" },
      ]),
    );
    assert.equal(accepted, 1);
    assert.deepEqual(
      rejections.map(({ reason }) => reason),
      ["too-old", "too-far-in-future"],
    );
  });

  test("more series than the limit: those that are new, once each; and what comes after is recovered", async () => {
    const fileSystem = new FaultyFileSystem();
    const options = storeOptions(fileSystem, { limits: { headSeriesMax: 2 } });
    {
      await using store = await openMetricStore(options);
      const batch = ["a", "b", "c", "a"].map((series, i) => ({ series, t: NOW_MS + i, v: 1 }));
      const result = await store.append(sampleBatch(batch));
      assert.deepEqual([result.accepted, result.duplicates], [3, 0]);
      assert.deepEqual(result.rejections, [
        { index: 2, kind: "sample", reason: "too-many-series", timestampMs: NOW_MS + 2 },
      ]);
      await store.append(sampleBatch([{ series: "b", t: NOW_MS + 9, v: 1 }]));
    }
    await using store = await openMetricStore(options);
    assert.equal((await readSamples(store)).size, 4);
  });

  test("more streams than the limit, likewise", async () => {
    await using store = await openLogStore(
      storeOptions(new FaultyFileSystem(), { limits: { headSeriesMax: 1 } }),
    );
    const batch = ["a", "b", "a"].map((stream, i) => ({ stream, ns: ns(NOW_MS + i), line: "x" }));
    assert.deepEqual(await store.append(logBatch(batch)), {
      accepted: 2,
      duplicates: 0,
      rejections: [{ index: 1, reason: "too-many-series", timestampMs: NOW_MS + 1 }],
    });
  });

  test("series of which no sample is taken leave no trace in the head", async () => {
    const options = storeOptions(new FaultyFileSystem(), { limits: { headSeriesMax: 1 } });
    await using metrics = await openMetricStore({ ...options, directory: "/data/metrics" });
    await metrics.append(sampleBatch([{ series: "future", t: NOW_MS + 1e9, v: 1 }]));
    await using logs = await openLogStore({ ...options, directory: "/data/logs" });
    await logs.append(logBatch([{ stream: "future", ns: ns(NOW_MS + 1e9), line: "x" }]));
    for (const store of [metrics, logs]) assert.equal(store.statistics().headSeries, 0);
    const { accepted } = await metrics.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
    assert.equal(accepted, 1);
  });

  test("metadata of a million kinds seals the head as lines do", async () => {
    await using store = await openLogStore(
      storeOptions(new FaultyFileSystem(), { limits: { headBytesMax: 1_000_000 } }),
    );
    for (let i = 0; i < 30; i++) {
      const metadata = { trace: `${i}`.padEnd(20_000, "-") };
      await store.append(logBatch([{ stream: "a", ns: ns(NOW_MS + i), line: "x", metadata }]));
    }
    await store.flush();
    assert.ok(store.statistics().blocks > 1, "it was sealed before it was told to");
    assert.equal((await readEntries(store)).length, 30);
  });

  test("more pending bytes than the limit; series defined in the refused record are defined again", async () => {
    const options = storeOptions(new FaultyFileSystem(), { limits: { pendingBytesMax: 50 } });
    {
      await using store = await openMetricStore(options);
      const first = store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
      await assert.rejects(store.append(sampleBatch([{ series: "b", t: NOW_MS, v: 1 }])), {
        kind: "limited",
        code: "store/queue-full",
      });
      await first;
      await store.append(sampleBatch([{ series: "b", t: NOW_MS, v: 1 }]));
    }
    await using store = await openMetricStore(options);
    assert.equal((await readSamples(store)).size, 2);
  });

  test("writes while the disk is nearly full; queries go on", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
    fileSystem.freeBytes = 1000;
    await store.expire();
    await assert.rejects(store.append(sampleBatch([{ series: "a", t: NOW_MS + 1, v: 1 }])), {
      kind: "unavailable",
      code: "store/disk-low",
    });
    assert.equal((await readSamples(store)).size, 1);
    fileSystem.freeBytes = 1e12;
    await store.expire();
    await store.append(sampleBatch([{ series: "a", t: NOW_MS + 1, v: 1 }]));
  });

  test("writes while the disk is nearly full, until one comes a second later and there is space", async () => {
    const fileSystem = new FaultyFileSystem();
    let monotonicMs = 0;
    const clock = { ...createTestClock(), monotonicMs: () => monotonicMs };
    const options = storeOptions(fileSystem, { clock });
    await using metrics = await openMetricStore(options);
    await using logs = await openLogStore({ ...options, directory: "/data/logs" });
    const writes = [
      () => metrics.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }])),
      () => logs.append(logBatch([{ stream: "a", ns: ns(NOW_MS), line: "x" }])),
    ];
    for (const write of writes) {
      fileSystem.freeBytes = 1000;
      await Promise.all([metrics.expire(), logs.expire()]);
      await assert.rejects(write(), { code: "store/disk-low" });
      fileSystem.freeBytes = 1e12;
      await assert.rejects(write(), { code: "store/disk-low" }, "it was looked at just now");
      monotonicMs += 1000;
      assert.equal((await write()).accepted, 1);
    }
  });
});

test("stale markers keep their bits through the log, the head and a block", async () => {
  const options = storeOptions(new FaultyFileSystem());
  const batch = sampleBatch(
    Array.from({ length: 100 }, (_, i) => ({ series: "a", t: NOW_MS - 1000 + i, v: 1 })),
  );
  setStaleAt(wordsOf(batch.values), 5);
  setStaleAt(wordsOf(batch.values), 99);
  const staleAt = async (store: Awaited<ReturnType<typeof openMetricStore>>) => {
    for await (const [series] of store.select({
      matchers: [createMatcher("__name__", "=", "a")],
      startMs: 0,
      endMs: 8e15,
      signal: new AbortController().signal,
    })) {
      const words = wordsOf(series!.values);
      return Array.from(series!.values.keys()).filter((index) => isStaleAt(words, index));
    }
    return [];
  };
  {
    await using store = await openMetricStore(options);
    await store.append(batch);
    assert.deepEqual(await staleAt(store), [5, 99]);
  }
  await using store = await openMetricStore(options);
  assert.deepEqual(await staleAt(store), [5, 99]);
  await store.flush();
  assert.deepEqual(await staleAt(store), [5, 99]);
});

describe("views", () => {
  test("a selection goes on over a seal and a removal that happen meanwhile, and sees nothing of later", async () => {
    const clock = createTestClock();
    await using store = await openMetricStore(
      storeOptions(new FaultyFileSystem(), { clock, maxAgeMs: 1000 }),
    );
    const many = Array.from({ length: 600 }, (_, i) => ({ series: `s${i}`, t: NOW_MS - 10, v: i }));
    await store.append(sampleBatch(many.slice(0, 300)));
    await store.flush();
    await store.append(sampleBatch(many.slice(300)));
    let series = 0;
    let samples = 0;
    for await (const batch of store.select({
      matchers: [createMatcher("__name__", "=~", ".+")],
      startMs: 0,
      endMs: 8e15,
      signal: new AbortController().signal,
    })) {
      if (series === 0) {
        await store.append(
          sampleBatch(many.map(({ series: name }) => ({ series: name, t: NOW_MS, v: -1 }))),
        );
        await store.flush();
        clock.now += 5000;
        await store.expire();
        assert.equal(store.statistics().blocks, 0);
      }
      series += batch.length;
      for (const { values } of batch) samples += values.length;
    }
    assert.deepEqual([series, samples], [600, 600]);
    assert.equal((await readSamples(store)).size, 0);
  });

  test("an aborted selection stops with the reason", async () => {
    await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
    await store.append(
      sampleBatch(Array.from({ length: 600 }, (_, i) => ({ series: `s${i}`, t: NOW_MS, v: i }))),
    );
    const controller = new AbortController();
    await assert.rejects(async () => {
      for await (const batch of store.select({
        matchers: [createMatcher("__name__", "=~", ".+")],
        startMs: 0,
        endMs: 8e15,
        signal: controller.signal,
      })) {
        assert.ok(batch.length > 0);
        controller.abort(new Error("the caller left"));
      }
    }, /the caller left/);
  });

  test("a needle skips the pages of a block that cannot hold it", async () => {
    await using store = await openLogStore(storeOptions(new FaultyFileSystem()));
    const id = (i: number) => `4bf92f3577b34da6${String(i * 7919).padStart(16, "0")}`;
    for (const stream of ["a", "b", "c", "d"]) {
      await store.append(
        logBatch(
          Array.from({ length: 50 }, (_, i) => ({
            stream,
            ns: ns(NOW_MS) + BigInt(i),
            line: `${stream} trace=${id(i + 1000 * stream.charCodeAt(0))}`,
          })),
        ),
      );
    }
    await store.flush();
    const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
    const found = await readEntries(
      store,
      { needles: [new TextEncoder().encode(id(98_007))] },
      statistics,
    );
    assert.ok(found.includes(`b@${ns(NOW_MS) + 7n} b trace=${id(98_007)}`));
    assert.deepEqual([statistics.pagesRead, statistics.pagesSkipped], [1, 3]);
  });
});

test("many pages of a stream with late, repeated and simultaneous entries come sorted, each once", async () => {
  const options = storeOptions(new FaultyFileSystem());
  const random = createRandom(7);
  const wanted = new Set<string>();
  let store = await openLogStore(options);
  for (let round = 0; round < 12; round++) {
    const rows = Array.from({ length: 4000 }, (_, i) => {
      const isLate = random() < 0.1;
      const at = isLate ? Math.floor(random() * (round + 1) * 4000) : round * 4000 + i;
      // Several entries an instant, and now and then the same again.
      return {
        stream: "a",
        ns: ns(NOW_MS - 1000) + BigInt(at >> 2),
        line: `line ${Math.floor(random() * 6)} ${"-".repeat(70)}`,
      };
    });
    for (const { ns: time, line } of rows) wanted.add(`a@${time} ${line}`);
    await store.append(logBatch(rows));
    if (round === 4 || round === 8) await store.flush();
    if (round === 6) {
      await store[Symbol.asyncDispose]();
      store = await openLogStore(options);
    }
  }
  await using held = store;
  const all = [...wanted].sort();
  const statistics = { pagesRead: 0, pagesSkipped: 0, bytesRead: 0 };
  for (const direction of ["forward", "backward"] as const) {
    assert.deepEqual((await readEntries(held, { direction }, statistics)).sort(), all);
  }
  await held.flush();
  assert.deepEqual((await readEntries(held)).sort(), all);
  assert.ok(statistics.pagesRead >= 2 * 5, `only ${statistics.pagesRead} pages`);
});

test("many series alone do not seal a head, samples do", async () => {
  const options = storeOptions(new FaultyFileSystem(), { limits: { headBytesMax: 400_000 } });
  await using store = await openMetricStore(options);
  const scrape = (n: number) =>
    sampleBatch(
      Array.from({ length: 2000 }, (_, i) => ({ series: `s${i}`, t: NOW_MS - 1e6 + n, v: n * i })),
    );
  for (let n = 0; n < 3; n++) await store.append(scrape(n));
  await store.expire();
  assert.ok(store.statistics().headBytes > 400_000);
  assert.equal(store.statistics().blocks, 0);
  for (let n = 3; n < 100; n++) await store.append(scrape(n));
  await store.flush();
  assert.ok(store.statistics().blocks >= 2);
  assert.equal((await readSamples(store)).size, 200_000);
});

describe("retention", () => {
  test("blocks leave by age", async () => {
    const clock = createTestClock();
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(
      storeOptions(fileSystem, { clock, maxAgeMs: 10_000 }),
    );
    await store.append(sampleBatch([{ series: "a", t: NOW_MS - 9_000, v: 1 }]));
    await store.flush();
    await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
    await store.flush();
    await store.expire();
    assert.equal(store.statistics().blocks, 2);
    clock.now += 2000;
    await store.expire();
    assert.deepEqual(await fileSystem.list("/data/signal/blocks"), ["0000000002"]);
  });

  test("the oldest leave while they take more of the disk than they may", async () => {
    for (const bound of ["share", "bytes"]) {
      const fileSystem = new FaultyFileSystem();
      const options = storeOptions(fileSystem);
      const retention = { maxAgeMs: Infinity, maxDiskShare: 0.5, maxBytes: Infinity };
      await using store = await openMetricStore({ ...options, retention });
      for (let i = 0; i < 4; i++) {
        await store.append(sampleBatch([{ series: "a", t: NOW_MS + i, v: 1 }]));
        await store.flush();
      }
      const { blockBytes } = store.statistics();
      if (bound === "share") fileSystem.totalBytes = blockBytes;
      else retention.maxBytes = blockBytes / 2;
      await store.expire();
      const blocks = await fileSystem.list("/data/signal/blocks");
      assert.equal(blocks.at(-1), "0000000004");
      assert.ok(blocks.length === 1 || blocks.length === 2, `${bound}: ${blocks.join()}`);
    }
  });
});

describe("damage", () => {
  test("a block with a cut or missing file is set aside and named, and the store goes on without it", async () => {
    for (const damage of [
      async (fileSystem: FaultyFileSystem) =>
        fileSystem.put(`${BLOCK}/pages.bin`, new Uint8Array(3)),
      async (fileSystem: FaultyFileSystem) =>
        fileSystem.put(`${BLOCK}/meta.json`, new Uint8Array(0)),
      (fileSystem: FaultyFileSystem) => fileSystem.remove(`${BLOCK}/meta.json`),
      (fileSystem: FaultyFileSystem) => fileSystem.remove(`${BLOCK}/index.bin`),
      (fileSystem: FaultyFileSystem) => fileSystem.remove(`${BLOCK}/times.bin`),
    ]) {
      const fileSystem = new FaultyFileSystem();
      {
        await using store = await openMetricStore(storeOptions(fileSystem));
        await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
        await store.flush();
      }
      await damage(fileSystem);
      for (let start = 0; start < 2; start++) {
        await using store = await openMetricStore(storeOptions(fileSystem));
        assert.equal((await readSamples(store)).size, start);
        assert.deepEqual(
          store.statistics().quarantined.map(({ directory }) => directory),
          [`${BLOCK}.damaged`],
        );
        if (start > 0) continue;
        await store.append(sampleBatch([{ series: "b", t: NOW_MS, v: 1 }]));
        await store.flush();
        assert.deepEqual(
          store.blocks().map(({ block }) => block),
          [2],
          "its number is not given again",
        );
      }
    }
  });

  for (const file of ["meta.json", "index.bin", "pages.bin", "times.bin", "metadata.bin"]) {
    test(`a flipped bit anywhere in ${file} never passes for data`, async () => {
      const fileSystem = new FaultyFileSystem();
      const options = storeOptions(fileSystem);
      {
        await using store = await openMetricStore(options);
        await store.append(
          sampleBatch(
            [{ series: "a", t: NOW_MS, v: 1 }],
            [{ family: "a", type: "counter", help: "h", unit: "" }],
          ),
        );
        await store.flush();
      }
      const path = `${BLOCK}/${file}`;
      const size = await fileSystem.sizeOf(path);
      // The header of the metadata and the reserve of every header are read by nobody; blank space in the meta file means nothing.
      for (let offset = file === "metadata.bin" ? 16 : 0; offset < size; offset++) {
        if (file !== "meta.json" && offset >= 12 && offset < 16) continue;
        const before = (await fileSystem.readFile(path))[offset]!;
        if (file === "meta.json" && (before === 32 || before === 10)) continue;
        fileSystem.flipBit(path, offset);
        await checkFlipped(options, { file, path, where: `offset ${offset}` });
        if ((await fileSystem.list(`${BLOCK}.damaged`)).length > 0)
          await fileSystem.rename(`${BLOCK}.damaged`, BLOCK);
        fileSystem.flipBit(path, offset);
      }
    });
  }

  /** The sample is read right, or the block is set aside by name, at once or after an error that names the file. */
  async function checkFlipped(
    options: StoreOptions,
    { file, path, where }: { readonly file: string; readonly path: string; readonly where: string },
  ): Promise<void> {
    await using store = await openMetricStore(options);
    const isAside = () => store.statistics().quarantined.length === 1;
    const right = [[`a@${NOW_MS}`, 1]];
    const first = await readSamples(store).catch(
      (error: { code?: string; message: string }) => error,
    );
    if (!(first instanceof Map)) {
      assert.equal(first.code, "store/corrupt-file", `${where}: ${first.message}`);
      assert.ok(first.message.includes(path), where);
      assert.ok(isAside(), where);
      assert.equal((await readSamples(store)).size, 0, where);
    } else if (file === "metadata.bin") {
      assert.deepEqual([...first], right, where);
      assert.equal(store.metadata().size, 0, where);
    } else {
      assert.ok(isAside() ? first.size === 0 : first.size === 1, where);
      if (!isAside()) assert.deepEqual([...first], right, where);
    }
  }

  test("a bit of the log flipped anywhere: the store opens, says so, and has what else was acknowledged", async () => {
    const fileSystem = new FaultyFileSystem();
    const options = storeOptions(fileSystem);
    const rounds = [
      [{ series: "a", t: NOW_MS, v: 1 }],
      // Without the record before, this one has no series that is defined.
      [{ series: "a", t: NOW_MS + 1, v: 6 }],
      [{ series: "b", t: NOW_MS + 1, v: 2 }],
      [
        { series: "a", t: NOW_MS + 2, v: 3 },
        { series: "b", t: NOW_MS + 2, v: 4 },
        { series: "c", t: NOW_MS + 2, v: 5 },
      ],
    ];
    {
      await using store = await openMetricStore(options);
      for (const rows of rounds) await store.append(sampleBatch(rows));
    }
    const model = new Map(rounds.flat().map(({ series, t, v }) => [`${series}@${t}`, v]));
    const path = "/data/signal/wal/0000000001.wal";
    const whole = await fileSystem.readFile(path);
    for (let offset = 0; offset < whole.length; offset++) {
      const damaged = new FaultyFileSystem();
      {
        await using store = await openMetricStore(storeOptions(damaged));
        await store.append(sampleBatch([{ series: "x", t: NOW_MS, v: 1 }]));
      }
      damaged.put(path, whole);
      damaged.flipBit(path, offset);
      await using store = await openMetricStore(storeOptions(damaged));
      const found = await readSamples(store);
      for (const [key, value] of found) assert.equal(value, model.get(key), `${offset}: ${key}`);
      const { quarantined, recovery } = store.statistics();
      const isTold = quarantined.length > 0 || recovery.tornBytes > 0;
      assert.ok(found.size === model.size || isTold, `byte ${offset} loses rows in silence`);
      // One record is damaged at most, and with it the definitions that it had.
      assert.ok(found.size >= 2, `byte ${offset} leaves ${found.size} rows`);
      await store.append(sampleBatch([{ series: "d", t: NOW_MS + 9, v: 9 }]));
      await store.flush();
      assert.equal((await readSamples(store)).get(`d@${NOW_MS + 9}`), 9);
    }
  });

  for (const isSealed of [false, true]) {
    test(`a log removed as a whole is told, ${isSealed ? "with" : "without"} a block`, async () => {
      const fileSystem = new FaultyFileSystem();
      const options = storeOptions(fileSystem);
      {
        await using store = await openMetricStore(options);
        assert.deepEqual(store.statistics().quarantined, [], "at the first start");
        await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
        if (isSealed) await store.flush();
        await store.append(sampleBatch([{ series: "a", t: NOW_MS + 1, v: 2 }]));
      }
      await fileSystem.remove("/data/signal/wal");
      {
        await using store = await openMetricStore(options);
        const [lost, ...others] = store.statistics().quarantined;
        assert.match(lost!.directory, /\/wal\/000000000\d\.wal\.damaged$/);
        assert.equal(others.length, 0);
        assert.equal((await readSamples(store)).size, isSealed ? 1 : 0);
        await store.append(sampleBatch([{ series: "a", t: NOW_MS + 2, v: 3 }]));
      }
      await using store = await openMetricStore(options);
      assert.deepEqual(store.statistics().quarantined, [], "told once");
      assert.equal((await readSamples(store)).get(`a@${NOW_MS + 2}`), 3);
    });
  }

  test("a store of another format, or of another signal, is refused by name", async () => {
    const fileSystem = new FaultyFileSystem();
    await (await openMetricStore(storeOptions(fileSystem)))[Symbol.asyncDispose]();
    await assert.rejects(openLogStore(storeOptions(fileSystem)), { code: "store/corrupt-file" });
    fileSystem.put("/data/signal/version", new TextEncoder().encode("finch metrics store 4\n"));
    await assert.rejects(openMetricStore(storeOptions(fileSystem)), {
      code: "store/newer-format",
      message: /start the newer Finch/,
    });
    fileSystem.put("/data/signal/version", new TextEncoder().encode("finch metrics store 1\n"));
    await assert.rejects(openMetricStore(storeOptions(fileSystem)), {
      code: "store/older-format",
      message: /another data directory/,
    });
  });
});

test("metadata survives the log, a seal and a reopening; the newest wins", async () => {
  const options = storeOptions(new FaultyFileSystem());
  const gauge = { family: "f", type: "gauge", help: "old", unit: "" } as const;
  {
    await using store = await openMetricStore(options);
    await store.append(sampleBatch([{ series: "f", t: NOW_MS, v: 1 }], [gauge]));
    await store.flush();
    await store.append(sampleBatch([], [{ ...gauge, help: "new" }]));
  }
  await using store = await openMetricStore(options);
  assert.deepEqual([...store.metadata().values()], [{ ...gauge, help: "new" }]);
});

describe("directory lock", () => {
  test("held once; a lock file of a dead process does not hold", async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-lock-"));
    try {
      await writeFile(
        join(directory, "lock"),
        JSON.stringify({ pid: process.pid, start: "1", boot: "another boot" }),
      );
      {
        await using lock = await lockDirectory(directory);
        assert.ok(lock);
        await assert.rejects(lockDirectory(directory), {
          code: "store/directory-locked",
          message: new RegExp(`process ${process.pid}`),
        });
      }
      await using again = await lockDirectory(directory);
      assert.ok(again);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test("a holder that was killed and is not yet waited for does not hold", async (t) => {
  if (process.platform !== "linux") return t.skip("there is no /proc here");
  const directory = await mkdtemp(join(tmpdir(), "finch-lock-"));
  // The shell becomes a program that never waits for its child, which ends when it is told to: after that.
  const script = "exec 3<&0; (read line <&3) & echo $!; exec sleep 60";
  const parent = spawn("sh", ["-c", script], { stdio: "pipe" });
  try {
    const [line] = (await once(parent.stdout, "data")) as [Buffer];
    const pid = Number(line.toString());
    const statOf = async () => {
      const text = await readFile(`/proc/${pid}/stat`, "utf8");
      return text.slice(text.lastIndexOf(")") + 2).split(" ");
    };
    const nameOf = () => readFile(`/proc/${parent.pid}/comm`, "utf8");
    while ((await nameOf()).trim() !== "sleep") await setImmediate();
    parent.stdin.write("\n");
    while ((await statOf())[0] !== "Z") await setImmediate();
    const start = (await statOf())[19];
    const boot = (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
    await writeFile(join(directory, "lock"), JSON.stringify({ pid, start, boot }));
    await using lock = await lockDirectory(directory);
    assert.ok(lock);
  } finally {
    parent.kill();
    await rm(directory, { recursive: true });
  }
});

test("a real directory: append, seal, reopen", async () => {
  const root = await mkdtemp(join(tmpdir(), "finch-store-"));
  try {
    const options = storeOptions(nodeFileSystem, { directory: join(root, "metrics") });
    {
      await using store = await openMetricStore({
        ...options,
        limits: { ...options.limits, freeBytesMin: 0 },
      });
      await store.append(sampleBatch([{ series: "a", t: NOW_MS, v: 1 }]));
      await store.flush();
      await store.append(sampleBatch([{ series: "a", t: NOW_MS + 1, v: 2 }]));
    }
    await using store = await openMetricStore(options);
    assert.deepEqual(
      [...(await readSamples(store))],
      [
        [`a@${NOW_MS}`, 1],
        [`a@${NOW_MS + 1}`, 2],
      ],
    );
    assert.equal(store.statistics().recovery.records, 1);
  } finally {
    await rm(root, { recursive: true });
  }
});
