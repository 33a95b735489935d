/** Runs the `finch` of this checkout as a child process, for tests. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MAIN = join(import.meta.dirname, "../src/main.ts");

/** Every listener on a free port. */
export const FREE_PORTS = [
  "ui",
  "dashboard",
  "auth",
  "health",
  "loki",
  "prometheus",
  "mimir",
  "otlp-grpc",
  "otlp-http",
  "agent",
  "elastic",
  "journal",
  "syslog-tcp",
  "syslog-udp",
].flatMap((name) => [`--listen-${name}`, "127.0.0.1:0"]);

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Running extends AsyncDisposable {
  readonly pid: number;
  /** Resolves once what was written to stdout or stderr matches. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  signal(name: NodeJS.Signals): void;
  readonly finished: Promise<Finished>;
}

export function startFinch(
  args: readonly string[],
  options: {
    readonly env?: Readonly<Record<string, string>>;
    readonly command?: readonly [string, ...string[]];
    /** Standard input; empty otherwise. */
    readonly input?: string;
  } = {},
): Running {
  const [program, ...first] = options.command ?? [process.execPath, MAIN];
  const child = spawn(program, [...first, ...args], {
    env: { ...process.env, ...options.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  // A child that ends before it reads is no fault of the test.
  child.stdin.on("error", () => {});
  child.stdin.end(options.input);
  let stdout = "";
  let stderr = "";
  let wake = () => {};
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
    wake();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
    wake();
  });
  const finished = once(child, "close").then(([code]) => {
    wake();
    return { code: code as number | null, stdout, stderr };
  });
  return {
    pid: child.pid!,
    until: async (pattern) => {
      for (;;) {
        const match = pattern.exec(stdout) ?? pattern.exec(stderr);
        if (match !== null) return match;
        if (child.exitCode !== null)
          throw new Error(
            `ended with ${child.exitCode} before ${String(pattern)}:\n${stdout}${stderr}`,
          );
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    signal: (name) => child.kill(name),
    finished,
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
      await finished;
    },
  };
}

/** Runs to the end. */
export async function runFinch(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Finished> {
  await using running = startFinch(args, { env });
  return await running.finished;
}

export async function temporaryDirectory(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), "finch-test-"));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}
