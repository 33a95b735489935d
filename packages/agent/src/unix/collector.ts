/**
 * What a collector is: a function from the machine's files (`/proc`, `/sys`, …) to metric families, so that a test can feed it a tree of
 * fixtures. Files are read synchronously: procfs and sysfs answer from memory in microseconds, where a trip through the thread pool costs
 * more than the read.
 */
import { FinchError } from "@finch/runtime";
import type { Adjtimex } from "./adjtimex.ts";
import type { Family } from "./family.ts";

/** Where the machine's files are; differs from the defaults when the host is mounted into a container. */
export interface MachinePaths {
  readonly proc: string;
  readonly sys: string;
  readonly rootfs: string;
  readonly udevData: string;
}

export interface FileSystemSpace {
  readonly sizeBytes: number;
  readonly freeBytes: number;
  readonly availableBytes: number;
  readonly files: number;
  readonly filesFree: number;
}

/** What the operating system tells any process, without a file to read or a program to run. */
export interface SystemFacts {
  /** Milliseconds that each processor spent in each mode since the start, in order of their numbers. */
  processors(): readonly {
    readonly user: number;
    readonly nice: number;
    readonly sys: number;
    readonly idle: number;
  }[];
  /** Averages over 1, 5 and 15 minutes. */
  loads(): readonly [number, number, number];
  memoryBytes(): number;
  /** As uname(2) fills it. */
  uname(): {
    readonly sysname: string;
    readonly nodename: string;
    readonly release: string;
    readonly version: string;
  };
}

/** The machine as collectors see it. */
export interface Machine {
  readonly paths: MachinePaths;
  readonly system: SystemFacts;
  /** The text of a file; undefined when it is not there. Any other fault is thrown. */
  read(path: string): string | undefined;
  /** The trimmed text of a file; undefined when it cannot be read for whatever reason, as many attributes of idle devices cannot. */
  attribute(path: string): string | undefined;
  /** Names in a directory, sorted; undefined when it is not there. */
  list(path: string): readonly string[] | undefined;
  /** The real path behind links; undefined when it leads nowhere. */
  realPath(path: string): string | undefined;
  modifiedMs(path: string): number;
  /** Rejects with what the system says, or with `mountpoint timeout` when a mount does not answer in time. */
  space(mount: {
    readonly path: string;
    readonly type: string;
    readonly timeoutMs: number;
  }): Promise<FileSystemSpace>;
  /** What a program prints; rejects when it cannot be run, fails, takes too long or prints too much. */
  run(program: string, args: readonly string[]): Promise<string>;
  nowMs(): number;
  /** Undefined where adjtimex(2) cannot be called. */
  adjtimex(): Adjtimex | undefined;
  /** Name and distance from UTC of the machine's time zone at a time. */
  zoneAt(timeMs: number): { readonly name: string; readonly offsetSeconds: number };
  addresses(): readonly {
    readonly device: string;
    readonly address: string;
    readonly prefixLength: number;
  }[];
  /** As `uname -m` prints it. */
  readonly architecture: string;
  readonly pageBytes: number;
}

export interface Collector {
  /** Rejects with {@link noData} when the machine has nothing to say about the subject. */
  collect(machine: Machine): Promise<readonly Family[]>;
}

/** The fault of a collector whose subject this machine lacks; counts as no success, and is not worth a log line above debug. */
export function noData(what: string): FinchError {
  return new FinchError("not-found", "agent/collector-no-data", what);
}

/** The text of a file that the collector cannot do without. */
export function mustRead(machine: Machine, path: string): string {
  const text = machine.read(path);
  if (text === undefined) throw noData(`${path} is not there`);
  return text;
}

/** The words of a line, split at runs of spaces and tabs. */
export function fields(line: string): string[] {
  const words: string[] = [];
  let start = -1;
  for (let i = 0; i < line.length; i++) {
    const code = line.charCodeAt(i);
    if (code === 32 || code === 9) {
      if (start >= 0) words.push(line.slice(start, i));
      start = -1;
    } else if (start < 0) {
      start = i;
    }
  }
  if (start >= 0) words.push(line.slice(start));
  return words;
}

/** A collector without state and without waiting. */
export function stateless(collect: (machine: Machine) => readonly Family[]): Collector {
  // The throw of a collector becomes a rejection here, so that none is sync in one case and async in another.
  return { collect: async (machine) => collect(machine) };
}
