/**
 * Churn: every simulated hour all series are new, as when everything is deployed anew. Time is that of the samples; the head is sealed every two of
 * those hours, as it is by age. Memory must follow what is active and not what ever was.
 */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { bytesBelow, startFinch } from "./metric-servers.ts";
import { residentBytes, untilIdle } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";
import { ownFigure } from "./scale-result.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";

const HOUR_MS = 3_600_000;
const SCRAPES_PER_HOUR = 12;
const HOURS_PER_HEAD = 2;
/** The curve is judged from here on: until then buffers and caches fill. */
const WARM_HOURS = 6;
/** What a retired series may leave in memory: its share of an index root and of caches with a bound. */
const BYTES_PER_RETIRED_SERIES_MAX = 16;

export async function measureChurn(
  context: ScaleContext,
  { hours, seriesPerHour }: { readonly hours: number; readonly seriesPerHour: number },
): Promise<ScaleResult> {
  const { cache, directory, nodeFlags, say } = context;
  const baseMs = Math.floor(Date.now() / HOUR_MS) * HOUR_MS - hours * HOUR_MS;
  await using server = await startFinch({ directory, nodeFlags, flags: ["--log-level=error"] });
  const curve: Record<string, number>[] = [];
  for (let hour = 0; hour < hours; hour++) {
    const path = join(cache, `churn-${process.pid}`);
    const options = {
      series: seriesPerHour,
      intervals: SCRAPES_PER_HOUR,
      intervalMs: HOUR_MS / SCRAPES_PER_HOUR,
      seed: 1000 + hour,
    };
    const traffic = prepareTraffic(path, options, {
      endMs: baseMs + (hour + 1) * HOUR_MS,
      notBeforeMs: baseMs + (hour + 1) * HOUR_MS,
    });
    await sendTraffic(readTraffic(traffic.path), { url: server.url });
    rmSync(path);
    if ((hour + 1) % HOURS_PER_HEAD === 0) await server.flush();
    await untilIdle(server.pid, { quietMs: 1000, limitMs: 60_000 });
    const { current, peak } = residentBytes(server.pid);
    curve.push({
      hour: hour + 1,
      rssMB: current / 1e6,
      peakMB: peak / 1e6,
      heapMB: (await ownFigure(server, "finch_heap_used_bytes")) / 1e6,
      headSeries: await ownFigure(server, "finch_store_head_series"),
      blocks: await ownFigure(server, "finch_store_blocks"),
    });
    say(
      Object.entries(curve.at(-1)!)
        .map(([what, value]) => `${what} ${value.toFixed(0)}`)
        .join(" "),
    );
  }
  // After a flush each: like with like.
  const warm = curve.filter(
    ({ hour }) => hour! % HOURS_PER_HEAD === 0 && hour! >= Math.min(WARM_HOURS, hours),
  );
  const grownBytes = (warm.at(-1)!["rssMB"]! - warm[0]!["rssMB"]!) * 1e6;
  const retired = Math.max(1, (warm.at(-1)!["hour"]! - warm[0]!["hour"]!) * seriesPerHour);
  return {
    figures: {
      hours,
      "new series an hour": seriesPerHour,
      "bytes on disk a series": bytesBelow(join(directory, "metrics")) / (hours * seriesPerHour),
      "peak RSS, MB": residentBytes(server.pid).peak / 1e6,
    },
    curve,
    targets: [
      {
        what: `bytes of RSS that a retired series leaves, after hour ${WARM_HOURS}`,
        value: grownBytes / retired,
        limit: BYTES_PER_RETIRED_SERIES_MAX,
      },
    ],
  };
}
