/** Real engines for tests: dockerd or podman with all of its state in one folder, and an image made of busybox, since no registry is asked. */
import { execFileSync, spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, symlink, copyFile, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import type { Readable } from "node:stream";

const READY_MS_MAX = 30_000;

function programPath(name: string): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(":")
    .concat("/usr/sbin", "/sbin")
    .map((folder) => join(folder, name))
    .find((path) => existsSync(path));
}

/** Why dockerd cannot be started here; false when it can. */
export const noDockerd = () => reasonNot(["dockerd", "containerd", "runc", "busybox", "tar"]);

/** Why podman's service for Docker's API cannot be started here; false when it can. */
export const noPodman = () => reasonNot(["podman", "conmon", "runc", "busybox", "tar"]);

function reasonNot(programs: readonly string[]): string | false {
  if (process.getuid?.() !== 0) return `${programs[0]!} needs root`;
  const missing = programs.filter((name) => programPath(name) === undefined);
  if (missing.length > 0) return `not installed here: ${missing.join(", ")}`;
  // The image has no libraries: a busybox that needs them ends at once, and tests would wait for its lines for ever.
  return isStatic(programPath("busybox")!)
    ? false
    : "busybox here is not linked statically: install busybox-static";
}

/** Whether a 64-bit ELF program names no loader (a program header of type PT_INTERP). */
function isStatic(path: string): boolean {
  const program = readFileSync(path);
  const start = Number(program.readBigUInt64LE(32));
  const size = program.readUInt16LE(54);
  const count = program.readUInt16LE(56);
  const types = Array.from({ length: count }, (_, i) => program.readUInt32LE(start + i * size));
  return !types.includes(3);
}

export interface ContainerEngine extends AsyncDisposable {
  readonly host: string;
  /** Sends a request to the engine; rejects when it answers with an error. */
  call(method: string, path: string, body?: unknown): Promise<string>;
  /** Creates and starts a container that runs a shell script. */
  run(name: string, script: string, options?: object): Promise<string>;
}

export async function startDockerd(directory: string): Promise<ContainerEngine> {
  const at = (name: string) => join(directory, name);
  await writeFile(at("daemon.json"), "{}");
  const socketPath = at("docker.sock");
  const child = spawn(
    programPath("dockerd")!,
    [
      `--config-file=${at("daemon.json")}`,
      `--data-root=${at("data")}`,
      `--exec-root=${at("exec")}`,
      `--pidfile=${at("docker.pid")}`,
      `--host=unix://${socketPath}`,
      "--storage-driver=vfs",
      "--bridge=none",
      "--iptables=false",
      "--ip6tables=false",
      "--ip-masq=false",
      "--ip-forward=false",
      "--userland-proxy=false",
    ],
    { stdio: ["ignore", "ignore", "pipe"] },
  );
  return await untilReady({ child, socketPath, image: at("root"), imageName: "bb:1" });
}

/** Podman's service, with runc, since crun refuses some control groups, and limits that need no raising. */
export async function startPodman(directory: string): Promise<ContainerEngine> {
  const at = (name: string) => join(directory, name);
  const socketPath = at("podman.sock");
  const config = `[engine]
events_logger = "file"
cgroup_manager = "cgroupfs"
runtime = "runc"
tmp_dir = "${at("tmp")}"
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
`;
  const storage = `[storage]
driver = "vfs"
graphroot = "${at("root")}"
runroot = "${at("run")}"
`;
  await writeFile(at("containers.conf"), config);
  await writeFile(at("storage.conf"), storage);
  await writeFile(at("registries.conf"), "unqualified-search-registries = []\n");
  const child = spawn("podman", ["system", "service", "--time=0", `unix://${socketPath}`], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      CONTAINERS_CONF: at("containers.conf"),
      CONTAINERS_STORAGE_CONF: at("storage.conf"),
      CONTAINERS_REGISTRIES_CONF: at("registries.conf"),
    },
  });
  // Podman takes no tag here, and wants the name of a registry.
  const imageName = "localhost/bb:latest";
  return await untilReady({ child, socketPath, image: at("image"), imageName });
}

async function untilReady(engine: {
  readonly child: ChildProcessByStdio<null, null, Readable>;
  readonly socketPath: string;
  /** Folder that the image is made in. */
  readonly image: string;
  readonly imageName: string;
}): Promise<ContainerEngine> {
  const { child, socketPath, image, imageName } = engine;
  let complaint = "";
  child.stderr.on(
    "data",
    (chunk: Buffer) => (complaint = (complaint + String(chunk)).slice(-4000)),
  );
  const call = (method: string, path: string, body?: unknown) =>
    send(socketPath, { method, path, body });
  const untilMs = Date.now() + READY_MS_MAX;
  while (
    !(await call("GET", "/_ping").then(
      () => true,
      () => false,
    ))
  ) {
    if (child.exitCode !== null || Date.now() > untilMs)
      throw new Error(`${child.spawnargs[0]} does not start: ${complaint}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const [repository, tag] = imageName.split(":");
  const created = new Set<string>();
  await call(
    "POST",
    `/images/create?fromSrc=-&repo=${encodeURIComponent(repository!)}&tag=${tag}`,
    await makeImage(image),
  );
  return {
    host: `unix://${socketPath}`,
    call,
    async run(name, script, options = {}) {
      const answer = await call("POST", `/containers/create?name=${name}`, {
        Image: imageName,
        Cmd: ["/bin/sh", "-c", script],
        HostConfig: { NetworkMode: "none" },
        ...options,
      });
      const { Id } = JSON.parse(answer) as { Id: string };
      created.add(Id);
      await call("POST", `/containers/${Id}/start`);
      return Id;
    },
    async [Symbol.asyncDispose]() {
      // A shell as the first process ignores TERM, and the daemon would wait for it.
      for (const id of created)
        await call("DELETE", `/containers/${id}?force=1`).catch(() => undefined);
      child.kill();
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

async function makeImage(root: string): Promise<Buffer> {
  for (const folder of ["bin", "tmp", "etc", "dev", "proc", "sys"])
    await mkdir(join(root, folder), { recursive: true });
  await copyFile(programPath("busybox")!, join(root, "bin/busybox"));
  for (const applet of ["sh", "echo", "sleep", "seq", "cat", "printf", "head", "tr"])
    await symlink("busybox", join(root, "bin", applet));
  execFileSync("tar", ["-C", root, "-cf", `${root}.tar`, "."]);
  return readFileSync(`${root}.tar`);
}

function send(
  socketPath: string,
  what: { readonly method: string; readonly path: string; readonly body: unknown },
): Promise<string> {
  const { method, path, body } = what;
  const isTar = Buffer.isBuffer(body);
  const payload = isTar ? body : body === undefined ? undefined : JSON.stringify(body);
  const headers =
    payload === undefined
      ? {}
      : {
          "content-type": isTar ? "application/x-tar" : "application/json",
          "content-length": Buffer.byteLength(payload),
        };
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, headers }, (message) => {
      const chunks: Buffer[] = [];
      message.on("data", (chunk: Buffer) => chunks.push(chunk));
      message.on("error", reject);
      message.on("end", () => {
        const text = Buffer.concat(chunks).toString();
        if ((message.statusCode ?? 0) < 400) resolve(text);
        else reject(new Error(`${method} ${path}: ${message.statusCode} ${text}`));
      });
    });
    outgoing.on("error", reject);
    outgoing.end(payload);
  });
}
