/**
 * What `/federate` answers: newest samples with their timestamps, as text 0.0.4 or as length-delimited protobuf messages
 * `io.prometheus.client.MetricFamily`. Floats have no type (`untyped`); native histograms travel in protobuf only, but those with custom
 * bounds become classic ones in either format.
 */
import { ByteWriter, ProtobufWriter } from "@finch/codec";
import { CUSTOM_BOUNDS_SCHEMA, formatGoFloat, wordsOf } from "@finch/model";
import type { Histogram, HistogramBuckets, Labels } from "@finch/model";

export type FederationFormat = "text" | "protobuf";

export const FEDERATION_CONTENT_TYPES: Readonly<Record<FederationFormat, string>> = {
  text: "text/plain; version=0.0.4; charset=utf-8",
  protobuf:
    "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited",
};

/** One sample of a series with a name. */
export interface FederatedSample {
  readonly labels: Labels;
  readonly timestampMs: number;
  readonly value: number;
  readonly histogram: Histogram | undefined;
}

export interface FederationOptions {
  /** Labels for series that have none of the name, in order; `instance` with an empty value keeps the scraper from adding its own. */
  readonly externalLabels: readonly (readonly [name: string, value: string])[];
  /** Whether names beyond the classic alphabet go out in quotes; else each odd character becomes an underscore. */
  readonly allowUtf8: boolean;
}

/** What an `Accept` header asks for. Text when it names neither. */
export function negotiateFederation(accept: string): {
  readonly format: FederationFormat;
  readonly allowUtf8: boolean;
} {
  for (const range of accept.split(",")) {
    const [type = "", ...parameters] = range.split(";").map((part) => part.trim().toLowerCase());
    const allowUtf8 = parameters.includes("escaping=allow-utf-8");
    const has = (text: string) => parameters.includes(text);
    const isDelimited = has("encoding=delimited") && has("proto=io.prometheus.client.metricfamily");
    if (type === "application/vnd.google.protobuf" && isDelimited)
      return { format: "protobuf", allowUtf8 };
    if (type === "text/plain" || type === "text/*") return { format: "text", allowUtf8 };
  }
  return { format: "text", allowUtf8: false };
}

/** The families of `samples`, which are sorted by name, as chunks to send. */
export function* formatFederation(
  samples: readonly FederatedSample[],
  format: FederationFormat,
  options: FederationOptions,
): Generator<string | Uint8Array> {
  for (const family of familiesOf(samples, format)) {
    if (format === "text") yield* formatFamily(family, options);
    else yield encodeFamily(family, options);
  }
}

type FamilyType = "untyped" | "histogram" | "gauge_histogram";

interface Family {
  readonly name: string;
  readonly type: FamilyType;
  readonly samples: readonly FederatedSample[];
}

/** Runs of samples that share name and type. A name whose series are of two kinds comes up more than once, which Prometheus reads. */
function* familiesOf(
  samples: readonly FederatedSample[],
  format: FederationFormat,
): Generator<Family> {
  let current: { name: string; type: FamilyType; samples: FederatedSample[] } | undefined;
  for (const sample of samples) {
    const { histogram } = sample;
    const name = sample.labels.get("__name__");
    const isNative = histogram !== undefined && histogram.schema !== CUSTOM_BOUNDS_SCHEMA;
    if (name === "" || (isNative && format === "text")) continue;
    const type = typeOf(histogram);
    if (current?.name === name && current.type === type) current.samples.push(sample);
    else {
      if (current !== undefined) yield current;
      current = { name, type, samples: [sample] };
    }
  }
  if (current !== undefined) yield current;
}

function typeOf(histogram: Histogram | undefined): FamilyType {
  if (histogram === undefined) return "untyped";
  return histogram.resetHint === "gauge" ? "gauge_histogram" : "histogram";
}

/** Labels as they are told: those of the series without its name, then the external ones it lacks. */
function* toldLabels(
  { labels }: FederatedSample,
  { externalLabels, allowUtf8 }: FederationOptions,
): Generator<readonly [name: string, value: string]> {
  for (const [name, value] of labels)
    if (name !== "__name__") yield [allowUtf8 ? name : escapeName(name, PLAIN_LABEL), value];
  for (const external of externalLabels) if (!labels.has(external[0])) yield external;
}

const PLAIN_LABEL = /[^A-Za-z0-9_]/gu;
const PLAIN_METRIC = /[^A-Za-z0-9_:]/gu;

function escapeName(name: string, odd: RegExp): string {
  const escaped = name.replaceAll(odd, "_");
  return /^[0-9]/.test(escaped) ? `_${escaped.slice(1)}` : escaped;
}

/** Characters gathered before a chunk is handed on. */
const CHUNK_LENGTH = 48 * 1024;

function* formatFamily(family: Family, options: FederationOptions): Generator<string> {
  const name = options.allowUtf8 ? family.name : escapeName(family.name, PLAIN_METRIC);
  const isPlain = escapeName(name, PLAIN_METRIC) === name;
  const type = family.type === "gauge_histogram" ? "gaugehistogram" : family.type;
  const head = isPlain ? name : `"${escapeText(name)}"`;
  let text = `# TYPE ${head} ${type}\n`;
  for (const sample of family.samples) {
    const labels = [...toldLabels(sample, options)];
    const line = (suffix: string, value: number, le?: string): void => {
      const parts = [...labels, ...(le === undefined ? [] : [["le", le] as const])].map(
        ([label, one]) => `${quoteName(label)}="${escapeText(one)}"`,
      );
      if (!isPlain) parts.unshift(`"${escapeText(name + suffix)}"`);
      const told = parts.length === 0 ? "" : `{${parts.join()}}`;
      text += `${isPlain ? name + suffix : ""}${told} ${formatGoFloat(value)} ${sample.timestampMs}\n`;
    };
    const { histogram } = sample;
    if (histogram === undefined) line("", sample.value);
    else {
      for (const { upperBound, count } of classicBuckets(histogram))
        line("_bucket", count, formatGoFloat(upperBound));
      line("_bucket", histogram.count, "+Inf");
      line("_sum", histogram.sum);
      line("_count", histogram.count);
    }
    if (text.length < CHUNK_LENGTH) continue;
    yield text;
    text = "";
  }
  yield text;
}

function quoteName(name: string): string {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) ? name : `"${escapeText(name)}"`;
}

function escapeText(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
}

/** Cumulative counts below each custom bound; what lies above the last is the count of the whole. */
function* classicBuckets({
  customBounds,
  positive,
}: Histogram): Generator<{ readonly upperBound: number; readonly count: number }> {
  const counts = new Float64Array(customBounds.length + 1);
  let index = 0;
  let at = 0;
  for (let span = 0; span < positive.spans.length; span += 2) {
    index += positive.spans[span]!;
    for (let i = 0; i < positive.spans[span + 1]!; i++) counts[index++] = positive.counts[at++]!;
  }
  let count = 0;
  for (const [bucket, upperBound] of customBounds.entries()) {
    count += counts[bucket]!;
    yield { upperBound, count };
  }
}

const TYPE_NUMBERS: Readonly<Record<FamilyType, number>> = {
  untyped: 3,
  histogram: 4,
  gauge_histogram: 5,
};

/** `MetricFamily{1 name, 3 type, 4 metric}` behind its length. */
function encodeFamily(family: Family, options: FederationOptions): Uint8Array {
  const writer = new ProtobufWriter(family.samples.length * 64 + 64);
  writer.writeString(1, options.allowUtf8 ? family.name : escapeName(family.name, PLAIN_METRIC));
  writer.writeInt64(3, TYPE_NUMBERS[family.type]);
  for (const sample of family.samples) encodeMetric(writer, sample, options);
  const message = writer.finish();
  const out = new ByteWriter(message.length + 5);
  out.writeVarint(message.length);
  out.writeBytes(message);
  return out.finish();
}

/** `Metric{1 label, 5 untyped, 7 histogram, 6 timestamp_ms}`. */
function encodeMetric(
  writer: ProtobufWriter,
  sample: FederatedSample,
  options: FederationOptions,
): void {
  const metric = writer.begin(4);
  for (const [name, value] of toldLabels(sample, options)) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
  const { histogram } = sample;
  if (histogram === undefined) {
    const untyped = writer.begin(5);
    writeDouble(writer, 1, sample.value);
    writer.end(untyped);
  } else encodeHistogram(writer, histogram);
  writer.writeInt64(6, sample.timestampMs);
  writer.end(metric);
}

/** `Histogram{2 sample_sum, 3 bucket, 4 sample_count_float, 5 schema, 6 zero_threshold, 8 zero_count_float, 9/11 negative, 12/14 positive}`. */
function encodeHistogram(writer: ProtobufWriter, histogram: Histogram): void {
  const message = writer.begin(7);
  writeDouble(writer, 2, histogram.sum);
  writeDouble(writer, 4, histogram.count);
  if (histogram.schema === CUSTOM_BOUNDS_SCHEMA) {
    for (const { upperBound, count } of classicBuckets(histogram)) {
      const bucket = writer.begin(3);
      writeDouble(writer, 2, upperBound);
      writeDouble(writer, 4, count);
      writer.end(bucket);
    }
  } else {
    writer.writeInt64(5, zigzag(histogram.schema));
    writeDouble(writer, 6, histogram.zeroThreshold);
    writeDouble(writer, 8, histogram.zeroCount);
    encodeBuckets(writer, histogram.negative, { spans: 9, counts: 11 });
    encodeBuckets(writer, histogram.positive, { spans: 12, counts: 14 });
    // Without any bucket it would pass for a classic histogram; a span of none tells.
    if (histogram.positive.spans.length === 0 && histogram.zeroThreshold === 0)
      writer.end(writer.begin(12));
  }
  writer.end(message);
}

function encodeBuckets(
  writer: ProtobufWriter,
  buckets: HistogramBuckets,
  fields: { readonly spans: number; readonly counts: number },
): void {
  for (let i = 0; i < buckets.spans.length; i += 2) {
    const span = writer.begin(fields.spans);
    writer.writeInt64(1, zigzag(buckets.spans[i]!));
    writer.writeInt64(2, buckets.spans[i + 1]!);
    writer.end(span);
  }
  for (const count of buckets.counts) writeDouble(writer, fields.counts, count);
}

function zigzag(value: number): number {
  return value < 0 ? -2 * value - 1 : 2 * value;
}

const DOUBLE = new Float64Array(1);
const DOUBLE_WORDS = wordsOf(DOUBLE);

function writeDouble(writer: ProtobufWriter, field: number, value: number): void {
  DOUBLE[0] = value;
  writer.writeDoubleWords(field, DOUBLE_WORDS[0]!, DOUBLE_WORDS[1]!);
}
