/** The real machine behind the collectors: synchronous reads of procfs and sysfs, and statfs that a dead mount cannot hang. */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync, realpathSync, statfsSync, statSync } from "node:fs";
import * as os from "node:os";
import { Worker } from "node:worker_threads";
import { adjtimex } from "./adjtimex.ts";
import type { FileSystemSpace, Machine, MachinePaths, SystemFacts } from "./collector.ts";
import { readZoneFile, zoneAbbreviation } from "./time-zone.ts";

export const DEFAULT_PATHS: MachinePaths = {
  proc: "/proc",
  sys: "/sys",
  rootfs: "/",
  udevData: "/run/udev/data",
};

/** Workers that may wait for dead mounts at once; without a bound, each dead mount would cost a thread at each scrape. */
const STUCK_WORKERS_MAX = 4;

/** File systems whose answer comes from this kernel: `statfs` on them takes microseconds and needs no worker. */
const LOCAL_TYPES: ReadonlySet<string> = new Set(
  "apfs bcachefs btrfs efivarfs erofs exfat ext2 ext3 ext4 f2fs fuseblk hfs hfsplus iso9660 jfs minix msdos ntfs3 overlay ramfs reiserfs rootfs squashfs tmpfs ubifs udf vfat xfs zfs".split(
    " ",
  ),
);

export interface RealMachine extends Machine, AsyncDisposable {}

export function openMachine(options: {
  readonly paths: MachinePaths;
  readonly nowMs: () => number;
}): RealMachine {
  const remote = new RemoteMounts();
  return {
    paths: options.paths,
    system: SYSTEM_FACTS,
    nowMs: options.nowMs,
    adjtimex,
    read: (path) => readIfThere(path),
    attribute: (path) => {
      try {
        return readFileSync(path, "utf8").trim();
      } catch {
        return undefined;
      }
    },
    list: (path) => {
      try {
        return readdirSync(path).sort();
      } catch (error) {
        if (isMissing(error)) return undefined;
        throw error;
      }
    },
    realPath: (path) => {
      try {
        return realpathSync(path);
      } catch {
        return undefined;
      }
    },
    run: (program, args) => run(program, args),
    zoneAt: (timeMs) => zoneAt(timeMs),
    addresses: () =>
      Object.entries(os.networkInterfaces()).flatMap(([device, all = []]) =>
        all.map(({ address, cidr }) => ({
          device,
          address,
          prefixLength: Number(cidr?.slice(cidr.indexOf("/") + 1) ?? 0),
        })),
      ),
    architecture: os.machine(),
    pageBytes: readPageBytes(),
    modifiedMs: (path) => statSync(path).mtimeMs,
    space: async ({ path, type, timeoutMs }) =>
      LOCAL_TYPES.has(type) ? toSpace(statfsSync(path)) : await remote.space(path, timeoutMs),
    [Symbol.asyncDispose]: () => remote.close(),
  };
}

const SYSTEM_FACTS: SystemFacts = {
  processors: () => os.cpus().map(({ times }) => times),
  loads: () => {
    const [one = 0, five = 0, fifteen = 0] = os.loadavg();
    return [one, five, fifteen];
  },
  memoryBytes: os.totalmem,
  uname: () => ({
    sysname: os.type(),
    nodename: os.hostname(),
    release: os.release(),
    version: os.version(),
  }),
};

/** A program that hangs must not hang the scrape. */
const RUN_MS_MAX = 5000;
const RUN_BYTES_MAX = 16 << 20;
/** Of its own, so that what programs print does not depend on how this one was started. */
const PROGRAM_ENVIRONMENT = { LC_ALL: "C", PATH: "/usr/sbin:/usr/bin:/sbin:/bin" };

function run(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = {
      timeout: RUN_MS_MAX,
      maxBuffer: RUN_BYTES_MAX,
      env: PROGRAM_ENVIRONMENT,
    };
    execFile(program, args, options, (error, output, complaint) => {
      if (error === null) resolve(output);
      else reject(new Error(`${program} failed: ${complaint.trim() || error.message}`));
    });
  });
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ENOTDIR";
}

/** Key of the page size in the auxiliary vector that the kernel gives every process. */
const AUXILIARY_PAGE_SIZE = 6n;

function readPageBytes(): number {
  const usual = 4096;
  try {
    const raw = readFileSync("/proc/self/auxv");
    for (let at = 0; at + 16 <= raw.length; at += 16) {
      if (raw.readBigUInt64LE(at) === AUXILIARY_PAGE_SIZE)
        return Number(raw.readBigUInt64LE(at + 8));
    }
    return usual;
  } catch {
    return usual;
  }
}

const zoneNames = new Map<number, string>();

function zoneAt(timeMs: number): { readonly name: string; readonly offsetSeconds: number } {
  const date = new Date(timeMs);
  const offsetSeconds = -date.getTimezoneOffset() * 60 || 0;
  let name = zoneNames.get(offsetSeconds);
  if (name === undefined) zoneNames.set(offsetSeconds, (name = zoneName(offsetSeconds)));
  return { name, offsetSeconds };
}

/** The zone's own letters, or else the offset as `+0530`, as Go prints it. */
function zoneName(offsetSeconds: number): string {
  const file = readZoneFile(process.env["TZ"]);
  const name = file === undefined ? undefined : zoneAbbreviation(file, offsetSeconds);
  if (name !== undefined) return name;
  if (offsetSeconds === 0) return "UTC";
  const minutes = Math.abs(offsetSeconds) / 60;
  const digits =
    String(Math.floor(minutes / 60)).padStart(2, "0") +
    (minutes % 60 === 0 ? "" : String(minutes % 60).padStart(2, "0"));
  return (offsetSeconds < 0 ? "-" : "+") + digits;
}

interface StatfsAnswer {
  readonly bsize: number;
  readonly blocks: number;
  readonly bfree: number;
  readonly bavail: number;
  readonly files: number;
  readonly ffree: number;
}

function toSpace(answer: StatfsAnswer): FileSystemSpace {
  return {
    sizeBytes: answer.blocks * answer.bsize,
    freeBytes: answer.bfree * answer.bsize,
    availableBytes: answer.bavail * answer.bsize,
    files: answer.files,
    filesFree: answer.ffree,
  };
}

/** Runs in the worker; as text, so that it needs no file of its own wherever the program was bundled to. */
const WORKER_SOURCE = `
const { parentPort } = require("node:worker_threads");
const { statfsSync } = require("node:fs");
parentPort.on("message", (path) => {
  try {
    const { bsize, blocks, bfree, bavail, files, ffree } = statfsSync(path);
    parentPort.postMessage({ bsize, blocks, bfree, bavail, files, ffree });
  } catch (error) {
    parentPort.postMessage({ failure: error.message });
  }
});`;

/**
 * statfs of network and FUSE mounts, one at a time in a worker thread. A call to a dead server blocks its thread for good, so after the
 * time-out the worker is left behind and the mount is not asked again until that worker answers.
 */
class RemoteMounts {
  #worker: Worker | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  readonly #stuck = new Map<string, Worker>();

  space(path: string, timeoutMs: number): Promise<FileSystemSpace> {
    const answer = this.#turn.then(() => this.#ask(path, timeoutMs));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async close(): Promise<void> {
    const workers = [...this.#stuck.values()];
    if (this.#worker !== undefined) workers.push(this.#worker);
    // A worker inside a dead system call cannot be ended; waiting for it would hang the stop as well.
    for (const worker of workers) worker.unref();
    await this.#worker?.terminate();
    this.#worker = undefined;
  }

  #ask(path: string, timeoutMs: number): Promise<FileSystemSpace> {
    if (this.#stuck.has(path) || this.#stuck.size >= STUCK_WORKERS_MAX)
      throw new Error("mountpoint timeout");
    const worker = (this.#worker ??= new Worker(WORKER_SOURCE, { eval: true }));
    worker.unref();
    return new Promise((resolve, reject) => {
      const settle = () => {
        clearTimeout(timer);
        worker.off("message", onAnswer);
        worker.off("error", onFault);
      };
      const onAnswer = (message: StatfsAnswer | { readonly failure: string }) => {
        settle();
        if ("failure" in message) reject(new Error(message.failure));
        else resolve(toSpace(message));
      };
      const onFault = (error: unknown) => {
        settle();
        this.#worker = undefined;
        reject(error as Error);
      };
      const timer = setTimeout(() => {
        settle();
        this.#abandon(path, worker);
        reject(new Error("mountpoint timeout"));
      }, timeoutMs);
      worker.on("message", onAnswer);
      worker.on("error", onFault);
      worker.postMessage(path);
    });
  }

  /** Leaves a worker to its dead call; the mount is asked again once that call has come back. */
  #abandon(path: string, worker: Worker): void {
    this.#worker = undefined;
    this.#stuck.set(path, worker);
    const release = () => {
      this.#stuck.delete(path);
      void worker.terminate();
    };
    worker.once("message", release);
    worker.once("error", release);
  }
}
