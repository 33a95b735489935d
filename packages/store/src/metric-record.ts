/**
 * WAL records of the metric store, drawn in `docs/format/metric-records.md`: series definitions, metadata, then samples by series number in
 * columns that name what repeats once. Numbers are those of the head at the time; a definition stands in the same or an earlier record than the
 * first use.
 */
import { ByteReader, ByteWriter, CodecError } from "@finch/codec";
import { APPEND_ROWS_MAX } from "@finch/codec/kernels";
import type { AppendColumns } from "@finch/codec/kernels";
import type { Exemplar, Histogram, MetricMetadata, MetricType } from "@finch/model";
import {
  readBytes,
  readDouble,
  readLabels,
  readString,
  writeDouble,
  writeLabels,
  writeString,
} from "./byte-strings.ts";
import { writeHistogram } from "./histogram-bytes.ts";

const SAMPLES_RECORD = 2;

/** Memory of records kept for later ones: as many as are on their way at once, of the size that requests have. */
const SPARES_MAX = 8;
const SPARE_BYTES_MAX = 128 << 10;

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

/** A section of a record: so many entries, in these bytes. */
class Section {
  readonly writer = new ByteWriter();
  count = 0;

  clear(): void {
    this.writer.clear();
    this.count = 0;
  }
}

/** Gathers one record. Reusable after `clear`. */
export class MetricRecordWriter {
  rowCount = 0;
  exemplarCount = 0;
  readonly #definitions = new Section();
  readonly #metadata = new Section();
  readonly #runs = new Section();
  readonly #times = new Section();
  readonly #values = new ByteWriter();
  readonly #histograms = new Section();
  readonly #starts = new Section();
  readonly #exemplars = new Section();
  /** As they stand in a record, before the values. */
  readonly #sections = [
    this.#definitions,
    this.#metadata,
    this.#runs,
    this.#times,
    this.#histograms,
    this.#starts,
    this.#exemplars,
  ];
  readonly #scratch = new ByteWriter();
  readonly #spares: Uint8Array[] = [];
  /** Neighbouring series with the same number of samples, not written yet. */
  #group = { first: 0, count: 0, samples: 0 };
  /** The series that a group would begin with if nothing were left out. */
  #nextSeries = 0;
  #time = { ms: 0, count: 0, lastMs: 0 };
  #start = { ms: 0, count: 0, lastMs: 0 };
  #lastHistogramRow = 0;

  get isEmpty(): boolean {
    return this.rowCount === 0 && this.#metadata.count === 0 && this.exemplarCount === 0;
  }

  clear(): void {
    for (const section of this.#sections) section.clear();
    this.#values.clear();
    this.rowCount = this.exemplarCount = this.#nextSeries = this.#lastHistogramRow = 0;
    this.#group = { first: 0, count: 0, samples: 0 };
    this.#time = { ms: 0, count: 0, lastMs: 0 };
    this.#start = { ms: 0, count: 0, lastMs: 0 };
  }

  /** `writeLabelsTo` writes the labels of the series, as `writeLabels` does. */
  define(series: number, writeLabelsTo: (writer: ByteWriter) => void): void {
    const { writer } = this.#definitions;
    writer.writeVarint(series);
    writeLabelsTo(writer);
    this.#definitions.count++;
  }

  addMetadata(metadata: MetricMetadata): void {
    const { writer } = this.#metadata;
    writer.writeByte(METRIC_TYPES.indexOf(metadata.type));
    for (const text of [metadata.family, metadata.help, metadata.unit]) writeString(writer, text);
    this.#metadata.count++;
  }

  /** The next `samples` rows belong to `series`. */
  addRun(series: number, samples: number): void {
    const group = this.#group;
    if (group.count > 0 && series === group.first + group.count && samples === group.samples) {
      group.count++;
      return;
    }
    this.#endGroup();
    group.first = series;
    group.count = 1;
    group.samples = samples;
  }

  /** What `addRun` would do for each of the first `count` series of a batch. */
  addRuns(series: Int32Array, sampleStarts: Uint32Array, count: number): void {
    const group = this.#group;
    for (let s = 0; s < count; s++) {
      const samples = sampleStarts[s + 1]! - sampleStarts[s]!;
      if (group.count > 0 && series[s] === group.first + group.count && samples === group.samples)
        group.count++;
      else if (samples > 0) this.addRun(series[s]!, samples);
    }
  }

  /** The first `count` of these times, one a row. */
  addTimes(timestampsMs: Float64Array, count: number): void {
    for (let row = 0; row < count;) {
      const timestampMs = timestampsMs[row]!;
      const from = row++;
      while (row < count && timestampsMs[row] === timestampMs) row++;
      this.addTime(timestampMs);
      this.#time.count += row - from - 1;
    }
  }

  addTime(timestampMs: number): void {
    const time = this.#time;
    if (time.count > 0 && timestampMs === time.ms) time.count++;
    else {
      endRepeats(this.#times, time);
      time.ms = timestampMs;
      time.count = 1;
    }
  }

  /** The values of the next rows, bit for bit. */
  addValues(values: Float64Array): void {
    this.#values.writeBytes(new Uint8Array(values.buffer, values.byteOffset, 8 * values.length));
    this.rowCount += values.length;
  }

  /** Row `row` of the record is a histogram; rows ascend. */
  addHistogram(row: number, histogram: Histogram): void {
    const { writer } = this.#histograms;
    this.#scratch.clear();
    writeHistogram(this.#scratch, histogram);
    writer.writeVarint(row - this.#lastHistogramRow);
    writer.writeVarint(this.#scratch.length);
    writer.writeBytes(this.#scratch.bytes.subarray(0, this.#scratch.length));
    this.#lastHistogramRow = row;
    this.#histograms.count++;
  }

  /** When the next row's counter began; either all rows have one or none. */
  addStart(startMs: number): void {
    const start = this.#start;
    if (start.count > 0 && startMs === start.ms) start.count++;
    else {
      endRepeats(this.#starts, start);
      start.ms = startMs;
      start.count = 1;
    }
  }

  addExemplar(series: number, exemplar: Exemplar): void {
    const { writer } = this.#exemplars;
    writer.writeVarint(series);
    writeLabels(writer, exemplar.labels);
    writeDouble(writer, exemplar.value);
    writer.writeZigzag(exemplar.timestampMs);
    this.#exemplars.count++;
    this.exemplarCount++;
  }

  /** For a later record, of which `finish` then gives it out: the caller is done with it. */
  reuse(record: Uint8Array): void {
    const { buffer } = record;
    if (buffer.byteLength <= SPARE_BYTES_MAX && this.#spares.length < SPARES_MAX)
      this.#spares.push(new Uint8Array(buffer));
  }

  finish(): Uint8Array {
    this.#endGroup();
    endRepeats(this.#times, this.#time);
    endRepeats(this.#starts, this.#start);
    let size = 16 + this.#values.length;
    for (const { writer } of this.#sections) size += writer.length + 16;
    const record = new ByteWriter(0, this.#spares.pop());
    record.reserve(size);
    record.writeByte(SAMPLES_RECORD);
    record.writeVarint(this.rowCount);
    for (const { writer, count } of this.#sections) {
      record.writeVarint(count);
      record.writeVarint(writer.length);
      record.writeBytes(writer.bytes.subarray(0, writer.length));
    }
    record.writeBytes(this.#values.bytes.subarray(0, this.#values.length));
    return record.bytes.subarray(0, record.length);
  }

  #endGroup(): void {
    const { first, count, samples } = this.#group;
    if (count === 0) return;
    const { writer } = this.#runs;
    writer.writeZigzag(first - this.#nextSeries);
    writer.writeVarint(count);
    writer.writeVarint(samples);
    this.#runs.count++;
    this.#nextSeries = first + count;
    this.#group.count = 0;
  }
}

/** Writes the time that was gathered: its difference to the one before, and how often it stands. */
function endRepeats(
  section: Section,
  repeats: { readonly ms: number; count: number; lastMs: number },
): void {
  if (repeats.count === 0) return;
  section.writer.writeZigzag(repeats.ms - repeats.lastMs);
  section.writer.writeVarint(repeats.count);
  section.count++;
  repeats.lastMs = repeats.ms;
  repeats.count = 0;
}

/** A row that is a histogram, as bytes that {@link readHistogram} reads. */
export interface HistogramRow {
  readonly row: number;
  readonly bytes: Uint8Array;
}

export interface ExemplarEntry {
  readonly series: number;
  readonly exemplar: Exemplar;
}

/** Series numbers of a record to those of a head. */
export interface SeriesNumbers {
  get(number: number): number;
}

/** Reads a record: what is not columns at once, rows with `fill`. A malformed one is a CodecError. */
export class MetricRecordReader {
  readonly rowCount: number;
  readonly metadata: readonly MetricMetadata[];
  /** Ascending by row. */
  readonly histograms: readonly HistogramRow[];
  readonly exemplars: readonly ExemplarEntry[];
  /** When each row's counter began; empty when no row says. */
  readonly starts: Float64Array;
  minMs = Infinity;
  maxMs = -Infinity;
  readonly #definitions: OpenSection;
  readonly #runs: ByteReader;
  readonly #times: ByteReader;
  readonly #values: Uint8Array;
  #row = 0;
  #group = { next: 0, count: 0, samples: 0, left: 0 };
  #time = { ms: 0, left: 0 };

  constructor(payload: Uint8Array) {
    const reader = new ByteReader(payload);
    const type = reader.readByte();
    if (type !== SAMPLES_RECORD)
      throw new CodecError("malformed", 0, `unknown record type ${type}`);
    this.rowCount = reader.readVarint();
    if (8 * this.rowCount > payload.length)
      throw new CodecError("truncated", 1, `${this.rowCount} values are cut off`);
    this.#definitions = openSection(reader);
    this.metadata = readSection(reader, readMetadata);
    this.#runs = openSection(reader).body;
    this.#times = openSection(reader).body;
    let row = 0;
    this.histograms = readSection(reader, (from) => {
      row += from.readVarint();
      return { row, bytes: readBytes(from, from.readVarint()) };
    });
    this.starts = readRepeats(openSection(reader), this.rowCount);
    this.exemplars = readSection(reader, (from) => ({
      series: from.readVarint(),
      exemplar: {
        labels: readLabels(from),
        value: readDouble(from),
        timestampMs: from.readZigzag(),
      },
    }));
    this.#values = readBytes(reader, 8 * this.rowCount);
  }

  /** Calls `take` for each definition, with the reader before its labels, which `take` reads. To be called once at most. */
  readDefinitions(take: (series: number, labels: ByteReader) => void): void {
    const { count, body } = this.#definitions;
    for (let left = count; left > 0; left--) take(body.readVarint(), body);
  }

  /** Puts the next rows, as many as there is room for, into `columns`; returns how many runs and rows they are, 0 at the end. */
  fill(
    columns: AppendColumns,
    numbers: SeriesNumbers | undefined,
  ): { readonly runs: number; readonly rows: number } {
    const rows = Math.min(APPEND_ROWS_MAX, this.rowCount - this.#row);
    const runs = this.#fillRuns(columns, rows, numbers);
    this.#fillTimes(columns.timestampsMs, rows);
    columns.valueBytes.set(this.#values.subarray(8 * this.#row, 8 * (this.#row + rows)));
    this.#row += rows;
    return { runs, rows };
  }

  #fillRuns(columns: AppendColumns, rows: number, numbers: SeriesNumbers | undefined): number {
    const group = this.#group;
    const { series, counts } = columns;
    let run = 0;
    for (let filled = 0; filled < rows;) {
      if (group.left === 0) {
        if (group.count === 0) this.#nextGroup();
        group.count--;
        group.left = group.samples;
        group.next++;
      }
      const count = Math.min(group.left, rows - filled);
      const number = group.next - 1;
      series[run] = numbers === undefined ? number : numbers.get(number);
      counts[run++] = count;
      group.left -= count;
      filled += count;
      // Whole runs of this group, mostly all of it.
      const { samples } = group;
      const whole =
        group.left > 0 ? 0 : Math.min(group.count, Math.floor((rows - filled) / samples));
      for (let left = whole, next = group.next; left > 0; left--, next++, run++) {
        series[run] = numbers === undefined ? next : numbers.get(next);
        counts[run] = samples;
      }
      group.count -= whole;
      group.next += whole;
      filled += whole * samples;
    }
    return run;
  }

  #nextGroup(): void {
    const group = this.#group;
    group.next += this.#runs.readZigzag();
    group.count = this.#runs.readVarint();
    group.samples = this.#runs.readVarint();
    if (group.count === 0 || group.samples === 0)
      throw new CodecError("malformed", this.#runs.position, "a run of no samples");
  }

  #fillTimes(timestampsMs: Float64Array, rows: number): void {
    const time = this.#time;
    for (let filled = 0; filled < rows;) {
      if (time.left === 0) {
        time.ms += this.#times.readZigzag();
        time.left = this.#times.readVarint();
        if (time.left === 0)
          throw new CodecError("malformed", this.#times.position, "a time of no samples");
        if (time.ms < this.minMs) this.minMs = time.ms;
        if (time.ms > this.maxMs) this.maxMs = time.ms;
      }
      const count = Math.min(time.left, rows - filled);
      timestampsMs.fill(time.ms, filled, filled + count);
      time.left -= count;
      filled += count;
    }
  }
}

interface OpenSection {
  readonly count: number;
  readonly body: ByteReader;
}

function openSection(reader: ByteReader): OpenSection {
  const count = reader.readVarint();
  const length = reader.readVarint();
  const start = reader.take(length);
  if (count > length)
    throw new CodecError("malformed", start, `${count} entries in ${length} bytes`);
  return { count, body: new ByteReader(reader.bytes, start, start + length) };
}

function readSection<Entry>(reader: ByteReader, read: (body: ByteReader) => Entry): Entry[] {
  const { count, body } = openSection(reader);
  const entries: Entry[] = [];
  for (let left = count; left > 0; left--) entries.push(read(body));
  return entries;
}

function readMetadata(reader: ByteReader): MetricMetadata {
  const type = METRIC_TYPES[reader.readByte()] ?? "unknown";
  return {
    type,
    family: readString(reader),
    help: readString(reader),
    unit: readString(reader),
  };
}

function readRepeats(section: OpenSection, rows: number): Float64Array {
  const { count, body } = section;
  if (count === 0) return new Float64Array(0);
  const column = new Float64Array(rows);
  let at = 0;
  let ms = 0;
  for (let left = count; left > 0; left--) {
    ms += body.readZigzag();
    const repeats = body.readVarint();
    column.fill(ms, at, at + repeats);
    at += repeats;
  }
  if (at !== rows)
    throw new CodecError("malformed", body.position, `${at} start times of ${rows} rows`);
  return column;
}
