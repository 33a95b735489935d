/**
 * Reads the protobuf exposition format: messages `io.prometheus.client.MetricFamily`, each behind its length. The only format in which targets
 * expose native histograms.
 */
import { ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import { formatGoFloat, Labels, type Histogram, type MetricMetadata } from "@finch/model";
import type { MetricType } from "@finch/model";
import { badBody, tooLarge, translateCodecErrors } from "./errors.ts";
import {
  readClientExemplar,
  readLabel,
  readText,
  type ClientExemplar,
} from "./exposition-exemplar.ts";
import {
  isNativeHistogram,
  nativeHistogramOf,
  readClientHistogram,
  type ClientBucket,
  type ClientHistogram,
} from "./exposition-histogram.ts";
import type { Exposition, ExpositionExemplar } from "./exposition-parser.ts";
import type { ExpositionLimits } from "./limits.ts";

export interface ProtobufExpositionOptions {
  readonly limits: ExpositionLimits;
  /** Labels by their text; see `ExpositionOptions`. */
  readonly cache?: Map<string, Labels>;
  /** Whether native histograms come out as such; else, and where a histogram is not native, as classic series. */
  readonly nativeHistograms: boolean;
  /** Whether native histograms come out as classic series too, if they have classic buckets. */
  readonly classicHistograms: boolean;
}

/** An exposition some of whose rows may be native histograms. */
export interface ProtobufExposition extends Exposition {
  /** By row; the row's value is the sum. */
  readonly histograms: ReadonlyMap<number, Histogram>;
}

/** By their numbers in `MetricType`. */
const TYPES: readonly MetricType[] = [
  "counter",
  "gauge",
  "summary",
  "unknown",
  "histogram",
  "gaugehistogram",
];

/** Reads an answer whole; bytes that are no such messages are a FinchError `wire/bad-body`. */
export function parseProtobufExposition(
  source: Uint8Array,
  options: ProtobufExpositionOptions,
): ProtobufExposition {
  const { textBytesMax } = options.limits;
  if (source.length > textBytesMax)
    throw tooLarge(`the exposition has ${source.length} bytes, ${textBytesMax} are allowed`);
  return translateCodecErrors("the exposition", () => {
    const rows = new Rows(options);
    const reader = new ProtobufReader(source);
    while (reader.more()) {
      const outer = reader.enter();
      readFamily(reader, rows, options);
      reader.leave(outer);
    }
    return rows.result();
  });
}

interface Metric {
  /** `name, value, …` without `__name__`. */
  pairs: string[];
  /** NaN where the metric has no time of its own. */
  timestampMs: number;
  value: number | undefined;
  exemplar: ClientExemplar | undefined;
  summary: Summary | undefined;
  histogram: ClientHistogram | undefined;
}

interface Summary {
  count: number;
  sum: number;
  readonly quantiles: { quantile: number; value: number }[];
}

function readFamily(reader: ProtobufReader, rows: Rows, options: ProtobufExpositionOptions): void {
  let name = "";
  let help = "";
  let unit = "";
  let type: MetricType = "counter";
  const metrics: [start: number, end: number][] = [];
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) name = readText(reader);
    else if (reader.field === 2) help = readText(reader);
    else if (reader.field === 3) {
      reader.expect(WIRE_VARINT);
      type = TYPES[reader.readVarint32()] ?? "unknown";
    } else if (reader.field === 4) {
      reader.expect(WIRE_BYTES);
      metrics.push([reader.readSpan(), reader.position]);
    } else if (reader.field === 5) unit = readText(reader);
    else reader.skip();
  }
  if (name === "") throw badBody("the exposition has a metric family without a name");
  rows.metadata.push({ family: name, type, help, unit });
  // Only now: name and type may stand behind the metrics.
  for (const [start, end] of metrics)
    addMetric(rows, readMetric(new ProtobufReader(reader.bytes, start, end)), {
      name,
      isGauge: type === "gaugehistogram",
      ...options,
    });
}

function readMetric(reader: ProtobufReader): Metric {
  const metric: Metric = {
    pairs: [],
    timestampMs: NaN,
    value: undefined,
    exemplar: undefined,
    summary: undefined,
    histogram: undefined,
  };
  while (reader.more()) {
    reader.readTag();
    switch (reader.field) {
      case 1:
        readLabel(reader, metric.pairs);
        break;
      case 2:
      case 3:
      case 5:
        readValue(reader, metric);
        break;
      case 4:
        metric.summary = readSummary(reader);
        break;
      case 6:
        reader.expect(WIRE_VARINT);
        metric.timestampMs = reader.readInt64();
        break;
      case 7:
        metric.histogram = readClientHistogram(reader);
        break;
      default:
        reader.skip();
    }
  }
  return metric;
}

/** `Gauge`, `Counter` and `Untyped` have `1 value`; a counter may have `2 exemplar`. */
function readValue(reader: ProtobufReader, metric: Metric): void {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  metric.value = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_FIXED64) metric.value = reader.readDouble();
    else if (reader.field === 2 && reader.wireType === WIRE_BYTES)
      metric.exemplar = readClientExemplar(reader);
    else reader.skip();
  }
  reader.leave(outer);
}

/** `Summary{1 sample_count, 2 sample_sum, 3 Quantile{1 quantile, 2 value}}`. */
function readSummary(reader: ProtobufReader): Summary {
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  const summary: Summary = { count: 0, sum: 0, quantiles: [] };
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_VARINT) summary.count = reader.readInt64();
    else if (reader.field === 2 && reader.wireType === WIRE_FIXED64)
      summary.sum = reader.readDouble();
    else if (reader.field === 3 && reader.wireType === WIRE_BYTES)
      summary.quantiles.push(readQuantile(reader));
    else reader.skip();
  }
  reader.leave(outer);
  return summary;
}

function readQuantile(reader: ProtobufReader): { quantile: number; value: number } {
  const outer = reader.enter();
  const one = { quantile: 0, value: 0 };
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_FIXED64) reader.skip();
    else if (reader.field === 1) one.quantile = reader.readDouble();
    else if (reader.field === 2) one.value = reader.readDouble();
    else reader.skip();
  }
  reader.leave(outer);
  return one;
}

interface MetricContext extends ProtobufExpositionOptions {
  readonly name: string;
  readonly isGauge: boolean;
}

function addMetric(rows: Rows, metric: Metric, context: MetricContext): void {
  const { name } = context;
  const { pairs, timestampMs, value, exemplar, summary, histogram } = metric;
  if (value !== undefined) {
    const row = rows.add(name, pairs, { value, timestampMs });
    if (exemplar !== undefined) rows.addExemplar(row, exemplar);
  } else if (summary !== undefined) {
    for (const { quantile, value: at } of summary.quantiles)
      rows.add(name, [...pairs, "quantile", boundText(quantile)], { value: at, timestampMs });
    rows.add(`${name}_sum`, pairs, { value: summary.sum, timestampMs });
    rows.add(`${name}_count`, pairs, { value: summary.count, timestampMs });
  } else if (histogram !== undefined) {
    const isNative = context.nativeHistograms && isNativeHistogram(histogram);
    if (isNative) addNative(rows, { histogram, pairs, timestampMs }, context);
    if (!isNative || (context.classicHistograms && histogram.buckets.length > 0))
      addClassic(rows, { histogram, pairs, timestampMs }, context);
  }
}

interface HistogramMetric {
  readonly histogram: ClientHistogram;
  readonly pairs: readonly string[];
  readonly timestampMs: number;
}

function addNative(rows: Rows, metric: HistogramMetric, context: MetricContext): void {
  const { histogram, pairs, timestampMs } = metric;
  const native = nativeHistogramOf(histogram, context);
  const row = rows.add(context.name, pairs, { value: histogram.sum, timestampMs });
  rows.histograms.set(row, native);
  const own = histogram.exemplars;
  const exemplars =
    own.length > 0 ? own : histogram.buckets.flatMap((bucket) => bucket.exemplar ?? []);
  for (const exemplar of exemplars) rows.addExemplar(row, exemplar);
}

function addClassic(rows: Rows, metric: HistogramMetric, context: MetricContext): void {
  const { histogram, pairs, timestampMs } = metric;
  const { name } = context;
  rows.add(`${name}_count`, pairs, { value: histogram.count, timestampMs });
  rows.add(`${name}_sum`, pairs, { value: histogram.sum, timestampMs });
  const { buckets } = histogram;
  const all: readonly ClientBucket[] =
    buckets.at(-1)?.upperBound === Infinity
      ? buckets
      : [...buckets, { upperBound: Infinity, count: histogram.count, exemplar: undefined }];
  for (const { upperBound, count, exemplar } of all) {
    const labels = [...pairs, "le", boundText(upperBound)];
    const row = rows.add(`${name}_bucket`, labels, { value: count, timestampMs });
    if (exemplar !== undefined) rows.addExemplar(row, exemplar);
  }
}

/** A bound as OpenMetrics writes it, which is how Prometheus stores it whatever the format: `1.0`, `0.25`, `+Inf`. */
export function boundText(bound: number): string {
  const text = formatGoFloat(bound);
  return /^-?[0-9]+$/.test(text) ? `${text}.0` : text;
}

/** The columns as they grow. */
class Rows {
  readonly metadata: MetricMetadata[] = [];
  readonly histograms = new Map<number, Histogram>();
  readonly #options: ProtobufExpositionOptions;
  readonly #labels: Labels[] = [];
  readonly #values: number[] = [];
  readonly #timestampsMs: number[] = [];
  readonly #exemplars: ExpositionExemplar[] = [];

  constructor(options: ProtobufExpositionOptions) {
    this.#options = options;
  }

  /** Adds a sample and returns its row. */
  add(
    name: string,
    pairs: readonly string[],
    sample: { readonly value: number; readonly timestampMs: number },
  ): number {
    const { limits, cache } = this.#options;
    if (this.#labels.length >= limits.samplesMax)
      throw tooLarge(`the exposition has more than ${limits.samplesMax} samples`);
    const key = `${name}\u0001${pairs.join("\u0001")}`;
    let labels = cache?.get(key);
    if (labels === undefined) {
      labels = this.#labelsOf(name, pairs);
      cache?.set(key, labels);
    }
    this.#values.push(sample.value);
    this.#timestampsMs.push(sample.timestampMs);
    return this.#labels.push(labels) - 1;
  }

  addExemplar(row: number, exemplar: ClientExemplar): void {
    const { pairs, value, timestampMs } = exemplar;
    this.#exemplars.push({ row, labels: Labels.fromPairs(pairs), value, timestampMs });
  }

  result(): ProtobufExposition {
    return {
      count: this.#labels.length,
      labels: this.#labels,
      values: Float64Array.from(this.#values),
      timestampsMs: Float64Array.from(this.#timestampsMs),
      metadata: this.metadata,
      exemplars: this.#exemplars,
      histograms: this.histograms,
    };
  }

  #labelsOf(name: string, pairs: readonly string[]): Labels {
    const { labelsPerSeriesMax, labelNameBytesMax, labelValueBytesMax } = this.#options.limits;
    if (pairs.length / 2 > labelsPerSeriesMax)
      throw badBody(`${name} has more than ${labelsPerSeriesMax} labels`);
    for (let i = 0; i < pairs.length; i += 2) {
      if (Buffer.byteLength(pairs[i]!) > labelNameBytesMax)
        throw badBody(`a label name of ${name} has more than ${labelNameBytesMax} bytes`);
      if (Buffer.byteLength(pairs[i + 1]!) > labelValueBytesMax)
        throw badBody(
          `the label ${pairs[i]!} of ${name} has more than ${labelValueBytesMax} bytes`,
        );
    }
    try {
      return Labels.fromPairs(["__name__", name, ...pairs]);
    } catch (cause) {
      throw badBody(`${name} has a label twice`, cause);
    }
  }
}
