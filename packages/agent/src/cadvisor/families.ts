/** Metrics of containers, named as cAdvisor names them. */
import type { Machine } from "../unix/collector.ts";
import type { FamilySet } from "../unix/family-set.ts";
import type { FamilyType } from "../unix/family.ts";
import type { CgroupTree } from "./cgroup-tree.ts";
import type { ShownContainer } from "./containers.ts";
import { cpuStats, deviceStats, groupLimits, memoryStats, pressures } from "./group-stats.ts";
import { networkDevices } from "./network.ts";

/** Kinds of metrics that can be turned on and off, by cAdvisor's names. */
export const METRIC_KINDS = [
  "cpu",
  "percpu",
  "memory",
  "network",
  "diskIO",
  "oom_event",
  "pressure",
] as const;
export type MetricKind = (typeof METRIC_KINDS)[number];

type Labels = Readonly<Record<string, string>>;

/** Adds what there is of one container; values that are not known make no samples. */
class Samples {
  readonly #families: FamilySet;
  readonly #labels: Labels;

  constructor(families: FamilySet, labels: Labels) {
    this.#families = families;
    this.#labels = labels;
  }

  gauge(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.#add("gauge", { name, help }, value, labels);
  }

  counter(name: string, help: string, value: number | undefined, labels: Labels = {}): void {
    this.#add("counter", { name, help }, value, labels);
  }

  #add(
    type: FamilyType,
    about: { readonly name: string; readonly help: string },
    value: number | undefined,
    labels: Labels,
  ): void {
    if (value === undefined) return;
    const pairs = Object.entries({ ...this.#labels, ...labels })
      .filter(([, text]) => text !== "")
      .toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.#families.take(type, about.name, about.help).add(value, ...pairs.flat());
  }
}

/** Adds the metrics of one group. */
export function addContainer(
  families: FamilySet,
  container: ShownContainer,
  about: {
    readonly tree: CgroupTree;
    readonly machine: Machine;
    readonly kinds: ReadonlySet<MetricKind>;
  },
): void {
  const { tree, machine, kinds } = about;
  const { group } = container;
  const samples = new Samples(families, { id: group, ...container.labels });
  samples.gauge(
    "container_last_seen",
    "Last time a container was seen by the exporter",
    Math.floor(machine.nowMs() / 1000),
  );
  samples.gauge(
    "container_start_time_seconds",
    "Start time of the container since unix epoch in seconds.",
    wholeSeconds(container.startedMs),
  );
  samples.gauge(
    "container_creation_time_seconds",
    "Container creation time since unix epoch in seconds.",
    wholeSeconds(container.createdMs),
  );
  const limits = groupLimits(tree, group);
  addLimits(samples, limits);
  if (kinds.has("cpu")) addCpu(samples, cpuStats(tree, group), { kinds, limits });
  addMemory(samples, memoryStats(tree, group), kinds);
  if (kinds.has("diskIO")) addDevices(samples, about, group);
  if (kinds.has("pressure")) addPressures(samples, tree, group);
  if (kinds.has("network")) addNetwork(samples, machine, container);
}

function wholeSeconds(ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : Math.floor(ms / 1000);
}

/** What stands for no limit: more than any machine has. */
const MEMORY_BYTES_MAX = 2 ** 62;

function addLimits(samples: Samples, limits: ReturnType<typeof groupLimits>): void {
  const bounded = (bytes: number | undefined) =>
    bytes === undefined || bytes < MEMORY_BYTES_MAX ? bytes : 0;
  samples.gauge(
    "container_spec_cpu_period",
    "CPU period of the container.",
    limits.cpuPeriodMicroseconds,
  );
  samples.gauge(
    "container_spec_cpu_quota",
    "CPU quota of the container.",
    limits.cpuQuotaMicroseconds,
  );
  samples.gauge("container_spec_cpu_shares", "CPU share of the container.", limits.cpuShares);
  samples.gauge(
    "container_spec_memory_limit_bytes",
    "Memory limit for the container.",
    bounded(limits.memoryBytes),
  );
  samples.gauge(
    "container_spec_memory_swap_limit_bytes",
    "Memory swap limit for the container.",
    bounded(limits.swapBytes),
  );
  samples.gauge(
    "container_spec_memory_reservation_limit_bytes",
    "Memory reservation limit for the container.",
    bounded(limits.reservationBytes),
  );
}

function addCpu(
  samples: Samples,
  stats: ReturnType<typeof cpuStats>,
  about: {
    readonly kinds: ReadonlySet<MetricKind>;
    readonly limits: ReturnType<typeof groupLimits>;
  },
): void {
  samples.counter(
    "container_cpu_user_seconds_total",
    "Cumulative user cpu time consumed in seconds.",
    stats.userSeconds,
  );
  samples.counter(
    "container_cpu_system_seconds_total",
    "Cumulative system cpu time consumed in seconds.",
    stats.systemSeconds,
  );
  const usage = (seconds: number | undefined, cpu: string) =>
    samples.counter(
      "container_cpu_usage_seconds_total",
      "Cumulative cpu time consumed in seconds.",
      seconds,
      { cpu },
    );
  if (!about.kinds.has("percpu") || stats.perCpuSeconds.length === 0)
    usage(stats.usageSeconds, "total");
  else
    for (const [index, seconds] of stats.perCpuSeconds.entries())
      if (seconds > 0) usage(seconds, `cpu${String(index).padStart(2, "0")}`);
  if (about.limits.cpuQuotaMicroseconds === undefined) return;
  samples.counter(
    "container_cpu_cfs_periods_total",
    "Number of elapsed enforcement period intervals.",
    stats.periods,
  );
  samples.counter(
    "container_cpu_cfs_throttled_periods_total",
    "Number of throttled period intervals.",
    stats.throttledPeriods,
  );
  samples.counter(
    "container_cpu_cfs_throttled_seconds_total",
    "Total time duration the container has been throttled.",
    stats.throttledSeconds,
  );
}

/** Gauges of memory: name behind `container_memory_`, help, value. */
function memoryGauges(
  stats: NonNullable<ReturnType<typeof memoryStats>>,
): readonly (readonly [string, string, number | undefined])[] {
  return [
    ["cache", "Number of bytes of page cache memory.", stats.cacheBytes],
    ["rss", "Size of RSS in bytes.", stats.rssBytes],
    ["kernel_usage", "Size of kernel memory allocated in bytes.", stats.kernelBytes],
    ["mapped_file", "Size of memory mapped files in bytes.", stats.mappedFileBytes],
    ["swap", "Container swap usage in bytes.", stats.swapBytes],
    [
      "usage_bytes",
      "Current memory usage in bytes, including all memory regardless of when it was accessed",
      stats.usageBytes,
    ],
    ["max_usage_bytes", "Maximum memory usage recorded in bytes", stats.maxUsageBytes],
    ["working_set_bytes", "Current working set in bytes.", stats.workingSetBytes],
    ["total_active_file_bytes", "Current total active file in bytes.", stats.activeFileBytes],
    ["total_inactive_file_bytes", "Current total inactive file in bytes.", stats.inactiveFileBytes],
  ];
}

function addMemory(
  samples: Samples,
  stats: ReturnType<typeof memoryStats>,
  kinds: ReadonlySet<MetricKind>,
): void {
  if (stats === undefined) return;
  if (kinds.has("oom_event"))
    samples.counter(
      "container_oom_events_total",
      "Count of out of memory events observed for the container",
      stats.oomKills,
    );
  if (!kinds.has("memory")) return;
  for (const [name, help, value] of memoryGauges(stats))
    samples.gauge(`container_memory_${name}`, help, value);
  samples.counter("container_memory_failcnt", "Number of memory usage hits limits", stats.failures);
  const faults = { pgfault: stats.pageFaults, pgmajfault: stats.majorPageFaults };
  for (const [type, count] of Object.entries(faults))
    for (const scope of ["container", "hierarchy"])
      samples.counter(
        "container_memory_failures_total",
        "Cumulative count of memory allocation failures.",
        count,
        { failure_type: type, scope },
      );
}

function addDevices(
  samples: Samples,
  { tree, machine }: { readonly tree: CgroupTree; readonly machine: Machine },
  group: string,
): void {
  for (const { major, minor, bytes, operations } of deviceStats(tree, group)) {
    const path = machine.realPath(`${machine.paths.sys}/dev/block/${major}:${minor}`);
    const device = path === undefined ? `${major}:${minor}` : `/dev/${path.split("/").at(-1)!}`;
    samples.counter(
      "container_fs_reads_bytes_total",
      "Cumulative count of bytes read",
      bytes.get("Read"),
      { device },
    );
    samples.counter(
      "container_fs_writes_bytes_total",
      "Cumulative count of bytes written",
      bytes.get("Write"),
      { device },
    );
    samples.counter(
      "container_fs_reads_total",
      "Cumulative count of reads completed",
      operations.get("Read"),
      { device },
    );
    samples.counter(
      "container_fs_writes_total",
      "Cumulative count of writes completed",
      operations.get("Write"),
      { device },
    );
    for (const [operation, count] of bytes)
      samples.counter("container_blkio_device_usage_total", "Blkio Device bytes usage", count, {
        device,
        major,
        minor,
        operation,
      });
  }
}

/** What the kernel calls `io` is IO in the helps. */
const RESOURCE_NAMES: Readonly<Record<string, string>> = { cpu: "CPU", memory: "memory", io: "IO" };

function addPressures(samples: Samples, tree: CgroupTree, group: string): void {
  for (const { resource, some, full } of pressures(tree, group)) {
    const name = RESOURCE_NAMES[resource]!;
    samples.counter(
      `container_pressure_${resource}_stalled_seconds_total`,
      `Total time duration no tasks in the container could make progress due to ${name} congestion.`,
      full,
    );
    samples.counter(
      `container_pressure_${resource}_waiting_seconds_total`,
      `Total time duration tasks in the container have waited due to ${name} congestion.`,
      some,
    );
  }
}

function addNetwork(samples: Samples, machine: Machine, container: ShownContainer): void {
  for (const { name, counters } of networkDevices(machine, container))
    for (const [counter, help, value] of counters)
      samples.counter(`container_network_${counter}_total`, help, value, { interface: name });
}
