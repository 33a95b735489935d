/**
 * The records of an OTLP exporter's queue. Layout: version (1 byte), signal (1 byte), number of items (4 bytes), length of the client (4), the client
 * whose telemetry it is as JSON (empty for none), the request.
 */
import { FinchError } from "@finch/runtime";
import type { OtlpSignal } from "@finch/wire";
import { NO_CLIENT, TelemetryBatch } from "./telemetry-batch.ts";
import type { AnyBatch, ClientInfo } from "./telemetry-batch.ts";

const VERSION = 1;
const HEADER_BYTES = 10;
const SIGNALS: readonly OtlpSignal[] = ["traces", "metrics", "logs"];

export function encodeBatchRecord(batch: AnyBatch): Uint8Array {
  const { client, signal, items } = batch;
  const request = batch.bytes();
  const isKnown = client.metadata.size > 0 || client.address !== "";
  const json = isKnown
    ? Buffer.from(JSON.stringify({ address: client.address, metadata: [...client.metadata] }))
    : Buffer.alloc(0);
  const record = Buffer.alloc(HEADER_BYTES + json.length + request.length);
  record.writeUInt8(VERSION, 0);
  record.writeUInt8(SIGNALS.indexOf(signal), 1);
  record.writeUInt32LE(items, 2);
  record.writeUInt32LE(json.length, 6);
  record.set(json, HEADER_BYTES);
  record.set(request, HEADER_BYTES + json.length);
  return record;
}

/** Throws a FinchError `agent/bad-queue-record` when a newer Finch wrote the record or it makes no sense. */
export function decodeBatchRecord(record: Uint8Array): AnyBatch {
  const view = Buffer.from(record.buffer, record.byteOffset, record.byteLength);
  const signal = view.length < HEADER_BYTES ? undefined : SIGNALS[view.readUInt8(1)];
  if (signal === undefined || view.readUInt8(0) !== VERSION)
    throw badRecord(`of version ${view[0] ?? "none"}, this Finch reads ${VERSION}`);
  const clientEnd = HEADER_BYTES + view.readUInt32LE(6);
  if (clientEnd > view.length) throw badRecord("that ends within its client");
  const client = clientOf(view.toString("utf8", HEADER_BYTES, clientEnd));
  const content = { bytes: view.subarray(clientEnd), items: view.readUInt32LE(2) };
  return TelemetryBatch.ofBytes(signal, content, client) as AnyBatch;
}

function clientOf(json: string): ClientInfo {
  if (json === "") return NO_CLIENT;
  const { address, metadata } = JSON.parse(json) as {
    readonly address: string;
    readonly metadata: readonly (readonly [string, readonly string[]])[];
  };
  return { address, metadata: new Map(metadata) };
}

function badRecord(why: string): FinchError {
  return new FinchError(
    "corrupt",
    "agent/bad-queue-record",
    `the queue of an OTLP exporter holds a record ${why}`,
  );
}
