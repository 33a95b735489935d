/** Every collector by node_exporter's name, with its options and whether it is on by default; and the scrape that runs the chosen ones. */
import { describeError, FinchError, type Logger } from "@finch/runtime";
import type { Collector, Machine } from "./collector.ts";
import { loadavg, makeCpu, stat, type CpuOptions } from "./cpu.ts";
import { gauge, type Family } from "./family.ts";
import { fibreChannel, makeTapestats, watchdog } from "./adapters.ts";
import { btrfs, makeBcache } from "./file-systems.ts";
import { infiniband } from "./infiniband.ts";
import { IPVS_LABELS, makeIpvs } from "./ipvs.ts";
import {
  buddyinfo,
  cgroups,
  interrupts,
  ksmd,
  makeSysctl,
  meminfoNuma,
  slabinfo,
  softirqs,
  tcpstat,
  type SysctlOptions,
} from "./kernel-tables.ts";
import { nfs, nfsd } from "./nfs.ts";
import { timex } from "./timex.ts";
import { xfs } from "./xfs.ts";
import { cpufreq, edac, makePowerSupply, nvme, rapl, thermalZone } from "./hardware.ts";
import { makeHwmon } from "./hwmon.ts";
import { mdadm } from "./mdadm.ts";
import { makeVmstat, meminfo, pressure } from "./memory.ts";
import { makeNetclass, makeNetdev, type NetdevOptions } from "./network.ts";
import {
  bonding,
  conntrack,
  makeArp,
  makeNetstat,
  sockstat,
  softnet,
  udpQueues,
} from "./network-stack.ts";
import { processes } from "./processes.ts";
import { makeDiskstats, makeFilesystem, type FilesystemOptions } from "./storage.ts";
import {
  entropy,
  filefd,
  kernelHung,
  makeDmi,
  osRelease,
  schedstat,
  selinux,
  time,
  uname,
} from "./system.ts";
import { makeSystemd, type SystemdOptions } from "./systemd.ts";
import { makeTextfile } from "./textfile.ts";
import { zfs } from "./zfs.ts";

/** What collectors can be told; one member for each that takes any. */
export interface CollectorOptions {
  readonly arp: {
    readonly deviceInclude: string | undefined;
    readonly deviceExclude: string | undefined;
  };
  readonly bcache: { readonly priorityStats: boolean };
  readonly cpu: CpuOptions;
  readonly diskstats: {
    readonly deviceExclude: string;
    readonly deviceInclude: string | undefined;
  };
  readonly filesystem: FilesystemOptions;
  readonly hwmon: {
    readonly chipInclude: string | undefined;
    readonly chipExclude: string | undefined;
  };
  readonly ipvs: { readonly backendLabels: readonly string[] };
  readonly netclass: { readonly ignoredDevices: string; readonly ignoreInvalidSpeed: boolean };
  readonly netdev: NetdevOptions;
  readonly netstat: { readonly fields: string };
  readonly powersupply: { readonly ignoredSupplies: string };
  readonly sysctl: SysctlOptions;
  readonly systemd: SystemdOptions;
  readonly tapestats: { readonly ignoredDevices: string };
  readonly textfile: { readonly directory: string };
  readonly vmstat: { readonly fields: string };
}

/** Alloy's defaults, which differ from node_exporter's in `cpu.guest`. */
export const DEFAULT_COLLECTOR_OPTIONS: CollectorOptions = {
  arp: { deviceInclude: undefined, deviceExclude: undefined },
  bcache: { priorityStats: false },
  cpu: { guest: false, info: false, flagsInclude: undefined, bugsInclude: undefined },
  diskstats: {
    deviceExclude: "^(ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\\d+n\\d+p)\\d+$",
    deviceInclude: undefined,
  },
  filesystem: {
    fsTypesExclude:
      "^(autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|overlay|proc|procfs|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs)$",
    mountPointsExclude: "^/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+)($|/)",
    mountTimeoutMs: 5000,
  },
  hwmon: { chipInclude: undefined, chipExclude: undefined },
  ipvs: { backendLabels: IPVS_LABELS },
  netclass: { ignoredDevices: "^$", ignoreInvalidSpeed: false },
  netdev: { deviceInclude: undefined, deviceExclude: undefined, addressInfo: false },
  netstat: {
    fields:
      "^(.*_(InErrors|InErrs)|Ip_Forwarding|Ip(6|Ext)_(InOctets|OutOctets)|Icmp6?_(InMsgs|OutMsgs)|TcpExt_(Listen.*|Syncookies.*|TCPSynRetrans|TCPTimeouts|TCPOFOQueue|TCPRcvQDrop)|Tcp_(ActiveOpens|InSegs|OutSegs|OutRsts|PassiveOpens|RetransSegs|CurrEstab)|Udp6?_(InDatagrams|OutDatagrams|NoPorts|RcvbufErrors|SndbufErrors))$",
  },
  powersupply: { ignoredSupplies: "^$" },
  sysctl: { include: [], includeInfo: [] },
  systemd: {
    unitInclude: ".+",
    unitExclude: ".+\\.(automount|device|mount|scope|slice)",
    enableRestarts: false,
    startTime: false,
    taskMetrics: false,
  },
  tapestats: { ignoredDevices: "^$" },
  textfile: { directory: "" },
  vmstat: { fields: "^(oom_kill|pgpg|pswp|pg.*fault).*" },
};

interface Registration {
  readonly isDefault: boolean;
  readonly make: (options: CollectorOptions) => Collector;
}

function always(collector: Collector): Registration {
  return { isDefault: true, make: () => collector };
}

function onDemand(collector: Collector): Registration {
  return { isDefault: false, make: () => collector };
}

const COLLECTORS: Readonly<Record<string, Registration>> = {
  arp: { isDefault: true, make: (options) => makeArp(options.arp) },
  bcache: { isDefault: true, make: (options) => makeBcache(options.bcache) },
  bonding: always(bonding),
  btrfs: always(btrfs),
  buddyinfo: onDemand(buddyinfo),
  cgroups: onDemand(cgroups),
  conntrack: always(conntrack),
  cpu: { isDefault: true, make: (options) => makeCpu(options.cpu) },
  cpufreq: always(cpufreq),
  diskstats: { isDefault: true, make: (options) => makeDiskstats(options.diskstats) },
  dmi: { isDefault: true, make: () => makeDmi() },
  edac: always(edac),
  entropy: always(entropy),
  fibrechannel: always(fibreChannel),
  filefd: always(filefd),
  filesystem: { isDefault: true, make: (options) => makeFilesystem(options.filesystem) },
  hwmon: { isDefault: true, make: (options) => makeHwmon(options.hwmon) },
  infiniband: always(infiniband),
  interrupts: onDemand(interrupts),
  ipvs: { isDefault: true, make: (options) => makeIpvs(options.ipvs) },
  kernel_hung: always(kernelHung),
  ksmd: onDemand(ksmd),
  loadavg: always(loadavg),
  mdadm: always(mdadm),
  meminfo: always(meminfo),
  meminfo_numa: onDemand(meminfoNuma),
  netclass: { isDefault: true, make: (options) => makeNetclass(options.netclass) },
  netdev: { isDefault: true, make: (options) => makeNetdev(options.netdev) },
  netstat: { isDefault: true, make: (options) => makeNetstat(options.netstat) },
  nfs: always(nfs),
  nfsd: always(nfsd),
  nvme: always(nvme),
  os: always(osRelease),
  powersupplyclass: { isDefault: true, make: (options) => makePowerSupply(options.powersupply) },
  pressure: always(pressure),
  processes: onDemand(processes),
  rapl: always(rapl),
  schedstat: always(schedstat),
  selinux: always(selinux),
  slabinfo: onDemand(slabinfo),
  sockstat: always(sockstat),
  softirqs: onDemand(softirqs),
  softnet: always(softnet),
  stat: always(stat),
  sysctl: { isDefault: false, make: (options) => makeSysctl(options.sysctl) },
  systemd: { isDefault: false, make: (options) => makeSystemd(options.systemd) },
  tapestats: { isDefault: true, make: (options) => makeTapestats(options.tapestats) },
  tcpstat: onDemand(tcpstat),
  textfile: { isDefault: true, make: (options) => makeTextfile(options.textfile) },
  thermal_zone: always(thermalZone),
  time: always(time),
  timex: always(timex),
  udp_queues: always(udpQueues),
  uname: always(uname),
  vmstat: { isDefault: true, make: (options) => makeVmstat(options.vmstat) },
  watchdog: always(watchdog),
  xfs: always(xfs),
  zfs: always(zfs),
};

/** Collectors of node_exporter that are not built; named so that a configuration that asks for one is told so, not that it is a typing error. */
const NOT_BUILT: ReadonlySet<string> = new Set(
  (
    "bcachefs boottime cpu_vulnerabilities devstat dmmultipath drbd drm ethtool exec lnstat logind mountstats network_route ntp " +
    "nvmesubsystem pcidevice perf qdisc runit supervisord swap thermal wifi xfrm zoneinfo"
  ).split(" "),
);

export interface CollectorChoice {
  /** Replaces the default set when not empty. */
  readonly set: readonly string[];
  readonly disable: readonly string[];
  /** Goes last, so it wins over `disable`. */
  readonly enable: readonly string[];
}

/** The names a choice comes to, sorted. Disabling what is not built is fine; asking for it is refused with `agent/collector-not-built`. */
export function chooseCollectors(choice: CollectorChoice): readonly string[] {
  const defaults = Object.entries(COLLECTORS).flatMap(([name, { isDefault }]) =>
    isDefault ? [name] : [],
  );
  const chosen = new Set(choice.set.length > 0 ? choice.set : defaults);
  for (const name of choice.disable) {
    assertKnown(name);
    chosen.delete(name);
  }
  for (const name of choice.enable) chosen.add(name);
  for (const name of chosen) {
    assertKnown(name);
    if (NOT_BUILT.has(name)) {
      throw new FinchError(
        "unsupported",
        "agent/collector-not-built",
        `not supported yet: collector ${name}; remove it from the collectors`,
      );
    }
  }
  return [...chosen].sort();
}

function assertKnown(name: string): void {
  if (!(name in COLLECTORS) && !NOT_BUILT.has(name)) {
    throw new FinchError(
      "invalid",
      "agent/collector-unknown",
      `there is no collector ${JSON.stringify(name)}`,
    );
  }
}

/** Runs the named collectors and tells, for each, whether it succeeded and how long it took. */
export function makeScrape(
  machine: Machine,
  about: {
    readonly names: readonly string[];
    readonly options: CollectorOptions;
    readonly log: Logger;
    readonly monotonicMs: () => number;
  },
): () => Promise<readonly Family[]> {
  const { names, options, log, monotonicMs } = about;
  const collectors = names.map((name) => ({ name, collector: COLLECTORS[name]!.make(options) }));
  const failing = new Map<string, string>();
  return async () => {
    const families: Family[] = [];
    const duration = gauge(
      "node_scrape_collector_duration_seconds",
      "node_exporter: Duration of a collector scrape.",
    );
    const success = gauge(
      "node_scrape_collector_success",
      "node_exporter: Whether a collector succeeded.",
    );
    for (const { name, collector } of collectors) {
      const startMs = monotonicMs();
      let fault: unknown;
      try {
        families.push(...(await collector.collect(machine)));
      } catch (error) {
        fault = error;
      }
      duration.add((monotonicMs() - startMs) / 1000, "collector", name);
      success.add(fault === undefined ? 1 : 0, "collector", name);
      report(failing, log, { name, fault });
    }
    return [...families, duration, success];
  };
}

/** Logs when a collector begins to fail or fails differently, not at each scrape. */
function report(
  failing: Map<string, string>,
  log: Logger,
  about: { readonly name: string; readonly fault: unknown },
): void {
  const { name, fault } = about;
  if (fault === undefined) {
    failing.delete(name);
    return;
  }
  const error = describeError(fault);
  if (failing.get(name) === error) return;
  failing.set(name, error);
  const isNoData = fault instanceof FinchError && fault.code === "agent/collector-no-data";
  if (isNoData) log.debug("collector has no data", { collector: name, error });
  else log.warn("collector failed", { collector: name, error });
}
