/** Arguments of the `prometheus.operator.*` components, and what of them contradicts itself. */
import { CLUSTERING_ARGUMENTS } from "../../../clustering.ts";
import type { ArgumentFault } from "../../../component.ts";
import { clientBlockFault, KUBERNETES_CLIENT_BLOCK } from "../../../kubernetes/connection.ts";
import { selectorBlock, selectorFault } from "../../../kubernetes/label-selector.ts";
import { RULE_BLOCKS, ruleFault } from "../../../relabel-arguments.ts";
import { block, oneOf, optional, required } from "../../../schema.ts";
import type { ValuesOf } from "../../../schema.ts";
import type { JobMaking } from "../../../prometheus-operator/scrape-job.ts";
import { READING_ARGUMENTS } from "../scrape-arguments.ts";

const SCRAPE_ARGUMENTS = {
  default_scrape_interval: optional(
    "duration",
    60_000,
    "How often targets are scraped that say nothing of it.",
    { min: 1 },
  ),
  default_scrape_timeout: optional(
    "duration",
    10_000,
    "How long a scrape may take where the object says nothing of it.",
    { min: 1 },
  ),
  default_sample_limit: optional(
    "number",
    0,
    "Most samples in a scrape where the object says nothing of it; 0: any.",
    { min: 0 },
  ),
  ...READING_ARGUMENTS,
  start_timestamp_zero_ingestion: optional("bool", false, "Write zeros at start timestamps."),
};

export const OPERATOR_ARGUMENTS = {
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  namespaces: optional("list(string)", [], "Namespaces to look for objects in; all by default."),
  informer_sync_timeout: optional(
    "duration",
    60_000,
    "How long the first list of objects may take before the component is unhealthy; it goes on trying.",
    { min: 1 },
  ),
  client: KUBERNETES_CLIENT_BLOCK,
  selector: selectorBlock("Which objects are looked at; all by default."),
  rule: RULE_BLOCKS,
  scrape: block(SCRAPE_ARGUMENTS, { repeat: "one", doc: "What objects leave open." }),
  ...CLUSTERING_ARGUMENTS,
};

export const SERVICE_MONITOR_ARGUMENTS = {
  ...OPERATOR_ARGUMENTS,
  kubernetes_role: oneOf(
    ["endpoints", "endpointslice"],
    "endpoints",
    "Which objects the endpoints of services are read from.",
  ),
  allow_arbitrary_file_access: optional(
    "bool",
    false,
    "Whether objects may name files of the agent's machine: bearerTokenFile and caFile, certFile, keyFile of tlsConfig.",
  ),
};

export type OperatorArguments = ValuesOf<typeof OPERATOR_ARGUMENTS>;

export function operatorFault(values: OperatorArguments): ArgumentFault | undefined {
  const { scrape } = values;
  if (scrape.default_scrape_timeout > scrape.default_scrape_interval)
    return {
      at: "scrape.default_scrape_timeout",
      message: `default_scrape_timeout (${scrape.default_scrape_timeout} ms) is longer than default_scrape_interval (${scrape.default_scrape_interval} ms)`,
    };
  if (scrape.start_timestamp_zero_ingestion)
    return {
      at: "scrape.start_timestamp_zero_ingestion",
      message: "not supported yet: start_timestamp_zero_ingestion = true",
    };
  return (
    clientBlockFault(values.client) ??
    selectorFault(values.selector, "selector") ??
    ruleFault(values.rule)
  );
}

/** The `scrape` block by the names of `prometheus.scrape`. */
export function scrapeDefaults({ scrape }: OperatorArguments): JobMaking["defaults"] {
  const {
    default_scrape_interval: interval,
    default_scrape_timeout: timeout,
    default_sample_limit: sampleLimit,
    start_timestamp_zero_ingestion: _,
    ...reading
  } = scrape;
  return {
    scrape_interval: interval,
    scrape_timeout: timeout,
    sample_limit: sampleLimit,
    ...reading,
  };
}
