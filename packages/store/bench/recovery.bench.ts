/** Opening a store whose log holds everything, as after a kill. */
import { openMetricStore } from "../src/index.ts";
import { createScrapes, IS_LARGE, print, rssMb, withStoreOptions } from "./bench-fixtures.ts";

const SERIES = IS_LARGE ? 10_000 : 1000;
const SCRAPES = IS_LARGE ? 480 : 60;
const startMs = Date.now() - SCRAPES * 15_000;

await withStoreOptions(async (options) => {
  let walBytes = 0;
  {
    const scrape = createScrapes(SERIES, startMs);
    await using store = await openMetricStore(options);
    for (let n = 0; n < SCRAPES; n++) await store.append(scrape(n));
    walBytes = store.statistics().walBytes;
  }
  const start = performance.now();
  await using store = await openMetricStore(options);
  const openMs = performance.now() - start;
  const { recovery, headSeries } = store.statistics();
  print({
    bench: "store/recovery",
    params: { series: SERIES, scrapes: SCRAPES },
    hash: recovery.records * headSeries,
    openMs,
    walMbPerSecond: walBytes / openMs / 1000,
    nsPerSample: (openMs * 1e6) / (SERIES * SCRAPES),
    rssMb: rssMb(),
  });
});
