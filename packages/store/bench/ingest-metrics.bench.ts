/** Appending scrapes until they are durable, then sealing them. Floor: 16 B a sample through memcpy and CRC is about 30 ns. */
import { openMetricStore } from "../src/index.ts";
import {
  cpuMs,
  createScrapes,
  IS_LARGE,
  measureStall,
  print,
  rssMb,
  withStoreOptions,
} from "./bench-fixtures.ts";

const SERIES = IS_LARGE ? 10_000 : 1000;
const SCRAPES = IS_LARGE ? 480 : 60;
const startMs = Date.now() - SCRAPES * 15_000;

await withStoreOptions(async (options) => {
  const scrape = createScrapes(SERIES, startMs);
  await using store = await openMetricStore(options);
  const first = performance.now();
  await store.append(scrape(0));
  const newSeriesNs = ((performance.now() - first) * 1e6) / SERIES;
  const cpu = process.cpuUsage();
  const start = performance.now();
  for (let n = 1; n < SCRAPES; n++) await store.append(scrape(n));
  const samples = SERIES * (SCRAPES - 1);
  const wallNs = ((performance.now() - start) * 1e6) / samples;
  const cpuNs = (cpuMs(cpu) * 1e6) / samples;
  const { headBytes, walBytes, fsyncTotal } = store.statistics();
  const sealStart = performance.now();
  const stallMs = await measureStall(() => store.flush());
  const sealMs = performance.now() - sealStart;
  const { blockBytes, appendedTotal } = store.statistics();
  print({
    bench: "store/ingest-metrics",
    params: { series: SERIES, scrapes: SCRAPES },
    hash: appendedTotal,
    newSeriesNs,
    wallNsPerSample: wallNs,
    cpuNsPerSample: cpuNs,
    headBytesPerSample: headBytes / appendedTotal,
    walBytesPerSample: walBytes / appendedTotal,
    blockBytesPerSample: blockBytes / appendedTotal,
    fsyncTotal,
    sealMs,
    sealStallMs: stallMs,
    rssMb: rssMb(),
  });
});
