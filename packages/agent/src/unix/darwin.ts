/**
 * The collectors of macOS. It has no procfs: what `node:os` tells comes from there, the rest from programs that every macOS has. Families,
 * labels and help texts are node_exporter's; where a program prints less than the calls that node_exporter makes, a family is missing
 * rather than made up (docs/reference/exporter-unix.md lists them).
 */
import { makeDarwinDiskstats } from "./darwin-disks.ts";
import { darwinMeminfo } from "./darwin-memory.ts";
import { darwinMounts } from "./darwin-mounts.ts";
import { makeDarwinNetdev } from "./darwin-network.ts";
import { makeDarwinPowerSupply } from "./darwin-power.ts";
import {
  boottime,
  darwinClock,
  darwinCpu,
  darwinLoadavg,
  darwinOs,
  darwinUname,
  thermal,
} from "./darwin-system.ts";
import { makeFilesystem } from "./mounts.ts";
import type { Makers } from "./platform.ts";
import type { DARWIN_DEFAULTS } from "./platforms.ts";
import { makeTextfile } from "./textfile.ts";

export const DARWIN_COLLECTORS: Makers<keyof typeof DARWIN_DEFAULTS> = {
  boottime: () => boottime,
  cpu: () => darwinCpu,
  diskstats: (options) => makeDarwinDiskstats(options.diskstats),
  filesystem: (options) => makeFilesystem(options.filesystem, darwinMounts),
  loadavg: () => darwinLoadavg,
  meminfo: () => darwinMeminfo,
  netdev: (options) => makeDarwinNetdev(options.netdev),
  os: () => darwinOs,
  powersupplyclass: (options) => makeDarwinPowerSupply(options.powersupply),
  textfile: (options) => makeTextfile(options.textfile),
  thermal: () => thermal,
  time: () => darwinClock,
  uname: () => darwinUname,
};
