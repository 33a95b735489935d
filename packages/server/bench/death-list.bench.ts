/**
 * The death list against a server in this process: how long each query took, and how late the event loop was meanwhile, which is how long ingest
 * and dashboards would have waited. Prints the worst of them.
 */
import { createHash } from "node:crypto";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { askFor, DEATH_LIST, fillStore, FORM_HEADERS } from "../test/death-list.ts";
import { serveMetrics } from "../test/metrics-api.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = large ? { series: 100_000, timeout: "10s" } : { series: 500, timeout: "500ms" };

await using api = await serveMetrics({
  storeLimits: { headSeriesMax: 1e6, headBytesMax: 2 ** 30 },
});
await fillStore(api, params.series);
const hash = createHash("sha256");
const rows: { readonly name: string; readonly lateMs: number; readonly tookMs: number }[] = [];
const outcomes: Record<string, number> = {};
for (const one of DEATH_LIST) {
  const [path, form] = askFor(one, params.timeout);
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const began = performance.now();
  const { status, text } = await api.post(path, form, FORM_HEADERS);
  delay.disable();
  const tookMs = Math.round(performance.now() - began);
  rows.push({ name: one.name, lateMs: Math.round(delay.max / 1e6), tookMs });
  outcomes[status] = (outcomes[status] ?? 0) + 1;
  hash.update(`${one.name} ${status} ${status === 200 ? "" : text.slice(0, 40)}\n`);
}
const worst = rows.toSorted((a, b) => b.lateMs - a.lateMs);
process.stdout.write(
  `${JSON.stringify({
    bench: "death-list",
    params,
    hash: hash.digest("hex").slice(0, 16),
    outcomes,
    eventLoopLateMsMax: worst[0]!.lateMs,
    worst: worst.slice(0, large ? 12 : 3),
  })}\n`,
);
