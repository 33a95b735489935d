/** Writes remote write 1.0 requests, for the agent's sinks and for tests. */
import { ProtobufWriter } from "@finch/codec";
import { wordsOf, type Exemplar, type Histogram } from "@finch/model";
import type { Labels, MetricMetadata } from "@finch/model";
import { writeHistogram } from "./native-histogram-protobuf.ts";
import { REMOTE_WRITE_METRIC_TYPES } from "./remote-write-decoder.ts";
import { encodeSnappyBody } from "./snappy-body.ts";

/** Samples by row. Rows next to each other with the same labels (the same object, or equal) become one series. */
export interface RemoteWriteSamples {
  readonly labels: readonly Labels[];
  /** Unix milliseconds. */
  readonly timestampsMs: Float64Array;
  /** Sent bit for bit. */
  readonly values: Float64Array;
  readonly metadata?: readonly MetricMetadata[];
  /** Rows that are native histograms. */
  readonly histograms?: ReadonlyMap<number, Histogram>;
  /** With the labels of their series, which need not have a row. */
  readonly exemplars?: readonly { readonly labels: Labels; readonly exemplar: Exemplar }[];
}

/** The body: a Snappy block of a `prometheus.WriteRequest`. */
export function encodeRemoteWrite(samples: RemoteWriteSamples): Uint8Array {
  const { labels, timestampsMs, values, histograms } = samples;
  const words = wordsOf(values);
  const writer = new ProtobufWriter(labels.length * 128 + 64);
  const exemplars = bySeries(samples.exemplars ?? []);
  let row = 0;
  while (row < labels.length) {
    const first = labels[row]!;
    const series = writer.begin(1);
    writeLabels(writer, first);
    do {
      const histogram = histograms?.get(row);
      if (histogram !== undefined) {
        const timestampMs = timestampsMs[row]!;
        writeHistogram(writer, 4, { histogram, timestampMs, startTimestampMs: 0 });
      } else {
        const sample = writer.begin(2);
        writer.writeDoubleWords(1, words[2 * row]!, words[2 * row + 1]!);
        writer.writeInt64(2, timestampsMs[row]!);
        writer.end(sample);
      }
      row++;
    } while (row < labels.length && (labels[row] === first || labels[row]!.key === first.key));
    if (exemplars.size > 0) {
      writeExemplars(writer, exemplars.get(first.key)?.exemplars);
      exemplars.delete(first.key);
    }
    writer.end(series);
  }
  for (const { labels: own, exemplars: left } of exemplars.values()) {
    const series = writer.begin(1);
    writeLabels(writer, own);
    writeExemplars(writer, left);
    writer.end(series);
  }
  for (const metadata of samples.metadata ?? []) {
    const message = writer.begin(3);
    writer.writeInt64(1, Math.max(0, REMOTE_WRITE_METRIC_TYPES.indexOf(metadata.type)));
    writer.writeString(2, metadata.family);
    writer.writeString(4, metadata.help);
    writer.writeString(5, metadata.unit);
    writer.end(message);
  }
  return encodeSnappyBody([writer.finish()]);
}

type SeriesExemplars = { readonly labels: Labels; readonly exemplars: Exemplar[] };

function bySeries(
  exemplars: readonly { readonly labels: Labels; readonly exemplar: Exemplar }[],
): Map<string, SeriesExemplars> {
  const series = new Map<string, SeriesExemplars>();
  for (const { labels, exemplar } of exemplars) {
    const known = series.get(labels.key);
    if (known === undefined) series.set(labels.key, { labels, exemplars: [exemplar] });
    else known.exemplars.push(exemplar);
  }
  return series;
}

function writeLabels(writer: ProtobufWriter, labels: Labels): void {
  for (const [name, value] of labels) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
}

/** `Exemplar{1 labels, 2 value, 3 timestamp}`. */
function writeExemplars(writer: ProtobufWriter, exemplars: readonly Exemplar[] = []): void {
  for (const { labels, value, timestampMs } of exemplars) {
    const exemplar = writer.begin(3);
    writeLabels(writer, labels);
    const words = wordsOf(Float64Array.of(value));
    writer.writeDoubleWords(2, words[0]!, words[1]!);
    writer.writeInt64(3, timestampMs);
    writer.end(exemplar);
  }
}
