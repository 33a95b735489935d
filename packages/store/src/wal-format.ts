/** Bytes of WAL segments: header and records, as drawn in `docs/format/wal.md`. Pure; reading and writing files is done elsewhere. */
import { crc32 } from "node:zlib";
import { crc32c } from "@finch/codec";
import { RECORD_BYTES_MAX } from "./limits.ts";

export const WAL_VERSION = 2;
export const SEGMENT_HEADER_BYTES = 32;
export const RECORD_HEADER_BYTES = 12;

const MAGIC = new TextEncoder().encode("FINCHWAL");

export interface SegmentHeader {
  readonly version: number;
  readonly segment: number;
  /** The segment that was written before this one, 0 for none; numbers between the two are of failed attempts. */
  readonly previous: number;
  /** How many bytes of `previous` count; whatever stands after them was never acknowledged. */
  readonly previousBytes: number;
}

export function encodeSegmentHeader(header: Omit<SegmentHeader, "version">): Uint8Array {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(MAGIC);
  view.setUint32(8, WAL_VERSION, true);
  view.setUint32(12, header.segment, true);
  view.setUint32(16, header.previous, true);
  view.setUint32(20, header.previousBytes, true);
  view.setUint32(28, crc32c(bytes, 0, 28), true);
  return bytes;
}

/** The header, or undefined when these bytes are not a whole, undamaged one. Another version is read as far as its version. */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES) return undefined;
  for (let i = 0; i < MAGIC.length; i++) if (bytes[i] !== MAGIC[i]) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, SEGMENT_HEADER_BYTES);
  const version = view.getUint32(8, true);
  // Headers of all versions have it: a flipped version is damage.
  if (view.getUint32(28, true) !== crc32c(bytes, 0, 28)) return undefined;
  return {
    version,
    segment: view.getUint32(12, true),
    previous: view.getUint32(16, true),
    previousBytes: view.getUint32(20, true),
  };
}

/** Writes one record to `target` at `at`; returns the offset after it. `commitOffset` is where its commit starts in the segment. */
export function encodeRecord(
  target: Uint8Array,
  at: number,
  record: { readonly segment: number; readonly commitOffset: number; readonly payload: Uint8Array },
): number {
  const { segment, commitOffset, payload } = record;
  const end = at + RECORD_HEADER_BYTES + payload.length;
  writeUint32(target, at, payload.length);
  writeUint32(target, at + 4, commitOffset);
  target.set(payload, at + RECORD_HEADER_BYTES);
  writeUint32(target, at + 8, recordChecksum(target, at, end, segment));
  return end;
}

/** Length of the payload at `at` when a record can start there, else -1: the length is impossible or the bytes end before it. */
export function payloadLengthAt(bytes: Uint8Array, at: number): number {
  if (at + RECORD_HEADER_BYTES > bytes.length) return -1;
  const length = readUint32(bytes, at);
  return length === 0 || length > RECORD_BYTES_MAX ? -1 : length;
}

export function commitOffsetAt(bytes: Uint8Array, at: number): number {
  return readUint32(bytes, at + 4);
}

/** Whether the record `bytes[at … end)` is undamaged and belongs to `segment`. */
export function isRecordIntact(
  bytes: Uint8Array,
  at: number,
  end: number,
  segment: number,
): boolean {
  return (
    end <= bytes.length && readUint32(bytes, at + 8) === recordChecksum(bytes, at, end, segment)
  );
}

/**
 * Offset in `bytes` of an intact record of a commit that began after `badOffset` (both in the segment, `bytes` starting at `badOffset`), or -1.
 * A commit begins only when the one before it is durable: such a record proves that the bad one was durable too, so it is damage, not a torn write.
 */
export function findLaterCommit(bytes: Uint8Array, badOffset: number, segment: number): number {
  for (let at = 1; at + RECORD_HEADER_BYTES < bytes.length; at++) {
    const length = payloadLengthAt(bytes, at);
    if (length < 0 || at + RECORD_HEADER_BYTES + length > bytes.length) continue;
    const commit = commitOffsetAt(bytes, at);
    if (commit <= badOffset || commit > badOffset + at) continue;
    if (isRecordIntact(bytes, at, at + RECORD_HEADER_BYTES + length, segment)) return at;
  }
  return -1;
}

/**
 * Offset in `bytes` of the first intact record behind its start, or -1; `bytes` stand at `offset` in the segment. For what comes behind damage: the
 * commit of a record begins at or before it, which spares most checksums.
 */
export function findIntactRecord(bytes: Uint8Array, offset: number, segment: number): number {
  for (let at = 1; at + RECORD_HEADER_BYTES < bytes.length; at++) {
    const length = payloadLengthAt(bytes, at);
    if (length < 0 || at + RECORD_HEADER_BYTES + length > bytes.length) continue;
    const commit = commitOffsetAt(bytes, at);
    if (commit < SEGMENT_HEADER_BYTES || commit > offset + at) continue;
    if (isRecordIntact(bytes, at, at + RECORD_HEADER_BYTES + length, segment)) return at;
  }
  return -1;
}

/** Up to where `bytes` hold anything but zeros: a segment may have room behind its records. */
export function endOfContent(bytes: Uint8Array): number {
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}

/** Covers length, commit offset and payload; the segment's number goes in first, so that bytes of another segment never pass. */
function recordChecksum(bytes: Uint8Array, at: number, end: number, segment: number): number {
  const seeded = crc32(bytes.subarray(at, at + 8), segment);
  return crc32(bytes.subarray(at + RECORD_HEADER_BYTES, end), seeded);
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  );
}

function writeUint32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}
