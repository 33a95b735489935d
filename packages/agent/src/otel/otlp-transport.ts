/** What an exporter of OTLP sends through, and what became of a request. */
import { ProtobufReader, WIRE_BYTES, WIRE_VARINT } from "@finch/codec";
import type { AnyBatch } from "./telemetry-batch.ts";

/** `later` may pass when it is sent again; `too-large` may pass in parts; `refused` never will. */
export type SendOutcome =
  /** `rejected`: items of the request that the receiver did not want, with its words. */
  | { readonly kind: "sent"; readonly rejected: number; readonly message: string }
  | { readonly kind: "later"; readonly why: string; readonly afterMs?: number }
  | { readonly kind: "too-large" | "refused"; readonly why: string }
  /** It belongs to several receivers; none has it yet. */
  | { readonly kind: "divided"; readonly parts: readonly AnyBatch[] };

export interface OtlpTransport extends Disposable {
  /** Rejects only when `signal` aborts. */
  send(batch: AnyBatch, signal: AbortSignal): Promise<SendOutcome>;
}

/** The partial success of an answer in protobuf; nothing rejected when it cannot be read, for the request was taken. */
export function readPartialSuccess(body: Uint8Array): {
  readonly rejected: number;
  readonly message: string;
} {
  try {
    const partial = fieldsOf(body).find(({ field }) => field === 1);
    const fields = fieldsOf(partial?.bytes ?? NOTHING);
    return {
      rejected: fields.find(({ field }) => field === 1)?.number ?? 0,
      message: textOf(fields.find(({ field }) => field === 2)),
    };
  } catch {
    return { rejected: 0, message: "" };
  }
}

/** The delay that a `google.rpc.Status` asks for with its RetryInfo; undefined without one. */
export function readRetryDelayMs(status: Uint8Array): number | undefined {
  try {
    const info = fieldsOf(status)
      .filter(({ field }) => field === 3)
      .map(({ bytes }) => fieldsOf(bytes))
      .find(([type]) => textOf(type).endsWith("google.rpc.RetryInfo"));
    const value = info?.find(({ field }) => field === 2);
    if (value === undefined) return undefined;
    const delay = fieldsOf(value.bytes).find(({ field }) => field === 1);
    const parts = fieldsOf(delay?.bytes ?? NOTHING);
    const part = (wanted: number) => parts.find(({ field }) => field === wanted)?.number ?? 0;
    return part(1) * 1000 + part(2) / 1e6;
  } catch {
    return undefined;
  }
}

const NOTHING = new Uint8Array(0);

interface WireField {
  readonly field: number;
  /** Of a varint. */
  readonly number: number;
  /** Of bytes. */
  readonly bytes: Uint8Array;
}

/** Varints and bytes of a message, in order. */
function fieldsOf(message: Uint8Array): WireField[] {
  const reader = new ProtobufReader(message);
  const fields: WireField[] = [];
  while (reader.more()) {
    reader.readTag();
    const { field } = reader;
    if (reader.wireType === WIRE_BYTES)
      fields.push({ field, number: 0, bytes: reader.readBytes() });
    else if (reader.wireType === WIRE_VARINT)
      fields.push({ field, number: reader.readInt64(), bytes: NOTHING });
    else reader.skip();
  }
  return fields;
}

function textOf(field: WireField | undefined): string {
  return Buffer.from(field?.bytes ?? NOTHING).toString("utf8");
}
