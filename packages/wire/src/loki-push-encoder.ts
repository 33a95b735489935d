/** Writes Loki push requests, for the agent's sinks and for tests. */
import { encodeSnappy, ProtobufWriter } from "@finch/codec";
import type { LogBatchStream } from "@finch/model";

/** The body: a Snappy block of {@link encodeLokiPushMessage}; send it as `application/x-protobuf`. */
export function encodeLokiPush(streams: readonly LogBatchStream[]): Uint8Array {
  return encodeSnappy(encodeLokiPushMessage(streams));
}

/** A `logproto.PushRequest`. Messages joined byte by byte are one message with all their streams. */
export function encodeLokiPushMessage(streams: readonly LogBatchStream[]): Uint8Array {
  const writer = new ProtobufWriter(1024);
  for (const { labels, entries } of streams) {
    const stream = writer.begin(1);
    writer.writeString(1, labels.toString());
    for (let row = 0; row < entries.count; row++) {
      const entry = writer.begin(2);
      writeTime(writer, entries.timestampsNs[row]!);
      writer.writeBytes(
        2,
        entries.lines.subarray(entries.lineBounds[row]!, entries.lineBounds[row + 1]!),
      );
      for (const [name, value] of entries.metadataSets[entries.metadataOf[row]!]!) {
        const pair = writer.begin(3);
        writer.writeString(1, name);
        writer.writeString(2, value);
        writer.end(pair);
      }
      writer.end(entry);
    }
    writer.end(stream);
  }
  return writer.finish();
}

/** A `google.protobuf.Timestamp`, whose nanoseconds count forwards even before 1970. */
function writeTime(writer: ProtobufWriter, ns: bigint): void {
  const time = writer.begin(1);
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  writer.writeInt64(1, Number((ns - nanos) / 1_000_000_000n));
  writer.writeInt64(2, Number(nanos));
  writer.end(time);
}
