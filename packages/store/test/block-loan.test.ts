/** Selections whose blocks another thread reads: the same answers as of the store itself, and blocks that stay as long as they are lent. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createMatcher, Labels } from "@finch/model";
import type { Series } from "@finch/model";
import { systemClock } from "@finch/runtime";
import type { MetricSelection, MetricStore } from "../src/api.ts";
import { BlockReader } from "../src/block-loan.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { histogramOf, NOW_MS, sampleBatch, storeOptions } from "./store-fixtures.ts";
import type { PlainSample } from "./store-fixtures.ts";

const BLOCKS = "/data/signal/blocks";

function selection(replace: Partial<MetricSelection> = {}): MetricSelection {
  return {
    matchers: [createMatcher("__name__", "=~", ".+")],
    startMs: -8e15,
    endMs: 8e15,
    signal: new AbortController().signal,
    ...replace,
  };
}

/** All that there is of each series, as text. */
async function textsOf(batches: AsyncIterable<readonly Series[]>): Promise<Map<string, string>> {
  const texts = new Map<string, string>();
  for await (const batch of batches) {
    for (const { labels, timestampsMs, values, histograms, startTimestampsMs } of batch) {
      assert.ok(!texts.has(labels.key), `series ${labels.toString()} came twice`);
      const rows = Array.from(timestampsMs, (t, row) => {
        const more = [histograms?.[row]?.count, startTimestampsMs?.[row] ?? 0];
        return [t - NOW_MS, values[row], ...more];
      });
      texts.set(labels.key, JSON.stringify(rows));
    }
  }
  return new Map([...texts].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

async function readLoan(
  store: MetricStore,
  reader: BlockReader,
  request: MetricSelection,
): Promise<Map<string, string>> {
  const loan = store.lend(request);
  assert.ok(loan !== undefined, "there are blocks");
  try {
    return await textsOf(reader.select(structuredClone(loan.lent), request, loan.heads));
  } catch (fault) {
    await loan.setAside(fault);
    throw fault;
  } finally {
    await loan.release();
  }
}

function samplesOf(series: string, ages: readonly number[], more: Partial<PlainSample> = {}) {
  return ages.map((age) => ({ series, t: NOW_MS - age, v: 1000 - age, ...more }));
}

describe("a loan", () => {
  test("answers what the store does: blocks, heads, both, hidden rows, late and rich samples", async () => {
    const fileSystem = new FaultyFileSystem();
    const options = storeOptions(fileSystem);
    const rules = [{ matchers: [createMatcher("__name__", "=", "short")], maxAgeMs: 50 }];
    await using store = await openMetricStore({
      ...options,
      retention: { ...options.retention, rules },
    });
    assert.equal(store.lend(selection()), undefined);
    const histogram = histogramOf(3, 7);
    await store.append(
      sampleBatch([
        ...samplesOf("both", [90, 80, 70]),
        ...samplesOf("sealed", [90, 80]),
        ...samplesOf("short", [90, 60, 40]),
        ...samplesOf("deleted", [90, 80, 70]),
        ...samplesOf("rich", [90], { histogram, start: NOW_MS - 95 }),
      ]),
    );
    await store.flush();
    const matchers = [createMatcher("__name__", "=", "deleted")];
    await store.deleteSeries({ matchers, startMs: NOW_MS - 85, endMs: NOW_MS - 75 });
    await store.append(sampleBatch([...samplesOf("both", [60, 30]), ...samplesOf("third", [50])]));
    await store.flush();
    await store.append(
      sampleBatch([
        ...samplesOf("both", [75, 20]),
        ...samplesOf("fresh", [10]),
        ...samplesOf("short", [70, 10]),
        ...samplesOf("rich", [20], { histogram, start: NOW_MS - 95 }),
      ]),
    );
    const reader = new BlockReader(fileSystem, systemClock, 1 << 24);
    for (const request of [
      selection(),
      selection({ newestOnly: true }),
      selection({ startMs: NOW_MS - 80, endMs: NOW_MS - 60 }),
      selection({ matchers: [createMatcher("parity", "!=", "even")] }),
    ]) {
      const expected = await textsOf(store.select(request));
      assert.ok(expected.size > 2);
      assert.deepEqual(await readLoan(store, reader, request), expected);
    }
    assert.ok(reader.cacheBytes > 0);
  });

  test("joins more of other threads' samples than it waits for", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(sampleBatch([...samplesOf("a", [90]), ...samplesOf("bb", [80])]));
    await store.flush();
    const request = selection();
    const loan = store.lend(request);
    assert.ok(loan !== undefined);
    const labels = (name: string, parity: string) => Labels.fromObject({ __name__: name, parity });
    const timestampsMs = Float64Array.from({ length: 4_000_001 }, (_, i) => NOW_MS + i);
    async function* others(): AsyncGenerator<readonly Series[]> {
      await loan!.release();
      yield [{ labels: labels("a", "odd"), timestampsMs, values: timestampsMs }];
      const one = timestampsMs.subarray(0, 1);
      yield [{ labels: labels("ccc", "odd"), timestampsMs: one, values: one }];
    }
    const found: [string, number, number][] = [];
    const reader = new BlockReader(fileSystem, systemClock, 1 << 24);
    for await (const batch of reader.select(loan.lent, request, others()))
      for (const series of batch)
        found.push([series.labels.get("__name__"), series.values.length, series.values[0]!]);
    assert.deepEqual(found, [
      ["a", 4_000_002, 910],
      ["ccc", 1, NOW_MS],
      ["bb", 1, 920],
    ]);
  });

  test("keeps merged blocks in their places until it is returned", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    for (let age = 90; age > 40; age -= 10) {
      await store.append(sampleBatch(samplesOf("a", [age])));
      await store.flush();
    }
    const request = selection();
    const expected = await textsOf(store.select(request));
    const reader = new BlockReader(fileSystem, systemClock, 1 << 24);
    const loan = store.lend(request);
    assert.ok(loan !== undefined);
    const names = await fileSystem.list(BLOCKS);
    await store.compact();
    const standing = await fileSystem.list(BLOCKS);
    assert.ok(store.blocks().length < names.length);
    assert.ok(names.every((name) => standing.includes(name)));
    assert.deepEqual(await textsOf(reader.select(loan.lent, request, loan.heads)), expected);
    await loan.release();
    assert.equal((await fileSystem.list(BLOCKS)).length, store.blocks().length);
    // The reader lets go of those that are gone.
    assert.deepEqual(await readLoan(store, reader, request), expected);
  });

  test("tells damage, and the store sets the block aside", async () => {
    const fileSystem = new FaultyFileSystem();
    await using store = await openMetricStore(storeOptions(fileSystem));
    await store.append(sampleBatch(samplesOf("a", [90])));
    await store.flush();
    await store.append(sampleBatch(samplesOf("a", [80])));
    const path = `${BLOCKS}/0000000001`;
    fileSystem.flipBit(`${path}/pages.bin`, 24);
    const reader = new BlockReader(fileSystem, systemClock, 1 << 24);
    await assert.rejects(readLoan(store, reader, selection()), { code: "store/corrupt-file" });
    assert.equal(store.statistics().quarantined[0]?.directory, `${path}.damaged`);
    assert.deepEqual(await fileSystem.list(BLOCKS), ["0000000001.damaged"]);
    assert.equal(store.lend(selection()), undefined);
  });
});
