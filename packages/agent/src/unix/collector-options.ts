/** What collectors can be told, and Alloy's defaults on Linux; a platform may have others. */
import type { CpuOptions } from "./cpu.ts";
import { IPVS_LABELS } from "./ipvs.ts";
import type { SysctlOptions } from "./kernel-tables.ts";
import type { FilesystemOptions } from "./mounts.ts";
import type { NetdevOptions } from "./network.ts";
import type { SystemdOptions } from "./systemd.ts";

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
