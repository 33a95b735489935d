/** A storm of label values: streams of as many users as lines, pushed over HTTP; then single users are looked for. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Labels } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { encodeLokiPush } from "@finch/wire";
import {
  columnsOfLines,
  createLogsApi,
  DEFAULT_LOGS_LIMITS,
  openLabelDemotion,
} from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = large ? { values: 1_000_000, perPush: 2000 } : { values: 6000, perPush: 1000 };

const directory = await mkdtemp(join(tmpdir(), "finch-bench-"));
const store = await openLogStore({
  directory,
  fileSystem: nodeFileSystem,
  clock: systemClock,
  log: silentLogger,
  limits: { ...DEFAULT_LIMITS, freeBytesMin: 0, headBytesMax: 64 << 20 },
  retention: DEFAULT_RETENTION,
});
const demotion = await openLabelDemotion({
  path: join(directory, "demoted-labels.json"),
  fileSystem: nodeFileSystem,
  clock: systemClock,
  log: silentLogger,
  labelValuesMax: 1000,
  windowMs: 86_400_000,
  retentionMs: 86_400_000,
});
const api = createLogsApi({
  store,
  clock: systemClock,
  limits: DEFAULT_LOGS_LIMITS,
  build: { version: "bench", revision: "", nodeVersion: process.version },
  retention: DEFAULT_RETENTION,
  demotion,
});
const listener = await openListener({
  name: "bench",
  purpose: "the bench",
  host: "127.0.0.1",
  port: 0,
  routes: api.routes,
  limits: DEFAULT_HTTP_LIMITS,
  clock: systemClock,
  log: silentLogger,
});
const base = `http://127.0.0.1:${listener.port}/loki/api/v1`;

const startNs = systemClock.nowNs() - BigInt(params.values) * 1000n;
let refused = 0;
let rssMax = 0;
let cpuMs = 0;
for (let from = 0; from < params.values; from += params.perPush) {
  const body = encodeLokiPush(
    Array.from({ length: params.perPush }, (_, i) => ({
      labels: Labels.fromObject({ app: "shop", user: `user-${from + i}` }),
      entries: columnsOfLines([
        { timeNs: startNs + BigInt(from + i) * 1000n, line: `paid, order ${from + i}` },
      ]),
    })),
  );
  const before = process.cpuUsage();
  const reply = await fetch(`${base}/push`, { method: "POST", body: new Uint8Array(body) });
  const used = process.cpuUsage(before);
  cpuMs += (used.user + used.system) / 1000;
  await reply.text();
  if (reply.status !== 204) refused++;
  rssMax = Math.max(rssMax, process.memoryUsage.rss());
}
const began = performance.now();
let found = 0;
const wanted = [0, 999, 1001, params.values >> 1, params.values - 1];
for (const number of wanted) {
  const query = new URLSearchParams({ query: `{app="shop", user="user-${number}"}`, since: "1h" });
  const reply = await fetch(`${base}/query_range?${query.toString()}`);
  if ((await reply.text()).includes(`paid, order ${number}"`)) found++;
}
const searchMs = (performance.now() - began) / wanted.length;
const statistics = store.statistics();
await listener.close(0);
await store[Symbol.asyncDispose]();
await rm(directory, { recursive: true, force: true });
process.stdout.write(
  `${JSON.stringify({
    bench: "label-storm",
    params,
    result: `${refused} refused, ${found} of ${wanted.length} found`,
    headStreams: statistics.headSeries,
    blocks: statistics.blocks,
    pushCpuUsPerLine: Math.round((1000 * cpuMs) / params.values),
    searchMs: Math.round(searchMs),
    rssMiBMax: Math.round(rssMax / 2 ** 20),
  })}\n`,
);
