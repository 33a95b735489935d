/**
 * Remote write 1.0: a Snappy block of a protobuf `WriteRequest`, read straight into columns. Labels are checked here and parsed only for
 * series the store has not seen. A series that cannot be stored is left out and reported; a body that cannot be read is refused whole.
 */
import { isAscii } from "node:buffer";
import { decodeSnappy, ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import { Labels, type MetricMetadata, type MetricType, type SampleBatch } from "@finch/model";
import { badBody, FaultList, tooLarge, translateCodecErrors } from "./errors.ts";
import { FAULTS_MAX, type RemoteWriteLimits } from "./limits.ts";
import { bufferOver, isUtf8Range } from "./text-bytes.ts";

export interface RemoteWriteOptions {
  readonly limits: RemoteWriteLimits;
  /**
   * Memory for the decompressed body, used when it is large enough. The batch then lives in it: it must not be used again before the batch
   * is done with. Fresh memory costs more than decoding does.
   */
  readonly scratch?: Uint8Array | undefined;
}

/** A decoded request: what can be stored, and what was left out of it. */
export interface RemoteWriteResult {
  readonly batch: SampleBatch;
  /** Series left out for their labels, with the samples they had. Prometheus answers 2xx all the same. */
  readonly skippedSeries: number;
  readonly skippedSamples: number;
  /** Native histograms and exemplars, neither of which is supported yet: left out of series that are otherwise stored. */
  readonly unsupportedHistograms: number;
  readonly droppedExemplars: number;
  /** The first few reasons, each naming the series by its index in the request. */
  readonly faults: readonly string[];
}

const TAG_SERIES = (1 << 3) | WIRE_BYTES;
const TAG_METADATA = (3 << 3) | WIRE_BYTES;
const TAG_LABEL = (1 << 3) | WIRE_BYTES;
const TAG_SAMPLE = (2 << 3) | WIRE_BYTES;
const TAG_EXEMPLAR = (3 << 3) | WIRE_BYTES;
const TAG_HISTOGRAM = (4 << 3) | WIRE_BYTES;
const TAG_NAME = (1 << 3) | WIRE_BYTES;
const TAG_LABEL_VALUE = (2 << 3) | WIRE_BYTES;
const TAG_SAMPLE_VALUE = (1 << 3) | WIRE_FIXED64;
const TAG_SAMPLE_TIME = (2 << 3) | WIRE_VARINT;

/** Decodes a body; throws a FinchError `too-large` (413) or `invalid` (400) that names the byte. */
export function decodeRemoteWrite(
  body: Uint8Array,
  options: RemoteWriteOptions,
): RemoteWriteResult {
  const { limits, scratch } = options;
  if (body.length > limits.bodyBytesMax) {
    throw tooLarge(
      `the body has ${body.length} bytes, ${limits.bodyBytesMax} are allowed: send smaller batches`,
    );
  }
  return translateCodecErrors("cannot read the remote write request", () => {
    const decoded = decodeSnappy(body, { sizeMax: limits.decodedBytesMax, scratch });
    const state = new RequestState(decoded, limits);
    readRequest(state);
    return state.result();
  });
}

/** The columns that grow while a request is read. */
class RequestState {
  readonly bytes: Uint8Array;
  readonly limits: RemoteWriteLimits;
  readonly reader: ProtobufReader;
  readonly faults = new FaultList(FAULTS_MAX);
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
  histograms = 0;
  exemplars = 0;

  constructor(bytes: Uint8Array, limits: RemoteWriteLimits) {
    this.bytes = bytes;
    this.limits = limits;
    this.reader = new ProtobufReader(bytes);
    const guess = 16 + (bytes.length >>> 8);
    this.timestampsMs = new Float64Array(guess);
    this.values = new Float64Array(guess);
    this.valueWords = new Uint32Array(this.values.buffer);
    this.sampleStarts = new Uint32Array(guess + 1);
    this.keyBounds = new Uint32Array(guess * 2);
  }

  growSamples(): void {
    this.timestampsMs = grown(this.timestampsMs, new Float64Array(this.timestampsMs.length * 2));
    const values = new Float64Array(this.values.length * 2);
    const words = new Uint32Array(values.buffer);
    words.set(this.valueWords);
    this.values = values;
    this.valueWords = words;
  }

  growSeries(): void {
    this.sampleStarts = grown(this.sampleStarts, new Uint32Array(this.sampleStarts.length * 2));
    this.keyBounds = grown(this.keyBounds, new Uint32Array(this.sampleStarts.length * 2));
  }

  result(): RemoteWriteResult {
    const { bytes, keyBounds, seriesCount, sampleCount } = this;
    return {
      batch: {
        seriesCount,
        sampleStarts: this.sampleStarts.subarray(0, seriesCount + 1),
        timestampsMs: this.timestampsMs.subarray(0, sampleCount),
        values: this.values.subarray(0, sampleCount),
        keyBytes: bytes,
        keyBounds: keyBounds.subarray(0, 2 * seriesCount),
        labelsOf: (s) =>
          Labels.fromPairs(readLabelPairs(bytes, keyBounds[2 * s]!, keyBounds[2 * s + 1]!)),
        metadata: this.metadata,
      },
      skippedSeries: this.faults.count,
      skippedSamples: this.skippedSamples,
      unsupportedHistograms: this.histograms,
      droppedExemplars: this.exemplars,
      faults: this.faults.messages,
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
      if (state.metadata.length >= limits.metadataMax) {
        throw tooLarge(`the request has metadata of more than ${limits.metadataMax} families`);
      }
      const outer = reader.enter();
      state.metadata.push(readMetadata(reader));
      reader.leave(outer);
    } else {
      reader.skip();
    }
  }
}

function readSeries(state: RequestState): void {
  const { reader, bytes } = state;
  const firstSample = state.sampleCount;
  let keyStart = reader.position;
  let keyEnd = scanPlainLabels(bytes, keyStart, reader.end, state.limits);
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
    } else if (tag === TAG_SAMPLE) {
      const outer = reader.enter();
      readSample(state);
      reader.leave(outer);
    } else {
      if (tag === TAG_HISTOGRAM) state.histograms++;
      else if (tag === TAG_EXEMPLAR) state.exemplars++;
      reader.skip();
    }
  }
  let fault: string | undefined;
  if (keyStart < 0) fault = "it has no labels";
  else if (!checked) fault = checkLabels(state, keyStart, keyEnd);
  endSeries(state, firstSample, { keyStart, keyEnd, fault });
}

function endSeries(
  state: RequestState,
  firstSample: number,
  series: {
    readonly keyStart: number;
    readonly keyEnd: number;
    readonly fault: string | undefined;
  },
): void {
  if (series.fault !== undefined) {
    state.faults.add(`series ${state.seriesSeen - 1} is left out: ${series.fault}`);
    state.skippedSamples += state.sampleCount - firstSample;
    state.sampleCount = firstSample;
    return;
  }
  if (state.sampleCount === firstSample) return;
  const s = state.seriesCount++;
  if (s + 2 > state.sampleStarts.length || 2 * s + 2 > state.keyBounds.length) state.growSeries();
  state.sampleStarts[s + 1] = state.sampleCount;
  state.keyBounds[2 * s] = series.keyStart;
  state.keyBounds[2 * s + 1] = series.keyEnd;
}

function readSample(state: RequestState): void {
  const { reader, bytes } = state;
  const row = state.sampleCount;
  if (row >= state.limits.samplesMax) {
    throw tooLarge(
      `the request has more than ${state.limits.samplesMax} samples: send smaller batches`,
    );
  }
  if (row >= state.values.length) state.growSamples();
  state.sampleCount = row + 1;
  // A field that is not sent is 0, and the columns hold rows of series that were left out.
  state.timestampsMs[row] = 0;
  const words = state.valueWords;
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
      const at = reader.position;
      const ms = reader.readInt64();
      if (!Number.isSafeInteger(ms))
        throw badBody(`timestamp ${ms} ms at byte ${at} is out of range`);
      state.timestampsMs[row] = ms;
    } else {
      reader.skip();
    }
  }
}

/**
 * Where the labels that begin at `start` end, if they are plain: name before value, lengths of one byte, names ascending, none empty, all within
 * the limits, with a metric name. Anything else is -1, for {@link checkLabels} to judge. Says nothing about UTF-8.
 */
function scanPlainLabels(
  bytes: Uint8Array,
  start: number,
  end: number,
  limits: RemoteWriteLimits,
): number {
  const { labelNameBytesMax, labelValueBytesMax } = limits;
  let left = limits.labelsPerSeriesMax;
  let named = false;
  let previous = 0;
  let previousEnd = 0;
  let at = start;
  while (at < end && bytes[at] === TAG_LABEL) {
    if (at + 6 > end) return -1;
    const length = bytes[at + 1]!;
    const nameLength = bytes[at + 3]!;
    const name = at + 4;
    const nameEnd = name + nameLength;
    const labelEnd = at + 2 + length;
    if (
      length >= 0x80 ||
      labelEnd > end ||
      bytes[at + 2] !== TAG_NAME ||
      nameLength === 0 ||
      nameEnd + 2 > labelEnd
    )
      return -1;
    const valueLength = bytes[nameEnd + 1]!;
    if (bytes[nameEnd] !== TAG_LABEL_VALUE || nameEnd + 2 + valueLength !== labelEnd) return -1;
    if (nameLength > labelNameBytesMax || valueLength > labelValueBytesMax || --left < 0) return -1;
    if (compareRanges(bytes, previous, previousEnd, name, nameEnd) >= 0) return -1;
    if (!named && valueLength > 0 && isMetricName(bytes, name, nameEnd)) named = true;
    previous = name;
    previousEnd = nameEnd;
    at = labelEnd;
  }
  return named ? at : -1;
}

/** What is wrong with the labels in `bytes[start … end)`, or undefined. Sorted labels, which all senders send, take one pass. */
function checkLabels(state: RequestState, start: number, end: number): string | undefined {
  const { bytes, limits } = state;
  const reader = new ProtobufReader(bytes, start, end);
  const ascii = isAscii(bytes.subarray(start, end));
  let previousStart = 0;
  let previousEnd = 0;
  let sorted = true;
  let named = false;
  let count = 0;
  while (reader.more()) {
    if (reader.readTag() !== TAG_LABEL) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let nameStart = 0;
    let nameEnd = 0;
    let valueStart = 0;
    let valueEnd = 0;
    while (reader.more()) {
      const tag = reader.readTag();
      if (tag === TAG_NAME) {
        nameStart = reader.readSpan();
        nameEnd = reader.position;
      } else if (tag === TAG_LABEL_VALUE) {
        valueStart = reader.readSpan();
        valueEnd = reader.position;
      } else reader.skip();
    }
    reader.leave(outer);
    if (++count > limits.labelsPerSeriesMax)
      return `it has more than ${limits.labelsPerSeriesMax} labels`;
    if (nameStart === nameEnd) return `the name of label ${count - 1} is empty`;
    if (nameEnd - nameStart > limits.labelNameBytesMax)
      return `the name of label ${count - 1} is longer than ${limits.labelNameBytesMax} bytes`;
    if (valueEnd - valueStart > limits.labelValueBytesMax)
      return `the value of label ${count - 1} is longer than ${limits.labelValueBytesMax} bytes`;
    if (
      !ascii &&
      !(isUtf8Range(bytes, nameStart, nameEnd) && isUtf8Range(bytes, valueStart, valueEnd))
    )
      return `label ${count - 1} is not valid UTF-8`;
    if (count > 1 && compareRanges(bytes, previousStart, previousEnd, nameStart, nameEnd) >= 0)
      sorted = false;
    if (valueEnd > valueStart && isMetricName(bytes, nameStart, nameEnd)) named = true;
    previousStart = nameStart;
    previousEnd = nameEnd;
  }
  if (!named) return "it has no __name__";
  return sorted ? undefined : checkUnsorted(bytes, start, end);
}

function checkUnsorted(bytes: Uint8Array, start: number, end: number): string | undefined {
  const pairs = readLabelPairs(bytes, start, end);
  const names = new Set<string>();
  for (let i = 0; i < pairs.length; i += 2) {
    const name = pairs[i]!;
    if (names.has(name)) return `label ${JSON.stringify(name)} is given twice`;
    names.add(name);
  }
  return undefined;
}

function compareRanges(
  bytes: Uint8Array,
  a: number,
  aEnd: number,
  b: number,
  bEnd: number,
): number {
  let i = a;
  let j = b;
  while (i < aEnd && j < bEnd) {
    const difference = bytes[i++]! - bytes[j++]!;
    if (difference !== 0) return difference;
  }
  return aEnd - i - (bEnd - j);
}

const METRIC_NAME = new Uint8Array(Buffer.from("__name__"));

function isMetricName(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start !== METRIC_NAME.length) return false;
  for (let i = 0; i < METRIC_NAME.length; i++)
    if (bytes[start + i] !== METRIC_NAME[i]) return false;
  return true;
}

/** `name, value, …` of label messages that were checked; other fields between them are passed over. */
function readLabelPairs(bytes: Uint8Array, start: number, end: number): string[] {
  const buffer = bufferOver(bytes);
  const reader = new ProtobufReader(bytes, start, end);
  const pairs: string[] = [];
  while (reader.more()) {
    if (reader.readTag() !== TAG_LABEL) {
      reader.skip();
      continue;
    }
    const outer = reader.enter();
    let name = "";
    let value = "";
    while (reader.more()) {
      const tag = reader.readTag();
      if (tag === TAG_NAME) name = readString(reader, buffer);
      else if (tag === TAG_LABEL_VALUE) value = readString(reader, buffer);
      else reader.skip();
    }
    reader.leave(outer);
    pairs.push(name, value);
  }
  return pairs;
}

function readString(reader: ProtobufReader, buffer: Buffer): string {
  const at = reader.readSpan();
  return buffer.toString("utf8", at, reader.position);
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
