/**
 * One process per data directory. Two fences: a socket in Linux' abstract namespace, which the kernel frees with the process however it
 * ends, and a lock file that names the holder, which also works between containers that share only the disk and the process numbers.
 */
import { readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server } from "node:net";
import { join } from "node:path";
import { directoryLocked, diskFailed } from "./errors.ts";
import { LOCK_FILE } from "./file-names.ts";

interface Holder {
  readonly pid: number;
  /** Start of the process in ticks since boot; with `boot` it tells a process from a later one of the same number. */
  readonly start: string;
  readonly boot: string;
}

/**
 * Locks an existing directory of this machine until disposed, or throws `store/directory-locked` with the holder's number.
 * The lock of a process that was killed does not hold.
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const path = join(directory, LOCK_FILE);
  const server = await listenAbstract(directory);
  if (server === "taken") throw directoryLocked(directory, await describeHolder(path));
  try {
    const holder = await readHolder(path);
    if (holder !== undefined && (await isAlive(holder))) {
      throw directoryLocked(directory, `process ${holder.pid} (see ${path})`);
    }
    const own: Holder = {
      pid: process.pid,
      start: await processStart(process.pid),
      boot: await bootId(),
    };
    await writeHolder(path, own, server !== undefined);
  } catch (error) {
    await closeServer(server);
    throw error;
  }
  let isHeld = true;
  return {
    async [Symbol.asyncDispose]() {
      if (!isHeld) return;
      isHeld = false;
      await rm(path, { force: true });
      await closeServer(server);
    },
  };
}

/** On a full disk the socket alone has to do where there is one: queries must be served, and retention makes room. */
async function writeHolder(path: string, own: Holder, hasSocket: boolean): Promise<void> {
  const temporary = `${path}.${process.pid}`;
  try {
    await writeFile(temporary, `${JSON.stringify(own)}\n`);
    await rename(temporary, path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    await rm(temporary, { force: true });
    if (!hasSocket || (code !== "ENOSPC" && code !== "EDQUOT")) throw diskFailed(path, error);
    await rm(path, { force: true });
  }
}

/** Undefined where there is no abstract namespace; then the lock file stands alone. */
async function listenAbstract(directory: string): Promise<Server | "taken" | undefined> {
  if (process.platform !== "linux") return undefined;
  // By device and inode: another path to the same directory is the same lock.
  const { dev, ino } = await stat(directory, { bigint: true });
  const server = createServer((socket) => socket.destroy());
  return new Promise((resolve, reject) => {
    server.once("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EADDRINUSE") resolve("taken");
      else reject(error);
    });
    server.listen({ path: `\0finch-store-${dev}-${ino}` }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function closeServer(server: Server | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (server === undefined) resolve();
    else server.close(() => resolve());
  });
}

async function describeHolder(path: string): Promise<string> {
  const holder = await readHolder(path);
  return holder === undefined ? "another process" : `process ${holder.pid}`;
}

async function readHolder(path: string): Promise<Holder | undefined> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
  try {
    const { pid, start, boot } = JSON.parse(text) as Partial<Holder>;
    return typeof pid === "number" && typeof start === "string" && typeof boot === "string"
      ? { pid, start, boot }
      : undefined;
  } catch {
    // Not a lock we wrote whole: a torn one, whose writer is gone with the machine.
    return undefined;
  }
}

async function isAlive(holder: Holder): Promise<boolean> {
  if (holder.boot !== (await bootId())) return false;
  const start = await processStart(holder.pid);
  // In the process itself: the socket decides whether this directory is held twice.
  return start !== "" && start === holder.start && holder.pid !== process.pid;
}

/** Empty when there is no such process. Where there is no /proc, any live process of that number counts as the holder. */
async function processStart(pid: number): Promise<string> {
  if (process.platform !== "linux") {
    try {
      process.kill(pid, 0);
      return "running";
    } catch (error) {
      return (error as NodeJS.ErrnoException).code === "EPERM" ? "running" : "";
    }
  }
  const text = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The command's name, in parentheses, may hold spaces: count fields after it. State is field 3, start time 22.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  // Dead, and not yet waited for by its parent; in containers that can last.
  if (fields[0] === "Z" || fields[0] === "X") return "";
  return fields[19] ?? "";
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8").catch(() => "")).trim();
}
