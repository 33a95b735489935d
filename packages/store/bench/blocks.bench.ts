/** What metric blocks take on disk, sealed and merged, what sealing, merging and selecting from them costs, and how long many of them take to open. */
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createMatcher } from "@finch/model";
import { systemClock } from "@finch/runtime";
import { decodeMeta, encodeMeta } from "../src/block-format.ts";
import { openMetricStore } from "../src/index.ts";
import type { MetricStore } from "../src/index.ts";
import { cpuMs, IS_LARGE, print, withStoreOptions } from "./bench-fixtures.ts";
import { createTraffic } from "./scrape-traffic.ts";

const TARGETS = IS_LARGE ? 100 : 4;
const SCRAPES_PER_BLOCK = IS_LARGE ? 480 : 60;
const BLOCKS = 4;
/** Blocks of the directory that is opened, and the bytes they seem to have. */
const OPENED_BLOCKS = IS_LARGE ? 1000 : 20;
const OPENED_BYTES = IS_LARGE ? 10e9 : 1e6;
const ROUNDS = 5;

const startMs = Date.now() - BLOCKS * SCRAPES_PER_BLOCK * 15_000;
const figures: Record<string, number> = {};
let hash = 0;

async function measureCpu(work: () => Promise<unknown>): Promise<number> {
  const since = process.cpuUsage();
  await work();
  return cpuMs(since);
}

async function selectSamples(store: MetricStore, name: string): Promise<number> {
  let samples = 0;
  const { signal } = new AbortController();
  const matchers = [createMatcher("__name__", "=~", name)];
  for await (const batch of store.select({ matchers, startMs: 0, endMs: 8e15, signal }))
    for (const { values } of batch) samples += values.length;
  return samples;
}

async function measureSelect(store: MetricStore, name: string): Promise<number> {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    let samples = 0;
    const ms = await measureCpu(async () => (samples = await selectSamples(store, name)));
    best = Math.min(best, (ms * 1e6) / samples);
    hash += round === 0 ? samples : 0;
  }
  return best;
}

function sleepForever(_ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((_, reject) => {
    signal?.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
  });
}

async function measureSealed(store: MetricStore): Promise<void> {
  figures["selectCpuNsPerSample"] = await measureSelect(store, "bytes_total");
  figures["selectAllCpuNsPerSample"] = await measureSelect(store, ".+");
  figures["longestTurnCpuMs"] = await measureTurns(() => selectSamples(store, ".+"));
}

/** Most processor time of this thread between two turns of the event loop while `work` runs; not disturbed by other processes. */
async function measureTurns(work: () => Promise<unknown>): Promise<number> {
  const cpuOfThread = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  };
  let longest = 0;
  let last = cpuOfThread();
  let isDone = false;
  const turn = () => {
    const now = cpuOfThread();
    longest = Math.max(longest, now - last);
    last = now;
    if (!isDone) setImmediate(turn);
  };
  setImmediate(turn);
  await work();
  isDone = true;
  return longest;
}

const bytesOf = (store: MetricStore) => store.blocks().reduce((sum, { bytes }) => sum + bytes, 0);

await withStoreOptions(async (options) => {
  const traffic = createTraffic(TARGETS, startMs);
  const samples = traffic.series * SCRAPES_PER_BLOCK * BLOCKS;
  // Nothing happens by itself: seals and merges are measured one by one.
  const clock = { ...systemClock, sleep: sleepForever };
  await using store = await openMetricStore({ ...options, clock });
  let sealMs = 0;
  for (let block = 0; block < BLOCKS; block++) {
    for (let n = 0; n < SCRAPES_PER_BLOCK; n++)
      await store.append(traffic.scrape(block * SCRAPES_PER_BLOCK + n));
    sealMs += await measureCpu(() => store.flush());
    // Before there are enough of them to be merged.
    if (block === BLOCKS - 2) await measureSealed(store);
  }
  figures["sealedBytesPerSample"] = bytesOf(store) / samples;
  figures["sealCpuNsPerSample"] = (sealMs * 1e6) / samples;
  figures["selectCpuNsPerSample"] = await measureSelect(store, "bytes_total");
  figures["selectAllCpuNsPerSample"] = await measureSelect(store, ".+");
  figures["longestTurnCpuMs"] = await measureTurns(() => selectSamples(store, ".+"));
  const mergeMs = await measureCpu(() => store.compact());
  figures["mergeCpuNsPerSample"] = (mergeMs * 1e6) / samples;
  figures["mergedBytesPerSample"] = bytesOf(store) / samples;
  figures["selectMergedCpuNsPerSample"] = await measureSelect(store, "bytes_total");
});

/** Copies of one block under other numbers; pages are as long as they claim, and hold nothing. */
await withStoreOptions(async (options) => {
  const blocks = join(options.directory, "blocks");
  {
    await using store = await openMetricStore(options);
    await store.append(createTraffic(1, startMs).scrape(0));
    await store.flush();
  }
  const first = join(blocks, "0000000001");
  const meta = decodeMeta(await readFile(join(first, "meta.json")), first);
  const pages = Math.floor(OPENED_BYTES / OPENED_BLOCKS);
  for (let block = 2; block <= OPENED_BLOCKS; block++) {
    const directory = join(blocks, String(block).padStart(10, "0"));
    await mkdir(directory);
    const files = { ...meta.files, "pages.bin": { bytes: pages, crc32: 0 } };
    for (const name of Object.keys(files)) {
      await writeFile(join(directory, name), await readFile(join(first, name)));
      if (name === "pages.bin") await truncate(join(directory, name), pages);
    }
    const copy = { ...meta, block, firstSeal: block, lastSeal: block, files };
    await writeFile(join(directory, "meta.json"), encodeMeta(copy));
  }
  const start = performance.now();
  const since = process.cpuUsage();
  await using store = await openMetricStore(options);
  figures["openMs"] = performance.now() - start;
  figures["openCpuMs"] = cpuMs(since);
  hash += store.blocks().length;
});

print({
  bench: "store/blocks",
  params: {
    targets: TARGETS,
    scrapesPerBlock: SCRAPES_PER_BLOCK,
    blocks: BLOCKS,
    openedBlocks: OPENED_BLOCKS,
    openedBytes: OPENED_BYTES,
  },
  hash,
  ...figures,
});
