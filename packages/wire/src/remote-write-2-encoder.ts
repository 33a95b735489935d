/** Writes remote write 2.0 requests, for senders and for tests. */
import { ByteWriter, ProtobufWriter } from "@finch/codec";
import { wordsOf } from "@finch/model";
import type { Exemplar, Histogram, Labels, MetricMetadata } from "@finch/model";
import { writeHistogram } from "./native-histogram-protobuf.ts";
import { REMOTE_WRITE_METRIC_TYPES } from "./remote-write-decoder.ts";
import { encodeSnappyBody } from "./snappy-body.ts";

/** One series of a request. */
export interface RemoteWrite2Series {
  readonly labels: Labels;
  /** Unix milliseconds. */
  readonly timestampsMs: Float64Array;
  /** Sent bit for bit; means nothing where `histograms` has one. */
  readonly values: Float64Array;
  /** By number of the sample. */
  readonly histograms?: ReadonlyMap<number, Histogram>;
  /** 0 where unknown. */
  readonly startTimestampsMs?: Float64Array;
  readonly exemplars?: readonly Exemplar[];
  /** The family's name is not sent: the series tells it. */
  readonly metadata?: Omit<MetricMetadata, "family">;
}

/** The body: a Snappy block of an `io.prometheus.write.v2.Request`. */
export function encodeRemoteWrite2(series: readonly RemoteWrite2Series[]): Uint8Array {
  const symbols = new Map<string, number>([["", 0]]);
  const refOf = (text: string): number => {
    let ref = symbols.get(text);
    if (ref === undefined) symbols.set(text, (ref = symbols.size));
    return ref;
  };
  const body = new ProtobufWriter(series.length * 96 + 64);
  for (const one of series) writeSeries(body, one, refOf);
  const head = new ProtobufWriter(symbols.size * 24 + 64);
  for (const symbol of symbols.keys()) head.writeString(4, symbol);
  const all = new Uint8Array(head.length + body.length);
  all.set(head.finish());
  all.set(body.finish(), head.length);
  return encodeSnappyBody([all]);
}

function writeSeries(
  writer: ProtobufWriter,
  series: RemoteWrite2Series,
  refOf: (text: string) => number,
): void {
  const message = writer.begin(5);
  writeRefs(writer, series.labels, refOf);
  const words = wordsOf(series.values);
  for (let i = 0; i < series.timestampsMs.length; i++) {
    const timestampMs = series.timestampsMs[i]!;
    const startTimestampMs = series.startTimestampsMs?.[i] ?? 0;
    const histogram = series.histograms?.get(i);
    if (histogram !== undefined) {
      writeHistogram(writer, 3, { histogram, timestampMs, startTimestampMs });
      continue;
    }
    const sample = writer.begin(2);
    writer.writeDoubleWords(1, words[2 * i]!, words[2 * i + 1]!);
    writer.writeInt64(2, timestampMs);
    if (startTimestampMs !== 0) writer.writeInt64(3, startTimestampMs);
    writer.end(sample);
  }
  for (const { labels, value, timestampMs } of series.exemplars ?? []) {
    const exemplar = writer.begin(4);
    writeRefs(writer, labels, refOf);
    const valueWords = wordsOf(Float64Array.of(value));
    writer.writeDoubleWords(2, valueWords[0]!, valueWords[1]!);
    writer.writeInt64(3, timestampMs);
    writer.end(exemplar);
  }
  if (series.metadata !== undefined) {
    const metadata = writer.begin(5);
    writer.writeInt64(1, Math.max(0, REMOTE_WRITE_METRIC_TYPES.indexOf(series.metadata.type)));
    writer.writeInt64(3, refOf(series.metadata.help));
    writer.writeInt64(4, refOf(series.metadata.unit));
    writer.end(metadata);
  }
  writer.end(message);
}

function writeRefs(writer: ProtobufWriter, labels: Labels, refOf: (text: string) => number): void {
  const packed = new ByteWriter(4 * labels.pairs.length);
  for (const text of labels.pairs) packed.writeVarint(refOf(text));
  writer.writeBytes(1, packed.finish());
}
