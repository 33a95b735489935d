/** What a control group uses, and what it may use: the files of both versions as one set of figures. What a kernel does not tell is undefined. */
import type { CgroupTree } from "./cgroup-tree.ts";

export interface CpuStats {
  readonly usageSeconds: number | undefined;
  /** Seconds by processor; empty where the kernel does not tell (v2). */
  readonly perCpuSeconds: readonly number[];
  readonly userSeconds: number | undefined;
  readonly systemSeconds: number | undefined;
  readonly periods: number | undefined;
  readonly throttledPeriods: number | undefined;
  readonly throttledSeconds: number | undefined;
}

export interface MemoryStats {
  readonly usageBytes: number;
  readonly maxUsageBytes: number | undefined;
  readonly workingSetBytes: number;
  readonly cacheBytes: number | undefined;
  readonly rssBytes: number | undefined;
  readonly swapBytes: number | undefined;
  readonly mappedFileBytes: number | undefined;
  readonly kernelBytes: number | undefined;
  readonly activeFileBytes: number | undefined;
  readonly inactiveFileBytes: number | undefined;
  readonly failures: number | undefined;
  readonly pageFaults: number | undefined;
  readonly majorPageFaults: number | undefined;
  readonly oomKills: number | undefined;
}

export interface GroupLimits {
  readonly cpuPeriodMicroseconds: number | undefined;
  /** Undefined: no limit. */
  readonly cpuQuotaMicroseconds: number | undefined;
  readonly cpuShares: number | undefined;
  /** Bytes; Infinity: no limit. */
  readonly memoryBytes: number | undefined;
  readonly swapBytes: number | undefined;
  readonly reservationBytes: number | undefined;
}

/** Of one device. */
export interface DeviceStats {
  readonly major: string;
  readonly minor: string;
  /** By operation: Read, Write. */
  readonly bytes: ReadonlyMap<string, number>;
  readonly operations: ReadonlyMap<string, number>;
}

const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;
/** Processor time of `cpuacct.stat` is in steps of 10 ms on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

function scaled(value: number | undefined, divisor: number): number | undefined {
  return value === undefined ? undefined : value / divisor;
}

export function cpuStats(tree: CgroupTree, group: string): CpuStats {
  const stat = tree.table(group, "cpu", "cpu.stat");
  const shared = {
    periods: stat.get("nr_periods"),
    throttledPeriods: stat.get("nr_throttled"),
  };
  if (tree.version === 2)
    return {
      ...shared,
      usageSeconds: scaled(stat.get("usage_usec"), MICROSECONDS),
      perCpuSeconds: [],
      userSeconds: scaled(stat.get("user_usec"), MICROSECONDS),
      systemSeconds: scaled(stat.get("system_usec"), MICROSECONDS),
      throttledSeconds: scaled(stat.get("throttled_usec"), MICROSECONDS),
    };
  const ticks = tree.table(group, "cpuacct", "cpuacct.stat");
  const perCpu = tree.read(group, "cpuacct", "cpuacct.usage_percpu") ?? "";
  return {
    ...shared,
    usageSeconds: scaled(tree.number(group, "cpuacct", "cpuacct.usage"), NANOSECONDS),
    perCpuSeconds: perCpu
      .split(" ")
      .filter((text) => text !== "")
      .map((text) => Number(text) / NANOSECONDS),
    userSeconds: scaled(ticks.get("user"), TICKS_PER_SECOND),
    systemSeconds: scaled(ticks.get("system"), TICKS_PER_SECOND),
    throttledSeconds: scaled(stat.get("throttled_time"), NANOSECONDS),
  };
}

/** Undefined for a group without the controller. */
export function memoryStats(tree: CgroupTree, group: string): MemoryStats | undefined {
  const stat = tree.table(group, "memory", "memory.stat");
  const isV2 = tree.version === 2;
  const of = (v1: string, v2: string) => stat.get(isV2 ? v2 : `total_${v1}`) ?? stat.get(v1);
  // The root of version 2 has no such file: what it uses is what its parts are.
  const usage =
    tree.number(group, "memory", isV2 ? "memory.current" : "memory.usage_in_bytes") ??
    (stat.has("anon") ? stat.get("anon")! + (stat.get("file") ?? 0) : undefined);
  if (usage === undefined) return undefined;
  const inactiveFileBytes = of("inactive_file", "inactive_file");
  const events = tree.table(group, "memory", isV2 ? "memory.events" : "memory.oom_control");
  return {
    usageBytes: usage,
    maxUsageBytes: tree.number(group, "memory", isV2 ? "memory.peak" : "memory.max_usage_in_bytes"),
    workingSetBytes: Math.max(0, usage - (inactiveFileBytes ?? 0)),
    cacheBytes: of("cache", "file"),
    rssBytes: of("rss", "anon"),
    swapBytes: isV2
      ? tree.number(group, "memory", "memory.swap.current")
      : (stat.get("total_swap") ?? stat.get("swap")),
    mappedFileBytes: of("mapped_file", "file_mapped"),
    kernelBytes: isV2
      ? stat.get("kernel")
      : tree.number(group, "memory", "memory.kmem.usage_in_bytes"),
    activeFileBytes: of("active_file", "active_file"),
    inactiveFileBytes,
    failures: isV2 ? events.get("max") : tree.number(group, "memory", "memory.failcnt"),
    pageFaults: of("pgfault", "pgfault"),
    majorPageFaults: of("pgmajfault", "pgmajfault"),
    oomKills: events.get("oom_kill"),
  };
}

export function groupLimits(tree: CgroupTree, group: string): GroupLimits {
  if (tree.version === 2) {
    const [quota, period] = (tree.read(group, "cpu", "cpu.max") ?? "").split(" ");
    return {
      cpuPeriodMicroseconds: period === undefined ? undefined : Number(period),
      cpuQuotaMicroseconds: !quota || quota === "max" ? undefined : Number(quota),
      cpuShares: sharesOf(tree.number(group, "cpu", "cpu.weight")),
      memoryBytes: tree.number(group, "memory", "memory.max"),
      swapBytes: tree.number(group, "memory", "memory.swap.max"),
      reservationBytes: tree.number(group, "memory", "memory.low"),
    };
  }
  const quota = tree.number(group, "cpu", "cpu.cfs_quota_us");
  return {
    cpuPeriodMicroseconds: tree.number(group, "cpu", "cpu.cfs_period_us"),
    cpuQuotaMicroseconds: quota === undefined || quota <= 0 ? undefined : quota,
    cpuShares: tree.number(group, "cpu", "cpu.shares"),
    memoryBytes: tree.number(group, "memory", "memory.limit_in_bytes"),
    swapBytes: tree.number(group, "memory", "memory.memsw.limit_in_bytes"),
    reservationBytes: tree.number(group, "memory", "memory.soft_limit_in_bytes"),
  };
}

/** Weights of version 2 (1 to 10,000) as shares of version 1 (2 to 262,144). */
function sharesOf(weight: number | undefined): number | undefined {
  return weight === undefined ? undefined : Math.floor(2 + ((weight - 1) * 262_142) / 9999);
}

export function deviceStats(tree: CgroupTree, group: string): readonly DeviceStats[] {
  return tree.version === 2 ? unifiedDevices(tree, group) : throttledDevices(tree, group);
}

/** `8:0 rbytes=1 wbytes=2 rios=3 wios=4 …`. */
function unifiedDevices(tree: CgroupTree, group: string): DeviceStats[] {
  const text = tree.read(group, "blkio", "io.stat") ?? "";
  return text.split("\n").flatMap((line) => {
    const [device = "", ...pairs] = line.split(" ");
    const [major = "", minor] = device.split(":");
    if (minor === undefined || pairs.length === 0) return [];
    const values = new Map(pairs.map((pair) => pair.split("=") as [string, string]));
    const both = (read: string, write: string) =>
      new Map([
        ["Read", Number(values.get(read) ?? 0)],
        ["Write", Number(values.get(write) ?? 0)],
      ]);
    return [{ major, minor, bytes: both("rbytes", "wbytes"), operations: both("rios", "wios") }];
  });
}

/** `8:0 Read 4096`, one operation a line. */
function throttledDevices(tree: CgroupTree, group: string): DeviceStats[] {
  const bytes = operationTable(tree, group, "blkio.throttle.io_service_bytes");
  const operations = operationTable(tree, group, "blkio.throttle.io_serviced");
  return [...bytes].map(([device, ofDevice]) => {
    const [major = "", minor = ""] = device.split(":");
    return { major, minor, bytes: ofDevice, operations: operations.get(device) ?? new Map() };
  });
}

function operationTable(
  tree: CgroupTree,
  group: string,
  file: string,
): Map<string, Map<string, number>> {
  const text =
    tree.read(group, "blkio", `${file}_recursive`) ?? tree.read(group, "blkio", file) ?? "";
  const devices = new Map<string, Map<string, number>>();
  for (const line of text.split("\n")) {
    const [device = "", operation = "", count] = line.split(" ");
    if (count === undefined) continue;
    const known = devices.get(device);
    if (known === undefined) devices.set(device, new Map([[operation, Number(count)]]));
    else known.set(operation, Number(count));
  }
  return devices;
}

const PRESSURES = ["cpu", "memory", "io"] as const;

/** Seconds that tasks waited (`some`) and that all of them did (`full`), by resource; empty where the kernel does not tell. */
export function pressures(
  tree: CgroupTree,
  group: string,
): readonly { readonly resource: string; readonly some: number; readonly full: number }[] {
  if (tree.version === 1) return [];
  return PRESSURES.flatMap((resource) => {
    const text = tree.read(group, "cpu", `${resource}.pressure`) ?? "";
    const total = (kind: string) => new RegExp(`^${kind} .*total=(\\d+)`, "m").exec(text)?.[1];
    const some = total("some");
    if (some === undefined) return [];
    const full = Number(total("full") ?? 0);
    return [{ resource, some: Number(some) / MICROSECONDS, full: full / MICROSECONDS }];
  });
}
