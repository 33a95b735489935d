/** Ingest of log lines end to end: real HTTP on loopback, decoding, level detection, appending, fsync before each answer. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { encodeLokiPush } from "@finch/wire";
import { Labels } from "@finch/model";
import { columnsOfLines, createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = large
  ? { streams: 50, linesPerRequest: 2000, requests: 500, connections: 4 }
  : { streams: 10, linesPerRequest: 500, requests: 40, connections: 2 };

const RETRY_MS = 200;

const LEVELS = ["info", "info", "info", "debug", "warn", "error"] as const;

function makeLine(index: number): string {
  const level = LEVELS[index % LEVELS.length]!;
  return index % 2 === 0
    ? `time=2026-11-20T10:00:00Z level=${level} caller=handler.go:${index % 900} msg="request done" method=GET path=/api/v1/items/${index} status=200 duration=${(index % 97) / 10}ms trace_id=${((index * 2_654_435_761) >>> 0).toString(16).padStart(8, "0")}`
    : `{"level":"${level}","msg":"request done","method":"GET","path":"/api/v1/items/${index}","status":200,"duration_ms":${index % 97},"user":"user-${index % 1000}"}`;
}

const directory = await mkdtemp(join(tmpdir(), "finch-bench-"));
const store = await openLogStore({
  directory,
  fileSystem: nodeFileSystem,
  clock: systemClock,
  log: silentLogger,
  limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
  retention: DEFAULT_RETENTION,
});
const api = createLogsApi({
  store,
  clock: systemClock,
  limits: DEFAULT_LOGS_LIMITS,
  build: { version: "bench", revision: "", nodeVersion: process.version },
  retention: DEFAULT_RETENTION,
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

const lanes: Uint8Array[][] = Array.from({ length: params.connections }, () => []);
const startNs = systemClock.nowNs() - BigInt(params.requests * params.linesPerRequest) * 1000n;
let lineBytes = 0;
for (let index = 0; index < params.requests; index++) {
  const rows = Array.from({ length: params.linesPerRequest }, (_, line) => {
    const number = index * params.linesPerRequest + line;
    return { timeNs: startNs + BigInt(number) * 1000n, line: makeLine(number) };
  });
  for (const row of rows) lineBytes += row.line.length;
  const labels = Labels.fromObject({
    job: "bench",
    host: `host-${index % params.streams}`,
    service_name: "shop",
  });
  lanes[index % params.connections]!.push(
    encodeLokiPush([{ labels, entries: columnsOfLines(rows) }]),
  );
}

const agent = new Agent({ keepAlive: true, maxSockets: params.connections });
function send(body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/x-protobuf", "content-length": body.length };
    const sent = request(
      { agent, port: listener.port, path: "/loki/api/v1/push", method: "POST", headers },
      (reply) => {
        reply.resume();
        reply.on("end", () => resolve(reply.statusCode ?? 0));
      },
    );
    sent.on("error", reject);
    sent.end(body);
  });
}

const cpuBefore = process.cpuUsage();
const began = performance.now();
const statuses = new Map<number, number>();
await Promise.all(
  lanes.map(async (lane) => {
    for (const body of lane) {
      // As real senders do: what is refused for now is sent again.
      for (;;) {
        const status = await send(body);
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
        if (status !== 429) break;
        await systemClock.sleep(RETRY_MS);
      }
    }
  }),
);
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const lines = params.requests * params.linesPerRequest;
const result = JSON.stringify({
  statuses: [...statuses],
  appended: store.statistics().appendedTotal,
});
agent.destroy();
await listener.close(0);
await store[Symbol.asyncDispose]();
await rm(directory, { recursive: true, force: true });
process.stdout.write(
  `${JSON.stringify({
    bench: "loki-push-http",
    params,
    hash: createHash("sha256").update(result).digest("hex").slice(0, 16),
    linesPerSecond: Math.round(lines / seconds),
    lineMegabytesPerSecond: Number((lineBytes / 1e6 / seconds).toFixed(1)),
    // Sender included: both run in this process.
    lineMegabytesPerCpuSecond: Number((lineBytes / (cpu.user + cpu.system)).toFixed(1)),
    refusedRequests: params.requests - (statuses.get(204) ?? 0),
    pushedBackRequests: statuses.get(429) ?? 0,
  })}\n`,
);
