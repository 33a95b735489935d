/** A real `finch up` in a child process, for tests that kill it, fill its disk, or put real clients before it. */
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Filled by the set-up: a process that is killed leaves nothing there, and would be compiled anew each time. */
const COMPILE_CACHE = join(ROOT, "node_modules/.cache/finch-compile");
const READY_MS_MAX = 60_000;

export interface FinchProcess extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly prometheusUrl: string;
  readonly lokiUrl: string;
  readonly healthUrl: string;
  /** What it wrote so far, both streams. */
  output(): string;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGTERM; resolves with the exit code. */
  stop(): Promise<number | null>;
}

export interface FinchPorts {
  /** Where all of them are; 127.0.0.1 unless it says so. */
  readonly host?: string;
  readonly prometheus: number;
  readonly loki: number;
  readonly health: number;
  /** The web application; off when not given, as are those below. */
  readonly ui?: number;
  readonly auth?: number;
  readonly dashboard?: number;
  readonly mimir?: number;
  readonly otlpGrpc?: number;
  readonly otlpHttp?: number;
}

/** Ports that were free a moment ago. */
export async function freePorts(): Promise<FinchPorts> {
  const [prometheus, loki, health] = await Promise.all([freePort(), freePort(), freePort()]);
  return { prometheus, loki, health };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

/** Writes an agent configuration that collects nothing, so that a test sees only what it sent. */
export async function writeIdleAgent(dataDirectory: string): Promise<void> {
  await mkdir(join(dataDirectory, "agent"), { recursive: true });
  await writeFile(join(dataDirectory, "agent", "config.alloy"), "// nothing is collected\n");
}

/** Starts Finch and waits until it is healthy; rejects with its output when it ends before that. `imports` are modules loaded before it. */
export async function startFinch(
  dataDirectory: string,
  ports: FinchPorts,
  flags: readonly string[] = [],
  imports: readonly string[] = [],
): Promise<FinchProcess> {
  const host = ports.host ?? "127.0.0.1";
  const optional = (port: number | undefined) => (port === undefined ? "off" : `${host}:${port}`);
  const child = spawn(
    process.execPath,
    [
      ...imports.map((path) => `--import=${path}`),
      join(ROOT, "packages/finch/src/main.ts"),
      "up",
      `--data-dir=${dataDirectory}`,
      `--listen-prometheus=${host}:${ports.prometheus}`,
      `--listen-loki=${host}:${ports.loki}`,
      `--listen-health=${host}:${ports.health}`,
      `--listen-ui=${optional(ports.ui)}`,
      `--listen-dashboard=${optional(ports.dashboard)}`,
      `--listen-auth=${optional(ports.auth)}`,
      `--listen-mimir=${optional(ports.mimir)}`,
      "--listen-agent=off",
      `--listen-otlp-grpc=${optional(ports.otlpGrpc)}`,
      `--listen-otlp-http=${optional(ports.otlpHttp)}`,
      ...flags,
    ],
    {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE },
    },
  );
  let output = "";
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const exited = once(child, "exit") as Promise<[code: number | null]>;
  const finch: FinchProcess = {
    child,
    prometheusUrl: `http://${host}:${ports.prometheus}`,
    lokiUrl: `http://${host}:${ports.loki}`,
    healthUrl: `http://${host}:${ports.health}/healthz`,
    output: () => output,
    async kill() {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await exited;
    },
    async stop() {
      child.kill("SIGTERM");
      const [code] = await exited;
      return code;
    },
    [Symbol.asyncDispose]: () => finch.kill(),
  };
  await waitUntilHealthy(finch);
  return finch;
}

async function waitUntilHealthy(finch: FinchProcess): Promise<void> {
  const deadline = Date.now() + READY_MS_MAX;
  while (Date.now() < deadline) {
    if (finch.child.exitCode !== null || finch.child.signalCode !== null) break;
    const healthy = await fetch(finch.healthUrl).then(
      (reply) => reply.ok,
      () => false,
    );
    if (healthy) return;
    await new Promise((resolve) => setTimeout(resolve, 15));
  }
  finch.child.kill("SIGKILL");
  throw new Error(`Finch did not become healthy:\n${finch.output()}`);
}
