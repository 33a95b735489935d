/** Reads the records of one WAL segment in order, a chunk at a time. Used by recovery, replay and the readers of agent queues. */
import type { FileHandle } from "@finch/runtime";
import { REPLAY_CHUNK_BYTES } from "./limits.ts";
import {
  endOfContent,
  findIntactRecord,
  isRecordIntact,
  payloadLengthAt,
  RECORD_HEADER_BYTES,
} from "./wal-format.ts";

export interface SegmentSource {
  readonly handle: FileHandle;
  readonly path: string;
  readonly segment: number;
  /** Where to start: the offset of a record. */
  readonly from: number;
  /** Where the bytes that count end. */
  readonly to: number;
}

export interface WalRecord {
  /** A view that stays valid. */
  readonly payload: Uint8Array;
  /** Offset after the record. */
  readonly end: number;
}

/** A part of a segment that cannot be read. What was acknowledged there is lost. */
export interface WalDamage {
  readonly path: string;
  readonly offset: number;
  readonly bytes: number;
}

/** All intact records; what stands between them is told to `onDamage`, each time the segment is read. */
export async function* readRecords(
  source: SegmentSource,
  onDamage: (damage: WalDamage) => Promise<void>,
): AsyncGenerator<WalRecord> {
  const { handle, path, segment, to } = source;
  for (let from = source.from; ;) {
    const offset = yield* readIntactRecords({ ...source, from });
    if (offset >= to) return;
    const rest = await readChunk(handle, offset, to - offset);
    // A segment whose end nothing tells may have room behind its records.
    if (endOfContent(rest) === 0) return;
    const next = findIntactRecord(rest, offset, segment);
    const bytes = next < 0 ? to - offset : next;
    await onDamage({ path, offset, bytes });
    from = offset + bytes;
  }
}

/** Records up to the first that is not intact; returns the offset where they end. */
export async function* readIntactRecords(source: SegmentSource): AsyncGenerator<WalRecord, number> {
  const { handle, segment, to } = source;
  let chunk: Uint8Array = new Uint8Array(0);
  let chunkStart = source.from;
  let at = 0;
  for (;;) {
    let length = payloadLengthAt(chunk, at);
    let end = at + RECORD_HEADER_BYTES + length;
    if (length < 0 || end > chunk.length) {
      const need = length < 0 ? RECORD_HEADER_BYTES : RECORD_HEADER_BYTES + length;
      chunkStart += at;
      at = 0;
      if (chunkStart + need > to) return chunkStart;
      chunk = await readChunk(
        handle,
        chunkStart,
        Math.min(to - chunkStart, Math.max(need, REPLAY_CHUNK_BYTES)),
      );
      length = payloadLengthAt(chunk, 0);
      end = RECORD_HEADER_BYTES + length;
      if (length < 0) return chunkStart;
      if (end > chunk.length) {
        if (chunkStart + end > to) return chunkStart;
        chunk = await readChunk(handle, chunkStart, end);
      }
    }
    if (!isRecordIntact(chunk, at, end, segment)) return chunkStart + at;
    yield { payload: chunk.subarray(at + RECORD_HEADER_BYTES, end), end: chunkStart + end };
    at = end;
  }
}

/** A fresh buffer each time: views handed out stay valid. */
async function readChunk(
  handle: FileHandle,
  position: number,
  length: number,
): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const got = await handle.read(bytes, position);
  return got === length ? bytes : bytes.subarray(0, got);
}
