/** Remote write requests written field by field, so that a case can be wrong in ways that our own encoders are not. */
import { encodeSnappy, ProtobufReader, ProtobufWriter } from "@finch/codec";
import type { Histogram } from "@finch/model";
import { wordsOf } from "@finch/model";
import { writeHistogram } from "@finch/wire";

export interface SeriesMessage {
  labels: (readonly [name: string, value: string])[];
  samples: { value: Float64Array; timestampMs: number; startMs?: number }[];
  /** `countSent` stands in for the count that would fit the buckets. */
  histograms: { histogram: Histogram; timestampMs: number; countSent?: number }[];
  exemplars: { labels: (readonly [string, string])[]; value: number; timestampMs: number }[];
  metadata?: { type: number; help: string; unit: string };
  /** What 2.0 can get wrong. */
  flaw?: "odd-refs" | "refs-out-of-range" | "metadata-out-of-range" | "exemplar-out-of-range";
}

/** A body of remote write 1.0, not compressed. */
export function encodeMessage1(series: readonly SeriesMessage[]): Uint8Array {
  const writer = new ProtobufWriter();
  for (const one of series) {
    const message = writer.begin(1);
    writePairs(writer, one.labels);
    for (const sample of one.samples) {
      const inner = writer.begin(2);
      writeValue(writer, 1, sample.value);
      writer.writeInt64(2, sample.timestampMs);
      writer.end(inner);
    }
    for (const exemplar of one.exemplars) {
      const inner = writer.begin(3);
      writePairs(writer, exemplar.labels);
      writeValue(writer, 2, Float64Array.of(exemplar.value));
      writer.writeInt64(3, exemplar.timestampMs);
      writer.end(inner);
    }
    for (const sample of one.histograms) writeCaseHistogram(writer, 4, sample);
    writer.end(message);
  }
  for (const { labels, metadata } of series) {
    if (metadata === undefined) continue;
    const message = writer.begin(3);
    writer.writeInt64(1, metadata.type);
    writer.writeString(2, labels.find(([name]) => name === "__name__")?.[1] ?? "");
    writer.writeString(4, metadata.help);
    writer.writeString(5, metadata.unit);
    writer.end(message);
  }
  return writer.finish();
}

/** A body of remote write 2.0, not compressed. */
export function encodeMessage2(
  series: readonly SeriesMessage[],
  firstSymbol: string = "",
): Uint8Array {
  const symbols = new Map([[firstSymbol, 0]]);
  const refOf = (text: string) => {
    let ref = symbols.get(text);
    if (ref === undefined) symbols.set(text, (ref = symbols.size));
    return ref;
  };
  const body = new ProtobufWriter();
  for (const one of series) writeSeries2(body, one, refOf);
  const writer = new ProtobufWriter();
  for (const symbol of symbols.keys()) writer.writeString(4, symbol);
  return Buffer.concat([writer.finish(), body.finish()]);
}

export function compress(body: Uint8Array): Uint8Array {
  return encodeSnappy(body);
}

const FAR = 1_000_000;

function writeSeries2(
  writer: ProtobufWriter,
  series: SeriesMessage,
  refOf: (text: string) => number,
): void {
  const { flaw } = series;
  const message = writer.begin(5);
  const refs = series.labels.flatMap(([name, value]) => [refOf(name), refOf(value)]);
  if (flaw === "odd-refs") refs.pop();
  if (flaw === "refs-out-of-range") refs[refs.length - 1] = FAR;
  for (const ref of refs) writer.writeInt64(1, ref);
  for (const { value, timestampMs, startMs = 0 } of series.samples) {
    const inner = writer.begin(2);
    writeValue(writer, 1, value);
    writer.writeInt64(2, timestampMs);
    if (startMs !== 0) writer.writeInt64(3, startMs);
    writer.end(inner);
  }
  for (const sample of series.histograms) writeCaseHistogram(writer, 3, sample);
  for (const { labels, value, timestampMs } of series.exemplars) {
    const inner = writer.begin(4);
    for (const [name, text] of labels) {
      writer.writeInt64(1, refOf(name));
      writer.writeInt64(1, flaw === "exemplar-out-of-range" ? FAR : refOf(text));
    }
    writeValue(writer, 2, Float64Array.of(value));
    writer.writeInt64(3, timestampMs);
    writer.end(inner);
  }
  if (series.metadata !== undefined) {
    const inner = writer.begin(5);
    writer.writeInt64(1, series.metadata.type);
    writer.writeInt64(3, flaw === "metadata-out-of-range" ? FAR : refOf(series.metadata.help));
    writer.writeInt64(4, refOf(series.metadata.unit));
    writer.end(inner);
  }
  writer.end(message);
}

/** As our encoder writes it, with the count that the case asks for behind it: of a field given twice the last counts. */
function writeCaseHistogram(
  writer: ProtobufWriter,
  field: number,
  sample: SeriesMessage["histograms"][number],
): void {
  const { countSent, ...rest } = sample;
  if (countSent === undefined) {
    writeHistogram(writer, field, { ...rest, startTimestampMs: 0 });
    return;
  }
  const inner = new ProtobufWriter();
  writeHistogram(inner, field, { ...rest, startTimestampMs: 0 });
  const reader = new ProtobufReader(inner.finish());
  reader.readTag();
  const count = new ProtobufWriter();
  count.writeInt64(1, countSent);
  writer.writeBytes(field, Buffer.concat([reader.readBytes(), count.finish()]));
}

function writePairs(writer: ProtobufWriter, pairs: SeriesMessage["labels"]): void {
  for (const [name, value] of pairs) {
    const label = writer.begin(1);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(label);
  }
}

function writeValue(writer: ProtobufWriter, field: number, value: Float64Array): void {
  const words = wordsOf(value);
  writer.writeDoubleWords(field, words[0]!, words[1]!);
}
