/** The agent scrapes many targets and sends them by remote write into Finch: what it costs, and whether every scrape comes once. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgentProcess, watchCost } from "./agent-process.ts";
import { startFinch } from "./metric-servers.ts";
import type { MetricServer } from "./metric-servers.ts";
import { cpuSeconds, residentBytes } from "./process-usage.ts";
import type { ScaleContext, ScaleResult } from "./scale-result.ts";

export interface ScrapeOptions {
  readonly targets: number;
  /** Of each target. */
  readonly series: number;
  readonly intervalSeconds: number;
  readonly seconds: number;
}

const ARRIVAL_MS_MAX = 60_000;

export async function measureScrape(
  { directory, flags, nodeFlags, say }: ScaleContext,
  { targets, series, intervalSeconds, seconds }: ScrapeOptions,
): Promise<ScaleResult> {
  const program = join(import.meta.dirname, "agent-targets.ts");
  const served = spawn(process.execPath, [program, String(targets), String(series)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const [line] = (await once(createInterface(served.stdout), "line")) as [string];
    const ports = JSON.parse(line) as number[];
    await using server = await startFinch({ directory: join(directory, "finch"), flags });
    await using agent = await startAgentProcess({
      directory: join(directory, "agent"),
      config: scrapeConfig(ports, intervalSeconds, server.url),
      nodeFlags,
    });
    // Every target was met once: what follows is the steady state.
    await sleep(2 * intervalSeconds * 1000);
    const before = { cpu: cpuSeconds(agent.pid), ms: Date.now() };
    const time = { seconds, everySeconds: intervalSeconds };
    const curve = await watchCost(agent.pid, time, (point) =>
      say(
        `${point.seconds.toFixed(0)} s: ${point.cpuPercent.toFixed(1)} % of a core, RSS ${point.rssMB.toFixed(0)} MB`,
      ),
    );
    const cpu = cpuSeconds(agent.pid) - before.cpu;
    const scrapes = (targets * (Date.now() - before.ms)) / 1000 / intervalSeconds;
    const wanted = { targets, series, seconds, intervalSeconds };
    await checkScrapes(server, before.ms, wanted);
    const samples = scrapes * series;
    return {
      figures: {
        targets,
        "series of each": series,
        "M samples": samples / 1e6,
        "CPU s of the agent": cpu,
        "CPU s a million samples": cpu / (samples / 1e6),
        "CPU, % of a core": (100_000 * cpu) / (Date.now() - before.ms),
        "RSS, MB": residentBytes(agent.pid).current / 1e6,
        "peak RSS, MB": residentBytes(agent.pid).peak / 1e6,
      },
      curve,
      targets: [],
    };
  } finally {
    served.kill();
  }
}

function scrapeConfig(ports: readonly number[], intervalSeconds: number, url: string): string {
  const targets = ports.map((port) => `{ __address__ = "127.0.0.1:${port}" }`);
  return `
prometheus.scrape "apps" {
  targets         = [
    ${targets.join(",\n    ")},
  ]
  job_name        = "apps"
  scrape_interval = "${intervalSeconds}s"
  scrape_timeout  = "${Math.min(10, intervalSeconds)}s"
  forward_to      = [prometheus.remote_write.finch.receiver]
}

prometheus.remote_write "finch" {
  endpoint {
    url = ${JSON.stringify(`${url}/api/v1/write`)}
  }
}
`;
}

/** Waits until the last scrapes are there; throws when a series of a target misses one or has one too many. */
async function checkScrapes(
  server: MetricServer,
  startMs: number,
  { targets, series, seconds, intervalSeconds }: ScrapeOptions,
): Promise<void> {
  const intervals = Math.floor(seconds / intervalSeconds);
  const endSeconds = startMs / 1000 + intervals * intervalSeconds;
  const window = `[${intervals * intervalSeconds}s]`;
  const all = `count(count_over_time({job="apps",__name__=~"app_.*"}${window}) == ${intervals})`;
  const up = `count(count_over_time(up{job="apps"}${window}) == ${intervals})`;
  const deadline = Date.now() + ARRIVAL_MS_MAX;
  let found = [0, 0];
  while (Date.now() < deadline) {
    found = [await ask(server, all, endSeconds), await ask(server, up, endSeconds)];
    if (found[0] === targets * series && found[1] === targets) return;
    await sleep(500);
  }
  throw new Error(
    `${found[0]} of ${targets * series} series and ${found[1]} of ${targets} targets have ${intervals} samples each`,
  );
}

async function ask(server: MetricServer, query: string, timeSeconds: number): Promise<number> {
  const parameters = new URLSearchParams({ query, time: String(timeSeconds) });
  const reply = await fetch(`${server.url}/api/v1/query?${parameters.toString()}`);
  const { data } = (await reply.json()) as { data?: { result: { value: [number, string] }[] } };
  return Number(data?.result[0]?.value[1] ?? 0);
}
