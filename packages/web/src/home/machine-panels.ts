/** What Home asks of the machine's own metrics and how the answers become charts. Pure; names are those of node_exporter. */
import type { ChartData, ChartSeries } from "../charts/chart-data.ts";
import { seriesColor } from "../charts/chart-data.ts";
import { combineColumns, sumColumns, type Frame, type FrameSeries } from "../series/frame.ts";

/** More interfaces or disks than this make a chart unreadable; the busiest stay, the rest is summed. */
const DEVICES_MAX = 4;

type Column = readonly (number | null)[];

export interface MachineQueries {
  readonly cpu: string;
  readonly load: string;
  readonly memory: string;
  readonly network: string;
  readonly disk: string;
}

/** Queries for one instance; `window` in seconds is the window of every rate. */
export function machineQueries(instance: string, window: number): MachineQueries {
  const on = `instance=${JSON.stringify(instance)}`;
  const rate = (metric: string): string => `rate(${metric}{${on}}[${window}s])`;
  const both = (a: string, b: string): string =>
    `label_replace(sum by (device) (${rate(a)}), "way", "in", "", "") or label_replace(sum by (device) (${rate(b)}), "way", "out", "", "")`;
  return {
    cpu: `sum by (mode) (${rate("node_cpu_seconds_total")})`,
    load: `{__name__=~"node_load1|node_load5|node_load15", ${on}}`,
    memory: `{__name__=~"node_memory_(MemTotal|MemFree|MemAvailable|Buffers|Cached|SReclaimable)_bytes", ${on}}`,
    network: both("node_network_receive_bytes_total", "node_network_transmit_bytes_total"),
    disk: both("node_disk_read_bytes_total", "node_disk_written_bytes_total"),
  };
}

/** The time of the newest sample at each point. */
export function lastScrapeQuery(instance: string): string {
  return `max(timestamp(node_load1{instance=${JSON.stringify(instance)}}))`;
}

/** Sizes and free bytes of all file systems, one instant query. */
export function diskSpaceQuery(instance: string): string {
  return `{__name__=~"node_filesystem_(size|avail)_bytes", instance=${JSON.stringify(instance)}}`;
}

const CPU_MODES: readonly (readonly [mode: string, color: string])[] = [
  ["user", "--c-blue"],
  ["system", "--c-orange"],
  ["iowait", "--c-red"],
  ["nice", "--c-sky"],
  ["irq", "--c-yellow"],
  ["softirq", "--c-green"],
  ["steal", "--c-pink"],
];

/** Percent of all cores per mode; the whole is the sum over all modes, idle among them. */
export function cpuChart(frame: Frame): ChartData {
  const whole = sumColumns(frame.series.map((series) => series.values));
  const series = CPU_MODES.flatMap(([mode, color]): ChartSeries[] => {
    const column = frame.series.find((item) => item.labels["mode"] === mode);
    if (column === undefined) return [];
    return [{ label: mode, color, stack: "up", values: percentOf(column.values, whole) }];
  });
  return {
    times: frame.times,
    series: series.filter((item) => isBasic(item) || peak(item.values) >= 1),
  };
}

/** Percent of all cores that were not idle or waiting for a disk. */
export function cpuBusy(frame: Frame): (number | null)[] {
  const whole = sumColumns(frame.series.map((series) => series.values));
  const idle = sumColumns(
    frame.series
      .filter((series) => series.labels["mode"] === "idle" || series.labels["mode"] === "iowait")
      .map((series) => series.values),
  );
  return combineColumns([whole, idle], ([all, free]) =>
    all === null || all === undefined || all === 0 ? null : 100 * (1 - (free ?? 0) / all),
  );
}

export function loadChart(frame: Frame, cpus: number): ChartData {
  const rows: [string, string, string][] = [
    ["1 min", "node_load1", "--c-blue"],
    ["5 min", "node_load5", "--c-orange"],
    ["15 min", "node_load15", "--c-green"],
  ];
  const series: ChartSeries[] = rows.map(([label, name, color]) => ({
    label,
    color,
    values: named(frame, name),
  }));
  if (cpus > 0 && frame.times.length > 0) {
    const values = frame.times.map(() => cpus);
    series.push({
      label: cpus === 1 ? "1 core" : `${cpus} cores`,
      color: "--c-gray",
      style: "dashed",
      values,
    });
  }
  return { times: frame.times, series };
}

/** Used, buffers, cached and free, which together are all of the memory. */
export function memoryChart(frame: Frame): ChartData {
  const total = named(frame, "node_memory_MemTotal_bytes");
  const free = named(frame, "node_memory_MemFree_bytes");
  const buffers = named(frame, "node_memory_Buffers_bytes");
  const cached = sumColumns([
    named(frame, "node_memory_Cached_bytes"),
    named(frame, "node_memory_SReclaimable_bytes"),
  ]);
  const used = combineColumns([total, free, buffers, cached], ([all, ...rest]) =>
    all === null || all === undefined
      ? null
      : rest.reduce<number>((left, part) => left - (part ?? 0), all),
  );
  return {
    times: frame.times,
    series: [
      { label: "used", color: "--c-blue", stack: "up", values: used },
      { label: "buffers", color: "--c-pink", stack: "up", values: buffers },
      { label: "cached", color: "--c-sky", stack: "up", values: cached },
      { label: "free", color: "--c-faint", stack: "up", values: free },
    ],
  };
}

/** Percent of memory that programs could not have; after the kernel's own estimate of what is available. */
export function memoryUsed(frame: Frame): (number | null)[] {
  const total = named(frame, "node_memory_MemTotal_bytes");
  const available = named(frame, "node_memory_MemAvailable_bytes");
  return combineColumns([total, available], ([all, rest]) =>
    all && rest !== null && rest !== undefined ? 100 * (1 - rest / all) : null,
  );
}

/** Bits per second and interface: received upwards, sent downwards. Loopback only if there is nothing else. */
export function networkChart(frame: Frame): ChartData {
  const isVirtual = (device: string): boolean => /^(lo|veth|ifb|dummy|tunl|sit)/.test(device);
  const scaled = mapValues(frame, (value) => value * 8);
  return mirroredChart(scaled, { in: "received", out: "sent", isMinor: isVirtual });
}

/** Bytes per second and disk: read upwards, written downwards. */
export function diskChart(frame: Frame): ChartData {
  const isVirtual = (device: string): boolean => /^(loop|ram|zram|sr|fd)\d/.test(device);
  return mirroredChart(frame, { in: "read", out: "written", isMinor: isVirtual });
}

/** Both directions added up, without loopback and other virtual interfaces. */
export function networkTotal(frame: Frame): (number | null)[] {
  return sumColumns(networkChart(frame).series.map((series) => series.values));
}

interface Mirror {
  readonly in: string;
  readonly out: string;
  readonly isMinor: (device: string) => boolean;
}

function mirroredChart(frame: Frame, mirror: Mirror): ChartData {
  const all = [...new Set(frame.series.map((series) => series.labels["device"] ?? ""))];
  const major = all.filter((device) => !mirror.isMinor(device));
  const candidates = major.length > 0 ? major : all;
  const devices = candidates
    .map((device) => ({
      device,
      size: peak(deviceColumn(frame, device, "in")) + peak(deviceColumn(frame, device, "out")),
    }))
    .toSorted((a, b) => b.size - a.size || (a.device < b.device ? -1 : 1))
    .filter((item, index) => index === 0 || item.size > 0)
    .slice(0, DEVICES_MAX);
  const series = devices.flatMap(({ device }, index): ChartSeries[] => {
    const suffix = devices.length === 1 ? "" : `${device} `;
    return [
      {
        label: `${suffix}${mirror.in}`,
        color: seriesColor(2 * index),
        style: "area",
        values: deviceColumn(frame, device, "in"),
      },
      {
        label: `${suffix}${mirror.out}`,
        color: seriesColor(2 * index + 1),
        style: "area",
        mirrored: true,
        values: deviceColumn(frame, device, "out"),
      },
    ];
  });
  return { times: frame.times, series };
}

/** Space on one file system. */
export interface DiskSpace {
  readonly mount: string;
  readonly device: string;
  readonly sizeBytes: number;
  readonly usedBytes: number;
  readonly percent: number;
}

/** One row per device, at its shortest mount point, fullest first; memory file systems and images are left out. */
export function diskSpaces(
  series: readonly {
    readonly labels: Readonly<Record<string, string>>;
    readonly values: readonly number[];
  }[],
): DiskSpace[] {
  const byMount = new Map<
    string,
    { labels: Readonly<Record<string, string>>; size?: number; avail?: number }
  >();
  for (const { labels, values } of series) {
    const mount = labels["mountpoint"] ?? "";
    const entry = byMount.get(mount) ?? { labels };
    if (labels["__name__"] === "node_filesystem_size_bytes") entry.size = values[0] ?? 0;
    else entry.avail = values[0] ?? 0;
    byMount.set(mount, entry);
  }
  const rows = [...byMount].flatMap(([mount, { labels, size, avail }]): DiskSpace[] => {
    if (size === undefined || avail === undefined || size <= 0 || isMemoryMount(labels)) return [];
    const usedBytes = Math.max(0, size - avail);
    return [
      {
        mount,
        device: labels["device"] ?? "",
        sizeBytes: size,
        usedBytes,
        percent: (100 * usedBytes) / size,
      },
    ];
  });
  const shortest = new Map<string, DiskSpace>();
  for (const row of rows) {
    const known = shortest.get(row.device);
    if (known === undefined || row.mount.length < known.mount.length) shortest.set(row.device, row);
  }
  return [...shortest.values()].toSorted((a, b) => b.percent - a.percent);
}

function isMemoryMount(labels: Readonly<Record<string, string>>): boolean {
  const type = labels["fstype"] ?? "";
  return /^(tmpfs|devtmpfs|ramfs|squashfs|overlay|proc|sysfs|cgroup2?|devpts|nsfs|efivarfs|fuse\..*)$/.test(
    type,
  );
}

function deviceColumn(frame: Frame, device: string, way: "in" | "out"): Column {
  return (
    frame.series.find((item) => item.labels["device"] === device && item.labels["way"] === way)
      ?.values ?? []
  );
}

function named(frame: Frame, name: string): Column {
  const found = frame.series.find((series) => series.labels["__name__"] === name);
  return found?.values ?? frame.times.map(() => null);
}

function mapValues(frame: Frame, change: (value: number) => number): Frame {
  const map = (series: FrameSeries): FrameSeries => ({
    ...series,
    values: series.values.map((value) => (value === null ? null : change(value))),
  });
  return { ...frame, series: frame.series.map(map) };
}

function percentOf(values: Column, whole: Column): (number | null)[] {
  return values.map((value, index) => {
    const all = whole[index];
    return value === null || all === null || all === undefined || all === 0
      ? null
      : (100 * value) / all;
  });
}

function peak(values: Column): number {
  return values.reduce<number>((high, value) => Math.max(high, value ?? 0), 0);
}

function isBasic(series: ChartSeries): boolean {
  return series.label === "user" || series.label === "system" || series.label === "iowait";
}
