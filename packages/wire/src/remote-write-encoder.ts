/** Writes remote write 1.0 requests, for the agent's sinks and for tests. */
import { ProtobufWriter } from "@finch/codec";
import { type Labels, type MetricMetadata, wordsOf } from "@finch/model";
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
}

/** The body: a Snappy block of a `prometheus.WriteRequest`. */
export function encodeRemoteWrite(samples: RemoteWriteSamples): Uint8Array {
  const { labels, timestampsMs, values } = samples;
  const words = wordsOf(values);
  const writer = new ProtobufWriter(labels.length * 128 + 64);
  let row = 0;
  while (row < labels.length) {
    const first = labels[row]!;
    const series = writer.begin(1);
    for (const [name, value] of first) {
      const label = writer.begin(1);
      writer.writeString(1, name);
      writer.writeString(2, value);
      writer.end(label);
    }
    do {
      const sample = writer.begin(2);
      writer.writeDoubleWords(1, words[2 * row]!, words[2 * row + 1]!);
      writer.writeInt64(2, timestampsMs[row]!);
      writer.end(sample);
      row++;
    } while (row < labels.length && (labels[row] === first || labels[row]!.key === first.key));
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
