/**
 * PromQL over HTTP: one process serves, another asks. CPU is that of the serving process, all its threads together. Series are shaped as
 * node_exporter's, half of the time in a block and half in the head.
 */
import { fork } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { Agent, get } from "node:http";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import { NOW_MS } from "../test/serve.ts";
import { serveMetrics } from "../test/metrics-api.ts";

const large = process.env["BENCH_SIZE"] === "large";
const params = large
  ? { instances: 25, hours: 6, warmUp: 60, rounds: 100 }
  : { instances: 2, hours: 1, warmUp: 2, rounds: 3 };
const STEP_MS = 15_000;
const START_MS = NOW_MS - params.hours * 3_600_000;
const MODES = ["idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user"];

interface Told {
  readonly port?: number;
  readonly cpuMicroseconds?: number;
  readonly rssBytes?: number;
}

if (process.argv[2] === "serve") await serve();
else await ask();

async function serve(): Promise<void> {
  await using api = await serveMetrics({ storeLimits: { outOfOrderWindowMs: 1e12 } });
  const labels: Labels[] = [];
  for (let instance = 0; instance < params.instances; instance++) {
    const shared = { instance: `10.0.0.${instance}:9100`, job: "node" };
    labels.push(Labels.fromObject({ __name__: "up", ...shared }));
    for (let cpu = 0; cpu < 8; cpu++) {
      const name = { __name__: "node_cpu_seconds_total", cpu: String(cpu) };
      for (const mode of MODES) labels.push(Labels.fromObject({ ...name, mode, ...shared }));
    }
  }
  const scrapes = (params.hours * 3_600_000) / STEP_MS;
  for (let scrape = 0; scrape <= scrapes; scrape++) {
    const body = encodeRemoteWrite({
      labels,
      timestampsMs: new Float64Array(labels.length).fill(START_MS + scrape * STEP_MS),
      values: Float64Array.from(labels, (_, index) => Math.floor(scrape * index * 1.37) / 100),
    });
    const headers = {
      "content-type": "application/x-protobuf",
      "content-encoding": "snappy",
      "x-prometheus-remote-write-version": "0.1.0",
    };
    const { status, text } = await api.post("/api/v1/write", new Uint8Array(body), headers);
    if (status !== 204) throw new Error(`a write was refused: ${text}`);
    if (scrape === scrapes >> 1) await api.store.flush();
  }
  process.on("message", () => {
    const { user, system } = process.cpuUsage();
    process.send!({ cpuMicroseconds: user + system, rssBytes: process.memoryUsage.rss() });
  });
  process.send!({ port: api.port });
  await once(process, "disconnect");
}

async function ask(): Promise<void> {
  const child = fork(new URL(import.meta.url), ["serve"]);
  const [{ port }] = (await once(child, "message")) as [Told];
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const measure = async (): Promise<Told> => {
    child.send("tell");
    const [told] = (await once(child, "message")) as [Told];
    return told;
  };
  const end = NOW_MS / 1000;
  const range = `start=${START_MS / 1000}&end=${end}&step=${params.hours * 10}`;
  const rate = encodeURIComponent("sum by(mode)(rate(node_cpu_seconds_total[5m]))");
  const one = encodeURIComponent('up{instance="10.0.0.1:9100"}');
  const queries: Readonly<Record<string, string>> = {
    constant: `/api/v1/query?query=1&time=${end}`,
    instantOne: `/api/v1/query?query=${one}&time=${end}`,
    rangeOne: `/api/v1/query_range?query=${one}&${range}`,
    instantUp: `/api/v1/query?query=up&time=${end}`,
    instantRate: `/api/v1/query?query=${rate}&time=${end}`,
    rangeUp: `/api/v1/query_range?query=up&${range}`,
    rangeRate: `/api/v1/query_range?query=${rate}&${range}`,
  };
  const hash = createHash("sha256");
  const figures: Record<string, number> = {};
  for (const [name, path] of Object.entries(queries)) {
    hash.update(await fetchText(agent, port!, path));
    for (let round = 1; round < params.warmUp; round++) await fetchText(agent, port!, path);
    const before = await measure();
    const began = performance.now();
    for (let round = 0; round < params.rounds; round++) await fetchText(agent, port!, path);
    const wallMs = (performance.now() - began) / params.rounds;
    const after = await measure();
    const cpu = (after.cpuMicroseconds! - before.cpuMicroseconds!) / 1000 / params.rounds;
    figures[`${name}CpuMs`] = Number(cpu.toFixed(3));
    figures[`${name}WallMs`] = Number(wallMs.toFixed(3));
  }
  const { rssBytes } = await measure();
  agent.destroy();
  child.disconnect();
  process.stdout.write(
    `${JSON.stringify({
      bench: "query-http",
      params,
      hash: hash.digest("hex").slice(0, 16),
      ...figures,
      rssMegabytes: Math.round(rssBytes! / 1e6),
    })}\n`,
  );
}

function fetchText(agent: Agent, port: number, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    get({ agent, port, path }, (reply) => {
      let text = "";
      reply.setEncoding("utf8");
      reply.on("data", (chunk: string) => (text += chunk));
      reply.on("end", () => {
        if (reply.statusCode === 200) resolve(text);
        else reject(new Error(text));
      });
      reply.on("error", reject);
    }).on("error", reject);
  });
}
