/**
 * The records of `loki.write`'s queue: one tenant's entries as the bytes of a Loki push request, so that a sender joins records by joining their
 * bytes (a protobuf message repeated is the messages merged). Layout: version (1 byte), tenant length (4 bytes), entry count (4), tenant, message.
 */
import { FinchError } from "@finch/runtime";

const VERSION = 1;
const HEADER_BYTES = 9;

export interface QueueRecord {
  readonly tenant: string;
  readonly entries: number;
  readonly message: Uint8Array;
}

export function encodeQueueRecord(record: QueueRecord): Uint8Array {
  const tenant = Buffer.from(record.tenant);
  const bytes = Buffer.alloc(HEADER_BYTES + tenant.length + record.message.length);
  bytes.writeUInt8(VERSION, 0);
  bytes.writeUInt32LE(tenant.length, 1);
  bytes.writeUInt32LE(record.entries, 5);
  bytes.set(tenant, HEADER_BYTES);
  bytes.set(record.message, HEADER_BYTES + tenant.length);
  return bytes;
}

/** Throws a FinchError `agent/bad-queue-record` when the record was written by a newer Finch or makes no sense. */
export function decodeQueueRecord(bytes: Uint8Array): QueueRecord {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.length < HEADER_BYTES || view.readUInt8(0) !== VERSION) {
    throw new FinchError(
      "corrupt",
      "agent/bad-queue-record",
      `loki.write's queue holds a record of version ${view[0] ?? "none"}, this Finch reads ${VERSION}`,
    );
  }
  const tenantEnd = HEADER_BYTES + view.readUInt32LE(1);
  if (tenantEnd > view.length)
    throw new FinchError(
      "corrupt",
      "agent/bad-queue-record",
      "loki.write's queue holds a record that ends within its tenant",
    );
  return {
    tenant: view.toString("utf8", HEADER_BYTES, tenantEnd),
    entries: view.readUInt32LE(5),
    message: view.subarray(tenantEnd),
  };
}
