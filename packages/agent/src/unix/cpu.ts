/** Collectors of processor time and of the kernel's own counters, from `/proc/stat`; and of load. */
import { compileRegexp } from "@finch/model";
import { fields, mustRead, noData, stateless, type Collector, type Machine } from "./collector.ts";
import { counter, gauge, type Family } from "./family.ts";

export interface CpuOptions {
  readonly guest: boolean;
  readonly info: boolean;
  readonly flagsInclude: string | undefined;
  readonly bugsInclude: string | undefined;
}

/** Ticks of user space in a second; Linux reports 100 whatever the kernel runs at. */
const TICKS_PER_SECOND = 100;
/** An idle counter may go back by less than this without a restart of the CPU being assumed. */
const JUMP_BACK_SECONDS = 3;
const MODES = ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal"] as const;
const IDLE = 3;
const GUEST = 8;
const GUEST_NICE = 9;
const MODE_COUNT = 10;

/** `node_cpu_*`. Keeps the highest value seen for each CPU and mode: the kernel's counters of a CPU sometimes step back a little. */
export function makeCpu(options: CpuOptions): Collector {
  const seen = new Map<string, Float64Array>();
  const wantsInfo = options.info || Boolean(options.flagsInclude) || Boolean(options.bugsInclude);
  return {
    collect: async (machine) => {
      const seconds = cpuSeconds();
      const guest = counter(
        "node_cpu_guest_seconds_total",
        "Seconds the CPUs spent in guests (VMs) for each mode.",
      );
      updateSeen(seen, mustRead(machine, `${machine.paths.proc}/stat`));
      for (const [cpu, times] of seen) {
        for (let mode = 0; mode < MODES.length; mode++)
          seconds.add(times[mode]!, "cpu", cpu, "mode", MODES[mode]!);
        if (options.guest) {
          guest.add(times[GUEST]!, "cpu", cpu, "mode", "user");
          guest.add(times[GUEST_NICE]!, "cpu", cpu, "mode", "nice");
        }
      }
      const families = [seconds, guest, isolated(machine), ...throttles(machine), online(machine)];
      return wantsInfo ? [...families, ...info(machine, options)] : families;
    },
  };
}

/** `node_cpu_seconds_total`, without rows; its labels are `cpu` and `mode`. */
export function cpuSeconds(): Family {
  return counter("node_cpu_seconds_total", "Seconds the CPUs spent in each mode.");
}

function updateSeen(seen: Map<string, Float64Array>, stat: string): void {
  const present = new Set<string>();
  for (const line of stat.split("\n")) {
    if (!line.startsWith("cpu")) break;
    if (line.charCodeAt(3) === 32) continue;
    const words = fields(line);
    const cpu = words[0]!.slice(3);
    present.add(cpu);
    let times = seen.get(cpu);
    const idle = Number(words[1 + IDLE]) / TICKS_PER_SECOND;
    if (times === undefined || times[IDLE]! - idle >= JUMP_BACK_SECONDS)
      seen.set(cpu, (times = new Float64Array(MODE_COUNT)));
    for (let mode = 0; mode < MODE_COUNT; mode++) {
      const value = Number(words[1 + mode] ?? 0) / TICKS_PER_SECOND;
      if (value > times[mode]!) times[mode] = value;
    }
  }
  for (const cpu of seen.keys()) if (!present.has(cpu)) seen.delete(cpu);
}

function isolated(machine: Machine): Family {
  const family = gauge(
    "node_cpu_isolated",
    "Whether each core is isolated, information from /sys/devices/system/cpu/isolated.",
  );
  const text = machine.attribute(`${machine.paths.sys}/devices/system/cpu/isolated`) ?? "";
  for (const range of text === "" ? [] : text.split(",")) {
    const [first, last] = range.split("-");
    for (let cpu = Number(first); cpu <= Number(last ?? first); cpu++)
      family.add(1, "cpu", String(cpu));
  }
  return family;
}

function cpuDirectories(machine: Machine): readonly string[] {
  const directory = `${machine.paths.sys}/devices/system/cpu`;
  const names = machine.list(directory) ?? [];
  return names
    .filter((name) => name.startsWith("cpu") && isDigit(name.charCodeAt(3)))
    .map((name) => `${directory}/${name}`);
}

function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

function throttles(machine: Machine): readonly Family[] {
  const byCore = counter(
    "node_cpu_core_throttles_total",
    "Number of times this CPU core has been throttled.",
  );
  const byPackage = counter(
    "node_cpu_package_throttles_total",
    "Number of times this CPU package has been throttled.",
  );
  const seen = new Set<string>();
  for (const cpu of cpuDirectories(machine)) {
    if (machine.list(`${cpu}/thermal_throttle`) === undefined) continue;
    const packageId = machine.attribute(`${cpu}/topology/physical_package_id`);
    const core = machine.attribute(`${cpu}/topology/core_id`);
    if (packageId === undefined || core === undefined) continue;
    const coreCount = machine.attribute(`${cpu}/thermal_throttle/core_throttle_count`);
    if (coreCount !== undefined && !seen.has(`${packageId}/${core}`)) {
      seen.add(`${packageId}/${core}`);
      byCore.add(Number(coreCount), "core", core, "package", packageId);
    }
    const packageCount = machine.attribute(`${cpu}/thermal_throttle/package_throttle_count`);
    if (packageCount !== undefined && !seen.has(packageId)) {
      seen.add(packageId);
      byPackage.add(Number(packageCount), "package", packageId);
    }
  }
  return [byCore, byPackage];
}

/** Only where the first CPU can be taken offline: elsewhere the kernel does not tell, and they all are online. */
function online(machine: Machine): Family {
  const family = gauge("node_cpu_online", "CPUs that are online and being scheduled.");
  const root = `${machine.paths.sys}/devices/system/cpu`;
  if (machine.attribute(`${root}/cpu0/online`) === undefined) return family;
  for (const cpu of cpuDirectories(machine)) {
    family.add(
      machine.attribute(`${cpu}/online`) === "1" ? 1 : 0,
      "cpu",
      cpu.slice(root.length + "/cpu".length),
    );
  }
  return family;
}

function info(machine: Machine, options: CpuOptions): readonly Family[] {
  const family = gauge("node_cpu_info", "CPU information from /proc/cpuinfo.");
  const frequency = gauge("node_cpu_frequency_hertz", "CPU frequency in hertz from /proc/cpuinfo.");
  const flags = gauge(
    "node_cpu_flag_info",
    "The `flags` field of CPU information from /proc/cpuinfo taken from the first core.",
  );
  const bugs = gauge(
    "node_cpu_bug_info",
    "The `bugs` field of CPU information from /proc/cpuinfo taken from the first core.",
  );
  const cpus = mustRead(machine, `${machine.paths.proc}/cpuinfo`)
    .split("\n\n")
    .map(parseCpuInfo)
    .filter((cpu) => cpu.has("processor"));
  for (const cpu of cpus) {
    const of = (key: string) => cpu.get(key) ?? "";
    family.addLabelled(1, {
      cachesize: of("cache size"),
      core: of("core id"),
      cpu: of("processor"),
      family: of("cpu family"),
      microcode: of("microcode"),
      model: of("model"),
      model_name: of("model name"),
      package: of("physical id"),
      stepping: of("stepping"),
      vendor: of("vendor_id"),
    });
    const mhz = Number(of("cpu MHz") || NaN);
    if (!Number.isNaN(mhz)) {
      const cpuLabels = { core: of("core id"), cpu: of("processor"), package: of("physical id") };
      frequency.addLabelled(mhz * 1e6, cpuLabels);
    }
  }
  const first = cpus[0];
  if (first !== undefined) {
    addMatching(flags, "flag", { words: first.get("flags"), pattern: options.flagsInclude });
    addMatching(bugs, "bug", { words: first.get("bugs"), pattern: options.bugsInclude });
  }
  return [family, frequency, flags, bugs];
}

function parseCpuInfo(paragraph: string): Map<string, string> {
  const values = new Map<string, string>();
  for (const line of paragraph.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) values.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  return values;
}

function addMatching(
  family: Family,
  label: string,
  about: { readonly words: string | undefined; readonly pattern: string | undefined },
): void {
  if (!about.pattern || about.words === undefined) return;
  const regexp = compileRegexp(about.pattern, { anchored: false });
  for (const word of fields(about.words)) if (regexp.test(word)) family.add(1, label, word);
}

/** `/proc/stat` without its CPU lines. */
export const stat: Collector = stateless((machine) => {
  const rows: Readonly<Record<string, Family>> = {
    intr: counter("node_intr_total", "Total number of interrupts serviced."),
    ctxt: counter("node_context_switches_total", "Total number of context switches."),
    processes: counter("node_forks_total", "Total number of forks."),
    btime: gauge("node_boot_time_seconds", "Node boot time, in unixtime."),
    procs_running: gauge("node_procs_running", "Number of processes in runnable state."),
    procs_blocked: gauge(
      "node_procs_blocked",
      "Number of processes blocked waiting for I/O to complete.",
    ),
  };
  for (const line of mustRead(machine, `${machine.paths.proc}/stat`).split("\n")) {
    const space = line.indexOf(" ");
    const end = line.indexOf(" ", space + 1);
    rows[line.slice(0, space)]?.add(Number(line.slice(space + 1, end < 0 ? line.length : end)));
  }
  return Object.values(rows);
});

export const loadavg: Collector = stateless((machine) => {
  const [one, five, fifteen] = fields(mustRead(machine, `${machine.paths.proc}/loadavg`));
  if (fifteen === undefined)
    throw noData(`${machine.paths.proc}/loadavg has fewer than three numbers`);
  return loadFamilies([Number(one), Number(five), Number(fifteen)]);
});

/** `node_load*`, from averages over 1, 5 and 15 minutes. */
export function loadFamilies(loads: readonly [number, number, number]): readonly Family[] {
  return [
    gauge("node_load1", "1m load average.").add(loads[0]),
    gauge("node_load5", "5m load average.").add(loads[1]),
    gauge("node_load15", "15m load average.").add(loads[2]),
  ];
}
