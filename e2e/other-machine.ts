/**
 * Other machines for tests: each has its own network, host name, processes and folders (/etc, /opt, /root, /run, /var/lib, /var/log) by Linux namespaces, and a real sshd.
 * All of a test are on one bridge; nothing of theirs leaves it. When a machine is disposed of, everything that runs on it ends.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

export interface OtherMachine extends AsyncDisposable {
  readonly address: string;
  /** Runs a script there and returns what it wrote; throws with that when it fails. */
  run(script: string): string;
}

export interface OtherMachines extends AsyncDisposable {
  /** For `ssh -F`: the key, and the keys of the machines. */
  readonly sshConfig: string;
  readonly start: (name: string) => Promise<OtherMachine>;
}

const SSHD = "/usr/sbin/sshd";
const READY_MS_MAX = 15_000;

/** Why there can be no other machines here; false when there can. */
export function noOtherMachines(): string | false {
  if (process.getuid?.() !== 0) return "network namespaces need root";
  if (!existsSync(SSHD)) return "no sshd here (openssh-server)";
  for (const program of ["ssh", "ssh-keygen", "ip", "nsenter", "unshare", "pgrep", "tar"]) {
    try {
      execFileSync("sh", ["-c", `command -v ${program}`], { stdio: "pipe" });
    } catch {
      return `no ${program} here`;
    }
  }
  const probe = `finch-${process.pid}`;
  try {
    ip(["link", "add", probe, "type", "bridge"]);
    ip(["link", "del", probe]);
    execFileSync("unshare", ["--mount", "--net", "--pid", "--fork", "--uts", "true"], {
      stdio: "pipe",
    });
    return false;
  } catch {
    return "no namespaces or bridges can be made";
  }
}

/** Makes a network for machines; files are below `directory`. */
export async function openOtherMachines(directory: string): Promise<OtherMachines> {
  const id = process.pid % 4096;
  const bridge = `finchbr${id}`;
  /** Of the range for tests of networks (RFC 2544); each process of tests takes another part. */
  const network = `198.18.${id % 250}`;
  const stack = new AsyncDisposableStack();
  ip(["link", "add", bridge, "type", "bridge"]);
  stack.defer(() => ip(["link", "del", bridge]));
  ip(["addr", "add", `${network}.254/24`, "dev", bridge]);
  ip(["link", "set", bridge, "up"]);
  const key = join(directory, "id");
  execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
  const sshConfig = join(directory, "ssh_config");
  await writeFile(
    sshConfig,
    `Host *\n  User root\n  IdentityFile ${key}\n  IdentitiesOnly yes\n  UserKnownHostsFile ${directory}/known_hosts\n  StrictHostKeyChecking accept-new\n`,
  );
  let count = 0;
  return {
    sshConfig,
    start: async (name) => {
      const machine = await startMachine({
        name,
        space: `finch${id}-${++count}`,
        address: `${network}.${count}`,
        bridge,
        directory: join(directory, name),
        authorizedKeys: `${key}.pub`,
      });
      stack.use(machine);
      return machine;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

/** Folders that are the machine's own and empty at first. */
const OWN_FOLDERS = ["/opt", "/root", "/run", "/var/lib", "/var/log"];

/** Runs as the first process of the machine. */
const BOOT = `
set -eu
hostname "$NAME"
mkdir -p "$DIR/etc"; cp -a /etc/. "$DIR/etc"; mount --bind "$DIR/etc" /etc
rm -rf /etc/finch /etc/finch-agent /etc/machine-id
for folder in ${OWN_FOLDERS.join(" ")}; do mount -t tmpfs -o mode=755 tmpfs "$folder"; done
mkdir -p /run/sshd
ssh-keygen -q -t ed25519 -N '' -f "$DIR/host"
exec ${SSHD} -D -e -f "$DIR/sshd_config"
`;

async function startMachine(options: {
  readonly name: string;
  /** Of the network namespace. */
  readonly space: string;
  readonly address: string;
  readonly bridge: string;
  readonly directory: string;
  readonly authorizedKeys: string;
}): Promise<OtherMachine> {
  const { name, space, address, bridge, directory } = options;
  await mkdir(directory, { recursive: true });
  await writeFile(
    join(directory, "sshd_config"),
    `ListenAddress ${address}:22\nHostKey ${directory}/host\nPidFile none\nAuthorizedKeysFile ${options.authorizedKeys}\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n`,
  );
  ip(["netns", "add", space]);
  const link = `${space}-v`.slice(0, 15);
  ip(["link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", space]);
  ip(["link", "set", link, "master", bridge, "up"]);
  ip(["-n", space, "addr", "add", `${address}/24`, "dev", "eth0"]);
  for (const device of ["eth0", "lo"]) ip(["-n", space, "link", "set", device, "up"]);
  const child = spawn(
    "nsenter",
    [
      `--net=/run/netns/${space}`,
      "unshare",
      "--mount",
      "--pid",
      "--fork",
      "--uts",
      "--mount-proc",
      "--kill-child",
      "--propagation",
      "private",
      "sh",
      "-c",
      BOOT,
    ],
    {
      env: { PATH: process.env["PATH"], NAME: name, DIR: directory },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let log = "";
  child.stderr.setEncoding("utf8").on("data", (chunk: string) => (log += chunk));
  const ended = once(child, "exit");
  await untilOpen(address, () => log);
  /** The first process inside: the child of unshare. */
  const first = execFileSync("pgrep", ["-P", String(child.pid)], { encoding: "utf8" }).trim();
  return {
    address,
    run: (script) =>
      execFileSync(
        "nsenter",
        ["--target", first, "--mount", "--net", "--pid", "--uts", "--wd=/", "sh", "-c", script],
        { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] },
      ),
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL");
      await ended;
      ip(["netns", "del", space]);
    },
  };
}

async function untilOpen(address: string, log: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline) {
    const socket = connect({ host: address, port: 22 });
    const isOpen = await new Promise<boolean>((resolve) => {
      socket.once("data", () => resolve(true)).once("error", () => resolve(false));
    });
    socket.destroy();
    if (isOpen) return;
    await sleep(50);
  }
  throw new Error(`no sshd at ${address}: ${log()}`);
}

function ip(args: readonly string[]): void {
  execFileSync("ip", args, { stdio: "pipe" });
}
