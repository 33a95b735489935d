/** What becomes of the settings of each integration of the static agent that has an exporter here, and what the others need. */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, code, literal } from "./alloy-tree.ts";
import type { Statement } from "./alloy-tree.ts";
import type { ConversionLog } from "./conversion-log.ts";
import {
  bool,
  commaList,
  convertFound,
  duration,
  list,
  nested,
  nestedEach,
  number,
  text,
} from "./fields.ts";
import type { Field, Fields } from "./fields.ts";
import { SERVICE_EXPORTERS } from "./static-services.ts";

export interface Exporter {
  readonly component: string;
  /** Keys that become attributes or blocks of the component. */
  readonly fields: Fields;
  /** Keys that belong into a block, by its name. */
  readonly blocks?: Readonly<Record<string, Fields>>;
  /** What stands for keys that are not written. */
  readonly missing?: Readonly<Record<string, Statement>>;
}

type Found = Partial<Record<string, YamlNode>>;

/** The keys of an integration besides those that all have. */
export function exporterKeys({ fields, blocks = {} }: Exporter): readonly string[] {
  return [fields, ...Object.values(blocks)].flatMap((table) => Object.keys(table));
}

/** The body of the component. */
export function exporterBody(
  { fields, blocks = {}, missing = {} }: Exporter,
  found: Found,
  log: ConversionLog,
): readonly Statement[] {
  const nested = Object.entries(blocks).flatMap(([name, table]) => {
    const body = convertFound(found, table, log);
    const origin = Object.keys(table)
      .map((key) => found[key])
      .find((node) => node !== undefined);
    return body.length === 0 ? [] : [block(name, body, { origin })];
  });
  const stated = Object.entries(missing).flatMap(([key, statement]) =>
    found[key] === undefined ? [statement] : [],
  );
  return [...stated, ...convertFound(found, fields, log), ...nested];
}

/** Keys of node_exporter by the block of `prometheus.exporter.unix` they belong to. */
const UNIX_BLOCKS: Readonly<Record<string, Fields>> = {
  arp: {
    arp_device_include: text("device_include"),
    arp_device_exclude: text("device_exclude"),
    arp_netlink: bool("netlink"),
  },
  bcache: { enable_bcache_priority_stats: bool("priority_stats") },
  cpu: {
    enable_cpu_guest_seconds_metric: bool("guest"),
    enable_cpu_info_metric: bool("info"),
    cpu_bugs_include: text("bugs_include"),
    cpu_flags_include: text("flags_include"),
  },
  disk: {
    diskstats_ignored_devices: text("device_exclude"),
    diskstats_device_exclude: text("device_exclude"),
    diskstats_device_include: text("device_include"),
  },
  ethtool: {
    ethtool_device_exclude: text("device_exclude"),
    ethtool_device_include: text("device_include"),
    ethtool_metrics_include: text("metrics_include"),
  },
  filesystem: {
    filesystem_ignored_fs_types: text("fs_types_exclude"),
    filesystem_fs_types_exclude: text("fs_types_exclude"),
    filesystem_ignored_mount_points: text("mount_points_exclude"),
    filesystem_mount_points_exclude: text("mount_points_exclude"),
    filesystem_mount_timeout: duration("mount_timeout"),
  },
  hwmon: {
    hwmon_chip_include: text("chip_include"),
    hwmon_chip_exclude: text("chip_exclude"),
  },
  ipvs: { ipvs_backend_labels: list("backend_labels") },
  netclass: {
    netclass_ignored_devices: text("ignored_devices"),
    netclass_ignore_invalid_speed_device: bool("ignore_invalid_speed_device"),
  },
  netdev: {
    netdev_device_whitelist: text("device_include"),
    netdev_device_include: text("device_include"),
    netdev_device_blacklist: text("device_exclude"),
    netdev_device_exclude: text("device_exclude"),
    netdev_address_info: bool("address_info"),
  },
  netstat: { netstat_fields: text("fields") },
  ntp: {
    ntp_server: text("server"),
    ntp_server_is_local: bool("server_is_local"),
    ntp_ip_ttl: number("ip_ttl"),
    ntp_local_offset_tolerance: duration("local_offset_tolerance"),
    ntp_max_distance: duration("max_distance"),
    ntp_protocol_version: number("protocol_version"),
  },
  perf: {
    perf_cpus: text("cpus"),
    perf_tracepoint: list("tracepoint"),
    perf_disable_hardware_profilers: bool("disable_hardware_profilers"),
    perf_disable_software_profilers: bool("disable_software_profilers"),
    perf_disable_cache_profilers: bool("disable_cache_profilers"),
    perf_hardware_profilers: list("hardware_profilers"),
    perf_software_profilers: list("software_profilers"),
    perf_cache_profilers: list("cache_profilers"),
  },
  powersupply: { powersupply_ignored_supplies: text("ignored_supplies") },
  runit: { runit_service_dir: text("service_dir") },
  supervisord: { supervisord_url: text("url") },
  sysctl: { sysctl_include: list("include"), sysctl_include_info: list("include_info") },
  systemd: {
    systemd_unit_whitelist: text("unit_include"),
    systemd_unit_include: text("unit_include"),
    systemd_unit_blacklist: text("unit_exclude"),
    systemd_unit_exclude: text("unit_exclude"),
    systemd_enable_restarts_metrics: bool("enable_restarts"),
    systemd_enable_start_time_metrics: bool("start_time"),
    systemd_enable_task_metrics: bool("task_metrics"),
  },
  tapestats: { tapestats_ignored_devices: text("ignored_devices") },
  textfile: { textfile_directory: text("directory") },
  vmstat: { vmstat_fields: text("fields") },
};

const UNIX_FIELDS: Fields = {
  set_collectors: list(),
  enable_collectors: list(),
  disable_collectors: list(),
  include_exporter_metrics: bool(),
  procfs_path: text(),
  sysfs_path: text(),
  rootfs_path: text(),
  udev_data_path: text(),
};

/** Seconds, as a number. */
const seconds: Field = ({ key, node }) => [
  attribute(key, literal(`${node.number() * 1000}ms`), node),
];

const BLACKBOX_FIELDS: Fields = {
  config_file: text(),
  blackbox_config: ({ node }) => [attribute("config", literal(node.yamlText()), node)],
  probe_timeout_offset: seconds,
  blackbox_targets: nestedEach("target", { name: text(), address: text(), module: text() }),
};

const GITHUB_FIELDS: Fields = {
  api_url: text(),
  repositories: list(),
  organizations: list(),
  users: list(),
  api_token: text(),
  api_token_file: text(),
  github_app_id: number(),
  github_app_installation_id: number(),
  github_app_key_path: text(),
  github_rate_limit: number(),
};

const POSTGRES_FIELDS: Fields = {
  data_source_names: list(),
  disable_settings_metrics: bool(),
  disable_default_metrics: bool(),
  query_path: text("custom_queries_config_path"),
};

const AUTODISCOVERY_FIELDS: Fields = {
  autodiscover_databases: bool("enabled"),
  include_databases: list("database_allowlist"),
  exclude_databases: list("database_denylist"),
};

const WINDOWS_FILTER: Fields = {
  whitelist: text("include"),
  include: text(),
  blacklist: text("exclude"),
  exclude: text(),
  enabled_list: commaList,
};

/** Blocks whose content does not matter, for the component does not have them. */
const WINDOWS_NOT_BUILT = [
  "dfsr",
  "dns",
  "exchange",
  "filetime",
  "iis",
  "mscluster",
  "mssql",
  "netframework",
  "network",
  "performancecounter",
  "printer",
  "process",
  "scheduled_task",
  "smb",
  "smb_client",
  "smtp",
  "tcp",
  "text_file",
  "update",
];

const emptyBlock: Field = ({ key, node }) => [block(key, [], { origin: node })];

const WINDOWS_FIELDS: Fields = {
  enabled_collectors: commaList,
  logical_disk: nested("logical_disk", WINDOWS_FILTER),
  net: nested("net", WINDOWS_FILTER),
  physical_disk: nested("physical_disk", WINDOWS_FILTER),
  service: nested("service", WINDOWS_FILTER),
  time: nested("time", WINDOWS_FILTER),
  ...Object.fromEntries(WINDOWS_NOT_BUILT.map((name) => [name, emptyBlock])),
};

/** Integrations by their key. */
export const EXPORTERS: Readonly<Record<string, Exporter>> = {
  agent: { component: "prometheus.exporter.self", fields: {} },
  blackbox: { component: "prometheus.exporter.blackbox", fields: BLACKBOX_FIELDS },
  github_exporter: { component: "prometheus.exporter.github", fields: GITHUB_FIELDS },
  node_exporter: {
    component: "prometheus.exporter.unix",
    fields: UNIX_FIELDS,
    blocks: UNIX_BLOCKS,
  },
  postgres_exporter: {
    component: "prometheus.exporter.postgres",
    fields: POSTGRES_FIELDS,
    blocks: { autodiscovery: AUTODISCOVERY_FIELDS },
    // Where the static agent looks when there are none.
    missing: {
      data_source_names: attribute(
        "data_source_names",
        code('[sys.env("POSTGRES_EXPORTER_DATA_SOURCE_NAME")]'),
      ),
    },
  },
  windows_exporter: { component: "prometheus.exporter.windows", fields: WINDOWS_FIELDS },
  ...SERVICE_EXPORTERS,
};

/** Integrations that need a component which is not converted to. */
export const EXPORTERS_NOT_BUILT: Readonly<Record<string, string>> = {
  azure_exporter: "prometheus.exporter.azure",
  catchpoint_exporter: "prometheus.exporter.catchpoint",
  cloudwatch_exporter: "prometheus.exporter.cloudwatch",
  consul_exporter: "prometheus.exporter.consul",
  dnsmasq_exporter: "prometheus.exporter.dnsmasq",
  elasticsearch_exporter: "prometheus.exporter.elasticsearch",
  gcp_exporter: "prometheus.exporter.gcp",
  kafka_exporter: "prometheus.exporter.kafka",
  mongodb_exporter: "prometheus.exporter.mongodb",
  mssql: "prometheus.exporter.mssql",
  oracledb: "prometheus.exporter.oracledb",
  snmp: "prometheus.exporter.snmp",
  snowflake: "prometheus.exporter.snowflake",
  statsd_exporter: "prometheus.exporter.statsd",
};
