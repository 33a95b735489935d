/** Merging four blocks of metrics into one: time and bytes a sample, and how long the event loop stands still meanwhile. */
import { createMatcher } from "@finch/model";
import { openMetricStore } from "../src/index.ts";
import type { MetricStore } from "../src/index.ts";
import {
  cpuMs,
  createScrapes,
  IS_LARGE,
  measureStall,
  print,
  rssMb,
  withStoreOptions,
} from "./bench-fixtures.ts";

const SERIES = IS_LARGE ? 10_000 : 500;
const SCRAPES = IS_LARGE ? 480 : 40;
const BLOCKS = 4;
const startMs = Date.now() - BLOCKS * SCRAPES * 15_000;

function bytesPerSample(store: MetricStore): number {
  let bytes = 0;
  let samples = 0;
  for (const block of store.blocks()) {
    bytes += block.bytes;
    samples += block.samples;
  }
  return bytes / samples;
}

await withStoreOptions(async (options) => {
  await using store = await openMetricStore(options);
  const scrape = createScrapes(SERIES, startMs);
  for (let block = 0; block < BLOCKS; block++) {
    for (let n = 0; n < SCRAPES; n++) await store.append(scrape(block * SCRAPES + n));
    await store.flush();
  }
  const samples = SERIES * SCRAPES * BLOCKS;
  const before = bytesPerSample(store);
  const mergeCpu = process.cpuUsage();
  const mergeStallMs = await measureStall(() => store.compact());
  const mergeCpuNsPerSample = (cpuMs(mergeCpu) * 1e6) / samples;
  const after = bytesPerSample(store);
  await store.deleteSeries({
    matchers: [createMatcher("mode", "=", "idle")],
    startMs: -Infinity,
    endMs: Infinity,
  });
  const cleanCpu = process.cpuUsage();
  const cleanStallMs = await measureStall(() => store.cleanTombstones());
  const left = store.blocks().reduce((sum, block) => sum + block.samples, 0);
  print({
    bench: "store/compact-metrics",
    params: { series: SERIES, scrapes: SCRAPES, blocks: BLOCKS },
    hash: left,
    mergeCpuNsPerSample,
    mergeStallMs,
    bytesPerSampleBefore: before,
    bytesPerSampleAfter: after,
    cleanCpuNsPerSample: (cpuMs(cleanCpu) * 1e6) / samples,
    cleanStallMs,
    rssMb: rssMb(),
  });
});
