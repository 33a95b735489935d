/**
 * The loop of one target: waits for its turn, asks, reads the answer, forwards samples, stale markers and the report of the scrape.
 * A failed scrape ends every series of the target, and so does the end of the loop.
 */
import { isStaleAt, Labels, wordsOf } from "@finch/model";
import type { Exemplar, Histogram, MetricMetadata } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { limitResolution, type Exposition, type ProtobufExposition } from "@finch/wire/exposition";
import type { MetricsReceiver } from "../../receivers.ts";
import type { RelabelRule } from "../../relabel.ts";
import { fanOut, type FanOutContext } from "./fan-out.ts";
import { SampleBuilder } from "./sample-builder.ts";
import { mergeLabels, SeriesCache } from "./scrape-series.ts";
import { INTERNAL_ADDRESS } from "./internal-address.ts";
import type { ScrapeOutcome } from "./scrape-status.ts";
import { delayUntilNext, type ScrapeTarget } from "./scrape-target.ts";

export interface ScrapeSettings {
  readonly honorLabels: boolean;
  /** Whether series get their type and unit as labels. */
  readonly addsTypeAndUnit: boolean;
  readonly honorTimestamps: boolean;
  readonly trackTimestampsStaleness: boolean;
  readonly extraMetrics: boolean;
  /** 0: no limit. Going over one makes the whole scrape fail. */
  readonly sampleLimit: number;
  readonly labelLimit: number;
  readonly labelNameLengthLimit: number;
  readonly labelValueLengthLimit: number;
  /** 0: no limit. Native histograms with more buckets lose resolution. */
  readonly nativeBucketLimit: number;
  /** Finest schema of native histograms; Infinity keeps all. */
  readonly nativeSchemaMax: number;
  /** Applied to every sample, with the target's labels; the report of a scrape is left as it is. */
  readonly metricRelabelings: readonly RelabelRule[];
}

export interface Answer {
  readonly exposition: Exposition & Partial<Pick<ProtobufExposition, "histograms">>;
  readonly bodyBytes: number;
}

export interface LoopOptions {
  readonly target: ScrapeTarget;
  readonly settings: ScrapeSettings;
  /** Asks the target and reads what it answers; rejects when the scrape failed. */
  readonly ask: (signal: AbortSignal) => Promise<Answer>;
  readonly receivers: readonly MetricsReceiver[];
  readonly context: FanOutContext;
  /** Told of every scrape, whether it succeeded or not. */
  readonly onScraped: (outcome: ScrapeOutcome) => void;
  /** Set when the loop cannot scrape at all, such as when there are more targets than allowed. */
  readonly refusal: FinchError | undefined;
}

/** How long the last stale markers may take once the loop has been told to end. */
const FAREWELL_MS = 1000;

export async function runScrapeLoop(options: LoopOptions, signal: AbortSignal): Promise<void> {
  const { target, context } = options;
  const { clock } = context;
  const state: LoopState = {
    options,
    series: new SeriesCache(target.labels, options.settings),
    reported: undefined,
  };
  try {
    // Targets take turns within the interval so as not to crowd the network; one in this process crowds nobody and is asked at once.
    const isInternal = target.address === INTERNAL_ADDRESS;
    let nextMs = clock.nowMs() + (isInternal ? 0 : delayUntilNext(target, clock.nowMs()));
    while (!signal.aborted) {
      await clock.sleep(Math.max(0, nextMs - clock.nowMs()), signal);
      await scrapeOnce(state, {
        timestampMs: alignedTime(nextMs, clock.nowMs(), target.intervalMs),
        signal,
      });
      // A scrape that took longer than the interval makes the next one late by whole intervals, never a burst.
      do nextMs += target.intervalMs;
      while (nextMs <= clock.nowMs());
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  await sayFarewell(state);
}

interface LoopState {
  readonly options: LoopOptions;
  readonly series: SeriesCache;
  /** Labels of the report's samples, once there was one. */
  reported: readonly Labels[] | undefined;
}

/** Timers fire a little late; samples exactly one interval apart take much less space, so such a delay is not shown. */
function alignedTime(plannedMs: number, nowMs: number, intervalMs: number): number {
  const tolerance = Math.min(10, intervalMs / 100);
  return Math.round(Math.abs(nowMs - plannedMs) <= tolerance ? plannedMs : nowMs);
}

async function scrapeOnce(
  state: LoopState,
  turn: { readonly timestampMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const { options, series } = state;
  const { context, receivers, target } = options;
  const { timestampMs, signal } = turn;
  const startMs = context.clock.monotonicMs();
  const startedMs = context.clock.nowMs();
  series.beginScrape();
  let answer: Answer | undefined;
  let builder = new SampleBuilder();
  let kept = 0;
  let durationMs = 0;
  let fault = "";
  try {
    if (options.refusal !== undefined) throw options.refusal;
    answer = await options.ask(signal);
    durationMs = context.clock.monotonicMs() - startMs;
    kept = addSamples(builder, state, { exposition: answer.exposition, timestampMs });
  } catch (error) {
    signal.throwIfAborted();
    durationMs = context.clock.monotonicMs() - startMs;
    fault = describeError(error);
    context.log.warn("scrape failed", { target: target.url, error: fault });
    context.metrics
      .counter(
        "prometheus_target_scrapes_failed_total",
        "Scrapes that failed, for whatever reason.",
      )
      .add(1);
    if (error instanceof FinchError && error.code === "agent/scrape-limit")
      countDropped(options, error, answer?.exposition.labels.length ?? 0);
    answer = undefined;
    builder = new SampleBuilder();
    for (const labels of series.takeForwarded()) builder.addStale(labels, timestampMs);
  }
  const metadata = answer?.exposition.metadata;
  options.onScraped({ startedMs, durationMs, error: fault, metadata });
  addReport(builder, state, { answer, kept, timestampMs, durationMs });
  await fanOut(context, receivers, {
    samples: builder.build(metadata ?? NO_METADATA),
    signal,
  });
}

const NO_METADATA: readonly MetricMetadata[] = [];

/** How many samples relabelling kept. */
function addSamples(
  builder: SampleBuilder,
  state: LoopState,
  scrape: { readonly exposition: Answer["exposition"]; readonly timestampMs: number },
): number {
  const { series, options } = state;
  const { settings } = options;
  const { exposition, timestampMs } = scrape;
  const words = wordsOf(exposition.values);
  let kept = 0;
  let families: ReadonlyMap<string, MetricMetadata> | undefined;
  const metadataOf = (family: string) => {
    families ??= new Map(exposition.metadata.map((one) => [one.family, one]));
    return families.get(family);
  };
  for (let i = 0; i < exposition.labels.length; i++) {
    const own = exposition.timestampsMs[i]!;
    const hasOwnTime = settings.honorTimestamps && !Number.isNaN(own);
    const labels = series.see(exposition.labels[i]!, {
      isTracked: !hasOwnTime || settings.trackTimestampsStaleness,
      metadataOf,
    });
    if (labels === undefined) continue;
    kept++;
    if (settings.sampleLimit > 0 && kept > settings.sampleLimit)
      throw overLimit(
        "sample_limit",
        `it exposes more samples than sample_limit ${settings.sampleLimit}`,
      );
    checkLabels(labels, settings);
    const at = hasOwnTime ? own : timestampMs;
    const histogram = exposition.histograms?.get(i);
    if (histogram !== undefined)
      builder.addHistogram(labels, at, limited(histogram, labels, settings));
    else if (isStaleAt(words, i)) builder.addStale(labels, at);
    else builder.add(labels, at, exposition.values[i]!);
  }
  addExemplars(builder, state, scrape);
  for (const labels of series.takeVanished()) builder.addStale(labels, timestampMs);
  return kept;
}

function limited(histogram: Histogram, labels: Labels, settings: ScrapeSettings): Histogram {
  const { nativeBucketLimit: bucketsMax, nativeSchemaMax: schemaMax } = settings;
  const found = limitResolution(histogram, { bucketsMax, schemaMax });
  if (found !== undefined) return found;
  throw overLimit(
    "native_histogram_bucket_limit",
    `${labels.toString()} has more buckets than native_histogram_bucket_limit ${bucketsMax} at any resolution`,
  );
}

/** Exemplars that the last scrape did not show; those without a time get that of the scrape. */
function addExemplars(
  builder: SampleBuilder,
  { series, options }: LoopState,
  scrape: { readonly exposition: Answer["exposition"]; readonly timestampMs: number },
): void {
  const { exposition, timestampMs } = scrape;
  const { exemplars, labels } = exposition;
  for (let at = 0; at < exemplars.length;) {
    const { row } = exemplars[at]!;
    const own: Exemplar[] = [];
    for (; exemplars[at]?.row === row; at++) {
      const { labels: exemplarLabels, value, timestampMs: ownMs } = exemplars[at]!;
      own.push({ labels: exemplarLabels, value, timestampMs: ownMs ?? NaN });
    }
    const forwarded = series.labelsOf(labels[row]!);
    if (forwarded === undefined) continue;
    for (const exemplar of series.newExemplars(labels[row]!, own)) {
      const hasTime = options.settings.honorTimestamps && !Number.isNaN(exemplar.timestampMs);
      builder.addExemplar(forwarded, hasTime ? exemplar : { ...exemplar, timestampMs });
    }
  }
}

function checkLabels(labels: Labels, settings: ScrapeSettings): void {
  const { labelLimit, labelNameLengthLimit, labelValueLengthLimit } = settings;
  if (labelLimit > 0 && labels.size > labelLimit)
    throw overLimit(
      "label_limit",
      `${labels.toString()} has more labels than label_limit ${labelLimit}`,
    );
  if (labelNameLengthLimit === 0 && labelValueLengthLimit === 0) return;
  for (const [name, value] of labels) {
    if (labelNameLengthLimit > 0 && Buffer.byteLength(name) > labelNameLengthLimit) {
      throw overLimit(
        "label_name_length_limit",
        `the label name ${JSON.stringify(name)} is longer than label_name_length_limit ${labelNameLengthLimit}`,
      );
    }
    if (labelValueLengthLimit > 0 && Buffer.byteLength(value) > labelValueLengthLimit) {
      throw overLimit(
        "label_value_length_limit",
        `the value of label ${JSON.stringify(name)} is longer than label_value_length_limit ${labelValueLengthLimit}`,
      );
    }
  }
}

/** `limit`: the argument that names it. */
function overLimit(limit: string, message: string): FinchError {
  return new FinchError("limited", "agent/scrape-limit", message, { fields: { limit } });
}

/** A scrape over a limit gives none of its samples. */
function countDropped(
  { context, target }: LoopOptions,
  { fields, message }: FinchError,
  samples: number,
): void {
  const place = { kind: "samples", reason: String(fields["limit"]) } as const;
  context.drops.count(place, samples, () => [{ labels: String(target.labels), text: message }]);
}

const REPORT_NAMES = [
  "up",
  "scrape_duration_seconds",
  "scrape_samples_scraped",
  "scrape_samples_post_metric_relabeling",
  "scrape_series_added",
];
const EXTRA_NAMES = ["scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"];

function addReport(
  builder: SampleBuilder,
  state: LoopState,
  about: {
    readonly answer: Answer | undefined;
    readonly kept: number;
    readonly timestampMs: number;
    readonly durationMs: number;
  },
): void {
  const { answer, kept, timestampMs, durationMs } = about;
  const { settings, target } = state.options;
  state.reported ??= reportLabels(target.labels, settings);
  const scraped = answer?.exposition.labels.length ?? 0;
  const values = [
    answer === undefined ? 0 : 1,
    durationMs / 1000,
    scraped,
    answer === undefined ? 0 : kept,
    answer === undefined ? 0 : state.series.added,
  ];
  if (settings.extraMetrics)
    values.push(target.timeoutMs / 1000, settings.sampleLimit, answer?.bodyBytes ?? -1);
  for (const [index, value] of values.entries())
    builder.add(state.reported[index]!, timestampMs, value);
}

function reportLabels(target: Labels, settings: ScrapeSettings): readonly Labels[] {
  const names = settings.extraMetrics ? [...REPORT_NAMES, ...EXTRA_NAMES] : REPORT_NAMES;
  return names.map((name) =>
    mergeLabels(Labels.fromObject({ __name__: name }), target, { honorLabels: false }),
  );
}

/** The target is gone: its series and those of its report end here. */
async function sayFarewell(state: LoopState): Promise<void> {
  const { options, series, reported } = state;
  if (reported === undefined) return;
  const timestampMs = Math.round(options.context.clock.nowMs());
  const builder = new SampleBuilder();
  for (const labels of series.takeAll()) builder.addStale(labels, timestampMs);
  for (const labels of reported) builder.addStale(labels, timestampMs);
  const signal = AbortSignal.timeout(FAREWELL_MS);
  try {
    await fanOut(options.context, options.receivers, {
      samples: builder.build(NO_METADATA),
      signal,
    });
  } catch (error) {
    options.context.log.warn("could not end the series of a target", {
      target: options.target.url,
      error: describeError(error),
    });
  }
}
