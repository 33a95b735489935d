/** A scrape job that an object of prometheus-operator asks for, with the settings that all kinds of objects have in common. */
import { parseBytes, parseDuration } from "@finch/model";
import { FinchError } from "@finch/runtime";
import { DEFAULT_JOB, type ScrapeJob } from "../components/prometheus/scrape-loops.ts";
import { findFault, timeoutOf } from "../components/prometheus/scrape-arguments.ts";
import type { HttpClientOptions } from "../http-client.ts";
import type { TargetScope } from "../kubernetes/cluster-targets.ts";
import type { KubernetesObject } from "../kubernetes/objects.ts";
import type { Target } from "../receivers.ts";
import { compileRules } from "../relabel.ts";
import type { RelabelConfig, RelabelRule } from "../relabel.ts";
import { httpValuesOf } from "./http-settings.ts";
import { writtenRelabelings } from "./relabelings.ts";
import type { NamespaceSelector, WrittenEndpoint, WrittenLimits } from "./resources.ts";
import type { SecretReader } from "./secret-reader.ts";

/** Where the targets of a job come from. */
export type TargetSource =
  | { readonly kind: "cluster"; readonly scope: TargetScope }
  | { readonly kind: "static"; readonly targets: readonly Target[] }
  | {
      readonly kind: "http";
      readonly url: string;
      readonly intervalMs: number;
      readonly client: HttpClientOptions;
    };

/** All of a scrape but the targets and where samples go. */
export type JobSettings = Omit<ScrapeJob, "targets" | "forward_to"> & { readonly job_name: string };

export interface OperatorJob {
  readonly source: TargetSource;
  /** Applied to targets that have the labels of {@link targetDefaults}. */
  readonly relabelings: readonly RelabelRule[];
  readonly settings: JobSettings;
}

/** What jobs are made with, besides the object. */
export interface JobMaking {
  /** Rules of the component, before all others. */
  readonly rules: readonly RelabelConfig[];
  /** The component's `scrape` block, by the names of `prometheus.scrape`. */
  readonly defaults: Partial<ScrapeJob>;
  /** Which objects the endpoints of services are read from. */
  readonly serviceRole: "endpoints" | "endpointslice";
  /** Whether objects may name files of this machine. */
  readonly allowsFiles: boolean;
  readonly secrets: SecretReader;
}

/** `namespace/name` of an object. */
export function describeObject({ metadata }: KubernetesObject): string {
  return `${metadata.namespace ?? ""}/${metadata.name}`;
}

/** Settings of a job; rejects when an object contradicts itself or refers to what is not there. */
export async function jobSettings(
  making: JobMaking,
  job: {
    readonly name: string;
    readonly endpoint: WrittenEndpoint;
    readonly limits: WrittenLimits;
  },
): Promise<JobSettings> {
  const { name, endpoint, limits } = job;
  const base = { ...DEFAULT_JOB, ...making.defaults };
  const interval = durationOf(endpoint.interval, "interval") ?? base.scrape_interval;
  const written = durationOf(endpoint.scrapeTimeout, "scrapeTimeout");
  const settings = {
    ...base,
    ...(await httpValuesOf(endpoint, making.secrets)),
    ...limitValues(limits, base),
    job_name: name,
    scrape_interval: interval,
    // A time-out that nobody wrote for this interval gives way to it.
    scrape_timeout: written ?? Math.min(timeoutOf(base), interval),
    metrics_path: endpoint.path || base.metrics_path,
    scheme: schemeOf(endpoint.scheme ?? ""),
    params: endpoint.params,
    honor_labels: endpoint.honorLabels ?? base.honor_labels,
    honor_timestamps: endpoint.honorTimestamps ?? base.honor_timestamps,
    track_timestamps_staleness:
      endpoint.trackTimestampsStaleness ?? base.track_timestamps_staleness,
    enable_compression: endpoint.enableCompression ?? base.enable_compression,
    metricRelabelings: compileRules(writtenRelabelings(endpoint.metricRelabelings), {
      names: "legacy",
    }),
  };
  const fault = findFault({ ...settings, targets: [], forward_to: [] });
  if (fault !== undefined) throw badObject(fault.message);
  return settings;
}

function limitValues(limits: WrittenLimits, base: ScrapeJob | typeof DEFAULT_JOB) {
  return {
    sample_limit: limits.sampleLimit || base.sample_limit,
    target_limit: limits.targetLimit ?? base.target_limit,
    label_limit: limits.labelLimit ?? base.label_limit,
    label_name_length_limit: limits.labelNameLengthLimit ?? base.label_name_length_limit,
    label_value_length_limit: limits.labelValueLengthLimit ?? base.label_value_length_limit,
    body_size_limit: sizeOf(limits.bodySizeLimit) ?? base.body_size_limit,
    scrape_protocols: limits.scrapeProtocols ?? base.scrape_protocols,
  };
}

/** Bytes; undefined for what is not written. `1KB` is 1024 bytes, as in Prometheus' configuration. */
function sizeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseBytes(text.replace(/([KMGTPE])B$/, "$1iB"));
}

/** Milliseconds; undefined for what is not written. */
export function durationOf(text: string | undefined, field: string): number | undefined {
  if (text === undefined || text === "") return undefined;
  try {
    return parseDuration(text);
  } catch (cause) {
    throw badObject(`bad ${field}`, cause);
  }
}

/** The resources write it in either case. */
function schemeOf(text: string): "http" | "https" {
  const scheme = text.toLowerCase() || "http";
  if (scheme === "http" || scheme === "https") return scheme;
  throw badObject(`scheme ${JSON.stringify(text)} is neither http nor https`);
}

export function badObject(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "agent/operator-object", message, { cause });
}

/** The namespaces a selector of an object means; undefined stands for all. */
export function selectedNamespaces(
  selector: NamespaceSelector = {},
  { metadata }: KubernetesObject,
): readonly (string | undefined)[] {
  if (selector.any === true) return [undefined];
  const { matchNames = [] } = selector;
  return matchNames.length === 0 ? [metadata.namespace] : [...new Set(matchNames)];
}
