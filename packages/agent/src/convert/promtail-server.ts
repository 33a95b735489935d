/** The `server` section of Promtail and of `loki_push_api`: what listens, as the arguments of components that listen, and the rest reported. */
import { duration, ignored, nested, number, refused, refusedWhenTrue, text } from "./fields.ts";
import type { Field, Fields } from "./fields.ts";

/** Keys of dskit's server that change nothing of what arrives. */
const SERVER_TUNING = [
  "log_source_ips_enabled",
  "log_source_ips_full",
  "log_source_ips_header",
  "log_source_ips_regex",
  "log_request_headers",
  "log_request_at_info_level_enabled",
  "log_request_exclude_headers_list",
  "register_instrumentation",
  "graceful_shutdown_timeout",
  "http_listen_network",
  "grpc_listen_network",
  "tls_cipher_suites",
  "tls_min_version",
  "http_path_prefix",
  "http_server_read_header_timeout",
  "http_log_closed_connections_without_response_enabled",
  "grpc_server_keepalive_time",
  "grpc_server_keepalive_timeout",
  "grpc_server_min_time_between_pings",
  "grpc_server_ping_without_stream_allowed",
  "grpc_server_num_workers",
  "grpc_server_num_stream_workers",
  "grpc_server_stats_tracking_enabled",
  "grpc_server_recv_buffer_pools_enabled",
  "proxy_protocol_enabled",
  "cluster_validation",
] as const;

const HTTP_KEYS = [
  "http_listen_address",
  "http_listen_port",
  "http_listen_conn_limit",
  "http_server_read_timeout",
  "http_server_write_timeout",
  "http_server_idle_timeout",
  "http_tls_config",
] as const;

const GRPC_KEYS = [
  "grpc_listen_address",
  "grpc_listen_port",
  "grpc_listen_conn_limit",
  "grpc_server_max_connection_age",
  "grpc_server_max_connection_age_grace",
  "grpc_server_max_connection_idle",
  "grpc_server_max_recv_msg_size",
  "grpc_server_max_send_msg_size",
  "grpc_server_max_concurrent_streams",
  "grpc_tls_config",
] as const;

function each(keys: readonly string[], field: Field): Fields {
  return Object.fromEntries(keys.map((key) => [key, field]));
}

/** `http_tls_config`, of the top-level server and of that of a component. */
export const HTTP_TLS_FIELDS: Fields = {
  cert: text("cert_pem"),
  cert_file: text(),
  key: text("key_pem"),
  key_file: text(),
  client_ca: text("client_ca_pem"),
  client_ca_file: text(),
  client_auth_type: text(),
};

/** The table of a component's `http` block. */
const HTTP_FIELDS: Fields = {
  http_listen_address: text("listen_address"),
  http_listen_port: number("listen_port"),
  http_listen_conn_limit: number("conn_limit"),
  http_server_read_timeout: duration("server_read_timeout"),
  http_server_write_timeout: duration("server_write_timeout"),
  http_server_idle_timeout: duration("server_idle_timeout"),
  http_tls_config: nested("tls", HTTP_TLS_FIELDS),
};

/** The server of a `loki_push_api`: statements of its `http` block. */
export const PUSH_HTTP_FIELDS: Fields = {
  ...HTTP_FIELDS,
  // Promtail opens it and serves nothing there.
  ...each(GRPC_KEYS, ignored),
  ...each(
    ["log_format", "log_level", ...SERVER_TUNING],
    refused("not supported in the server of a component"),
  ),
  graceful_shutdown_timeout: ignored,
};

const OWN_SERVER =
  "the agent's own pages and metrics are on 127.0.0.1:12345; --server.http.listen-addr moves them";

/** The top-level `server` of Promtail, which serves nothing that a pipeline needs; gives no statements. */
export const SERVER_FIELDS: Fields = {
  log_level: text("level"),
  log_format: text("format"),
  ...each(HTTP_KEYS, ignored),
  ...each(GRPC_KEYS, ignored),
  ...each(SERVER_TUNING, ignored),
  http_listen_address: refused(OWN_SERVER, "info"),
  http_listen_port: refused(OWN_SERVER, "info"),
  http_path_prefix: refused("the agent's pages have no prefix"),
  external_url: ignored,
  disable: ignored,
  reload: ignored,
  enable_runtime_reload: ignored,
  health_check_target: ({ node, log }) => {
    if (!node.boolean())
      log.add("warning", node, "/-/ready does not depend on targets, with or without this");
    return [];
  },
  profiling_enabled: refusedWhenTrue("the agent has no profiling pages", "warning"),
  register_instrumentation: ignored,
};
