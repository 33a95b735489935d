/**
 * WAL records of the metric store, drawn in `docs/format/metric-records.md`: series definitions, metadata, then samples by series number in
 * columns. Numbers are those of the head at the time; a definition stands in the same or an earlier record than the first use.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import type { Labels, MetricMetadata, MetricType } from "@finch/model";
import { readLabels, readString, writeLabels, writeString } from "./byte-strings.ts";

const SAMPLES_RECORD = 1;

const METRIC_TYPES: readonly MetricType[] = [
  "unknown",
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
];

/** Gathers one record. Reusable after `clear`. */
export class MetricRecordWriter {
  readonly #definitions = new ByteWriter();
  readonly #metadata = new ByteWriter();
  readonly #runs = new ByteWriter();
  readonly #times = new ByteWriter();
  readonly #values = new ByteWriter();
  #definitionCount = 0;
  #metadataCount = 0;
  #runCount = 0;
  #sampleCount = 0;
  #lastSeries = 0;
  #lastMs = 0;

  get sampleCount(): number {
    return this.#sampleCount;
  }

  get isEmpty(): boolean {
    return this.#sampleCount === 0 && this.#metadataCount === 0;
  }

  clear(): void {
    for (const writer of [this.#definitions, this.#metadata, this.#runs, this.#times, this.#values])
      writer.clear();
    this.#definitionCount = this.#metadataCount = this.#runCount = this.#sampleCount = 0;
    this.#lastSeries = this.#lastMs = 0;
  }

  define(series: number, labels: Labels): void {
    this.#definitions.writeVarint(series);
    writeLabels(this.#definitions, labels);
    this.#definitionCount++;
  }

  addMetadata(metadata: MetricMetadata): void {
    const writer = this.#metadata;
    writer.writeByte(METRIC_TYPES.indexOf(metadata.type));
    for (const text of [metadata.family, metadata.help, metadata.unit]) writeString(writer, text);
    this.#metadataCount++;
  }

  /** The `count` samples written next belong to `series`. */
  beginRun(series: number, count: number): void {
    this.#runs.writeZigzag(series - this.#lastSeries);
    this.#runs.writeVarint(count);
    this.#lastSeries = series;
    this.#runCount++;
  }

  /** `low` and `high` are the words of the value. */
  addSample(timestampMs: number, low: number, high: number): void {
    this.#times.writeZigzag(timestampMs - this.#lastMs);
    this.#lastMs = timestampMs;
    this.#values.writeUint32(low);
    this.#values.writeUint32(high);
    this.#sampleCount++;
  }

  finish(): Uint8Array {
    const writer = new ByteWriter(
      64 +
        this.#definitions.length +
        this.#metadata.length +
        this.#runs.length +
        this.#times.length +
        this.#values.length,
    );
    writer.writeByte(SAMPLES_RECORD);
    writer.writeVarint(this.#definitionCount);
    writer.writeBytes(this.#definitions.bytes.subarray(0, this.#definitions.length));
    writer.writeVarint(this.#metadataCount);
    writer.writeBytes(this.#metadata.bytes.subarray(0, this.#metadata.length));
    writer.writeVarint(this.#runCount);
    writer.writeVarint(this.#sampleCount);
    writer.writeVarint(this.#runs.length);
    writer.writeBytes(this.#runs.bytes.subarray(0, this.#runs.length));
    writer.writeVarint(this.#times.length);
    writer.writeBytes(this.#times.bytes.subarray(0, this.#times.length));
    writer.writeBytes(this.#values.bytes.subarray(0, this.#values.length));
    return writer.bytes.subarray(0, writer.length);
  }
}

export interface MetricRecordVisitor {
  define(series: number, labels: Labels): void;
  metadata(metadata: MetricMetadata): void;
  /** Run `run` of the record: all samples until the next call belong to `series`. */
  run(run: number, series: number): void;
  sample(timestampMs: number, low: number, high: number): void;
}

/** Walks a record; a malformed one is a CodecError. */
export function readMetricRecord(payload: Uint8Array, visitor: MetricRecordVisitor): void {
  const reader = new ByteReader(payload);
  const type = reader.readByte();
  if (type !== SAMPLES_RECORD) throw new CodecError("malformed", 0, `unknown record type ${type}`);
  for (let left = reader.readVarint(); left > 0; left--)
    visitor.define(reader.readVarint(), readLabels(reader));
  for (let left = reader.readVarint(); left > 0; left--) {
    const metricType = METRIC_TYPES[reader.readByte()] ?? "unknown";
    visitor.metadata({
      type: metricType,
      family: readString(reader),
      help: readString(reader),
      unit: readString(reader),
    });
  }
  const runCount = reader.readVarint();
  const sampleCount = reader.readVarint();
  const runs = subReader(reader, reader.readVarint());
  const times = subReader(reader, reader.readVarint());
  const values = reader.take(8 * sampleCount);
  const view = new DataView(payload.buffer, payload.byteOffset + values, 8 * sampleCount);
  let series = 0;
  let timestampMs = 0;
  let at = 0;
  for (let run = 0; run < runCount; run++) {
    series += runs.readZigzag();
    visitor.run(run, series);
    for (let left = runs.readVarint(); left > 0; left--) {
      timestampMs += times.readZigzag();
      visitor.sample(timestampMs, view.getUint32(at, true), view.getUint32(at + 4, true));
      at += 8;
    }
  }
}

function subReader(reader: ByteReader, length: number): ByteReader {
  const start = reader.take(length);
  return new ByteReader(reader.bytes, start, start + length);
}
