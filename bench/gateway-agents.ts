/** What a fleet costs that reports through the gateway, and whether a change of the secret loses any of it. `node bench/gateway-agents.ts --help` says more. */
import { execFile } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs, promisify } from "node:util";
import { makeAuthority, makeClient } from "../packages/control/test/client-certificates.ts";
import { openRpcClient } from "../packages/control/test/rpc-client.ts";
import { SimulatedAgent } from "./gateway-agent.ts";
import type { Report } from "./gateway-agent.ts";
import { freePort, ROOT, setUpFinch, spawnLogged, stopper, untilReady } from "./metric-servers.ts";
import { cpuSeconds, residentBytes } from "./process-usage.ts";

const HELP = `Usage: node bench/gateway-agents.ts [options]

Registers agents over gRPC at a finch up of its own. Each then has a connection of its own to the gateway, with TLS, and sends a
remote write and a push of lines at each interval, evenly spread. After a third of the time the secret is changed with an
overlap; in the second third every agent gets its new token; then the secret is changed again without one, and each agent that
was not refused before must be now, until it has its newest token. What was acknowledged is counted at the end by queries.

Options:
  --agents N        1000
  --interval N      seconds between two reports of an agent (15)
  --minutes N       how long (3)
  --cache DIR       for the data, which is removed afterwards (default TMPDIR/finch-bench)
  --json            one line of JSON
  -h, --help        this text
`;

const CLIENT = "rid:finchctl:8d134b24c2541730";
const MAIN = join(ROOT, "packages/finch/src/main.ts");

interface Setting {
  readonly directory: string;
  readonly agents: number;
  readonly intervalMs: number;
  readonly ms: number;
}

interface Ports {
  readonly gateway: number;
  readonly ui: number;
  readonly loki: number;
  readonly prometheus: number;
  readonly health: number;
}

const { values: flags } = parseArgs({
  options: {
    agents: { type: "string", default: "1000" },
    interval: { type: "string", default: "15" },
    minutes: { type: "string", default: "3" },
    cache: { type: "string", default: join(tmpdir(), "finch-bench") },
    json: { type: "boolean", default: false },
    help: { type: "boolean", short: "h", default: false },
  },
});

if (flags.help) process.stdout.write(HELP);
else await main();

async function main(): Promise<void> {
  const directory = join(flags.cache, `gateway-agents-${process.pid}`);
  setUpFinch();
  try {
    const result = await measure({
      directory,
      agents: Number(flags.agents),
      intervalMs: 1000 * Number(flags.interval),
      ms: 60_000 * Number(flags.minutes),
    });
    const rows = Object.entries(result).map(([name, value]) => `${name.padEnd(28)} ${value}\n`);
    process.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : rows.join(""));
    if (result["refused"] !== 0 || result["linesLost"] !== 0 || result["samplesLost"] !== 0)
      process.exitCode = 1;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function measure(setting: Setting): Promise<Readonly<Record<string, number>>> {
  const { directory, intervalMs, ms } = setting;
  const nowMs = Date.now();
  const authority = await makeAuthority({ nowMs });
  for (const folder of ["certs.d", "agent"])
    mkdirSync(join(directory, folder), { recursive: true });
  writeFileSync(join(directory, "certs.d", `${CLIENT}.pem`), authority.pem);
  writeFileSync(join(directory, "agent", "config.alloy"), "// nothing is collected\n");
  const certificate = await makeClient(authority, { nowMs, name: `CN=${CLIENT}` });
  const ports = await freePorts();
  const child = spawnLogged(join(ROOT, "packages/finch/bin/finch"), argsOf(directory, ports), {
    log: `${directory}.log`,
    environment: {},
  });
  const stop = stopper(child);
  try {
    const url = `http://127.0.0.1:${ports.health}/healthz`;
    await untilReady(child, { url, log: `${directory}.log` });
    const pid = child.pid!;
    using client = openRpcClient(`127.0.0.1:${ports.ui}`);
    const headers = { "x-forwarded-tls-client-cert": certificate };
    const call = (name: string, request: Readonly<Record<string, unknown>>) =>
      client.call(`AgentService.${name}`, request, headers);
    const agents = await registerAll(setting, ports, call);
    const before = { cpu: cpuSeconds(pid), at: performance.now() };
    const stopping = new AbortController();
    const running = agents.map((agent, index) =>
      agent.run((index / agents.length) * intervalMs, stopping.signal),
    );
    await sleep(ms / 3);
    await rotateSecret(directory, "1h");
    await renewAll(agents, call, ms / 3);
    await sleep(ms / 3);
    const seconds = (performance.now() - before.at) / 1000;
    const cpu = cpuSeconds(pid) - before.cpu;
    stopping.abort();
    const report = sum(await Promise.all(running));
    const refusedAfter = await refuseAll(agents, directory, call);
    const found = await countFound(ports);
    return {
      agents: agents.length,
      seconds: Math.round(seconds),
      requests: report.latenciesMs.length,
      refused: report.refused,
      p50Ms: percentile(report.latenciesMs, 0.5),
      p99Ms: percentile(report.latenciesMs, 0.99),
      maxMs: percentile(report.latenciesMs, 1),
      cpuPercentOfCore: Math.round((1000 * cpu) / seconds) / 10,
      rssPeakMB: Math.round(residentBytes(pid).peak / 1e6),
      linesSent: report.lines,
      linesLost: report.lines - found.lines,
      samplesSent: report.samples,
      samplesLost: report.samples - found.samples,
      refusedWithoutOverlap: refusedAfter,
    };
  } finally {
    await stop();
  }
}

type Call = (
  name: string,
  request: Readonly<Record<string, unknown>>,
) => Promise<Readonly<Record<string, unknown>>>;

async function registerAll(setting: Setting, ports: Ports, call: Call): Promise<SimulatedAgent[]> {
  const agents: SimulatedAgent[] = [];
  for (let n = 0; n < setting.agents; n++) {
    const hostname = `bench-${n}`;
    const { rid } = await call("RegisterAgent", { hostname, log_sources: ["journal://"] });
    agents.push(
      new SimulatedAgent({
        host: hostname,
        resourceId: String(rid),
        port: ports.gateway,
        intervalMs: setting.intervalMs,
        token: await tokenOf(String(rid), call),
      }),
    );
  }
  return agents;
}

async function tokenOf(rid: string, call: Call): Promise<string> {
  const { config } = await call("GetAgentConfig", { rid });
  return /bearer_token = "([^"]+)"/.exec(String(config))![1]!;
}

/** Gives every agent a new token, spread over `ms`. */
async function renewAll(agents: readonly SimulatedAgent[], call: Call, ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  for (const [index, agent] of agents.entries()) {
    agent.token = await tokenOf(agent.resourceId, call);
    const dueMs = endMs - ms * (1 - (index + 1) / agents.length);
    await sleep(Math.max(0, dueMs - performance.now()));
  }
}

/** Changes the secret without an overlap; how many of a sample of the agents are refused by it, and taken again with a new token. */
async function refuseAll(
  agents: readonly SimulatedAgent[],
  directory: string,
  call: Call,
): Promise<number> {
  await rotateSecret(directory, "0s");
  const some = agents.slice(0, 10);
  const deadline = performance.now() + 30_000;
  while (performance.now() < deadline && (await some[0]!.sendLines()).status !== 401)
    await sleep(100);
  let refused = 0;
  for (const agent of some) {
    if ((await agent.sendLines()).status === 401) refused++;
    agent.token = await tokenOf(agent.resourceId, call);
    const { status } = await agent.sendLines();
    if (status >= 300) throw new Error(`a new token is answered ${status}`);
  }
  return refused;
}

/** By the command, in a process of its own: agents go on meanwhile. */
async function rotateSecret(directory: string, overlap: string): Promise<void> {
  const args = [MAIN, "rotate-secret", "--data-dir", directory, "--overlap", overlap];
  await promisify(execFile)(process.execPath, args);
}

async function freePorts(): Promise<Ports> {
  return {
    gateway: await freePort(),
    ui: await freePort(),
    loki: await freePort(),
    prometheus: await freePort(),
    health: await freePort(),
  };
}

function argsOf(directory: string, ports: Ports): readonly string[] {
  const off = ["auth", "dashboard", "mimir", "otlp-grpc", "otlp-http", "agent", "gateway-http"];
  return [
    "up",
    `--data-dir=${directory}`,
    ...Object.entries(ports).map(([name, port]) => `--listen-${name}=127.0.0.1:${port}`),
    ...off.map((name) => `--listen-${name}=off`),
    "--service-trusted-proxies=127.0.0.1",
    "--log-level=warn",
  ];
}

function sum(reports: readonly Report[]): Report {
  return {
    lines: reports.reduce((total, { lines }) => total + lines, 0),
    samples: reports.reduce((total, { samples }) => total + samples, 0),
    refused: reports.reduce((total, { refused }) => total + refused, 0),
    latenciesMs: reports.flatMap(({ latenciesMs }) => latenciesMs),
  };
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return Math.round(10 * value) / 10;
}

/** What the stores have of what the runs sent; the few lines after them carry another label. */
async function countFound(
  ports: Ports,
): Promise<{ readonly lines: number; readonly samples: number }> {
  const count = async (url: string, query: string) => {
    const reply = await fetch(`${url}?${new URLSearchParams({ query }).toString()}`);
    const { data } = (await reply.json()) as {
      readonly data: { readonly result: readonly { readonly value: readonly [number, string] }[] };
    };
    return Number(data.result[0]?.value[1] ?? 0);
  };
  return {
    lines: await count(
      `http://127.0.0.1:${ports.loki}/loki/api/v1/query`,
      'sum(count_over_time({app="bench"}[1h]))',
    ),
    samples: await count(
      `http://127.0.0.1:${ports.prometheus}/api/v1/query`,
      "sum(count_over_time(bench_value[1h]))",
    ),
  };
}
