/**
 * WAL records of the log store, drawn in `docs/format/log-records.md`: stream definitions, metadata sets of this record, then entries
 * by stream number in columns.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { Labels, LogColumns } from "@finch/model";
import { readBytes, readLabels, writeLabels } from "./byte-strings.ts";
import { MetadataSets } from "./log-columns.ts";

const ENTRIES_RECORD = 1;

/** Gathers one record. Reusable after `clear`. */
export class LogRecordWriter {
  readonly #definitions = new ByteWriter();
  readonly #runs = new ByteWriter();
  #sets = new MetadataSets();
  #definitionCount = 0;
  #runCount = 0;

  get isEmpty(): boolean {
    return this.#runCount === 0;
  }

  clear(): void {
    this.#definitions.clear();
    this.#runs.clear();
    if (this.#sets.sets.length > 1) this.#sets = new MetadataSets();
    this.#definitionCount = this.#runCount = 0;
  }

  define(stream: number, labels: Labels): void {
    this.#definitions.writeVarint(stream);
    writeLabels(this.#definitions, labels);
    this.#definitionCount++;
  }

  /** Adds the rows `rows` of `entries`, in that order. */
  addRun(stream: number, entries: LogColumns, rows: Uint32Array): void {
    const writer = this.#runs;
    const words = new Uint32Array(
      entries.timestampsNs.buffer,
      entries.timestampsNs.byteOffset,
      2 * entries.count,
    );
    const { lineBounds } = entries;
    writer.writeVarint(stream);
    writer.writeVarint(rows.length);
    let hasMetadata = 0;
    for (const row of rows) {
      writer.writeUint32(words[2 * row]!);
      writer.writeUint32(words[2 * row + 1]!);
      if (entries.metadataOf[row] !== 0) hasMetadata = 1;
    }
    for (const row of rows) writer.writeVarint(lineBounds[row + 1]! - lineBounds[row]!);
    writer.writeByte(hasMetadata);
    if (hasMetadata === 1) {
      for (const row of rows)
        writer.writeVarint(this.#sets.numberOf(entries.metadataSets[entries.metadataOf[row]!]!));
    }
    if (rows.length === entries.count)
      writer.writeBytes(entries.lines.subarray(lineBounds[0], lineBounds[entries.count]));
    else
      for (const row of rows)
        writer.writeBytes(entries.lines.subarray(lineBounds[row], lineBounds[row + 1]));
    this.#runCount++;
  }

  finish(): Uint8Array {
    const { sets } = this.#sets;
    // With room for the sets: a record is too large to be copied for growing.
    const room = 64 + this.#sets.bytes + this.#definitions.length + this.#runs.length;
    const writer = new ByteWriter(room);
    writer.writeByte(ENTRIES_RECORD);
    writer.writeVarint(this.#definitionCount);
    writer.writeBytes(this.#definitions.bytes.subarray(0, this.#definitions.length));
    writer.writeVarint(sets.length - 1);
    for (const set of sets.slice(1)) writeLabels(writer, set);
    writer.writeVarint(this.#runCount);
    writer.writeBytes(this.#runs.bytes.subarray(0, this.#runs.length));
    return writer.bytes.subarray(0, writer.length);
  }
}

export interface LogRecordRun {
  readonly stream: number;
  /** Views into the record where possible. */
  readonly entries: LogColumns;
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
