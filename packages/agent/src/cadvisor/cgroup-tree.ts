/**
 * Where the control groups of this machine are: one tree (cgroup v2) or one for each controller (v1, also where both are mounted), and the groups in it.
 * @see https://docs.kernel.org/admin-guide/cgroup-v2.html
 * @see https://docs.kernel.org/admin-guide/cgroup-v1/cgroups.html
 */
import type { Machine } from "../unix/collector.ts";

/** Controllers whose files are read. */
export type Controller = "cpu" | "cpuacct" | "memory" | "blkio" | "pids";

/** Groups that are looked at; a machine gone mad would make a scrape endless. */
const GROUPS_MAX = 5000;

/** What begins the names of the files of a group; all else may be a group of its own. */
const FILE_NAME =
  /^(cgroup|cpu|cpuacct|cpuset|memory|io|blkio|pids|hugetlb|misc|rdma|devices|freezer|net_cls|net_prio|perf_event|irq)\.|^(tasks|notify_on_release|release_agent)$/;

export class CgroupTree {
  readonly version: 1 | 2;
  readonly #machine: Machine;
  readonly #mount: string;

  constructor(machine: Machine) {
    this.#machine = machine;
    this.#mount = `${machine.paths.sys}/fs/cgroup`;
    this.version = machine.attribute(`${this.#mount}/cgroup.controllers`) === undefined ? 1 : 2;
  }

  /** Paths of all groups, `/` first, a group before those in it. */
  groups(): readonly string[] {
    // Engines make their groups for all controllers; memory is the one that all of them use.
    const root = this.version === 2 ? this.#mount : `${this.#mount}/memory`;
    const found = ["/"];
    for (let at = 0; at < found.length && found.length < GROUPS_MAX; at++) {
      const path = found[at]!;
      for (const name of this.#machine.list(root + path) ?? []) {
        if (FILE_NAME.test(name)) continue;
        const inner = path === "/" ? `/${name}` : `${path}/${name}`;
        if (this.#machine.list(root + inner) !== undefined) found.push(inner);
      }
    }
    return found.slice(0, GROUPS_MAX);
  }

  /** The trimmed text of a group's file; undefined when there is none, or when it cannot be read. */
  read(group: string, controller: Controller, file: string): string | undefined {
    const root = this.version === 2 ? this.#mount : `${this.#mount}/${controller}`;
    return this.#machine.attribute(`${root}${group === "/" ? "" : group}/${file}`);
  }

  /** A number that stands alone in a file; `max` is Infinity. */
  number(group: string, controller: Controller, file: string): number | undefined {
    const text = this.read(group, controller, file);
    if (text === undefined || text === "") return undefined;
    return text === "max" ? Infinity : Number(text);
  }

  /** Lines of a name and a number, as in `memory.stat`; empty when there is no such file. */
  table(group: string, controller: Controller, file: string): ReadonlyMap<string, number> {
    const lines = this.read(group, controller, file)?.split("\n") ?? [];
    return new Map(
      lines.map((line) => {
        const at = line.lastIndexOf(" ");
        return [line.slice(0, at), Number(line.slice(at + 1))];
      }),
    );
  }

  /** Unix milliseconds when a group was made; undefined when that is not known. */
  madeMs(group: string): number | undefined {
    const root = this.version === 2 ? this.#mount : `${this.#mount}/memory`;
    try {
      return this.#machine.modifiedMs(root + group);
    } catch {
      return undefined;
    }
  }
}
