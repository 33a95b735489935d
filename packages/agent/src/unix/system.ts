/** Collectors of the system as a whole: its names, its clock, and small kernel counters. */
import { fields, mustRead, noData, stateless, type Collector, type Machine } from "./collector.ts";
import { counter, gauge, type Family } from "./family.ts";

export const uname: Collector = stateless((machine) => {
  const of = (name: string) => mustRead(machine, `${machine.paths.proc}/sys/kernel/${name}`).trim();
  return [
    unameInfo({
      domainname: of("domainname"),
      machine: machine.architecture,
      nodename: of("hostname"),
      release: of("osrelease"),
      sysname: of("ostype"),
      version: of("version"),
    }),
  ];
});

/** `node_uname_info`; labels in alphabetical order. */
export function unameInfo(
  labels: Readonly<
    Record<"domainname" | "machine" | "nodename" | "release" | "sysname" | "version", string>
  >,
): Family {
  return gauge(
    "node_uname_info",
    "Labeled system information as provided by the uname system call.",
  ).addLabelled(1, labels);
}

const OS_LABELS = (
  "build_id id id_like image_id image_version name pretty_name " +
  "variant variant_id version version_codename version_id"
).split(" ");

export const osRelease: Collector = stateless((machine) => {
  const rootfs = machine.paths.rootfs === "/" ? "" : machine.paths.rootfs;
  const text =
    machine.read(`${rootfs}/etc/os-release`) ?? mustRead(machine, `${rootfs}/usr/lib/os-release`);
  return osFamilies(parseOsRelease(text));
});

/** `node_os_*`; `values` has the names of os-release(5). */
export function osFamilies(values: ReadonlyMap<string, string>): readonly Family[] {
  const of = (label: string) => values.get(label.toUpperCase()) ?? "";
  const info = gauge(
    "node_os_info",
    `A metric with a constant '1' value labeled by ${OS_LABELS.join(", ")}.`,
  );
  info.add(1, ...OS_LABELS.flatMap((label) => [label, of(label)]));
  const version = gauge(
    "node_os_version",
    "Metric containing the major.minor part of the OS version.",
  );
  const majorMinor = Number(/^[0-9]+\.?[0-9]*/.exec(of("version_id"))?.[0] ?? 0);
  if (majorMinor > 0)
    version.add(majorMinor, "id", of("id"), "id_like", of("id_like"), "name", of("name"));
  const supportEnd = gauge(
    "node_os_support_end_timestamp_seconds",
    "Metric containing the end-of-life date timestamp of the OS.",
  );
  const endMs = Date.parse(`${of("support_end")}T00:00:00Z`);
  if (!Number.isNaN(endMs)) supportEnd.add(endMs / 1000);
  return [info, version, supportEnd];
}

/** Lines `KEY=value`, quoted as in a shell. */
function parseOsRelease(text: string): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=");
    if (equals < 0 || line.startsWith("#")) continue;
    const raw = line.slice(equals + 1).trim();
    const quote = raw[0];
    const isQuoted = raw.length > 1 && (quote === '"' || quote === "'") && raw.endsWith(quote);
    const inner = isQuoted ? raw.slice(1, -1) : raw;
    values.set(
      line.slice(0, equals).trim(),
      quote === "'" ? inner : inner.replaceAll(/\\(["$`\\])/g, "$1"),
    );
  }
  return values;
}

/** The clock and its zone; Linux adds where the clock comes from. */
export function clockFamilies(machine: Machine): readonly Family[] {
  const nowMs = machine.nowMs();
  const zone = machine.zoneAt(nowMs);
  return [
    gauge("node_time_seconds", "System time in seconds since epoch (1970).").add(nowMs / 1000),
    gauge("node_time_zone_offset_seconds", "System time zone offset in seconds.").add(
      zone.offsetSeconds,
      "time_zone",
      zone.name,
    ),
  ];
}

export const time: Collector = stateless((machine) => {
  const available = gauge(
    "node_time_clocksource_available_info",
    "Available clocksources read from '/sys/devices/system/clocksource'.",
  );
  const current = gauge(
    "node_time_clocksource_current_info",
    "Current clocksource read from '/sys/devices/system/clocksource'.",
  );
  const root = `${machine.paths.sys}/devices/system/clocksource`;
  for (const directory of machine.list(root) ?? []) {
    if (!directory.startsWith("clocksource")) continue;
    const device = directory.slice("clocksource".length);
    for (const source of fields(
      machine.attribute(`${root}/${directory}/available_clocksource`) ?? "",
    )) {
      available.add(1, "clocksource", source, "device", device);
    }
    const chosen = machine.attribute(`${root}/${directory}/current_clocksource`);
    if (chosen !== undefined) current.add(1, "clocksource", chosen, "device", device);
  }
  return [...clockFamilies(machine), available, current];
});

export const entropy: Collector = stateless((machine) => {
  const of = (name: string) =>
    Number(mustRead(machine, `${machine.paths.proc}/sys/kernel/random/${name}`));
  return [
    gauge("node_entropy_available_bits", "Bits of available entropy.").add(of("entropy_avail")),
    gauge("node_entropy_pool_size_bits", "Bits of entropy pool.").add(of("poolsize")),
  ];
});

export const filefd: Collector = stateless((machine) => {
  const [allocated, , maximum] = fields(
    mustRead(machine, `${machine.paths.proc}/sys/fs/file-nr`).trim(),
  );
  return [
    gauge("node_filefd_allocated", "File descriptor statistics: allocated.").add(Number(allocated)),
    gauge("node_filefd_maximum", "File descriptor statistics: maximum.").add(Number(maximum)),
  ];
});

export const kernelHung: Collector = stateless((machine) => {
  const text = mustRead(machine, `${machine.paths.proc}/sys/kernel/hung_task_detect_count`);
  const help = "Total number of tasks that have been detected as hung since the system booted.";
  return [counter("node_kernel_hung_tasks_total", help).add(Number(text))];
});

/** `/proc/schedstat`: the last three columns of each CPU's line. */
export const schedstat: Collector = stateless((machine) => {
  const running = counter(
    "node_schedstat_running_seconds_total",
    "Number of seconds CPU spent running a process.",
  );
  const waiting = counter(
    "node_schedstat_waiting_seconds_total",
    "Number of seconds spent by processing waiting for this CPU.",
  );
  const slices = counter(
    "node_schedstat_timeslices_total",
    "Number of timeslices executed by CPU.",
  );
  for (const line of mustRead(machine, `${machine.paths.proc}/schedstat`).split("\n")) {
    const words = fields(line);
    if (words.length < 10 || !words[0]!.startsWith("cpu")) continue;
    const cpu = words[0]!.slice(3);
    running.add(Number(words[7]) / 1e9, "cpu", cpu);
    waiting.add(Number(words[8]) / 1e9, "cpu", cpu);
    slices.add(Number(words[9]), "cpu", cpu);
  }
  return [running, waiting, slices];
});

const SELINUX_MODES: Readonly<Record<string, number>> = {
  enforcing: 1,
  permissive: 0,
  disabled: -1,
};

export const selinux: Collector = stateless((machine) => {
  const enabled = gauge("node_selinux_enabled", "SELinux is enabled, 1 is true, 0 is false");
  const enforce = machine.attribute(`${machine.paths.sys}/fs/selinux/enforce`);
  if (enforce === undefined) return [enabled.add(0)];
  const config = machine.attribute("/etc/selinux/config") ?? "";
  const line = config.split("\n").find((text) => text.trim().startsWith("SELINUX="));
  const mode = line?.slice(line.indexOf("=") + 1).trim() ?? "disabled";
  return [
    enabled.add(1),
    gauge("node_selinux_config_mode", "Configured SELinux enforcement mode").add(
      SELINUX_MODES[mode] ?? -1,
    ),
    gauge("node_selinux_current_mode", "Current SELinux enforcement mode").add(Number(enforce)),
  ];
});

/** Reads DMI once: it does not change while the machine is up, and its files are slow to make. */
export function makeDmi(): Collector {
  let labels: readonly string[] | undefined;
  return stateless((machine) => {
    if (labels === undefined) {
      const root = `${machine.paths.sys}/class/dmi/id`;
      const found = DMI_FILES.flatMap((file) => {
        const value = machine.attribute(`${root}/${file}`);
        return value === undefined ? [] : [[file === "sys_vendor" ? "system_vendor" : file, value]];
      });
      labels = found.flat();
    }
    if (labels.length === 0) throw noData("this machine has no DMI");
    return [gauge("node_dmi_info", DMI_HELP).add(1, ...labels)];
  });
}

/** In the order of their labels; some can only be read by root. */
const DMI_FILES = (
  "bios_date bios_release bios_vendor bios_version board_asset_tag board_name board_serial " +
  "board_vendor board_version chassis_asset_tag chassis_serial chassis_vendor chassis_version " +
  "product_family product_name product_serial product_sku product_uuid product_version sys_vendor"
).split(" ");
const DMI_HELP = `A metric with a constant '1' value labeled by ${DMI_FILES.slice(0, -1).join(", ")}, system_vendor if provided by DMI.`;
