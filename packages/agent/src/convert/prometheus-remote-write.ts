/** `remote_write` of Prometheus and of the static agent as one `prometheus.remote_write` with an endpoint for each entry. */
import type { YamlNode } from "../yaml-config.ts";
import { attribute, block, literal } from "./alloy-tree.ts";
import type { Block, Statement } from "./alloy-tree.ts";
import type { ConversionLog } from "./conversion-log.ts";
import { bool, convertFields, duration, map, nested, number, text } from "./fields.ts";
import type { Fields } from "./fields.ts";
import { PROMETHEUS_HTTP_CLIENT_FIELDS } from "./http-client-fields.ts";
import { convertRules } from "./relabel-rules.ts";

const IDENTITY_FIELDS: Fields = { client_id: text(), tenant_id: text(), client_secret: text() };

const ENDPOINT_FIELDS: Fields = {
  name: text(),
  url: text(),
  remote_timeout: duration(),
  headers: map(),
  protobuf_message: text(),
  send_exemplars: bool(),
  send_native_histograms: bool(),
  round_robin_dns: bool(),
  ...PROMETHEUS_HTTP_CLIENT_FIELDS,
  queue_config: nested("queue_config", {
    capacity: number(),
    min_shards: number(),
    max_shards: number(),
    max_samples_per_send: number(),
    batch_send_deadline: duration(),
    min_backoff: duration(),
    max_backoff: duration(),
    retry_on_http_429: bool(),
    sample_age_limit: duration(),
  }),
  metadata_config: nested("metadata_config", {
    send: bool(),
    send_interval: duration(),
    max_samples_per_send: number(),
  }),
  sigv4: nested("sigv4", {
    region: text(),
    access_key: text(),
    secret_key: text(),
    profile: text(),
    role_arn: text(),
    external_id: text(),
    use_fips_sts_endpoint: bool(),
    service_name: text(),
  }),
  azuread: nested("azuread", {
    cloud: text(),
    scope: text(),
    managed_identity: nested("managed_identity", IDENTITY_FIELDS),
    oauth: nested("oauth", IDENTITY_FIELDS),
    sdk: nested("sdk", IDENTITY_FIELDS),
    workload_identity: nested("workload_identity", { ...IDENTITY_FIELDS, token_file_path: text() }),
  }),
  google_iam: nested("google_iam", { credentials_file: text() }),
  write_relabel_configs: ({ node, log }) => convertRules(node, log, "write_relabel_config"),
};

export interface RemoteWriteOptions {
  readonly label: string;
  readonly externalLabels: readonly Statement[];
  readonly log: ConversionLog;
}

/** The component; undefined when there are no entries. */
export function convertRemoteWrite(
  entries: readonly YamlNode[],
  options: RemoteWriteOptions,
): Block | undefined {
  const { label, externalLabels, log } = options;
  const names = new Set<string>();
  const endpoints = entries.flatMap(
    (entry, index) => log.guard(() => convertEndpoint(entry, { index, names, log })) ?? [],
  );
  if (endpoints.length === 0) return undefined;
  return block("prometheus.remote_write", [...externalLabels, ...endpoints], {
    label,
    origin: entries[0],
  });
}

/** Two entries without names may have one address; the component tells its endpoints apart by name or address. */
function convertEndpoint(
  entry: YamlNode,
  options: { readonly index: number; readonly names: Set<string>; readonly log: ConversionLog },
): Block {
  const { index, names, log } = options;
  const { url, name } = Object.fromEntries(entry.isEmpty ? [] : entry.entries());
  if (url === undefined) throw entry.fault("an entry of remote_write needs a url");
  const body = convertFields(entry, ENDPOINT_FIELDS, log);
  const isTaken = name === undefined && names.has(url.text());
  names.add(url.text());
  const given = isTaken ? [attribute("name", literal(`remote${index + 1}`))] : [];
  return block("endpoint", [...given, ...body], { origin: entry });
}
