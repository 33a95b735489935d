/** A page of charts over a week: twelve panels as a dashboard of one machine has them, asked as a browser does, six at a time. */
import { join } from "node:path";
import { askTogether } from "./dashboard-page.ts";
import { startFinch } from "./metric-servers.ts";
import { cpuSeconds, residentBytes, untilIdle } from "./process-usage.ts";
import { sendTraffic } from "./remote-write-sender.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";
import { prepareTraffic, readTraffic } from "./traffic-recording.ts";
import { SCRAPE_INTERVAL_MS } from "./traffic-values.ts";

const SERIES = 1000;
const DAY_MS = 86_400_000;
/** Points across a chart. */
const POINTS = 1000;
const ROUNDS = 10;
const MS_MAX = 100;
const HEAD_INTERVALS = 480;

const PANELS = [
  "sum by (mode) (rate(node_cpu_seconds_total[20m]))",
  "node_load1",
  "node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes",
  "sum by (device) (rate(node_disk_read_bytes_total[20m]))",
  "sum by (device) (rate(node_disk_written_bytes_total[20m]))",
  "rate(node_network_receive_bytes_total[20m]) * 8",
  "rate(node_network_transmit_bytes_total[20m]) * 8",
  "1 - node_filesystem_avail_bytes / node_filesystem_size_bytes",
  "topk(5, rate(container_cpu_usage_seconds_total[20m]))",
  "sum by (pod) (container_memory_working_set_bytes)",
  "sum by (code) (rate(http_requests_total[20m]))",
  "histogram_quantile(0.95, sum by (le) (rate(http_request_duration_seconds_bucket[20m])))",
];

export async function measureWeek(context: ScaleContext, days: number): Promise<ScaleResult> {
  const { cache, directory, nodeFlags, say } = context;
  const endMs = Date.now() - 60_000;
  const intervals = Math.max(40, Math.round((days * DAY_MS) / SCRAPE_INTERVAL_MS));
  const options = { series: SERIES, intervals, intervalMs: SCRAPE_INTERVAL_MS, seed: 1 };
  say(`recording ${(SERIES * intervals) / 1e6} M samples, unless they are there`);
  const traffic = prepareTraffic(join(cache, `week-${SERIES}-${days}`), options, {
    endMs,
    notBeforeMs: endMs - 14 * DAY_MS,
  });
  await using server = await startFinch({ directory, nodeFlags, flags: ["--log-level=error"] });
  say("sending");
  const sent = await sendTraffic(readTraffic(traffic.path), {
    url: server.url,
    // As it is by age in the course of a week.
    onInterval: async (interval) => {
      if (interval % HEAD_INTERVALS === HEAD_INTERVALS - 1) await server.flush();
    },
  });
  await untilIdle(server.pid, { quietMs: 2000, limitMs: 60_000 });
  const end = Math.floor(traffic.endMs / 60_000) * 60;
  const stepSeconds = Math.ceil((intervals * SCRAPE_INTERVAL_MS) / 1000 / POINTS);
  const page = { queries: PANELS, start: end - POINTS * stepSeconds, end, stepSeconds };
  const walls: number[] = [];
  const cpuBefore = cpuSeconds(server.pid);
  for (let round = 0; round <= ROUNDS; round++)
    walls.push((await askTogether(server.url, page)).wallMs);
  const [firstMs, ...warm] = walls;
  const sorted = warm.toSorted((a, b) => a - b);
  return {
    figures: {
      days,
      series: SERIES,
      samples: sent.samples,
      "step, s": stepSeconds,
      "first page, ms": firstMs!,
      "slowest page, ms": sorted.at(-1)!,
      "CPU a page, ms": ((cpuSeconds(server.pid) - cpuBefore) * 1000) / walls.length,
      "peak RSS, MB": residentBytes(server.pid).peak / 1e6,
    },
    curve: [],
    targets: [
      {
        what: "page of 12 charts, median ms",
        value: sorted[sorted.length >> 1]!,
        limit: MS_MAX,
      },
    ],
  };
}
