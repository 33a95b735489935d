/** Real programs of others, started for a test and ended with it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

export const PROMETHEUS = process.env["PROMETHEUS_BINARY"] ?? "/usr/bin/prometheus";
export const PROMTOOL = process.env["PROMTOOL_BINARY"] ?? "/usr/bin/promtool";

/** Prometheus with its data and its configuration below `directory`; SIGTERM when disposed. */
export async function startPrometheus(
  directory: string,
  options: {
    readonly config: string;
    readonly port: number;
    readonly flags?: readonly string[];
  },
): Promise<AsyncDisposable> {
  const { config, port, flags = [] } = options;
  await writeFile(join(directory, "prometheus.yml"), config);
  return await spawnUntilReady(
    PROMETHEUS,
    [
      `--config.file=${directory}/prometheus.yml`,
      `--storage.tsdb.path=${directory}/tsdb`,
      `--web.listen-address=127.0.0.1:${port}`,
      ...flags,
    ],
    `http://127.0.0.1:${port}/-/ready`,
  );
}

/** Starts a program and waits until a URL of it answers. */
export async function spawnUntilReady(
  command: string,
  args: readonly string[],
  readyUrl: string,
): Promise<AsyncDisposable> {
  const child = spawn(command, args, { stdio: "ignore" });
  await untilReady(readyUrl);
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await once(child, "exit");
    },
  };
}

/** Runs a program to its end. */
export async function runProgram(
  command: string,
  args: readonly string[],
  input = "",
): Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }> {
  const child = spawn(command, args, { stdio: "pipe" });
  let stdout = "";
  let stderr = "";
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  child.stdin.end(input);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, stdout, stderr };
}

async function untilReady(url: string): Promise<void> {
  for (;;) {
    const ready = await fetch(url).then(
      (reply) => reply.ok,
      () => false,
    );
    if (ready) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
