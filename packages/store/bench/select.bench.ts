/** Selecting series from the head, from a block, and lines from log pages. */
import { createMatcher } from "@finch/model";
import { openLogStore, openMetricStore } from "../src/index.ts";
import type { LogStore, MetricStore } from "../src/index.ts";
import {
  bytesOf,
  createPush,
  createScrapes,
  IS_LARGE,
  print,
  rssMb,
  withStoreOptions,
} from "./bench-fixtures.ts";

const SERIES = IS_LARGE ? 10_000 : 1000;
const SCRAPES = IS_LARGE ? 480 : 60;
const PUSHES = IS_LARGE ? 200 : 10;
const ROUNDS = 5;
const startMs = Date.now() - SCRAPES * 15_000;
const { signal } = new AbortController();

async function selectAll(
  store: MetricStore,
  matcher: ReturnType<typeof createMatcher>,
): Promise<{ samples: number; ms: number }> {
  let best = Infinity;
  let samples = 0;
  for (let round = 0; round < ROUNDS; round++) {
    samples = 0;
    const start = performance.now();
    for await (const batch of store.select({
      matchers: [matcher],
      startMs: 0,
      endMs: 8e15,
      signal,
    }))
      for (const { values } of batch) samples += values.length;
    best = Math.min(best, performance.now() - start);
  }
  return { samples, ms: best };
}

async function readAll(
  store: LogStore,
  needles: readonly Uint8Array[],
): Promise<{ lines: number; ms: number }> {
  let best = Infinity;
  let lines = 0;
  for (let round = 0; round < ROUNDS; round++) {
    lines = 0;
    const start = performance.now();
    const request = {
      matchers: [createMatcher("job", "=", "bench")],
      startNs: 0n,
      endNs: 2n ** 62n,
      needles,
      lines: "all",
      direction: "backward",
      signal,
    } as const;
    for await (const { entries } of store.select(request, {
      pagesRead: 0,
      pagesSkipped: 0,
      bytesRead: 0,
    }))
      lines += entries.count;
    best = Math.min(best, performance.now() - start);
  }
  return { lines, ms: best };
}

const figures: Record<string, number> = {};
let hash = 0;
await withStoreOptions(async (options) => {
  const scrape = createScrapes(SERIES, startMs);
  await using store = await openMetricStore(options);
  for (let n = 0; n < SCRAPES; n++) await store.append(scrape(n));
  const all = createMatcher("__name__", "=~", "node_.+");
  const one = createMatcher("__name__", "=", "node_metric_7_total");
  for (const place of ["Head", "Block"]) {
    const whole = await selectAll(store, all);
    const part = await selectAll(store, one);
    figures[`all${place}NsPerSample`] = (whole.ms * 1e6) / whole.samples;
    figures[`oneName${place}Ms`] = part.ms;
    hash += whole.samples + part.samples;
    await store.flush();
  }
});
await withStoreOptions(async (options) => {
  await using store = await openLogStore(options);
  let bytes = 0;
  for (let n = 0; n < PUSHES; n++) {
    const push = createPush(n, 10, 200, BigInt(Date.now() - 3_600_000) * 1_000_000n);
    bytes += bytesOf(push);
    await store.append(push);
  }
  await store.flush();
  const whole = await readAll(store, []);
  const needle = await readAll(store, [
    new TextEncoder().encode("ffffffffffffffffffffffffffffffff"),
  ]);
  figures["logBlockMbPerSecond"] = bytes / whole.ms / 1000;
  figures["logMissingNeedleMs"] = needle.ms;
  hash += whole.lines + needle.lines;
});
print({
  bench: "store/select",
  params: { series: SERIES, scrapes: SCRAPES, pushes: PUSHES },
  hash,
  ...figures,
  rssMb: rssMb(),
});
