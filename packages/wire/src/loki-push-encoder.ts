/** Writes Loki push requests, for the agent's sinks and for tests. */
import { ProtobufWriter } from "@finch/codec";
import type { Labels, LogBatchStream } from "@finch/model";
import { encodeSnappyBody } from "./snappy-body.ts";

/** The body: a Snappy block of a `logproto.PushRequest`; send it as `application/x-protobuf`. */
export function encodeLokiPush(streams: readonly LogBatchStream[]): Uint8Array {
  return encodeSnappyBody([encodeMessage(streams)]);
}

/** A `logproto.PushRequest`. Messages joined byte by byte are one message with all their streams. */
function encodeMessage(streams: readonly LogBatchStream[]): Uint8Array {
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
      writeMetadata(writer, entries.metadataSets[entries.metadataOf[row]!]!);
      writer.end(entry);
    }
    writer.end(stream);
  }
  return writer.finish();
}

/** Entries of one stream, as the agent hands them around. */
export interface LokiStreamEntries {
  readonly labels: Labels;
  readonly entries: readonly {
    readonly timestampNs: bigint;
    readonly line: string;
    readonly structuredMetadata: Labels;
  }[];
}

/** The same of entries that are not in columns. */
export function encodeLokiEntries(streams: readonly LokiStreamEntries[]): Uint8Array {
  const writer = new ProtobufWriter(sizeOf(streams));
  for (const { labels, entries } of streams) {
    const stream = writer.begin(1);
    writer.writeString(1, labels.toString());
    for (const { timestampNs, line, structuredMetadata } of entries) {
      const entry = writer.begin(2);
      writeTime(writer, timestampNs);
      writer.writeString(2, line);
      if (structuredMetadata.size > 0) writeMetadata(writer, structuredMetadata);
      writer.end(entry);
    }
    writer.end(stream);
  }
  return writer.finish();
}

/** About so many bytes they take, were they ASCII: memory that grows is copied. */
function sizeOf(streams: readonly LokiStreamEntries[]): number {
  let bytes = 1024;
  for (const { entries } of streams) for (const { line } of entries) bytes += line.length + 32;
  return bytes;
}

function writeMetadata(writer: ProtobufWriter, metadata: Labels): void {
  for (const [name, value] of metadata) {
    const pair = writer.begin(3);
    writer.writeString(1, name);
    writer.writeString(2, value);
    writer.end(pair);
  }
}

/** A `google.protobuf.Timestamp`, whose nanoseconds count forwards even before 1970. */
function writeTime(writer: ProtobufWriter, ns: bigint): void {
  const time = writer.begin(1);
  const nanos = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  writer.writeInt64(1, Number((ns - nanos) / 1_000_000_000n));
  writer.writeInt64(2, Number(nanos));
  writer.end(time);
}
