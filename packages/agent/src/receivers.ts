/**
 * What flows between components: batches of samples, of log entries, of profiles, and of OpenTelemetry's three signals. A receiver's promise is the back-pressure: it settles when everything
 * downstream has taken the batch (for a sink: when its on-disk queue has it). Receivers are exported by components as capsules.
 */
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@finch/model";
import type { OtlpSignal, RawProfile } from "@finch/wire";
import type { AnyBatch } from "./otel/telemetry-batch.ts";

/** Samples of one scrape or request, in columns; sample `i` belongs to `labels[i]` (with `__name__`). Stale markers are kept by their bits. */
export interface SampleSet {
  readonly labels: readonly Labels[];
  readonly timestampsMs: Float64Array;
  /** A float sample's value; of a sample that is a histogram, its sum. */
  readonly values: Float64Array;
  readonly metadata: readonly MetricMetadata[];
  /** Samples that are native histograms, by index. Missing when there is none. */
  readonly histograms?: ReadonlyMap<number, Histogram>;
  /** When each counter began, Unix milliseconds; 0 where unknown. Missing when it never is. */
  readonly startTimestampsMs?: Float64Array;
  /** Missing when there is none. */
  readonly exemplars?: readonly SeriesExemplar[];
}

/** An exemplar with the labels of its series, which need not have a sample in the same set: senders may write exemplars by themselves. */
export interface SeriesExemplar {
  readonly labels: Labels;
  readonly exemplar: Exemplar;
}

export interface MetricsReceiver {
  readonly kind: "metrics-receiver";
  /** The component that owns it, such as `prometheus.remote_write.default`. */
  readonly owner: string;
  append(samples: SampleSet, signal: AbortSignal): Promise<void>;
}

export interface LogEntry {
  readonly labels: Labels;
  /** Unix nanoseconds. */
  readonly timestampNs: bigint;
  readonly line: string;
  readonly structuredMetadata: Labels;
}

export interface LogsReceiver {
  readonly kind: "logs-receiver";
  readonly owner: string;
  append(entries: readonly LogEntry[], signal: AbortSignal): Promise<void>;
}

/** The `input` of an `otelcol.*` component. */
export interface TelemetryConsumer {
  readonly kind: "otel-consumer";
  readonly owner: string;
  /** What it takes; it refuses the rest. */
  readonly signals: readonly OtlpSignal[];
  /** The batch is the consumer's from here on, see {@link AnyBatch}. Settles as the receivers' `append` do. */
  consume(batch: AnyBatch, signal: AbortSignal): Promise<void>;
}

/** Profiles of one series, as the push service carries them. */
export interface PushedProfiles {
  readonly kind: "pushed";
  /** `__name__` is the type of the profiles, such as `process_cpu`; `service_name` the program. */
  readonly labels: Labels;
  readonly profiles: readonly RawProfile[];
}

/** A request of Pyroscope's `/ingest`, whose body is handed on as it came, in whatever format. */
export interface IngestedProfile {
  readonly kind: "ingested";
  /** Of its parameter `name`; `__name__` is the application. */
  readonly labels: Labels;
  /** The other parameters, such as `from`, `until`, `format`, in their order. */
  readonly parameters: readonly (readonly [name: string, value: string])[];
  /** Empty when the sender named none. */
  readonly contentType: string;
  readonly body: Uint8Array;
}

export type ProfileSeries = PushedProfiles | IngestedProfile;

export interface ProfilesReceiver {
  readonly kind: "profiles-receiver";
  readonly owner: string;
  append(series: readonly ProfileSeries[], signal: AbortSignal): Promise<void>;
}

/** What `forward_to` takes. */
export type ForwardReceiver = MetricsReceiver | LogsReceiver | ProfilesReceiver;
export type Receiver = ForwardReceiver | TelemetryConsumer;

/** How many profiles there are in the series. */
export function countProfiles(series: readonly ProfileSeries[]): number {
  return series.reduce((sum, one) => sum + (one.kind === "pushed" ? one.profiles.length : 1), 0);
}

/** A target: labels of something to scrape or read, `__address__`, `__path__` and other meta labels included. */
export type Target = Labels;
