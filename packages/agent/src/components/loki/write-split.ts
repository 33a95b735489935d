/**
 * Halves of a push that a server refused, so that one bad entry does not take its neighbours with it. Works on the bytes of the protobuf message
 * (`logproto.PushRequest`: streams = 1; of a stream: labels = 1, entries = 2), so whatever is wrong with an entry, it is only moved.
 */
import { ProtobufReader, ProtobufWriter, WIRE_BYTES } from "@finch/codec";

/** A part of a push. */
export interface PushPart {
  readonly entries: number;
  readonly message: Uint8Array;
}

interface RawStream {
  readonly labels: Uint8Array;
  readonly entries: readonly Uint8Array[];
}

/** Two halves in the order of the entries; undefined for a single entry. */
export function halvePush(message: Uint8Array): readonly [PushPart, PushPart] | undefined {
  const streams = readStreams(message);
  const count = streams.reduce((sum, { entries }) => sum + entries.length, 0);
  if (count < 2) return undefined;
  const middle = count >> 1;
  return [encodeRange(streams, 0, middle), encodeRange(streams, middle, count)];
}

/** The labels of its first stream in words, for a message about an entry. */
export function firstLabelsOf(message: Uint8Array): string {
  const [first] = readStreams(message);
  return first === undefined ? "{}" : Buffer.from(first.labels).toString("utf8");
}

/** Entries `from` up to `to`, counted over all streams. */
function encodeRange(streams: readonly RawStream[], from: number, to: number): PushPart {
  const writer = new ProtobufWriter(1024);
  let first = 0;
  for (const { labels, entries } of streams) {
    const kept = entries.slice(Math.max(0, from - first), Math.max(0, to - first));
    first += entries.length;
    if (kept.length === 0) continue;
    const stream = writer.begin(1);
    writer.writeBytes(1, labels);
    for (const entry of kept) writer.writeBytes(2, entry);
    writer.end(stream);
  }
  return { entries: to - from, message: writer.finish() };
}

function readStreams(message: Uint8Array): readonly RawStream[] {
  const reader = new ProtobufReader(message);
  const streams: RawStream[] = [];
  while (reader.more()) {
    reader.readTag();
    if (reader.field !== 1 || reader.wireType !== WIRE_BYTES) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let labels: Uint8Array = new Uint8Array(0);
    const entries: Uint8Array[] = [];
    while (reader.more()) {
      reader.readTag();
      if (reader.wireType !== WIRE_BYTES) reader.skip();
      else if (reader.field === 1) labels = reader.readBytes();
      else if (reader.field === 2) entries.push(reader.readBytes());
      else reader.skip();
    }
    reader.leave(outer);
    streams.push({ labels, entries });
  }
  return streams;
}
