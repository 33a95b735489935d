/**
 * Messages of the service `collector.v1.CollectorService`, which gives configurations to collectors, as protocol buffers. The format is that of
 * `api/collector/v1/collector.proto` in grafana/alloy-remote-config.
 */
import { ProtobufReader, ProtobufWriter, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";

/** What the agent made of the last configuration it was given; the numbers are those of the format. */
export type RemoteStatus = "unset" | "applied" | "applying" | "failed";

export interface StatusReport {
  readonly status: RemoteStatus;
  /** Set when it failed. */
  readonly error: string;
}

export interface ConfigRequest {
  readonly id: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** As the server gave it with the last configuration. */
  readonly hash: string;
  /** Left out when it has been told before. */
  readonly report: StatusReport | undefined;
}

export interface ConfigAnswer {
  readonly content: string;
  readonly hash: string;
  readonly isUnmodified: boolean;
}

const STATUS_NUMBERS: Readonly<Record<RemoteStatus, number>> = {
  unset: 0,
  applied: 1,
  applying: 2,
  failed: 3,
};

export function encodeGetConfig({ id, attributes, hash, report }: ConfigRequest): Uint8Array {
  const writer = new ProtobufWriter();
  writeText(writer, 1, id);
  writeText(writer, 3, hash);
  writeMap(writer, 4, attributes);
  if (report !== undefined) {
    const mark = writer.begin(5);
    if (report.status !== "unset") writer.writeInt64(1, STATUS_NUMBERS[report.status]);
    writeText(writer, 2, report.error);
    writer.end(mark);
  }
  return writer.finish();
}

export function encodeRegister(
  id: string,
  { name, attributes }: { readonly name: string; readonly attributes: ConfigRequest["attributes"] },
): Uint8Array {
  const writer = new ProtobufWriter();
  writeText(writer, 1, id);
  writeText(writer, 3, name);
  writeMap(writer, 4, attributes);
  return writer.finish();
}

export function encodeUnregister(id: string): Uint8Array {
  const writer = new ProtobufWriter();
  writeText(writer, 1, id);
  return writer.finish();
}

/** Throws a fault of the reader for bytes that are no such message. */
export function decodeConfigAnswer(bytes: Uint8Array): ConfigAnswer {
  const reader = new ProtobufReader(bytes);
  const text = () => {
    reader.expect(WIRE_BYTES);
    return new TextDecoder().decode(reader.readBytes());
  };
  let content = "";
  let hash = "";
  let isUnmodified = false;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) content = text();
    else if (reader.field === 2) hash = text();
    else if (reader.field === 3) {
      reader.expect(WIRE_VARINT);
      isUnmodified = reader.readBigInt(false) !== 0n;
    } else reader.skip();
  }
  return { content, hash, isUnmodified };
}

/** The empty text is what is not there. */
function writeText(writer: ProtobufWriter, field: number, text: string): void {
  if (text !== "") writer.writeString(field, text);
}

function writeMap(
  writer: ProtobufWriter,
  field: number,
  entries: Readonly<Record<string, string>>,
): void {
  for (const [key, value] of Object.entries(entries)) {
    const mark = writer.begin(field);
    writer.writeString(1, key);
    writer.writeString(2, value);
    writer.end(mark);
  }
}
