/** The collectors of Linux, which read procfs and sysfs. */
import { loadavg, makeCpu, stat } from "./cpu.ts";
import { fibreChannel, makeTapestats, watchdog } from "./adapters.ts";
import { btrfs, makeBcache } from "./file-systems.ts";
import { infiniband } from "./infiniband.ts";
import { makeIpvs } from "./ipvs.ts";
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
} from "./kernel-tables.ts";
import { nfs, nfsd } from "./nfs.ts";
import { timex } from "./timex.ts";
import { xfs } from "./xfs.ts";
import { cpufreq, edac, makePowerSupply, nvme, rapl, thermalZone } from "./hardware.ts";
import { makeHwmon } from "./hwmon.ts";
import { mdadm } from "./mdadm.ts";
import { makeVmstat, meminfo, pressure } from "./memory.ts";
import { makeNetclass, makeNetdev } from "./network.ts";
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
import { linuxMounts, makeFilesystem } from "./mounts.ts";
import type { Makers } from "./platform.ts";
import type { LINUX_DEFAULTS } from "./platforms.ts";
import { makeDiskstats } from "./storage.ts";
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
import { makeSystemd } from "./systemd.ts";
import { makeTextfile } from "./textfile.ts";
import { zfs } from "./zfs.ts";

export const LINUX_COLLECTORS: Makers<keyof typeof LINUX_DEFAULTS> = {
  arp: (options) => makeArp(options.arp),
  bcache: (options) => makeBcache(options.bcache),
  bonding: () => bonding,
  btrfs: () => btrfs,
  buddyinfo: () => buddyinfo,
  cgroups: () => cgroups,
  conntrack: () => conntrack,
  cpu: (options) => makeCpu(options.cpu),
  cpufreq: () => cpufreq,
  diskstats: (options) => makeDiskstats(options.diskstats),
  dmi: () => makeDmi(),
  edac: () => edac,
  entropy: () => entropy,
  fibrechannel: () => fibreChannel,
  filefd: () => filefd,
  filesystem: (options) => makeFilesystem(options.filesystem, linuxMounts),
  hwmon: (options) => makeHwmon(options.hwmon),
  infiniband: () => infiniband,
  interrupts: () => interrupts,
  ipvs: (options) => makeIpvs(options.ipvs),
  kernel_hung: () => kernelHung,
  ksmd: () => ksmd,
  loadavg: () => loadavg,
  mdadm: () => mdadm,
  meminfo: () => meminfo,
  meminfo_numa: () => meminfoNuma,
  netclass: (options) => makeNetclass(options.netclass),
  netdev: (options) => makeNetdev(options.netdev),
  netstat: (options) => makeNetstat(options.netstat),
  nfs: () => nfs,
  nfsd: () => nfsd,
  nvme: () => nvme,
  os: () => osRelease,
  powersupplyclass: (options) => makePowerSupply(options.powersupply),
  pressure: () => pressure,
  processes: () => processes,
  rapl: () => rapl,
  schedstat: () => schedstat,
  selinux: () => selinux,
  slabinfo: () => slabinfo,
  sockstat: () => sockstat,
  softirqs: () => softirqs,
  softnet: () => softnet,
  stat: () => stat,
  sysctl: (options) => makeSysctl(options.sysctl),
  systemd: (options) => makeSystemd(options.systemd),
  tapestats: (options) => makeTapestats(options.tapestats),
  tcpstat: () => tcpstat,
  textfile: (options) => makeTextfile(options.textfile),
  thermal_zone: () => thermalZone,
  time: () => time,
  timex: () => timex,
  udp_queues: () => udpQueues,
  uname: () => uname,
  vmstat: (options) => makeVmstat(options.vmstat),
  watchdog: () => watchdog,
  xfs: () => xfs,
  zfs: () => zfs,
};
