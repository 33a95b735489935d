/** `prometheus.exporter.unix`: the metrics of this machine, as node_exporter has them, served in process to `prometheus.scrape`. */
import { hostname } from "node:os";
import { Labels } from "@finch/model";
import { describeError } from "@finch/runtime";
import { defineComponent, type ArgumentFault, type ComponentContext } from "../../component.ts";
import type { Target } from "../../receivers.ts";
import { block, maybe, notYet, optional, type ValuesOf } from "../../schema.ts";
import { formatFamilies } from "../../unix/family.ts";
import { IPVS_LABELS } from "../../unix/ipvs.ts";
import { openMachine } from "../../unix/machine.ts";
import {
  DEFAULT_COLLECTOR_OPTIONS as DEFAULTS,
  type CollectorOptions,
} from "../../unix/collector-options.ts";
import type { Platform } from "../../unix/platform.ts";
import {
  chooseCollectors,
  makeScrape,
  optionsWithoutEffect,
  platformOf,
} from "../../unix/registry.ts";
import { exporterBuild, exporterMetrics } from "./exporter-metrics.ts";
import { INTERNAL_ADDRESS, metricsPathOf } from "./internal-address.ts";
import { untilAborted } from "../../until-aborted.ts";

const NOT_BUILT_BLOCKS = {
  ethtool: notYet("block", "Options of the ethtool collector."),
  ntp: notYet("block", "Options of the ntp collector."),
  perf: notYet("block", "Options of the perf collector."),
  runit: notYet("block", "Options of the runit collector."),
  supervisord: notYet("block", "Options of the supervisord collector."),
};

const ARGUMENTS = {
  set_collectors: optional("list(string)", [], "Collectors to run in place of the default ones."),
  enable_collectors: optional(
    "list(string)",
    [],
    "Collectors to run besides; wins over disabling.",
  ),
  disable_collectors: optional("list(string)", [], "Collectors not to run."),
  include_exporter_metrics: optional("bool", false, "Add metrics of the exporter's own process."),
  procfs_path: optional("string", "/proc", "Where procfs is mounted."),
  sysfs_path: optional("string", "/sys", "Where sysfs is mounted."),
  rootfs_path: optional("string", "/", "Where the machine's root is mounted."),
  udev_data_path: optional("string", "/run/udev/data", "Where udev keeps its database."),
  arp: block(
    {
      device_include: maybe("string", "RE2 of devices to show."),
      device_exclude: maybe("string", "RE2 of devices not to show."),
      netlink: optional("bool", false, "Ask netlink in place of /proc/net/arp; not supported yet."),
    },
    { repeat: "one", doc: "Options of the arp collector." },
  ),
  bcache: block(
    { priority_stats: optional("bool", false, "Read priority statistics, which is slow.") },
    { repeat: "one", doc: "Options of the bcache collector." },
  ),
  cpu: block(
    {
      guest: optional("bool", DEFAULTS.cpu.guest, "Add node_cpu_guest_seconds_total."),
      info: optional("bool", DEFAULTS.cpu.info, "Add node_cpu_info."),
      bugs_include: maybe("string", "RE2 of bugs to show; turns info on."),
      flags_include: maybe("string", "RE2 of flags to show; turns info on."),
    },
    { repeat: "one", doc: "Options of the cpu collector." },
  ),
  disk: block(
    {
      device_exclude: optional(
        "string",
        DEFAULTS.diskstats.deviceExclude,
        "RE2 of devices not to show.",
      ),
      device_include: maybe("string", "RE2 of devices to show; then nothing is excluded."),
    },
    { repeat: "one", doc: "Options of the diskstats collector." },
  ),
  filesystem: block(
    {
      fs_types_exclude: maybe(
        "string",
        "RE2 of file system types not to show; without it, those of the system itself.",
      ),
      mount_points_exclude: maybe(
        "string",
        "RE2 of mount points not to show; without it, those of the system itself.",
      ),
      mount_timeout: optional(
        "duration",
        DEFAULTS.filesystem.mountTimeoutMs,
        "How long a mount may take to answer.",
        { min: 1 },
      ),
    },
    { repeat: "one", doc: "Options of the filesystem collector." },
  ),
  hwmon: block(
    {
      chip_include: maybe("string", "RE2 of chips to show."),
      chip_exclude: maybe("string", "RE2 of chips not to show."),
    },
    { repeat: "one", doc: "Options of the hwmon collector." },
  ),
  ipvs: block(
    {
      backend_labels: optional(
        "list(string)",
        DEFAULTS.ipvs.backendLabels,
        "Labels of backends; those alike in them are summed up.",
      ),
    },
    { repeat: "one", doc: "Options of the ipvs collector." },
  ),
  netclass: block(
    {
      ignored_devices: optional(
        "string",
        DEFAULTS.netclass.ignoredDevices,
        "RE2 of devices not to show.",
      ),
      ignore_invalid_speed_device: optional(
        "bool",
        false,
        "Leave out the speed of devices that report a negative one.",
      ),
    },
    { repeat: "one", doc: "Options of the netclass collector." },
  ),
  netdev: block(
    {
      device_include: maybe("string", "RE2 of devices to show."),
      device_exclude: maybe("string", "RE2 of devices not to show."),
      address_info: optional("bool", false, "Add the addresses of each device."),
    },
    { repeat: "one", doc: "Options of the netdev collector." },
  ),
  netstat: block(
    { fields: optional("string", DEFAULTS.netstat.fields, "RE2 of Protocol_Field names to show.") },
    { repeat: "one", doc: "Options of the netstat collector." },
  ),
  powersupply: block(
    {
      ignored_supplies: optional(
        "string",
        DEFAULTS.powersupply.ignoredSupplies,
        "RE2 of supplies not to show.",
      ),
    },
    { repeat: "one", doc: "Options of the powersupplyclass collector." },
  ),
  sysctl: block(
    {
      include: optional(
        "list(string)",
        [],
        "Names to show as numbers, such as `fs.file-nr` or `fs.file-nr:total,current,max`.",
      ),
      include_info: optional("list(string)", [], "Names whose words are shown as labels."),
    },
    { repeat: "one", doc: "Options of the sysctl collector, which is off by default." },
  ),
  systemd: block(
    {
      unit_include: optional("string", DEFAULTS.systemd.unitInclude, "RE2 of units to show."),
      unit_exclude: optional("string", DEFAULTS.systemd.unitExclude, "RE2 of units not to show."),
      enable_restarts: optional("bool", false, "Add how often services were restarted."),
      start_time: optional("bool", false, "Add when units started."),
      task_metrics: optional("bool", false, "Add the tasks of services."),
    },
    { repeat: "one", doc: "Options of the systemd collector, which is off by default." },
  ),
  tapestats: block(
    {
      ignored_devices: optional(
        "string",
        DEFAULTS.tapestats.ignoredDevices,
        "RE2 of devices not to show.",
      ),
    },
    { repeat: "one", doc: "Options of the tapestats collector." },
  ),
  textfile: block(
    { directory: optional("string", "", "Directory with *.prom files.") },
    { repeat: "one", doc: "Options of the textfile collector." },
  ),
  vmstat: block(
    { fields: optional("string", DEFAULTS.vmstat.fields, "RE2 of fields to show.") },
    { repeat: "one", doc: "Options of the vmstat collector." },
  ),
  ...NOT_BUILT_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

/** The component with the collectors of a platform. */
export function unixExporter(platform: Platform) {
  return defineComponent<typeof ARGUMENTS, { readonly targets: readonly Target[] }>({
    name: "prometheus.exporter.unix",
    stability: "generally-available",
    summary:
      "Exposes the metrics of this machine, as node_exporter names them: of Linux, and of macOS, where it is untested on a real machine.",
    arguments: ARGUMENTS,
    exports: { targets: "Target to scrape the machine's metrics from." },
    check: (values) => {
      const fault = optionsFault(values);
      if (fault !== undefined) return fault;
      try {
        chooseCollectors(platform, choiceOf(values));
        return undefined;
      } catch (error) {
        const message = describeError(error);
        const at = (["set_collectors", "disable_collectors", "enable_collectors"] as const).find(
          (name) => values[name].some((collector) => message.includes(collector)),
        );
        return at === undefined ? { message } : { at, message };
      }
    },
    run: async (context, signal) => {
      const path = metricsPathOf(context.id);
      context.setExports({ targets: [targetOf(context.id, path)] });
      let values = context.arguments();
      try {
        await untilAborted(signal, async () => {
          const opening = openExporter(context, platform, values);
          // Who has the target may ask before the collectors are loaded, and waits then.
          context.internalHandlers.set(path, async () => (await opening).scrape());
          await using _exporter = await opening;
          context.setHealth("healthy", "serves the machine's metrics");
          values = await context.nextArguments(signal);
        });
      } finally {
        context.internalHandlers.delete(path);
      }
    },
  });
}

export const exporterUnix = unixExporter(platformOf(process.platform));

function optionsFault(values: Arguments): ArgumentFault | undefined {
  if (values.arp.netlink)
    return { at: "arp.netlink", message: "not supported yet: arp.netlink = true" };
  const labels: readonly string[] = IPVS_LABELS;
  const unknown = values.ipvs.backend_labels.find((label) => !labels.includes(label));
  if (unknown === undefined) return undefined;
  const message = `${JSON.stringify(unknown)} is none of ${labels.join(", ")}`;
  return { at: "ipvs.backend_labels", message };
}

function targetOf(id: string, path: string): Target {
  return Labels.fromObject({
    __address__: INTERNAL_ADDRESS,
    __scheme__: "http",
    __metrics_path__: path,
    __meta_component_id: id,
    __meta_component_name: "prometheus.exporter.unix",
    instance: hostname(),
    job: "integrations/unix",
  });
}

async function openExporter(
  context: ComponentContext<Arguments, object>,
  platform: Platform,
  values: Arguments,
) {
  const { clock, log } = context;
  const machine = openMachine({
    paths: {
      proc: values.procfs_path,
      sys: values.sysfs_path,
      rootfs: values.rootfs_path,
      udevData: values.udev_data_path,
    },
    nowMs: () => clock.nowMs(),
  });
  const { names, elsewhere } = chooseCollectors(platform, choiceOf(values));
  for (const collector of elsewhere)
    log.warn(`collector ${collector} is not built for ${platform.name}; it is left out`);
  const options = optionsOf(values, platform.options);
  for (const block of optionsWithoutEffect(platform, options))
    log.warn(`${block} { … } has no effect on ${platform.name}`);
  const collect = await makeScrape(machine, {
    platform,
    names,
    options,
    log,
    monotonicMs: () => clock.monotonicMs(),
  });
  let scrapes = 0;
  return {
    scrape: async () => {
      const families = [...(await collect()), exporterBuild("node_exporter")];
      scrapes++;
      return formatFamilies(
        values.include_exporter_metrics
          ? [...families, ...exporterMetrics(clock, scrapes)]
          : families,
      );
    },
    [Symbol.asyncDispose]: () => machine[Symbol.asyncDispose](),
  };
}

function choiceOf(values: Arguments) {
  return {
    set: values.set_collectors,
    disable: values.disable_collectors,
    enable: values.enable_collectors,
  };
}

function optionsOf(values: Arguments, defaults: CollectorOptions): CollectorOptions {
  const { arp, cpu, disk, filesystem, hwmon, netclass, netdev } = values;
  return {
    arp: { deviceInclude: arp.device_include, deviceExclude: arp.device_exclude },
    bcache: { priorityStats: values.bcache.priority_stats },
    cpu: {
      guest: cpu.guest,
      info: cpu.info,
      flagsInclude: cpu.flags_include,
      bugsInclude: cpu.bugs_include,
    },
    diskstats: { deviceExclude: disk.device_exclude, deviceInclude: disk.device_include },
    filesystem: {
      fsTypesExclude: filesystem.fs_types_exclude ?? defaults.filesystem.fsTypesExclude,
      mountPointsExclude: filesystem.mount_points_exclude ?? defaults.filesystem.mountPointsExclude,
      mountTimeoutMs: filesystem.mount_timeout,
    },
    hwmon: { chipInclude: hwmon.chip_include, chipExclude: hwmon.chip_exclude },
    ipvs: { backendLabels: values.ipvs.backend_labels },
    netclass: {
      ignoredDevices: netclass.ignored_devices,
      ignoreInvalidSpeed: netclass.ignore_invalid_speed_device,
    },
    netdev: {
      deviceInclude: netdev.device_include,
      deviceExclude: netdev.device_exclude,
      addressInfo: netdev.address_info,
    },
    netstat: { fields: values.netstat.fields },
    powersupply: { ignoredSupplies: values.powersupply.ignored_supplies },
    sysctl: { include: values.sysctl.include, includeInfo: values.sysctl.include_info },
    systemd: {
      unitInclude: values.systemd.unit_include,
      unitExclude: values.systemd.unit_exclude,
      enableRestarts: values.systemd.enable_restarts,
      startTime: values.systemd.start_time,
      taskMetrics: values.systemd.task_metrics,
    },
    tapestats: { ignoredDevices: values.tapestats.ignored_devices },
    textfile: { directory: values.textfile.directory },
    vmstat: { fields: values.vmstat.fields },
  };
}
