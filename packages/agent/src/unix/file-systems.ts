/** File systems and caches that tell of themselves below `/sys/fs`: btrfs and bcache. */
import { stateless, type Collector, type Machine } from "./collector.ts";
import { Family, type FamilyType } from "./family.ts";

/** Families by name, made with the first row. */
class Families {
  readonly #prefix: string;
  readonly #byName = new Map<string, Family>();

  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  add(
    figure: readonly [name: string, help: string],
    value: number,
    labels: Readonly<Record<string, string>>,
  ): void {
    const [name, help] = figure;
    let family = this.#byName.get(name);
    if (family === undefined) {
      const type: FamilyType = name.endsWith("_total") ? "counter" : "gauge";
      family = new Family(type, `${this.#prefix}${name}`, help);
      this.#byName.set(name, family);
    }
    family.addLabelled(value, labels);
  }

  all(): readonly Family[] {
    return [...this.#byName.values()];
  }
}

const SECTOR_BYTES = 512;

/** Bytes on disk for a byte of data, by layout and number of devices. */
function allocationRatio(layout: string, devices: number): number {
  switch (layout) {
    case "single":
    case "raid0":
      return 1;
    case "dup":
    case "raid1":
    case "raid10":
      return 2;
    case "raid1c3":
      return 3;
    case "raid1c4":
      return 4;
    case "raid5":
      return devices / (devices - 1);
    case "raid6":
      return devices / (devices - 2);
    default:
      return 0;
  }
}

const COMMITS: readonly (readonly [line: string, name: string, help: string, unit: number])[] = [
  ["commits", "commits_total", "The total number of commits that have occurred.", 1],
  [
    "last_commit_ms",
    "last_commit_seconds",
    "Duration of the most recent commit, in seconds.",
    1000,
  ],
  ["max_commit_ms", "max_commit_seconds", "Duration of the slowest commit, in seconds.", 1000],
  [
    "total_commit_ms",
    "commit_seconds_total",
    "Sum of the duration of all commits, in seconds.",
    1000,
  ],
];

/** `node_btrfs_*`, by the identifier of each mounted file system. */
export const btrfs: Collector = stateless((machine) => {
  const root = `${machine.paths.sys}/fs/btrfs`;
  const families = new Families("node_btrfs_");
  for (const directory of machine.list(root) ?? []) {
    if (!directory.includes("-")) continue;
    const path = `${root}/${directory}`;
    const uuid = machine.attribute(`${path}/metadata_uuid`) ?? directory;
    const number = (file: string) => Number(machine.attribute(`${path}/${file}`) ?? 0);
    const devices = machine.list(`${path}/devices`) ?? [];
    const label = machine.attribute(`${path}/label`) ?? "";
    families.add(["info", "Filesystem information"], 1, { label, uuid });
    const reserve = number("allocation/global_rsv_size");
    families.add(["global_rsv_size_bytes", "Size of global reserve."], reserve, { uuid });
    const commits = new Map(
      (machine.attribute(`${path}/commit_stats`) ?? "")
        .split("\n")
        .map((line) => line.split(" ") as [string, string | undefined]),
    );
    for (const [line, name, help, unit] of COMMITS)
      families.add([name, help], Number(commits.get(line) ?? 0) / unit, { uuid });
    for (const type of ["data", "metadata", "system"])
      addAllocation(families, machine, { path, type, uuid, deviceCount: devices.length });
    for (const device of devices) {
      const help = "Size of a device that is part of the filesystem.";
      const sizeBytes = SECTOR_BYTES * number(`devices/${device}/size`);
      families.add(["device_size_bytes", help], sizeBytes, { device, uuid });
    }
  }
  return families.all();
});

function addAllocation(
  families: Families,
  machine: Machine,
  about: {
    readonly path: string;
    readonly type: string;
    readonly uuid: string;
    readonly deviceCount: number;
  },
): void {
  const { path, type, uuid, deviceCount } = about;
  const directory = `${path}/allocation/${type}`;
  const number = (file: string) => Number(machine.attribute(`${directory}/${file}`) ?? 0);
  const reserved = ["reserved_bytes", "Amount of space reserved for a data type"] as const;
  families.add(reserved, number("bytes_reserved"), { block_group_type: type, uuid });
  for (const mode of machine.list(directory) ?? []) {
    // The layouts are the directories among the files.
    if (machine.attribute(`${directory}/${mode}/total_bytes`) === undefined) continue;
    const labels = { block_group_type: type, mode, uuid };
    families.add(
      ["used_bytes", "Amount of used space by a layout/data type"],
      number(`${mode}/used_bytes`),
      labels,
    );
    families.add(
      ["size_bytes", "Amount of space allocated for a layout/data type"],
      number(`${mode}/total_bytes`),
      labels,
    );
    families.add(
      ["allocation_ratio", "Data allocation ratio for a layout/data type"],
      allocationRatio(mode, deviceCount),
      labels,
    );
  }
}

type BcacheFigure = readonly [file: string, name: string, help: string];

const CACHE_SET: readonly BcacheFigure[] = [
  ["average_key_size", "average_key_size_sectors", "Average data per key in the btree (sectors)."],
  [
    "btree_cache_size",
    "btree_cache_size_bytes",
    "Amount of memory currently used by the btree cache.",
  ],
  [
    "cache_available_percent",
    "cache_available_percent",
    "Percentage of cache device without dirty data, usable for writeback (may contain clean cached data).",
  ],
  ["congested", "congested", "Congestion."],
  [
    "root_usage_percent",
    "root_usage_percent",
    "Percentage of the root btree node in use (tree depth increases if too high).",
  ],
  ["tree_depth", "tree_depth", "Depth of the btree."],
  [
    "internal/active_journal_entries",
    "active_journal_entries",
    "Number of journal entries that are newer than the index.",
  ],
  ["internal/btree_nodes", "btree_nodes", "Total nodes in the btree."],
  [
    "internal/btree_read_average_duration_us",
    "btree_read_average_duration_seconds",
    "Average btree read duration.",
  ],
  [
    "internal/cache_read_races",
    "cache_read_races_total",
    "Counts instances where while data was being read from the cache, the bucket was reused and invalidated - i.e. where the pointer was stale after the read completed.",
  ],
];

const BACKING_DEVICE: readonly BcacheFigure[] = [
  ["dirty_data", "dirty_data_bytes", "Amount of dirty data for this backing device in the cache."],
  [
    "stats_total/bypassed",
    "bypassed_bytes_total",
    "Amount of IO (both reads and writes) that has bypassed the cache.",
  ],
  [
    "stats_total/cache_hits",
    "cache_hits_total",
    "Hits counted per individual IO as bcache sees them.",
  ],
  [
    "stats_total/cache_misses",
    "cache_misses_total",
    "Misses counted per individual IO as bcache sees them.",
  ],
  [
    "stats_total/cache_bypass_hits",
    "cache_bypass_hits_total",
    "Hits for IO intended to skip the cache.",
  ],
  [
    "stats_total/cache_bypass_misses",
    "cache_bypass_misses_total",
    "Misses for IO intended to skip the cache.",
  ],
  [
    "stats_total/cache_miss_collisions",
    "cache_miss_collisions_total",
    "Instances where data insertion from cache miss raced with write (data already present).",
  ],
];

/** Lines of `writeback_rate_debug`. */
const WRITEBACK: readonly BcacheFigure[] = [
  [
    "target",
    "dirty_target_bytes",
    "Current dirty data target threshold for this backing device in bytes.",
  ],
  ["rate", "writeback_rate", "Current writeback rate for this backing device in bytes."],
  [
    "proportional",
    "writeback_rate_proportional_term",
    "Current result of proportional controller, part of writeback rate",
  ],
  [
    "integral",
    "writeback_rate_integral_term",
    "Current result of integral controller, part of writeback rate",
  ],
  ["change", "writeback_change", "Last writeback rate change step for this backing device."],
];

const CACHE_DEVICE: readonly BcacheFigure[] = [
  ["io_errors", "io_errors", "Number of errors that have occurred, decayed by io_error_halflife."],
  [
    "metadata_written",
    "metadata_written_bytes_total",
    "Sum of all non data writes (btree writes and all other metadata).",
  ],
  ["written", "written_bytes_total", "Sum of all data that has been written to the cache."],
];

/** `node_bcache_*`, by the identifier of each cache set. `priorityStats` reads a file that is slow to make. */
export function makeBcache(options: { readonly priorityStats: boolean }): Collector {
  return stateless((machine) => {
    const root = `${machine.paths.sys}/fs/bcache`;
    const families = new Families("node_bcache_");
    for (const uuid of machine.list(root) ?? []) {
      if (!uuid.includes("-")) continue;
      const path = `${root}/${uuid}`;
      const value = (file: string) => parseSize(machine.attribute(`${path}/${file}`) ?? "0");
      for (const [file, name, help] of CACHE_SET) {
        const scale = name === "btree_read_average_duration_seconds" ? 1e-9 : 1;
        families.add([name, help], value(file) * scale, { uuid });
      }
      for (const name of machine.list(path) ?? []) {
        const about = { path: `${path}/${name}`, name, uuid };
        if (/^bdev[0-9]/.test(name)) addBackingDevice(families, machine, about);
        else if (/^cache[0-9]/.test(name))
          addCacheDevice(families, machine, { ...about, ...options });
      }
    }
    return families.all();
  });
}

interface BcacheDevice {
  readonly path: string;
  readonly name: string;
  readonly uuid: string;
}

function addBackingDevice(families: Families, machine: Machine, about: BcacheDevice): void {
  const { path, name: device, uuid } = about;
  const labels = { backing_device: device, uuid };
  const value = (file: string) => parseSize(machine.attribute(`${path}/${file}`) ?? "0");
  for (const [file, name, help] of BACKING_DEVICE) families.add([name, help], value(file), labels);
  // Kernels from 5.12 on do not count it any more.
  const readaheads = value("stats_total/cache_readaheads");
  const help = "Count of times readahead occurred.";
  if (readaheads !== 0) families.add(["cache_readaheads_total", help], readaheads, labels);
  const debug = machine.attribute(`${path}/writeback_rate_debug`) ?? "";
  const lines = new Map(
    debug
      .split("\n")
      .map((line) => [line.split(":")[0]!, line.slice(line.indexOf(":") + 1).trim()]),
  );
  for (const [line, name, description] of WRITEBACK) {
    const text = (lines.get(line) ?? "0").replace("/sec", "");
    families.add([name, description], parseSize(text), labels);
  }
}

function addCacheDevice(
  families: Families,
  machine: Machine,
  about: BcacheDevice & { readonly priorityStats: boolean },
): void {
  const { path, name: device, uuid, priorityStats } = about;
  const labels = { cache_device: device, uuid };
  for (const [file, name, help] of CACHE_DEVICE)
    families.add([name, help], parseSize(machine.attribute(`${path}/${file}`) ?? "0"), labels);
  if (!priorityStats) return;
  const text = machine.attribute(`${path}/priority_stats`) ?? "";
  const percent = (line: string) =>
    Number(new RegExp(`^${line}:\\s+(\\d+)%`, "m").exec(text)?.[1] ?? 0);
  families.add(
    ["priority_stats_unused_percent", "The percentage of the cache that doesn't contain any data."],
    percent("Unused"),
    labels,
  );
  families.add(
    ["priority_stats_metadata_percent", "Bcache's metadata overhead."],
    percent("Metadata"),
    labels,
  );
}

const SIZE_UNITS = "kMGTPEZY";

/** Numbers as bcache writes them, such as `-1.5k`: the digits after the point count 1/1024 in tenths, and what is left of a byte is cut off. */
function parseSize(text: string): number {
  const sign = text.startsWith("-") ? -1 : 1;
  const digits = sign < 0 ? text.slice(1) : text;
  const unit = SIZE_UNITS.indexOf(digits.at(-1) ?? "");
  if (unit < 0) return sign * Math.trunc(Number(digits));
  const [whole = "0", fraction = "0"] = digits.slice(0, -1).split(".");
  return sign * Math.trunc((Number(whole) + Number(fraction) / 10.24) * 1024 ** (unit + 1));
}
