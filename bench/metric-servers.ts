/** The three servers under test, each started on a fresh data directory and asked the same way. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

export type ServerName = "finch" | "prometheus" | "victoria-metrics";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LISTENERS = [
  "prometheus",
  "loki",
  "ui",
  "dashboard",
  "auth",
  "mimir",
  "agent",
  "otlp-grpc",
  "otlp-http",
];
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 60_000;

export interface MetricServer extends AsyncDisposable {
  readonly name: ServerName;
  readonly version: string;
  readonly pid: number;
  /** Such as `http://127.0.0.1:1234`; writes go to `/api/v1/write`, queries to `/api/v1/query…`. */
  readonly url: string;
  /** Added to every query, to keep a cache of answers out of it. */
  readonly queryExtra: string;
  /** Puts what is in memory into its final files, and says how many bytes of disk the data takes then, index included. */
  flush(): Promise<number>;
  /** Compacts as far as the server does on demand, and says the bytes; undefined when it has no such demand. */
  compact(): Promise<number | undefined>;
  /** SIGTERM, and waits. */
  stop(): Promise<void>;
}

export interface ServerOptions {
  /** Made by the server; logs stand beside it as `DIRECTORY.log`. */
  readonly directory: string;
  /** The peer's program; not used for Finch. */
  readonly program?: string;
  /** Options of Node, such as `--cpu-prof`. */
  readonly nodeFlags?: readonly string[];
  /** Further variables of the environment; for Finch only. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Further flags of `finch up`. */
  readonly flags?: readonly string[];
  /** Which of Finch's APIs is listened for, and what `url` is of (default prometheus). */
  readonly api?: "prometheus" | "loki";
}

/** Kernels and compiled code as after `npm start`, so that neither is made while the clock runs. */
export function setUpFinch(): void {
  execFileSync(process.execPath, [join(ROOT, "scripts/setup.mjs")], { stdio: "ignore" });
  execFileSync(join(ROOT, "packages/finch/bin/finch"), ["warm"], { stdio: "ignore" });
}

export async function startFinch(options: ServerOptions): Promise<MetricServer> {
  const { directory, nodeFlags = [], flags = [], api = "prometheus" } = options;
  const [port, health] = [await freePort(), await freePort()];
  mkdirSync(join(directory, "agent"), { recursive: true });
  writeFileSync(join(directory, "agent", "config.alloy"), "// nothing is collected\n");
  const off = LISTENERS.filter((name) => name !== api).map((name) => `--listen-${name}=off`);
  const args = [
    "up",
    `--data-dir=${directory}`,
    `--listen-${api}=127.0.0.1:${port}`,
    `--listen-health=127.0.0.1:${health}`,
    "--retention-metrics=365d",
    "--retention-logs=365d",
    "--retention-disk-share=0.9",
    "--log-level=warn",
    ...off,
    ...flags,
  ];
  const child = spawnLogged(join(ROOT, "packages/finch/bin/finch"), args, {
    log: `${directory}.log`,
    environment: { ...options.environment, NODE_OPTIONS: nodeFlags.join(" ") },
  });
  const url = `http://127.0.0.1:${port}`;
  const log = `${directory}.log`;
  await untilReady(child, { url: `http://127.0.0.1:${health}/healthz`, log });
  const { version } = JSON.parse(
    readFileSync(join(ROOT, "packages/finch/package.json"), "utf8"),
  ) as { version: string };
  return serverOf(child, {
    name: "finch",
    version,
    url,
    queryExtra: "",
    flush: async () => {
      // Loki's API has no such demand: what is in memory stays there.
      if (api === "loki") return bytesBelow(join(directory, "logs"));
      await mustPost(`${url}/ingester/flush?wait=true`);
      return bytesBelow(join(directory, "metrics"));
    },
    compact: () => Promise.resolve(undefined),
  });
}

/** Prometheus has no flush: a snapshot writes the head as a block, and its size stands for the data. */
export async function startPrometheus(options: ServerOptions): Promise<MetricServer> {
  const { directory, program = "prometheus" } = options;
  const port = await freePort();
  mkdirSync(directory, { recursive: true });
  const config = `${directory}.yml`;
  writeFileSync(config, "global: {scrape_interval: 15s}\n");
  const args = [
    `--config.file=${config}`,
    `--storage.tsdb.path=${directory}`,
    `--web.listen-address=127.0.0.1:${port}`,
    "--web.enable-remote-write-receiver",
    "--web.enable-admin-api",
    "--storage.tsdb.retention.time=1y",
  ];
  const log = `${directory}.log`;
  const child = spawnLogged(program, args, { log });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, { url: `${url}/-/ready`, log });
  const versionLine = execFileSync(program, ["--version"], { encoding: "utf8" });
  return serverOf(child, {
    name: "prometheus",
    version: /version (\S+)/.exec(versionLine)?.[1] ?? "unknown",
    url,
    queryExtra: "",
    flush: async () => {
      const reply = await mustPost(`${url}/api/v1/admin/tsdb/snapshot`);
      const { data } = JSON.parse(reply) as { data: { name: string } };
      return bytesBelow(join(directory, "snapshots", data.name));
    },
    compact: () => Promise.resolve(undefined),
  });
}

export async function startVictoriaMetrics(options: ServerOptions): Promise<MetricServer> {
  const { directory, program = "victoria-metrics" } = options;
  const port = await freePort();
  const args = [
    `-httpListenAddr=127.0.0.1:${port}`,
    `-storageDataPath=${directory}`,
    "-retentionPeriod=12",
  ];
  const log = `${directory}.log`;
  const child = spawnLogged(program, args, { log });
  const url = `http://127.0.0.1:${port}`;
  await untilReady(child, { url: `${url}/health`, log });
  const bytesAfter = async (path: string) => {
    await mustPost(`${url}${path}`);
    return bytesBelow(directory);
  };
  return serverOf(child, {
    name: "victoria-metrics",
    version:
      /build version: \S*?(\d+\.\d+\.\d+)/.exec(readFileSync(log, "utf8"))?.[1] ??
      debianVersion(program),
    url,
    queryExtra: "&nocache=1",
    flush: () => bytesAfter("/internal/force_flush"),
    compact: () => bytesAfter("/internal/force_merge"),
  });
}

/** Bytes of all files below a directory, each by its length. What goes away meanwhile counts nothing: its server merges on. */
export function bytesBelow(directory: string): number {
  let bytes = 0;
  for (const name of namesIn(directory)) {
    const path = join(directory, name);
    const file = statSync(path, { throwIfNoEntry: false });
    bytes += file?.isDirectory() === true ? bytesBelow(path) : (file?.size ?? 0);
  }
  return bytes;
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

type Described = Omit<MetricServer, "pid" | "stop" | typeof Symbol.asyncDispose>;

function serverOf(child: ChildProcess, described: Described): MetricServer {
  const stop = stopper(child);
  return { ...described, pid: child.pid!, stop, [Symbol.asyncDispose]: stop };
}

/** SIGTERM, and waits. */
export function stopper(child: ChildProcess): () => Promise<void> {
  return async () => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await exited;
    clearTimeout(timer);
  };
}

export function spawnLogged(
  program: string,
  args: readonly string[],
  options: { readonly log: string; readonly environment?: Readonly<Record<string, string>> },
): ChildProcess {
  mkdirSync(dirname(options.log), { recursive: true });
  const log = openSync(options.log, "w");
  try {
    return spawn(program, args, {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...options.environment },
    });
  } finally {
    closeSync(log);
  }
}

export async function untilReady(
  child: ChildProcess,
  where: { readonly url: string; readonly log: string },
): Promise<void> {
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline && child.exitCode === null && child.signalCode === null) {
    const isReady = await fetch(where.url).then(
      (reply) => reply.ok,
      () => false,
    );
    if (isReady) return;
    await sleep(20);
  }
  child.kill("SIGKILL");
  throw new Error(
    `${child.spawnfile} did not become ready:\n${readFileSync(where.log, "utf8").slice(-2000)}`,
  );
}

async function mustPost(url: string): Promise<string> {
  const reply = await fetch(url, { method: "POST" });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${url} answered ${reply.status}: ${text.slice(0, 500)}`);
  return text;
}

/** Debian builds VictoriaMetrics without a version; its package knows. */
function debianVersion(program: string): string {
  const share = join(dirname(dirname(program)), "share/doc/victoria-metrics");
  try {
    const text = execFileSync("sh", ["-c", 'zcat "$0"/changelog.Debian*.gz | head -n 1', share], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    return /\((\d[\d.]*)/.exec(text)?.[1] ?? "unknown";
  } catch {
    return "unknown";
  }
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
