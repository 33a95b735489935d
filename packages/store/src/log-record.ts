/**
 * WAL records of the log store, drawn in `docs/format/log-records.md`: stream definitions, metadata sets of this record, then entries
 * by stream number in columns.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { Labels, LogColumns } from "@finch/model";
import { readBytes, readLabels, writeLabels } from "./byte-strings.ts";
import { MetadataSets } from "./log-columns.ts";

const ENTRIES_RECORD = 1;
const VARINT_BYTES_MAX = 5;

/** Entries of one stream in a record. */
export interface LogRecordRun {
  readonly stream: number;
  /** Of a record that is read: views into it where possible. */
  readonly entries: LogColumns;
}

/** A run, and the number in the record of each of its metadata sets that is used. */
interface WrittenRun extends LogRecordRun {
  readonly setNumbers: Uint32Array;
  readonly hasMetadata: boolean;
}

/** Gathers one record. Reusable after `clear`. */
export class LogRecordWriter {
  readonly #definitions = new ByteWriter();
  #definitionCount = 0;
  #sets = new MetadataSets();
  #runs: WrittenRun[] = [];

  get isEmpty(): boolean {
    return this.#runs.length === 0;
  }

  clear(): void {
    this.#definitions.clear();
    if (this.#sets.sets.length > 1) this.#sets = new MetadataSets();
    this.#definitionCount = 0;
    this.#runs = [];
  }

  define(stream: number, labels: Labels): void {
    this.#definitions.writeVarint(stream);
    writeLabels(this.#definitions, labels);
    this.#definitionCount++;
  }

  /** Adds entries, which must not change until the record is finished. */
  addRun(stream: number, entries: LogColumns): void {
    const { metadataSets, metadataOf, count } = entries;
    const before = this.#runs.at(-1);
    // Runs of a push often share their sets.
    const setNumbers =
      before?.entries.metadataSets === metadataSets
        ? before.setNumbers
        : new Uint32Array(metadataSets.length);
    let hasMetadata = false;
    for (let row = 0; row < count; row++) {
      const set = metadataOf[row]!;
      if (set === 0) continue;
      hasMetadata = true;
      if (setNumbers[set] === 0) setNumbers[set] = this.#sets.numberOf(metadataSets[set]!);
    }
    this.#runs.push({ stream, entries, setNumbers, hasMetadata });
  }

  /** The record, in memory that `take` gives: at least the bytes asked for. */
  finish(take: (bytes: number) => Uint8Array = (bytes) => new Uint8Array(bytes)): Uint8Array {
    const { sets } = this.#sets;
    // Room for all: a record is too large to be copied for growing.
    let room = 64 + this.#sets.bytes + this.#definitions.length;
    for (const { entries } of this.#runs)
      room += 4 * VARINT_BYTES_MAX + (8 + 2 * VARINT_BYTES_MAX) * entries.count + bytesOf(entries);
    const memory = take(room);
    const writer = new ByteWriter(room, memory);
    writer.writeByte(ENTRIES_RECORD);
    writer.writeVarint(this.#definitionCount);
    writer.writeBytes(this.#definitions.bytes.subarray(0, this.#definitions.length));
    writer.writeVarint(sets.length - 1);
    for (const set of sets.slice(1)) writeLabels(writer, set);
    writer.writeVarint(this.#runs.length);
    for (const run of this.#runs) writeRun(writer, run);
    return writer.bytes.subarray(0, writer.length);
  }
}

function writeRun(writer: ByteWriter, { stream, entries, setNumbers, hasMetadata }: WrittenRun) {
  const { count, timestampsNs, lines, lineBounds, metadataOf } = entries;
  writer.writeVarint(stream);
  writer.writeVarint(count);
  writer.writeBytes(new Uint8Array(timestampsNs.buffer, timestampsNs.byteOffset, 8 * count));
  for (let row = 0; row < count; row++) writer.writeVarint(lineBounds[row + 1]! - lineBounds[row]!);
  writer.writeByte(hasMetadata ? 1 : 0);
  if (hasMetadata)
    for (let row = 0; row < count; row++) writer.writeVarint(setNumbers[metadataOf[row]!]!);
  writer.writeBytes(lines.subarray(lineBounds[0], lineBounds[count]));
}

function bytesOf({ lineBounds, count }: LogColumns): number {
  return lineBounds[count]! - lineBounds[0]!;
}

export interface LogRecord {
  readonly definitions: readonly { readonly stream: number; readonly labels: Labels }[];
  readonly runs: readonly LogRecordRun[];
}

/** A malformed record is a CodecError. */
export function readLogRecord(payload: Uint8Array): LogRecord {
  const reader = new ByteReader(payload);
  const type = reader.readByte();
  if (type !== ENTRIES_RECORD) throw new CodecError("malformed", 0, `unknown record type ${type}`);
  const definitions: { stream: number; labels: Labels }[] = [];
  for (let left = reader.readVarint(); left > 0; left--)
    definitions.push({ stream: reader.readVarint(), labels: readLabels(reader) });
  const metadataSets = new MetadataSets().sets;
  for (let left = reader.readVarint(); left > 0; left--) metadataSets.push(readLabels(reader));
  const runs: LogRecordRun[] = [];
  for (let left = reader.readVarint(); left > 0; left--) {
    runs.push({ stream: reader.readVarint(), entries: readRun(reader, metadataSets) });
  }
  return { definitions, runs };
}

function readRun(reader: ByteReader, metadataSets: readonly Labels[]): LogColumns {
  const count = reader.readVarint();
  const times = readBytes(reader, 8 * count);
  const timestampsNs = new BigInt64Array(count);
  new Uint8Array(timestampsNs.buffer).set(times);
  const lineBounds = new Uint32Array(count + 1);
  for (let i = 0; i < count; i++) lineBounds[i + 1] = lineBounds[i]! + reader.readVarint();
  const metadataOf = new Uint32Array(count);
  if (reader.readByte() === 1) {
    for (let i = 0; i < count; i++) metadataOf[i] = readSetNumber(reader, metadataSets);
  }
  return {
    count,
    timestampsNs,
    lines: readBytes(reader, lineBounds[count]!),
    lineBounds,
    metadataSets,
    metadataOf,
  };
}

function readSetNumber(reader: ByteReader, sets: readonly Labels[]): number {
  const number = reader.readVarint();
  if (number >= sets.length)
    throw new CodecError("malformed", reader.position, `metadata set ${number} of ${sets.length}`);
  return number;
}
