/**
 * Remote write 1.0: a Snappy block of a protobuf `WriteRequest`, read straight into columns. Labels are checked here and parsed only for
 * series the store has not seen. A series that cannot be stored is left out and reported; a body that cannot be read is refused whole.
 * With a `reader`, what all senders write the same way is read in WebAssembly; the rest, and what is wrong, is always read here.
 */
import { isAscii } from "node:buffer";
import { decodeSnappy, ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import type { WriteRequestColumns, WriteRequestReader } from "@finch/codec/kernels";
import { Labels, wordsOf } from "@finch/model";
import type { Exemplar, Histogram, MetricMetadata, MetricType, SampleBatch } from "@finch/model";
import { badBody, FaultList, tooLarge, translateCodecErrors } from "./errors.ts";
import { exemplarFault } from "./exemplar-check.ts";
import { FAULTS_MAX, type RemoteWriteLimits } from "./limits.ts";
import { readHistogram } from "./native-histogram-protobuf.ts";
import { checkLabels, readLabelPairs, readString, scanPlainLabels } from "./remote-write-labels.ts";
import type { LabelFault } from "./remote-write-labels.ts";
import { bufferOver } from "./text-bytes.ts";

export interface RemoteWriteOptions {
  readonly limits: RemoteWriteLimits;
  /**
   * Memory for the decompressed body, used when it is large enough. The batch then lives in it: it must not be used again before the batch
   * is done with. Fresh memory costs more than decoding does.
   */
  readonly scratch?: Uint8Array | undefined;
  /** Reads most requests several times as fast, in memory of its own, of which the same holds. */
  readonly reader?: WriteRequestReader | undefined;
}

/** A decoded request: what can be stored, and what was left out of it. */
export interface RemoteWriteResult {
  readonly batch: SampleBatch;
  /** Series left out for their labels, with the samples they had. Prometheus answers 2xx all the same. */
  readonly skippedSeries: number;
  readonly skippedSamples: number;
  /** Exemplars left out for their labels; Prometheus answers 2xx all the same. */
  readonly droppedExemplars: number;
  /** The first few reasons, each naming the series by its index in the request. */
  readonly faults: readonly string[];
  /** The first few of those series that are left out for a limit of ours, of which a sender cannot know. */
  readonly limitFaults: readonly string[];
  /** Native histograms left out because they contradict themselves. Prometheus answers 400. */
  readonly badHistograms: number;
  /** The first few reasons, in its words. */
  readonly histogramFaults: readonly string[];
}

const TAG_SERIES = (1 << 3) | WIRE_BYTES;
const TAG_METADATA = (3 << 3) | WIRE_BYTES;
const TAG_LABEL = (1 << 3) | WIRE_BYTES;
const TAG_SAMPLE = (2 << 3) | WIRE_BYTES;
const TAG_EXEMPLAR = (3 << 3) | WIRE_BYTES;
const TAG_HISTOGRAM = (4 << 3) | WIRE_BYTES;
const TAG_SAMPLE_VALUE = (1 << 3) | WIRE_FIXED64;
const TAG_SAMPLE_TIME = (2 << 3) | WIRE_VARINT;
const TAG_EXEMPLAR_VALUE = (2 << 3) | WIRE_FIXED64;
const TAG_EXEMPLAR_TIME = (3 << 3) | WIRE_VARINT;

/** Decodes a body; throws a FinchError `too-large` (413) or `invalid` (400) that names the byte. */
export function decodeRemoteWrite(
  body: Uint8Array,
  options: RemoteWriteOptions,
): RemoteWriteResult {
  const { limits, scratch, reader } = options;
  if (body.length > limits.bodyBytesMax) {
    throw tooLarge(
      `the body has ${body.length} bytes, ${limits.bodyBytesMax} are allowed: send smaller batches`,
    );
  }
  const columns = reader?.read(body, limits);
  if (reader !== undefined && columns !== undefined && columns.seriesSeen <= limits.seriesMax) {
    const result = finishColumns(reader, columns, limits);
    if (result !== undefined) return result;
  }
  return translateCodecErrors("cannot read the remote write request", () => {
    const decoded = decodeSnappy(body, { sizeMax: limits.decodedBytesMax, scratch });
    const state = new RequestState(decoded, limits);
    readRequest(state);
    return state.result();
  });
}

/** Reads what the kernel left over; undefined when something is wrong there, which reading in order then names. */
function finishColumns(
  reader: WriteRequestReader,
  columns: WriteRequestColumns,
  limits: RemoteWriteLimits,
): RemoteWriteResult | undefined {
  const state = new RequestState(columns.text, limits, { reader, columns });
  try {
    for (const { ordinal, tag, start, end } of columns.odd) {
      state.reader.position = start;
      state.reader.end = end;
      state.seriesSeen = ordinal + 1;
      if (tag === TAG_SERIES) readSeries(state);
      else if (tag === TAG_METADATA) state.addMetadata(readMetadata(state.reader));
    }
  } catch {
    return undefined;
  }
  return state.result();
}

/** The columns that grow while a request is read. */
class RequestState {
  readonly bytes: Uint8Array;
  readonly limits: RemoteWriteLimits;
  readonly reader: ProtobufReader;
  readonly faults = new FaultList(FAULTS_MAX);
  readonly limitFaults = new FaultList(FAULTS_MAX);
  readonly histogramFaults = new FaultList(FAULTS_MAX);
  readonly metadata: MetricMetadata[] = [];
  timestampsMs: Float64Array;
  values: Float64Array;
  valueWords: Uint32Array;
  sampleCount = 0;
  sampleStarts: Uint32Array;
  keyBounds: Uint32Array;
  seriesCount = 0;
  /** Series of the request so far, those left out included. */
  seriesSeen = 0;
  skippedSamples = 0;
  histogramsSeen = 0;
  bucketsSeen = 0;
  exemplarsSeen = 0;
  droppedExemplars = 0;
  readonly histograms = new Map<number, Histogram>();
  readonly exemplars: { readonly series: number; readonly exemplar: Exemplar }[] = [];
  readonly #kernel: WriteRequestReader | undefined;
  #keyHashes: Uint32Array;

  /** With the columns that a kernel has begun, which are continued. */
  constructor(
    bytes: Uint8Array,
    limits: RemoteWriteLimits,
    begun?: { readonly reader: WriteRequestReader; readonly columns: WriteRequestColumns },
  ) {
    this.bytes = bytes;
    this.limits = limits;
    this.reader = new ProtobufReader(bytes);
    this.#kernel = begun?.reader;
    const guess = 16 + (bytes.length >>> 8);
    this.sampleCount = begun?.columns.sampleCount ?? 0;
    this.seriesCount = begun?.columns.seriesCount ?? 0;
    this.timestampsMs = begun?.columns.timestampsMs ?? new Float64Array(guess);
    this.values = begun?.columns.values ?? new Float64Array(guess);
    this.valueWords = wordsOf(this.values);
    this.sampleStarts = begun?.columns.sampleStarts ?? new Uint32Array(guess + 1);
    this.keyBounds = begun?.columns.keyBounds ?? new Uint32Array(guess * 2);
    this.#keyHashes = begun?.columns.keyHashes ?? new Uint32Array(0);
  }

  /** The number of a new row at `timestampMs`. The columns hold rows of series that were left out: the caller sets the value. */
  addRow(timestampMs: number): number {
    const row = this.sampleCount;
    if (row >= this.limits.samplesMax) {
      throw tooLarge(
        `the request has more than ${this.limits.samplesMax} samples: send smaller batches`,
      );
    }
    if (row >= this.values.length) {
      this.timestampsMs = grown(this.timestampsMs, new Float64Array(2 * row));
      this.valueWords = grown(this.valueWords, new Uint32Array(4 * row));
      this.values = new Float64Array(this.valueWords.buffer);
    }
    this.timestampsMs[row] = timestampMs;
    this.sampleCount = row + 1;
    return row;
  }

  addSeries(keyStart: number, keyEnd: number): void {
    const s = this.seriesCount++;
    if (s + 2 > this.sampleStarts.length) {
      this.sampleStarts = grown(this.sampleStarts, new Uint32Array(2 * s + 2));
      this.keyBounds = grown(this.keyBounds, new Uint32Array(4 * s + 4));
    }
    this.sampleStarts[s + 1] = this.sampleCount;
    this.keyBounds[2 * s] = keyStart;
    this.keyBounds[2 * s + 1] = keyEnd;
    if (this.#kernel === undefined) return;
    if (4 * s + 4 > this.#keyHashes.length)
      this.#keyHashes = grown(this.#keyHashes, new Uint32Array(8 * s + 8));
    this.#keyHashes.set(this.#kernel.hash(keyStart, keyEnd), 4 * s);
  }

  addMetadata(metadata: MetricMetadata): void {
    if (this.metadata.length >= this.limits.metadataMax) {
      throw tooLarge(`the request has metadata of more than ${this.limits.metadataMax} families`);
    }
    this.metadata.push(metadata);
  }

  result(): RemoteWriteResult {
    const { bytes, keyBounds, seriesCount, sampleCount } = this;
    return {
      batch: {
        seriesCount,
        sampleStarts: this.sampleStarts.subarray(0, seriesCount + 1),
        timestampsMs: this.timestampsMs.subarray(0, sampleCount),
        values: this.values.subarray(0, sampleCount),
        ...(this.histograms.size > 0 ? { histograms: this.histograms } : {}),
        ...(this.exemplars.length > 0 ? { exemplars: this.exemplars } : {}),
        keyBytes: bytes,
        keyBounds: keyBounds.subarray(0, 2 * seriesCount),
        ...(this.#kernel === undefined
          ? {}
          : { keyHashes: this.#keyHashes.subarray(0, 4 * seriesCount) }),
        labelsOf: (s) =>
          Labels.fromPairs(readLabelPairs(bytes, keyBounds[2 * s]!, keyBounds[2 * s + 1]!)),
        metadata: this.metadata,
      },
      skippedSeries: this.faults.count,
      skippedSamples: this.skippedSamples,
      droppedExemplars: this.droppedExemplars,
      faults: this.faults.messages,
      limitFaults: this.limitFaults.messages,
      badHistograms: this.histogramFaults.count,
      histogramFaults: this.histogramFaults.messages,
    };
  }
}

function grown<Column extends Float64Array | Uint32Array>(from: Column, to: Column): Column {
  to.set(from);
  return to;
}

function readRequest(state: RequestState): void {
  const { reader, limits } = state;
  while (reader.more()) {
    const tag = reader.readTag();
    if (tag === TAG_SERIES) {
      if (++state.seriesSeen > limits.seriesMax) {
        throw tooLarge(
          `the request has more than ${limits.seriesMax} series: send smaller batches`,
        );
      }
      const outer = reader.enter();
      readSeries(state);
      reader.leave(outer);
    } else if (tag === TAG_METADATA) {
      const outer = reader.enter();
      state.addMetadata(readMetadata(reader));
      reader.leave(outer);
    } else {
      reader.skip();
    }
  }
}

/** What one series has besides samples, kept until its labels are known to be good. */
interface Extras {
  readonly histograms: { readonly row: number; readonly histogram: Histogram }[];
  readonly exemplars: Exemplar[];
  readonly faults: string[];
}

function readSeries(state: RequestState): void {
  const { reader, bytes, limits } = state;
  const firstSample = state.sampleCount;
  const extras: Extras = { histograms: [], exemplars: [], faults: [] };
  let keyStart = reader.position;
  let keyEnd = scanPlainLabels(bytes, keyStart, reader.end, limits);
  // Labels as every sender writes them need no second look.
  let checked = keyEnd > keyStart && isAscii(bytes.subarray(keyStart, keyEnd));
  if (checked) reader.position = keyEnd;
  else keyStart = -1;
  while (reader.more()) {
    const at = reader.position;
    const tag = reader.readTag();
    if (tag === TAG_LABEL) {
      reader.readSpan();
      if (keyStart < 0) keyStart = at;
      keyEnd = reader.position;
      checked = false;
    } else if (tag === TAG_SAMPLE || tag === TAG_HISTOGRAM || tag === TAG_EXEMPLAR) {
      const outer = reader.enter();
      if (tag === TAG_SAMPLE) readSample(state);
      else if (tag === TAG_HISTOGRAM) readHistogramSample(state, extras);
      else readExemplar(state, extras);
      reader.leave(outer);
    } else reader.skip();
  }
  let fault: LabelFault | undefined;
  if (keyStart < 0) fault = NO_LABELS;
  else if (!checked) fault = checkLabels(bytes, keyStart, keyEnd, limits);
  if (fault === undefined) endSeries(state, firstSample, { keyStart, keyEnd, extras });
  else leaveOut(state, firstSample, fault);
}

const NO_LABELS: LabelFault = { message: "it has no labels", overLimit: false };

function leaveOut(state: RequestState, firstSample: number, fault: LabelFault): void {
  const told = `series ${state.seriesSeen - 1} is left out: ${fault.message}`;
  state.faults.add(told);
  if (fault.overLimit) state.limitFaults.add(told);
  state.skippedSamples += state.sampleCount - firstSample;
  state.sampleCount = firstSample;
}

function endSeries(
  state: RequestState,
  firstSample: number,
  found: { readonly keyStart: number; readonly keyEnd: number; readonly extras: Extras },
): void {
  const { histograms, exemplars, faults } = found.extras;
  for (const fault of faults)
    state.histogramFaults.add(`histogram of series ${state.seriesSeen - 1}: ${fault}`);
  if (state.sampleCount === firstSample && exemplars.length === 0) return;
  for (const { row, histogram } of histograms) state.histograms.set(row, histogram);
  for (const exemplar of exemplars) state.exemplars.push({ series: state.seriesCount, exemplar });
  state.addSeries(found.keyStart, found.keyEnd);
}

function readSample(state: RequestState): void {
  const { reader, bytes } = state;
  const row = state.addRow(0);
  const words = state.valueWords;
  // A field that is not sent is 0.
  words[2 * row] = 0;
  words[2 * row + 1] = 0;
  while (reader.more()) {
    const tag = reader.readTag();
    if (tag === TAG_SAMPLE_VALUE) {
      const at = reader.readFixed64();
      words[2 * row] =
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      words[2 * row + 1] =
        bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24);
    } else if (tag === TAG_SAMPLE_TIME) {
      state.timestampsMs[row] = readTime(reader);
    } else {
      reader.skip();
    }
  }
}

function readTime(reader: ProtobufReader): number {
  const at = reader.position;
  const ms = reader.readInt64();
  if (!Number.isSafeInteger(ms)) throw badBody(`timestamp ${ms} ms at byte ${at} is out of range`);
  return ms;
}

function readHistogramSample(state: RequestState, extras: Extras): void {
  const message = readHistogram(state.reader);
  state.bucketsSeen += message.bucketCount;
  const { histogramsMax, histogramBucketsMax } = state.limits;
  if (++state.histogramsSeen > histogramsMax || state.bucketsSeen > histogramBucketsMax) {
    throw tooLarge(
      `the request has more than ${histogramsMax} histograms or ${histogramBucketsMax} buckets: send smaller batches`,
    );
  }
  if (message.fault !== undefined) {
    extras.faults.push(message.fault);
    return;
  }
  const row = state.addRow(message.timestampMs);
  state.valueWords[2 * row] = message.sumLow;
  state.valueWords[2 * row + 1] = message.sumHigh;
  const { histogram } = message;
  if (histogram !== undefined) extras.histograms.push({ row, histogram });
}

/** `Exemplar { repeated Label labels = 1, double value = 2, int64 timestamp = 3 }`. */
function readExemplar(state: RequestState, extras: Extras): void {
  const { reader, bytes, limits } = state;
  if (++state.exemplarsSeen > limits.exemplarsMax) {
    throw tooLarge(
      `the request has more than ${limits.exemplarsMax} exemplars: send smaller batches`,
    );
  }
  const { position, end } = reader;
  const pairs = readLabelPairs(bytes, position, end);
  let value = 0;
  let timestampMs = 0;
  while (reader.more()) {
    const tag = reader.readTag();
    if (tag === TAG_EXEMPLAR_VALUE) value = reader.readDouble();
    else if (tag === TAG_EXEMPLAR_TIME) timestampMs = readTime(reader);
    else reader.skip();
  }
  const labels = exemplarLabels(pairs);
  if (labels === undefined || exemplarFault(labels) !== undefined) state.droppedExemplars++;
  else extras.exemplars.push({ labels, value, timestampMs });
}

/** Undefined when a name is given twice. */
function exemplarLabels(pairs: readonly string[]): Labels | undefined {
  try {
    return Labels.fromPairs(pairs);
  } catch {
    return undefined;
  }
}

/** Metric types by their number in remote write 1.0. */
export const REMOTE_WRITE_METRIC_TYPES: readonly MetricType[] = [
  "unknown",
  "counter",
  "gauge",
  "histogram",
  "gaugehistogram",
  "summary",
  "info",
  "stateset",
];

function readMetadata(reader: ProtobufReader): MetricMetadata {
  const buffer = bufferOver(reader.bytes);
  let type: MetricType = "unknown";
  let family = "";
  let help = "";
  let unit = "";
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1 && reader.wireType === WIRE_VARINT)
      type = REMOTE_WRITE_METRIC_TYPES[reader.readVarint32()] ?? "unknown";
    else if (reader.wireType !== WIRE_BYTES) reader.skip();
    else if (reader.field === 2) family = readString(reader, buffer);
    else if (reader.field === 4) help = readString(reader, buffer);
    else if (reader.field === 5) unit = readString(reader, buffer);
    else reader.skip();
  }
  return { family, type, help, unit };
}
