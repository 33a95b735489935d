/**
 * Remote write 2.0: a Snappy block of an `io.prometheus.write.v2.Request`, whose labels are references to a table of symbols. What cannot be
 * stored of it is left out and told in the words of Prometheus' receiver; a body that cannot be read is refused whole.
 */
import { decodeSnappy, ProtobufReader, WIRE_BYTES, WIRE_FIXED64, WIRE_VARINT } from "@finch/codec";
import type { Labels, SampleBatch } from "@finch/model";
import { badBody, FaultList, tooLarge, translateCodecErrors } from "./errors.ts";
import { exemplarFault } from "./exemplar-check.ts";
import { FAULTS_MAX, type RemoteWriteLimits } from "./limits.ts";
import { familyOfSeries } from "./metric-family-name.ts";
import { readHistogram } from "./native-histogram-protobuf.ts";
import { LabelRefs, SymbolTable } from "./remote-write-2-symbols.ts";
import { REMOTE_WRITE_METRIC_TYPES } from "./remote-write-decoder.ts";
import type { RemoteWriteOptions } from "./remote-write-decoder.ts";
import { SampleBatchBuilder } from "./sample-batch-builder.ts";

/** A decoded request: what can be stored, and what was left out of it. */
export interface RemoteWrite2Result {
  readonly batch: SampleBatch;
  /** Series, and samples and histograms of any series, that are not in the batch. */
  readonly skippedSeries: number;
  readonly skippedSamples: number;
  readonly skippedHistograms: number;
  /** Exemplars left out without the request failing for it. */
  readonly droppedExemplars: number;
  /** How much is wrong that the sender is told of; the first few in words. */
  readonly faultCount: number;
  readonly faults: readonly string[];
}

/** Decodes a body; throws a FinchError `too-large` (413) or `invalid` (400) that names the byte. */
export function decodeRemoteWrite2(
  body: Uint8Array,
  options: RemoteWriteOptions,
): RemoteWrite2Result {
  const { limits, scratch } = options;
  if (body.length > limits.bodyBytesMax) {
    throw tooLarge(
      `the body has ${body.length} bytes, ${limits.bodyBytesMax} are allowed: send smaller batches`,
    );
  }
  return translateCodecErrors("cannot read the remote write request", () => {
    const decoded = decodeSnappy(body, { sizeMax: limits.decodedBytesMax, scratch });
    const state = new RequestState(decoded, limits, readSymbols(decoded, limits));
    readRequest(state);
    return state.result();
  });
}

/** All symbols, which may stand before, between and behind the series. */
function readSymbols(bytes: Uint8Array, limits: RemoteWriteLimits): SymbolTable {
  const symbols = new SymbolTable(bytes, limits.symbolsMax);
  const reader = new ProtobufReader(bytes);
  while (reader.more()) {
    reader.readTag();
    if (reader.field !== 4) reader.skip();
    else {
      reader.expect(WIRE_BYTES);
      symbols.add(reader);
    }
  }
  return symbols;
}

interface PendingExemplar {
  readonly labels: Labels;
  readonly value: number;
  readonly timestampMs: number;
}

class RequestState {
  readonly bytes: Uint8Array;
  readonly limits: RemoteWriteLimits;
  readonly reader: ProtobufReader;
  readonly symbols: SymbolTable;
  readonly builder: SampleBatchBuilder;
  readonly faults = new FaultList(FAULTS_MAX);
  /** Of the series at hand. */
  readonly labels: LabelRefs;
  readonly exemplarLabels: LabelRefs;
  readonly histogramFaults: string[] = [];
  readonly exemplarFaults: string[] = [];
  readonly exemplars: PendingExemplar[] = [];
  samples = 0;
  histograms = 0;
  createdMs = 0;
  type = 0;
  helpRef = 0;
  unitRef = 0;
  /** Of the request. */
  skippedSeries = 0;
  skippedSamples = 0;
  skippedHistograms = 0;
  droppedExemplars = 0;
  exemplarsSeen = 0;
  bucketsSeen = 0;
  /** The metadata last taken for the symbol of a metric name, so that it is not made again for every series. */
  readonly metadataOf = new Map<number, string>();

  constructor(bytes: Uint8Array, limits: RemoteWriteLimits, symbols: SymbolTable) {
    this.bytes = bytes;
    this.limits = limits;
    this.reader = new ProtobufReader(bytes);
    this.symbols = symbols;
    this.builder = new SampleBatchBuilder(limits, bytes.length >>> 6);
    this.labels = new LabelRefs(symbols, 2 * limits.labelsPerSeriesMax + 2);
    this.exemplarLabels = new LabelRefs(symbols, 2 * limits.labelsPerSeriesMax + 2);
  }

  beginSeries(): void {
    this.builder.beginSeries();
    this.labels.clear();
    this.histogramFaults.length = 0;
    this.exemplarFaults.length = 0;
    this.exemplars.length = 0;
    this.samples = 0;
    this.histograms = 0;
    this.createdMs = 0;
    this.type = 0;
    this.helpRef = 0;
    this.unitRef = 0;
  }

  result(): RemoteWrite2Result {
    return {
      batch: this.builder.finish(),
      skippedSeries: this.skippedSeries,
      skippedSamples: this.skippedSamples,
      skippedHistograms: this.skippedHistograms,
      droppedExemplars: this.droppedExemplars,
      faultCount: this.faults.count,
      faults: this.faults.messages,
    };
  }
}

function readRequest(state: RequestState): void {
  const { reader } = state;
  while (reader.more()) {
    reader.readTag();
    if (reader.field !== 5) {
      reader.skip();
      continue;
    }
    reader.expect(WIRE_BYTES);
    const outer = reader.enter();
    state.beginSeries();
    while (reader.more()) readSeriesField(state);
    reader.leave(outer);
    endSeries(state);
  }
}

function readSeriesField(state: RequestState): void {
  const { reader } = state;
  reader.readTag();
  switch (reader.field) {
    case 1:
      readRefs(reader, state.labels);
      return;
    case 2:
      inMessage(state, readSample);
      return;
    case 3:
      inMessage(state, readHistogramSample);
      return;
    case 4:
      inMessage(state, readExemplar);
      return;
    case 5:
      inMessage(state, readMetadata);
      return;
    case 6:
      // The start time of all samples, in drafts of the protocol that Prometheus 3.0 to 3.5 speaks.
      state.createdMs = readTime(reader);
      return;
    default:
      reader.skip();
  }
}

function inMessage(state: RequestState, read: (state: RequestState) => void): void {
  const { reader } = state;
  reader.expect(WIRE_BYTES);
  const outer = reader.enter();
  read(state);
  reader.leave(outer);
}

function readRefs(reader: ProtobufReader, into: LabelRefs): void {
  if (reader.wireType !== WIRE_BYTES) {
    reader.expect(WIRE_VARINT);
    into.add(reader.readVarint32());
    return;
  }
  const outer = reader.enter();
  while (reader.more()) into.add(reader.readVarint32());
  reader.leave(outer);
}

function readTime(reader: ProtobufReader): number {
  reader.expect(WIRE_VARINT);
  const at = reader.position;
  const ms = reader.readInt64();
  if (!Number.isSafeInteger(ms)) throw badBody(`timestamp ${ms} ms at byte ${at} is out of range`);
  return ms;
}

function readSample(state: RequestState): void {
  const { reader } = state;
  let low = 0;
  let high = 0;
  let timestampMs = 0;
  let startMs = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) {
      reader.expect(WIRE_FIXED64);
      low = reader.readFixed32();
      high = reader.readFixed32();
    } else if (reader.field === 2) timestampMs = readTime(reader);
    else if (reader.field === 3) startMs = readTime(reader);
    else reader.skip();
  }
  state.samples++;
  state.builder.addSample(timestampMs, low, high, startMs);
}

function readHistogramSample(state: RequestState): void {
  const read = readHistogram(state.reader);
  state.bucketsSeen += read.bucketCount;
  if (state.bucketsSeen > state.limits.histogramBucketsMax) {
    throw tooLarge(
      `the request has more than ${state.limits.histogramBucketsMax} histogram buckets: send smaller batches`,
    );
  }
  state.histograms++;
  const { timestampMs, startTimestampMs } = read;
  if (read.fault !== undefined) state.histogramFaults.push(read.fault);
  else if (read.histogram === undefined)
    state.builder.addSample(timestampMs, read.sumLow, read.sumHigh, startTimestampMs);
  else state.builder.addHistogram(timestampMs, read.histogram, startTimestampMs);
}

function readExemplar(state: RequestState): void {
  const { reader, exemplarLabels } = state;
  if (++state.exemplarsSeen > state.limits.exemplarsMax) {
    throw tooLarge(
      `the request has more than ${state.limits.exemplarsMax} exemplars: send smaller batches`,
    );
  }
  exemplarLabels.clear();
  let value = 0;
  let timestampMs = 0;
  while (reader.more()) {
    reader.readTag();
    if (reader.field === 1) readRefs(reader, exemplarLabels);
    else if (reader.field === 2) {
      reader.expect(WIRE_FIXED64);
      value = reader.readDouble();
    } else if (reader.field === 3) timestampMs = readTime(reader);
    else reader.skip();
  }
  const fault = exemplarLabels.fault();
  if (fault !== undefined) {
    state.exemplarFaults.push(fault);
    return;
  }
  const labels = exemplarLabels.toLabels();
  if (labels === undefined || exemplarFault(labels) !== undefined) state.droppedExemplars++;
  else state.exemplars.push({ labels, value, timestampMs });
}

function readMetadata(state: RequestState): void {
  const { reader } = state;
  while (reader.more()) {
    reader.readTag();
    if (reader.wireType !== WIRE_VARINT) reader.skip();
    else if (reader.field === 1) state.type = reader.readVarint32();
    else if (reader.field === 3) state.helpRef = reader.readVarint32();
    else if (reader.field === 4) state.unitRef = reader.readVarint32();
    else reader.skip();
  }
}

function endSeries(state: RequestState): void {
  const { builder, labels, faults } = state;
  const fault = seriesFault(state);
  if (fault !== undefined) {
    faults.add(fault);
    state.skippedSeries++;
    state.skippedSamples += state.samples;
    state.skippedHistograms += state.histograms;
    state.droppedExemplars += state.exemplars.length;
    builder.dropSeries();
    return;
  }
  state.skippedHistograms += state.histogramFaults.length;
  for (const told of state.histogramFaults) faults.add(`${told} for series ${labels.describe()}`);
  for (const told of state.exemplarFaults)
    faults.add(`parsing exemplar for series ${labels.describe()}: ${told}`);
  labels.write(builder.keys);
  if (state.createdMs !== 0) builder.fillStarts(state.createdMs);
  for (const { labels: own, value, timestampMs } of state.exemplars) {
    // Without a time of its own it is one of the newest sample.
    builder.addExemplar({
      labels: own,
      value,
      timestampMs: timestampMs || builder.openTimestampMs,
    });
  }
  if (builder.endSeries()) noteMetadata(state);
}

/** Why nothing of the series can be stored, in Prometheus' order of checks. */
function seriesFault(state: RequestState): string | undefined {
  const { labels, symbols } = state;
  const refs = labels.fault();
  if (refs !== undefined) return `parsing labels for series ${labels.describeRefs()}: ${refs}`;
  for (const [name, ref] of [
    ["unit", state.unitRef],
    ["help", state.helpRef],
  ] as const) {
    if (ref >= symbols.count && ref !== 0)
      return `parsing metadata for series ${labels.describeRefs()}: metadata ${name}_ref ${ref} outside of symbols table (size ${symbols.count})`;
  }
  labels.sort();
  const fault = labels.seriesFault(state.limits);
  if (fault !== undefined) return fault;
  // Prometheus sends exemplars as series of their own: whether they belong to a series that is known only the store can tell.
  return state.samples + state.histograms + state.exemplars.length === 0
    ? `TimeSeries must contain at least one sample or histogram for series ${labels.describe()}`
    : undefined;
}

function noteMetadata(state: RequestState): void {
  const { type, helpRef, unitRef, symbols } = state;
  if (type === 0 && symbols.length(helpRef) === 0 && symbols.length(unitRef) === 0) return;
  const nameRef = state.labels.metricNameRef();
  const key = `${type} ${helpRef} ${unitRef}`;
  if (state.metadataOf.get(nameRef) === key) return;
  state.metadataOf.set(nameRef, key);
  const typeName = REMOTE_WRITE_METRIC_TYPES[type] ?? "unknown";
  state.builder.addMetadata({
    family: familyOfSeries(symbols.text(nameRef), typeName),
    type: typeName,
    help: symbols.text(helpRef),
    unit: symbols.text(unitRef),
  });
}
