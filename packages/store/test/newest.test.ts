/** Selections that ask for the newest sample of each series alone: the last of what a full selection answers, wherever it lies. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricStore } from "../src/api.ts";
import { openMetricStore } from "../src/metric-store.ts";
import { FaultyFileSystem } from "./faulty-file-system.ts";
import { createRandom, histogramOf, NOW_MS, sampleBatch, storeOptions } from "./store-fixtures.ts";

const { signal } = new AbortController();

async function lastOf(
  store: MetricStore,
  range: { readonly startMs: number; readonly endMs: number; readonly newestOnly: boolean },
): Promise<Map<string, string>> {
  const last = new Map<string, string>();
  for await (const batch of store.select({ matchers: [], signal, ...range })) {
    for (const { labels, timestampsMs, values, histograms, startTimestampsMs } of batch) {
      const [time, value, start] = [timestampsMs, values, startTimestampsMs].map((c) => c?.at(-1));
      assert.ok(!last.has(labels.key));
      last.set(labels.key, JSON.stringify([time, value, start, histograms?.at(-1)?.sum]));
    }
  }
  return last;
}

test("the newest sample of a range is the last of all of them: heads, blocks, late ones, histograms, deletes", async () => {
  const random = createRandom(7);
  await using store = await openMetricStore(storeOptions(new FaultyFileSystem()));
  const spanMs = 2_000_000;
  for (let round = 0; round < 12; round++) {
    const samples = Array.from({ length: 120 }, (_, i) => {
      const series = `s${Math.floor(random() * 6)}`;
      const isLate = random() < 0.1;
      const at = isLate ? Math.floor(random() * spanMs) : (round * 120 + i) * 1000;
      const histogram = series === "s5" && i % 7 === 0 ? histogramOf(2, i) : undefined;
      const start = series === "s4" ? NOW_MS - spanMs : undefined;
      return { series, t: NOW_MS - spanMs + at, v: round + i / 1000, histogram, start };
    });
    await store.append(sampleBatch(samples));
    if (round % 5 === 4) await store.flush();
    if (round === 7) {
      const startMs = NOW_MS - spanMs + 500_000;
      await store.deleteSeries({ matchers: [], startMs, endMs: startMs + 200_000 });
    }
  }
  let found = 0;
  for (let wish = 0; wish < 200; wish++) {
    const startMs = NOW_MS - spanMs + Math.floor(random() * spanMs);
    const range = { startMs, endMs: startMs + Math.floor(random() * random() * spanMs) };
    const full = await lastOf(store, { ...range, newestOnly: false });
    assert.deepEqual(await lastOf(store, { ...range, newestOnly: true }), full);
    found += full.size;
  }
  assert.ok(found > 500, `${found} found`);
});
