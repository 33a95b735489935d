/** Collectors of macOS for the system as a whole: its processors, load, clock, names and thermal limits. */
import { mustRead, noData, stateless, type Collector } from "./collector.ts";
import { cpuSeconds, loadFamilies } from "./cpu.ts";
import { gauge } from "./family.ts";
import { clockFamilies, osFamilies, unameInfo } from "./system.ts";

const SYSTEM_VERSION = "/System/Library/CoreServices/SystemVersion.plist";

/** sysctl prints `{ sec = 1772088570, usec = 326253 } Thu Feb 26 01:49:30 2026`. */
export const boottime: Collector = {
  collect: async (machine) => {
    const text = await machine.run("sysctl", ["-n", "kern.boottime"]);
    const [, seconds, microseconds] = /\bsec = (\d+), usec = (\d+)/.exec(text) ?? [];
    if (seconds === undefined) throw new Error(`kern.boottime tells no time: ${text.trim()}`);
    const help = "Unix time of last boot, including microseconds.";
    return [
      gauge("node_boot_time_seconds", help).add(Number(seconds) + Number(microseconds) / 1e6),
    ];
  },
};

export const darwinCpu: Collector = stateless((machine) => {
  const family = cpuSeconds();
  for (const [cpu, times] of machine.system.processors().entries()) {
    family.add(times.idle / 1000, "cpu", String(cpu), "mode", "idle");
    family.add(times.nice / 1000, "cpu", String(cpu), "mode", "nice");
    family.add(times.sys / 1000, "cpu", String(cpu), "mode", "system");
    family.add(times.user / 1000, "cpu", String(cpu), "mode", "user");
  }
  return [family];
});

export const darwinLoadavg: Collector = stateless((machine) =>
  loadFamilies(machine.system.loads()),
);

export const darwinClock: Collector = stateless(clockFamilies);

/** The part of the host's name behind its first dot is the domain. */
export const darwinUname: Collector = stateless((machine) => {
  const { sysname, nodename, release, version } = machine.system.uname();
  const dot = nodename.indexOf(".");
  return [
    unameInfo({
      domainname: dot < 0 ? "(none)" : nodename.slice(dot + 1),
      machine: machine.architecture,
      nodename: dot < 0 ? nodename : nodename.slice(0, dot),
      release,
      sysname,
      version,
    }),
  ];
});

/** A property list with `<key>ProductVersion</key> <string>14.2.1</string>` and others like it. */
export const darwinOs: Collector = stateless((machine) => {
  const { rootfs } = machine.paths;
  const text = mustRead(machine, (rootfs === "/" ? "" : rootfs) + SYSTEM_VERSION);
  const of = (key: string) =>
    new RegExp(`<key>${key}</key>\\s*<string>([^<]*)</string>`).exec(text)?.[1] ?? "";
  const version = of("ProductVersion");
  return osFamilies(
    new Map([
      ["BUILD_ID", of("ProductBuildVersion")],
      ["NAME", of("ProductName")],
      ["VERSION", version],
      ["VERSION_ID", version],
    ]),
  );
});

const THERMAL_LIMITS: readonly {
  readonly key: string;
  readonly name: string;
  readonly help: string;
  readonly divisor: number;
}[] = [
  {
    key: "CPU_Scheduler_Limit",
    name: "cpu_scheduler_limit_ratio",
    help: "Represents the percentage (0-100) of CPU time available. 100% at normal operation. The OS may limit this time for a percentage less than 100%.",
    divisor: 100,
  },
  {
    key: "CPU_Available_CPUs",
    name: "cpu_available_cpu",
    help: "Reflects how many, if any, CPUs have been taken offline. Represented as an integer number of CPUs (0 - Max CPUs).",
    divisor: 1,
  },
  {
    key: "CPU_Speed_Limit",
    name: "cpu_speed_limit_ratio",
    help: "Defines the speed & voltage limits placed on the CPU. Represented as a percentage (0-100) of maximum CPU speed.",
    divisor: 100,
  },
];

/** pmset prints lines `CPU_Speed_Limit = 100` once the system has recorded any; Macs with processors of Apple's never do. */
export const thermal: Collector = {
  collect: async (machine) => {
    const text = await machine.run("pmset", ["-g", "therm"]);
    const families = THERMAL_LIMITS.flatMap(({ key, name, help, divisor }) => {
      const number = new RegExp(`\\b${key}\\s*=\\s*(\\d+)`).exec(text)?.[1];
      return number === undefined
        ? []
        : [gauge(`node_thermal_${name}`, help).add(Number(number) / divisor)];
    });
    if (families.length === 0) throw noData("no CPU power status has been recorded");
    return families;
  },
};
