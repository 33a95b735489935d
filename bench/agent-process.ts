/** `finch agent run` as a process of its own, and what it costs. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, ROOT, spawnLogged, stopper, untilReady } from "./metric-servers.ts";
import { cpuSeconds, residentBytes } from "./process-usage.ts";

export interface AgentProcess extends AsyncDisposable {
  readonly pid: number;
  /** Of its pages and its own metrics. */
  readonly url: string;
  stop(): Promise<void>;
}

export interface AgentOptions {
  /** Made here: configuration, queues and positions; the log stands beside it as `DIRECTORY.log`. */
  readonly directory: string;
  /** Text of `config.alloy`. */
  readonly config: string;
  readonly nodeFlags?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

export async function startAgentProcess(options: AgentOptions): Promise<AgentProcess> {
  const { directory, config, nodeFlags = [] } = options;
  mkdirSync(directory, { recursive: true });
  const path = join(directory, "config.alloy");
  writeFileSync(path, config);
  const address = `127.0.0.1:${await freePort()}`;
  const log = `${directory}.log`;
  const args = [
    "agent",
    "run",
    path,
    `--storage.path=${join(directory, "data")}`,
    `--server.http.listen-addr=${address}`,
  ];
  const child = spawnLogged(join(ROOT, "packages/finch/bin/finch"), args, {
    log,
    environment: { ...options.environment, NODE_OPTIONS: nodeFlags.join(" ") },
  });
  await untilReady(child, { url: `http://${address}/-/ready`, log });
  const stop = stopper(child);
  return { pid: child.pid!, url: `http://${address}`, stop, [Symbol.asyncDispose]: stop };
}

/** A point of what a process costs while it works. */
export interface CostPoint extends Readonly<Record<string, number>> {
  readonly seconds: number;
  /** Of one processor, since the point before. */
  readonly cpuPercent: number;
  readonly rssMB: number;
  readonly peakMB: number;
}

/** Looks at a process every `everySeconds` for `seconds`; `note` is told each point. */
export async function watchCost(
  pid: number,
  time: { readonly seconds: number; readonly everySeconds: number },
  note: (point: CostPoint) => void,
): Promise<CostPoint[]> {
  const { seconds, everySeconds } = time;
  const points: CostPoint[] = [];
  const start = performance.now();
  let before = { cpu: cpuSeconds(pid), ms: start };
  while (before.ms - start < (seconds - everySeconds / 2) * 1000) {
    const due = start + (points.length + 1) * everySeconds * 1000;
    await sleep(Math.max(0, due - performance.now()));
    const now = { cpu: cpuSeconds(pid), ms: performance.now() };
    const { current, peak } = residentBytes(pid);
    const point = {
      seconds: (now.ms - start) / 1000,
      cpuPercent: (100_000 * (now.cpu - before.cpu)) / (now.ms - before.ms),
      rssMB: current / 1e6,
      peakMB: peak / 1e6,
    };
    before = now;
    points.push(point);
    note(point);
  }
  return points;
}
