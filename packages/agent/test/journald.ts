/** A real journald for tests, in a mount namespace of its own. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

const JOURNALD = "/lib/systemd/systemd-journald";

/** Why the real journald cannot be run here, or false. */
export function noJournald(): string | false {
  if (process.getuid?.() !== 0) return "a private journald needs root";
  if (!existsSync(JOURNALD)) return "systemd-journald is not installed";
  try {
    execFileSync("unshare", ["-m", "true"], { stdio: "pipe" });
    execFileSync("journalctl", ["--version"], { stdio: "pipe" });
    return false;
  } catch {
    return "no mount namespace can be made, or journalctl is not installed";
  }
}

/** A journald of the test's own, in a mount namespace: sockets in `run/`, journal files in `log/`. */
export async function startJournald(directory: string) {
  await mkdir(join(directory, "run"));
  await mkdir(join(directory, "log"));
  await writeFile(join(directory, "run", "flushed"), "");
  await writeFile(
    join(directory, "journald.conf"),
    "[Journal]\nStorage=persistent\nReadKMsg=no\nAudit=no\nRateLimitBurst=0\nSyncIntervalSec=1s\n",
  );
  await mkdir("/run/systemd/journal", { recursive: true });
  await mkdir("/var/log/journal", { recursive: true });
  const mounts = [
    `${directory}/run /run/systemd/journal`,
    `${directory}/log /var/log/journal`,
    `${directory}/journald.conf /etc/systemd/journald.conf`,
  ];
  const script = [...mounts.map((pair) => `mount --bind ${pair}`), `exec ${JOURNALD}`].join(" && ");
  const child = spawn("unshare", ["-m", "--propagation", "private", "sh", "-c", script], {
    stdio: "ignore",
  });
  const socket = join(directory, "run", "dev-log");
  while (!existsSync(socket)) await new Promise((resolve) => setTimeout(resolve, 10));
  return {
    write: (text: string, priority: string) =>
      execFileSync("logger", ["-u", socket, "-p", priority, "-t", "finch-test", text]),
    async [Symbol.asyncDispose]() {
      child.kill();
      await once(child, "exit");
    },
  };
}
