/** Ingest of remote write end to end: real HTTP on loopback, decoding, appending, fsync before each answer. */
import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { Agent, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Labels } from "@finch/model";
import { nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openMetricStore } from "@finch/store";
import { encodeRemoteWrite } from "@finch/wire";
import { createMetricsApi, DEFAULT_METRICS_LIMITS } from "../src/index.ts";
import { surroundings } from "../test/serve.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = large
  ? { series: 10_000, rounds: 200, seriesPerRequest: 1000, connections: 4 }
  : { series: 2000, rounds: 10, seriesPerRequest: 1000, connections: 2 };
const STEP_MS = 15_000;

function makeSeries(index: number): Labels {
  return Labels.fromObject({
    __name__: `http_request_duration_seconds_bucket`,
    instance: `10.0.${index % 250}.${index % 200}:9100`,
    job: "bench",
    namespace: `team-${index % 20}`,
    pod: `app-${index % 400}-${(index * 7919) % 65_536}`,
    service: `service-${index % 50}`,
    cluster: "eu-central-1",
    le: String((index % 12) / 4),
    path: `/api/v1/items/${index}`,
  });
}

const directory = await mkdtemp(join(tmpdir(), "finch-bench-"));
const store = await openMetricStore({
  directory,
  fileSystem: nodeFileSystem,
  clock: systemClock,
  log: silentLogger,
  limits: { ...DEFAULT_LIMITS, freeBytesMin: 0 },
  retention: DEFAULT_RETENTION,
});
const api = createMetricsApi({
  store,
  clock: systemClock,
  log: silentLogger,
  limits: DEFAULT_METRICS_LIMITS,
  ...surroundings(),
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

const labels = Array.from({ length: params.series }, (_, index) => makeSeries(index));
const startMs = systemClock.nowMs() - params.rounds * STEP_MS;
/** Requests of one round; each connection sends its own series in order. */
const lanes: Uint8Array[][] = Array.from({ length: params.connections }, () => []);
for (let round = 0; round < params.rounds; round++) {
  for (let from = 0; from < params.series; from += params.seriesPerRequest) {
    const part = labels.slice(from, from + params.seriesPerRequest);
    const body = encodeRemoteWrite({
      labels: part,
      timestampsMs: new Float64Array(part.length).fill(startMs + round * STEP_MS),
      values: Float64Array.from(
        part,
        (_, index) => Math.round(Math.sin(index + round) * 1000) / 10,
      ),
    });
    lanes[(from / params.seriesPerRequest) % params.connections]!.push(body);
  }
}

const agent = new Agent({ keepAlive: true, maxSockets: params.connections });
function send(body: Uint8Array): Promise<number> {
  return new Promise((resolve, reject) => {
    const headers = {
      "content-type": "application/x-protobuf",
      "content-encoding": "snappy",
      "content-length": body.length,
    };
    const sent = request(
      { agent, port: listener.port, path: "/api/v1/write", method: "POST", headers },
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
      const status = await send(body);
      statuses.set(status, (statuses.get(status) ?? 0) + 1);
    }
  }),
);
const seconds = (performance.now() - began) / 1000;
const cpu = process.cpuUsage(cpuBefore);
const samples = params.series * params.rounds;
const bytes = lanes.flat().reduce((sum, body) => sum + body.length, 0);
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
    bench: "remote-write-http",
    params,
    hash: createHash("sha256").update(result).digest("hex").slice(0, 16),
    samplesPerSecond: Math.round(samples / seconds),
    // Sender included: both run in this process.
    cpuMicrosecondsPerSample: Number(((cpu.user + cpu.system) / samples).toFixed(3)),
    bodyMegabytesPerSecond: Number((bytes / 1e6 / seconds).toFixed(1)),
    requestsPerSecond: Math.round(lanes.flat().length / seconds),
    refusedRequests: lanes.flat().length - (statuses.get(204) ?? 0),
  })}\n`,
);
