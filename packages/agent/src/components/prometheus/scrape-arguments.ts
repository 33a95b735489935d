/** What `prometheus.scrape` can be told, and what of it contradicts itself or is not built. */
import { describeError } from "@finch/runtime";
import { CLUSTERING_ARGUMENTS } from "../../clustering.ts";
import type { ArgumentFault } from "../../component.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { maybe, moot, oneOf, optional, required, type ValuesOf } from "../../schema.ts";
import { DEFAULT_PROTOCOLS, PROTOCOLS_WITH_PROTOBUF, protocolsFault } from "./scrape-format.ts";

/** Switches that Alloy has for what is not built; leaving them off, as generated configurations do, is fine. */
const OFF_ONLY = {
  start_timestamp_zero_ingestion: optional("bool", false, "Write zeros at start timestamps."),
};

/** How answers are read; the jobs of prometheus-operator's objects have the same. */
export const READING_ARGUMENTS = {
  scrape_native_histograms: optional(
    "bool",
    false,
    "Read native histograms; asks for the protobuf format first.",
  ),
  scrape_classic_histograms: optional(
    "bool",
    false,
    "Keep the classic series of histograms that are native too.",
  ),
  native_histogram_bucket_limit: optional(
    "number",
    0,
    "Most buckets of a native histogram; finer ones lose resolution.",
    { min: 0 },
  ),
  native_histogram_min_bucket_factor: optional(
    "number",
    0,
    "Least factor from bucket to bucket of a native histogram; finer ones lose resolution.",
    { min: 0 },
  ),
  honor_metadata: moot("bool", false, "types, helps and units are forwarded either way"),
  convert_classic_histograms_to_nhcb: optional(
    "bool",
    false,
    "Make native histograms with custom bounds of classic ones.",
  ),
  enable_type_and_unit_labels: optional(
    "bool",
    false,
    "Add __type__ and __unit__ from the metadata as labels.",
  ),
};

export const ARGUMENTS = {
  targets: required("list(target)", "Targets to scrape."),
  forward_to: required("list(metrics-receiver)", "Where samples go."),
  job_name: maybe("string", "Value of the job label; the component's id when absent."),
  scrape_interval: optional("duration", 60_000, "How often each target is scraped.", { min: 1 }),
  scrape_timeout: maybe(
    "duration",
    "How long a scrape may take, not longer than the interval; unless it is written 10s, or the interval where that is shorter.",
    { min: 1 },
  ),
  metrics_path: optional("string", "/metrics", "Path of targets that name none."),
  scheme: oneOf(["http", "https"], "http", "Protocol of targets that name none."),
  params: maybe("map(list(string))", "Query parameters of every scrape."),
  honor_labels: optional("bool", false, "Labels of samples win over those of the target."),
  honor_timestamps: optional(
    "bool",
    true,
    "Timestamps of samples win over the time of the scrape.",
  ),
  track_timestamps_staleness: optional(
    "bool",
    false,
    "End series with timestamps of their own as well.",
  ),
  extra_metrics: optional(
    "bool",
    false,
    "Report the time-out, the sample limit and the size of the answer too.",
  ),
  enable_compression: optional("bool", true, "Ask for gzip."),
  scrape_protocols: optional(
    "list(string)",
    DEFAULT_PROTOCOLS,
    "Formats to ask for, the most wanted first.",
  ),
  scrape_fallback_protocol: optional(
    "string",
    "PrometheusText0.0.4",
    "Format of answers that do not say.",
  ),
  sample_limit: optional("number", 0, "Most samples in a scrape.", { min: 0 }),
  target_limit: optional("number", 0, "Most targets; with more, every scrape fails.", { min: 0 }),
  label_limit: optional("number", 0, "Most labels of a sample.", { min: 0 }),
  label_name_length_limit: optional("number", 0, "Longest label name, in bytes.", { min: 0 }),
  label_value_length_limit: optional("number", 0, "Longest label value, in bytes.", { min: 0 }),
  body_size_limit: optional("bytes", 0, "Largest answer, after decompression.", { min: 0 }),
  ...READING_ARGUMENTS,
  enable_protobuf_negotiation: optional(
    "bool",
    false,
    "Ask for the protobuf format first; deprecated in favour of scrape_protocols.",
  ),
  scrape_failure_log_file: optional(
    "string",
    "",
    "File that failed scrapes are logged to, as JSON.",
  ),
  ...CLUSTERING_ARGUMENTS,
  metric_name_validation_scheme: optional(
    "string",
    "legacy",
    "Which metric names are valid; only legacy so far.",
  ),
  metric_name_escaping_scheme: optional(
    "string",
    "underscores",
    "How other names are asked for; only underscores so far.",
  ),
  ...HTTP_CLIENT_ARGUMENTS,
  ...OFF_ONLY,
};

export type Arguments = ValuesOf<typeof ARGUMENTS>;

const DEFAULT_TIMEOUT_MS = 10_000;

/** Milliseconds that a scrape may take. */
export function timeoutOf(values: Pick<Arguments, "scrape_timeout" | "scrape_interval">): number {
  return values.scrape_timeout ?? Math.min(DEFAULT_TIMEOUT_MS, values.scrape_interval);
}

/** What is wrong with arguments that are well typed one by one. */
export function findFault(values: Arguments): ArgumentFault | undefined {
  if (timeoutOf(values) > values.scrape_interval) {
    const message = `scrape_timeout (${values.scrape_timeout} ms) is longer than scrape_interval (${values.scrape_interval} ms)`;
    return { at: "scrape_timeout", message };
  }
  const protocols = protocolsFault(values.scrape_protocols);
  if (protocols !== undefined) return { at: "scrape_protocols", message: protocols };
  const fallback = protocolsFault([normalProtocol(values.scrape_fallback_protocol)]);
  if (fallback !== undefined) return { at: "scrape_fallback_protocol", message: fallback };
  const on = (Object.keys(OFF_ONLY) as (keyof typeof OFF_ONLY)[]).find((name) => values[name]);
  if (on !== undefined) return { at: on, message: `not supported yet: ${on} = true` };
  if (values.metric_name_validation_scheme !== "legacy") {
    return {
      at: "metric_name_validation_scheme",
      message: `not supported yet: ${values.metric_name_validation_scheme}`,
    };
  }
  if (values.metric_name_escaping_scheme !== "underscores") {
    return {
      at: "metric_name_escaping_scheme",
      message: `not supported yet: ${values.metric_name_escaping_scheme}`,
    };
  }
  try {
    httpClientOptions(values);
    return undefined;
  } catch (error) {
    return { message: describeError(error) };
  }
}

/** Alloy's reference writes the versions with underscores. */
export function normalProtocol(name: string): string {
  return name.replaceAll("_", ".");
}

/** The formats to ask for: as written, or, when protobuf is wanted and nothing else was said, with protobuf first. */
export function wantedProtocols(values: Arguments): readonly string[] {
  const { scrape_protocols: wanted } = values;
  const wantsProtobuf = values.scrape_native_histograms || values.enable_protobuf_negotiation;
  const isDefault = wanted.join() === DEFAULT_PROTOCOLS.join();
  return wantsProtobuf && isDefault ? PROTOCOLS_WITH_PROTOBUF : wanted;
}
