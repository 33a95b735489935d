/** Integrations of the static agent that watch services and containers; each is converted when its exporter is there. */
import {
  bool,
  commaList,
  duration,
  list,
  nested,
  nestedEach,
  number,
  refusedWhenTrue,
  text,
} from "./fields.ts";
import type { Fields } from "./fields.ts";
import { TLS_FIELDS } from "./http-client-fields.ts";
import type { Exporter } from "./static-exporters.ts";

const CADVISOR_FIELDS: Fields = {
  docker: text("docker_host"),
  docker_tls: bool("use_docker_tls"),
  docker_tls_ca: text(),
  docker_tls_cert: text(),
  docker_tls_key: text(),
  docker_only: bool(),
  raw_cgroup_prefix_allowlist: list(),
  disable_root_cgroup_stats: bool(),
  store_container_labels: bool(),
  allowlisted_container_labels: list(),
  env_metadata_allowlist: list(),
  enabled_metrics: list(),
  disabled_metrics: list(),
  storage_duration: duration(),
  containerd: text("containerd_host"),
  containerd_namespace: text(),
  perf_events_config: text(),
  resctrl_interval: duration(),
};

const MYSQL_FIELDS: Fields = {
  data_source_name: text(),
  set_collectors: list(),
  enable_collectors: list(),
  disable_collectors: list(),
  enable_lock_wait_timeout: bool(),
  lock_wait_timeout: number(),
  log_slow_filter: bool(),
};

const MYSQL_BLOCKS: Readonly<Record<string, Fields>> = {
  heartbeat: {
    heartbeat_database: text("database"),
    heartbeat_table: text("table"),
    heartbeat_utc: bool("utc"),
  },
  "info_schema.processlist": {
    info_schema_processlist_min_time: number("min_time"),
    info_schema_processlist_processes_by_user: bool("processes_by_user"),
    info_schema_processlist_processes_by_host: bool("processes_by_host"),
  },
  "info_schema.tables": { info_schema_tables_databases: text("databases") },
  "mysql.user": { mysql_user_privileges: bool("privileges") },
  "perf_schema.eventsstatements": {
    perf_schema_eventsstatements_limit: number("limit"),
    perf_schema_eventsstatements_time_limit: number("time_limit"),
    perf_schema_eventsstatements_digtext_text_limit: number("text_limit"),
    perf_schema_eventsstatements_exclude_schemas: list("exclude_schemas"),
  },
  "perf_schema.file_instances": {
    perf_schema_file_instances_filter: text("filter"),
    perf_schema_file_instances_remove_prefix: text("remove_prefix"),
  },
  "perf_schema.memory_events": {
    perf_schema_memory_events_remove_prefix: text("remove_prefix"),
  },
};

const PROCESS_FIELDS: Fields = {
  procfs_path: text(),
  track_children: bool(),
  track_threads: bool(),
  gather_smaps: bool(),
  recheck_on_scrape: bool(),
  remove_empty_groups: bool(),
  process_names: nestedEach("matcher", {
    name: text(),
    comm: list(),
    exe: list(),
    cmdline: list(),
  }),
};

const REDIS_FIELDS: Fields = {
  redis_addr: text(),
  redis_user: text(),
  redis_password: text(),
  redis_password_file: text(),
  redis_password_map_file: text(),
  namespace: text(),
  config_command: text(),
  check_keys: commaList,
  check_key_groups: commaList,
  check_key_groups_batch_size: number(),
  max_distinct_key_groups: number(),
  check_single_keys: commaList,
  check_streams: commaList,
  check_single_streams: commaList,
  count_keys: commaList,
  export_key_values: bool(),
  script_path: text(),
  connection_timeout: duration(),
  tls_client_key_file: text(),
  tls_client_cert_file: text(),
  tls_ca_cert_file: text(),
  set_client_name: bool(),
  is_tile38: bool(),
  is_cluster: bool(),
  export_client_list: bool(),
  export_client_port: bool(),
  redis_metrics_only: bool(),
  ping_on_connect: bool(),
  incl_system_metrics: bool(),
  skip_tls_verification: bool(),
  include_exporter_metrics: refusedWhenTrue("there are no metrics of the exporter itself", "info"),
};

/** By the key of the integration. */
export const SERVICE_EXPORTERS: Readonly<Record<string, Exporter>> = {
  apache_http: {
    component: "prometheus.exporter.apache",
    fields: { scrape_uri: text(), host_override: text(), insecure: bool() },
  },
  cadvisor: { component: "prometheus.exporter.cadvisor", fields: CADVISOR_FIELDS },
  memcached_exporter: {
    component: "prometheus.exporter.memcached",
    fields: {
      memcached_address: text("address"),
      timeout: duration(),
      tls_config: nested("tls_config", TLS_FIELDS),
    },
  },
  mysqld_exporter: {
    component: "prometheus.exporter.mysql",
    fields: MYSQL_FIELDS,
    blocks: MYSQL_BLOCKS,
  },
  process_exporter: { component: "prometheus.exporter.process", fields: PROCESS_FIELDS },
  redis_exporter: { component: "prometheus.exporter.redis", fields: REDIS_FIELDS },
  squid: {
    component: "prometheus.exporter.squid",
    fields: { address: text(), username: text(), password: text() },
  },
};
