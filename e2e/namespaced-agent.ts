/** A real `finch agent run` that sees another machine: files and folders of a test at the places where a configuration looks for them, by mounts that nobody else sees. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, rmdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./finch-process.ts";

const MAIN = join(import.meta.dirname, "../packages/finch/src/main.ts");
const READY_MS_MAX = 60_000;

/** Why there can be no mounts of one's own here; false when there can. */
export function noMounts(): string | false {
  if (process.getuid?.() !== 0) return "mounts need root";
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "pipe" });
    return false;
  } catch {
    return "no mount namespace can be made";
  }
}

/** Something of the test, and where the agent finds it. */
export interface Mount {
  readonly from: string;
  readonly to: string;
  /** `run-file`: a file below /run, of which the agent sees nothing else. `tree`: with all that is mounted below; the folder is made for the while. */
  readonly kind: "file" | "folder" | "run-file" | "tree";
}

export interface AgentComponent {
  readonly localID: string;
  readonly health: { readonly state: string; readonly message: string };
}

export interface NamespacedAgent extends AsyncDisposable {
  components(): Promise<readonly AgentComponent[]>;
  /** What it wrote so far. */
  output(): string;
}

/** Starts an agent with a configuration; its data are below `directory`. Resolves when it is ready. */
export async function startNamespacedAgent(
  directory: string,
  { config, mounts }: { readonly config: string; readonly mounts: readonly Mount[] },
): Promise<NamespacedAgent> {
  const path = join(directory, "config.alloy");
  await writeFile(path, config);
  const port = await freePort();
  const made: string[] = [];
  for (const { to, kind } of mounts) if (kind === "tree" && (await make(to))) made.push(to);
  const command = [
    process.execPath,
    MAIN,
    "agent",
    "run",
    path,
    `--storage.path=${directory}/agent-data`,
    `--server.http.listen-addr=127.0.0.1:${port}`,
  ];
  const script = [...mounts.map(mountCommand), 'exec "$@"'].join(" && ");
  const within = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, "sh"];
  const [program = "", ...args] = mounts.length === 0 ? command : [...within, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const url = `http://127.0.0.1:${port}`;
  const deadlineMs = Date.now() + READY_MS_MAX;
  while (!(await answers(`${url}/-/ready`))) {
    if (child.exitCode !== null || Date.now() > deadlineMs)
      throw new Error(`the agent does not start:\n${output}`);
    await sleep(50);
  }
  return {
    output: () => output,
    components: async () => {
      const reply = await fetch(`${url}/api/v0/web/components`);
      return (await reply.json()) as readonly AgentComponent[];
    },
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
      for (const folder of made) await rmdir(folder);
    },
  };
}

/** Whether it was not there before. */
async function make(folder: string): Promise<boolean> {
  return (await mkdir(folder, { recursive: true })) !== undefined;
}

function mountCommand({ from, to, kind }: Mount): string {
  switch (kind) {
    case "file":
    case "folder":
      return `mount --bind ${from} ${to}`;
    case "run-file":
      return `mount -t tmpfs tmpfs /run && touch ${to} && mount --bind ${from} ${to}`;
    case "tree":
      return `mount --rbind ${from} ${to}`;
  }
}

function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    ({ ok }) => ok,
    () => false,
  );
}
