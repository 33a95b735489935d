/** Very many series that all get samples: what they take in memory, while they come and once they are known. */
import { join } from "node:path";
import { startFinch } from "./metric-servers.ts";
import { residentBytes, untilIdle } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";
import { ownFigure } from "./scale-result.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";
import type { RecordedRequest } from "./traffic-recording.ts";
import { SCRAPE_INTERVAL_MS } from "./traffic-values.ts";

/** Series of one recording; more are made of several, which need less memory to make. */
const GROUP_SERIES = 100_000;
const INTERVALS = 8;
const BYTES_MAX = 1e9;
const DAY_MS = 86_400_000;

export async function measureActiveSeries(
  context: ScaleContext,
  series: number,
): Promise<ScaleResult> {
  const { cache, directory, nodeFlags, say } = context;
  const groups = Math.ceil(series / GROUP_SERIES);
  const endMs = Date.now() - 60_000;
  const paths = Array.from({ length: groups }, (_, i) => {
    const size = Math.min(GROUP_SERIES, series - i * GROUP_SERIES);
    const options = {
      series: size,
      intervals: INTERVALS,
      intervalMs: SCRAPE_INTERVAL_MS,
      seed: 100 + i,
    };
    return prepareTraffic(join(cache, `active-${size}-${i}`), options, {
      endMs,
      notBeforeMs: endMs - DAY_MS,
    }).path;
  });
  await using server = await startFinch({ directory, nodeFlags, flags: ["--log-level=error"] });
  const idleBytes = residentBytes(server.pid).current;
  const curve: Record<string, number>[] = [];
  say(`${series} series × ${INTERVALS} scrapes`);
  const sent = await sendTraffic(together(paths), {
    url: server.url,
    onInterval: (interval) => {
      const { current, peak } = residentBytes(server.pid);
      curve.push({ scrape: interval + 1, rssMB: current / 1e6, peakMB: peak / 1e6 });
    },
  });
  const headSeries = await ownFigure(server, "finch_store_head_series");
  await untilIdle(server.pid, { quietMs: 2000, limitMs: 60_000 });
  const { current, peak } = residentBytes(server.pid);
  return {
    figures: {
      series,
      "series in the head": headSeries,
      samples: sent.samples,
      "wall s": sent.wallSeconds,
      "RSS before, MB": idleBytes / 1e6,
      "RSS after, MB": current / 1e6,
      "bytes a series": (current - idleBytes) / series,
    },
    curve,
    targets: [{ what: "peak RSS, MB", value: peak / 1e6, limit: BYTES_MAX / 1e6 }],
  };
}

/** Several recordings as one: scrape by scrape, the requests of each in turn. */
function* together(paths: readonly string[]): Generator<readonly RecordedRequest[]> {
  const readers = paths.map((path) => readTraffic(path));
  for (;;) {
    const next = readers.map((reader) => reader.next());
    if (next.some(({ done }) => done === true)) return;
    yield next.flatMap(({ value }) => value as readonly RecordedRequest[]);
  }
}
