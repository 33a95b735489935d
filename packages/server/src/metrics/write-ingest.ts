/**
 * The one way into the metric store that every write protocol takes: the rate is held, the batch appended, and what was not taken counted and put
 * into words. What comes back as words is final (a sender must not try again); what may be taken later is thrown.
 */
import type { SampleBatch } from "@finch/model";
import type { Clock, MetricFamily } from "@finch/runtime";
import type { MetricAppendResult, MetricRejection, MetricStore } from "@finch/store";
import type { MetricsLimits } from "./limits.ts";
import { RateLimiter } from "./write-rate.ts";

/** What of a batch is stored. */
export interface Written {
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
}

export const NOTHING_WRITTEN: Written = { samples: 0, histograms: 0, exemplars: 0 };

export interface IngestOutcome {
  readonly written: Written;
  /** Samples, histograms and exemplars that were refused. */
  readonly refused: number;
  /** The first of the refusals in words, with a last line that counts the others. */
  readonly told: readonly string[];
  /** Exemplars out of order or of no known series, which remote write 2.0 alone is told of; any other that cannot be kept is dropped silently. */
  readonly toldExemplars: readonly string[];
  /** Numbers of the series of which anything but an exemplar was refused. */
  readonly refusedSeries: readonly number[];
}

/** What decoders left out, for the counters. */
export interface LeftOut {
  readonly series: number;
  readonly samples: number;
  readonly exemplars: number;
}

export interface MetricIngest {
  /** Resolves once all that is taken is durable. Rejects with `limited` or `unavailable` when nothing was. */
  ingest(batch: SampleBatch): Promise<IngestOutcome>;
  /** Counts what never reached the store. */
  countLeftOut(leftOut: LeftOut): void;
  families(): readonly MetricFamily[];
}

export interface IngestContext {
  readonly store: Pick<MetricStore, "append">;
  readonly clock: Clock;
  readonly limits: MetricsLimits;
  /** Shared by the ways into the series of several tenants; its own when absent. */
  readonly counters?: IngestCounters;
}

export interface IngestCounters {
  received: number;
  rejected: number;
  skippedSeries: number;
  skippedSamples: number;
  exemplars: number;
}

export function createIngestCounters(): IngestCounters {
  return { received: 0, rejected: 0, skippedSeries: 0, skippedSamples: 0, exemplars: 0 };
}

/** Prometheus' words where it has some. */
const REASONS: Readonly<Record<MetricRejection["reason"], string>> = {
  "out-of-order": "out of order sample",
  "too-old": "too old sample",
  "too-far-in-future": "out of bounds: timestamp is too far in the future",
  "duplicate-timestamp": "duplicate sample for timestamp",
  "too-many-series":
    "too many series at once; drop labels with many values (what was stored before goes on)",
  "unknown-series": "exemplar of a series without samples",
};

/** Of exemplars only these are told. */
const EXEMPLAR_REASONS: Readonly<Partial<Record<MetricRejection["reason"], string>>> = {
  "out-of-order": "out of order exemplar",
  "unknown-series": "TimeSeries must contain at least one sample or histogram",
};

const TOLD_LABELS_LENGTH_MAX = 1000;

export function createMetricIngest(context: IngestContext): MetricIngest {
  const { store, clock, limits, counters = createIngestCounters() } = context;
  const rate = new RateLimiter(limits.ingestionRate);
  return {
    async ingest(batch) {
      const exemplars = batch.exemplars?.length ?? 0;
      rate.take(batch.timestampsMs.length + exemplars, clock.nowMs());
      const appended = await store.append(batch);
      const refused = countRefused(batch, appended.rejections);
      const histograms = batch.histograms?.size ?? 0;
      const floats = batch.timestampsMs.length - histograms;
      counters.received += batch.timestampsMs.length;
      counters.rejected += refused.samples + refused.histograms;
      counters.exemplars += exemplars - appended.acceptedExemplars;
      return {
        written: {
          samples: floats - refused.samples,
          histograms: histograms - refused.histograms,
          exemplars: appended.acceptedExemplars,
        },
        refused: refused.samples + refused.histograms,
        told: describeRejections(batch, appended, limits.rejectionsToldMax),
        toldExemplars: describeExemplars(batch, appended, limits.rejectionsToldMax),
        refusedSeries: appended.rejections
          .filter(({ kind }) => kind !== "exemplar")
          .map(({ index }) => index),
      };
    },
    countLeftOut({ series, samples, exemplars }) {
      counters.skippedSeries += series;
      counters.skippedSamples += samples;
      counters.exemplars += exemplars;
    },
    families: () => ingestFamilies(counters),
  };
}

/** A rejection stands for one sample, or for all of a series that there was no room for. */
function countRefused(
  batch: SampleBatch,
  rejections: readonly MetricRejection[],
): { readonly samples: number; readonly histograms: number } {
  let samples = 0;
  let histograms = 0;
  for (const { index, kind, reason } of rejections) {
    if (kind === "exemplar") continue;
    if (reason !== "too-many-series") {
      if (kind === "histogram") histograms++;
      else samples++;
      continue;
    }
    const from = batch.sampleStarts[index]!;
    const to = batch.sampleStarts[index + 1]!;
    let ofSeries = 0;
    for (let row = from; row < to; row++) if (batch.histograms?.has(row) === true) ofSeries++;
    histograms += ofSeries;
    samples += to - from - ofSeries;
  }
  return { samples, histograms };
}

/** Of exemplars nothing is said: Prometheus takes a request whose exemplars it cannot keep. */
function describeRejections(
  batch: SampleBatch,
  appended: MetricAppendResult,
  toldMax: number,
): readonly string[] {
  const rejections = appended.rejections.filter(({ kind }) => kind !== "exemplar");
  const told = rejections.slice(0, toldMax).map(({ index, reason, timestampMs }) => {
    const labels = clipText(batch.labelsOf(index).toString());
    return `${REASONS[reason]} for series ${labels}, timestamp ${timestampMs}`;
  });
  const untold = rejections.length - told.length;
  return untold > 0 ? [...told, `and ${untold} more samples`] : told;
}

function describeExemplars(
  batch: SampleBatch,
  { rejections }: MetricAppendResult,
  toldMax: number,
): readonly string[] {
  const told = new Set<string>();
  for (const { index, kind, reason } of rejections) {
    if (kind !== "exemplar" || told.size >= toldMax) continue;
    const words = EXEMPLAR_REASONS[reason];
    if (words !== undefined)
      told.add(`${words} for series ${clipText(batch.labelsOf(index).toString())}`);
  }
  return [...told];
}

/** Labels may take a megabyte; an answer names the series, it does not send it back. */
function clipText(text: string): string {
  return text.length <= TOLD_LABELS_LENGTH_MAX ? text : `${text.slice(0, TOLD_LABELS_LENGTH_MAX)}…`;
}

/** What was counted, as metrics. */
export function ingestFamilies(counters: IngestCounters): readonly MetricFamily[] {
  const counter = (name: string, help: string, value: number): MetricFamily => ({
    name: `finch_metrics_${name}_total`,
    type: "counter",
    help,
    samples: [{ labels: {}, value }],
  });
  return [
    counter(
      "samples_received",
      "Samples decoded from write requests, histograms included.",
      counters.received,
    ),
    counter("samples_rejected", "Samples refused by time or order.", counters.rejected),
    counter(
      "series_skipped",
      "Series left out of write requests for their labels.",
      counters.skippedSeries,
    ),
    counter(
      "samples_skipped",
      "Samples left out of write requests: invalid, or of a series left out.",
      counters.skippedSamples,
    ),
    counter("exemplars_dropped", "Exemplars left out of write requests.", counters.exemplars),
  ];
}
