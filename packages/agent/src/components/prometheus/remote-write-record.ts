/**
 * A record of the queue between the receiver of `prometheus.remote_write` and its endpoints: a request body as it can be sent, with what must
 * be known without reading it.
 *
 *     u8 version (1) · u8 flags (1: has labels for rewriting only, 2: has native histograms, 4: has exemplars) · u32 samples · f64 newest timestamp in ms · Snappy block of a WriteRequest
 *
 * Numbers are little-endian. Several records merge into one request by joining their decompressed bodies: fields of a protobuf message that
 * repeat may come in any number of parts.
 */
import { decodeSnappy, readSnappyHeader } from "@finch/codec";
import { Labels, type Exemplar, type MetricMetadata } from "@finch/model";
import { FinchError } from "@finch/runtime";
import {
  decodeRemoteWrite,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeRemoteWrite,
  encodeRemoteWrite2,
  encodeSnappyBody,
  type RemoteWrite2Series,
} from "@finch/wire/remote-write";
import type { SampleSet } from "../../receivers.ts";
import { samplesOfBatch } from "./received-samples.ts";
import { SampleBuilder } from "./sample-builder.ts";

const VERSION = 1;
const FLAG_NEEDS_REWRITE = 1;
const FLAG_HISTOGRAMS = 2;
const FLAG_EXEMPLARS = 4;
const HEADER_BYTES = 14;

export interface WriteRecord {
  readonly samples: number;
  readonly newestMs: number;
  /** Holds labels that only rewriting may see; it cannot be sent as it is. */
  readonly needsRewrite: boolean;
  readonly hasHistograms: boolean;
  readonly hasExemplars: boolean;
  /** Snappy block. */
  readonly body: Uint8Array;
}

export function encodeRecord(
  set: SampleSet,
  options: { readonly needsRewrite: boolean },
): Uint8Array {
  const body = encodeSet(set);
  const record = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(
    1,
    (options.needsRewrite ? FLAG_NEEDS_REWRITE : 0) |
      (set.histograms === undefined ? 0 : FLAG_HISTOGRAMS) |
      (set.exemplars === undefined ? 0 : FLAG_EXEMPLARS),
  );
  view.setUint32(2, set.labels.length, true);
  view.setFloat64(6, newestMs(set), true);
  record.set(body, HEADER_BYTES);
  return record;
}

function encodeSet(set: SampleSet): Uint8Array {
  const { labels, timestampsMs, values, histograms, exemplars } = set;
  return encodeRemoteWrite({
    labels,
    timestampsMs,
    values,
    ...(histograms === undefined ? {} : { histograms }),
    ...(exemplars === undefined ? {} : { exemplars }),
  });
}

function newestMs(set: SampleSet): number {
  const newest = set.timestampsMs.reduce((so, at) => Math.max(so, at), -Infinity);
  return (set.exemplars ?? []).reduce(
    (so, { exemplar }) => Math.max(so, exemplar.timestampMs),
    newest,
  );
}

export function decodeRecord(record: Uint8Array): WriteRecord {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const flags = record.byteLength < HEADER_BYTES ? 0 : view.getUint8(1);
  if (record.byteLength < HEADER_BYTES || view.getUint8(0) !== VERSION) {
    throw new FinchError(
      "corrupt",
      "agent/remote-write-record",
      "a record of the remote write queue was written by another version of Finch",
    );
  }
  return {
    needsRewrite: (flags & FLAG_NEEDS_REWRITE) !== 0,
    hasHistograms: (flags & FLAG_HISTOGRAMS) !== 0,
    hasExemplars: (flags & FLAG_EXEMPLARS) !== 0,
    samples: view.getUint32(2, true),
    newestMs: view.getFloat64(6, true),
    body: record.subarray(HEADER_BYTES),
  };
}

/** One request body for all records, in their order. */
export function mergeBodies(records: readonly WriteRecord[]): Uint8Array {
  if (records.length === 1) return records[0]!.body;
  const parts = records.map(({ body }) =>
    decodeSnappy(body, { sizeMax: readSnappyHeader(body).size }),
  );
  return encodeSnappyBody(parts);
}

/** What is left of a record for one endpoint. */
export interface Rewrite {
  /** Undefined drops the series. */
  readonly relabel: (labels: Labels) => Labels | undefined;
  readonly keepsHistograms: boolean;
  readonly keepsExemplars: boolean;
}

/** The record as one endpoint wants it; undefined when nothing is left. */
export function rewriteRecord(record: WriteRecord, rewrite: Rewrite): WriteRecord | undefined {
  const set = rewriteSet(samplesOfRecord(record), rewrite);
  if (set.labels.length === 0 && set.exemplars === undefined) return undefined;
  return recordOf(set);
}

/** The record's samples, as they were queued. */
export function samplesOfRecord(record: WriteRecord): SampleSet {
  const { batch } = decodeRemoteWrite(record.body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
  return samplesOfBatch(batch, false);
}

/** A record that can be sent as it is. */
export function recordOf(set: SampleSet): WriteRecord {
  return {
    samples: set.labels.length,
    newestMs: newestMs(set),
    needsRewrite: false,
    hasHistograms: set.histograms !== undefined,
    hasExemplars: set.exemplars !== undefined,
    body: encodeSet(set),
  };
}

function rewriteSet(set: SampleSet, rewrite: Rewrite): SampleSet {
  const { relabel, keepsHistograms, keepsExemplars } = rewrite;
  const builder = new SampleBuilder();
  let before: Labels | undefined;
  let labels: Labels | undefined;
  for (let row = 0; row < set.labels.length; row++) {
    const own = set.labels[row]!;
    if (own !== before) labels = relabel((before = own));
    const isWanted = keepsHistograms || set.histograms?.has(row) !== true;
    if (labels !== undefined && isWanted) builder.copy(labels, set, row);
  }
  for (const { labels: own, exemplar } of keepsExemplars ? (set.exemplars ?? []) : []) {
    const relabelled = relabel(own);
    if (relabelled !== undefined) builder.addExemplar(relabelled, exemplar);
  }
  return builder.build([]);
}

/** One request body of remote write 2.0 for all records, and what is in it. */
export function encodeVersion2(
  records: readonly WriteRecord[],
  metadataOf: (name: string) => MetricMetadata | undefined,
): { readonly body: Uint8Array; readonly counts: WrittenCounts } {
  const series: RemoteWrite2Series[] = [];
  let histograms = 0;
  let samples = 0;
  let exemplars = 0;
  for (const record of records) {
    const { batch } = decodeRemoteWrite(record.body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
    let next = 0;
    const all = batch.exemplars ?? [];
    histograms += batch.histograms?.size ?? 0;
    samples += batch.timestampsMs.length;
    exemplars += all.length;
    for (let s = 0; s < batch.seriesCount; s++) {
      const start = batch.sampleStarts[s]!;
      const end = batch.sampleStarts[s + 1]!;
      const ofSeries: Exemplar[] = [];
      for (; all[next]?.series === s; next++) ofSeries.push(all[next]!.exemplar);
      const labels = batch.labelsOf(s);
      const metadata = metadataOf(labels.get("__name__"));
      series.push({
        labels,
        timestampsMs: batch.timestampsMs.subarray(start, end),
        values: batch.values.subarray(start, end),
        ...(batch.histograms === undefined
          ? {}
          : { histograms: between(batch.histograms, start, end) }),
        ...(ofSeries.length === 0 ? {} : { exemplars: ofSeries }),
        ...(metadata === undefined ? {} : { metadata }),
      });
    }
  }
  const counts = { samples: samples - histograms, histograms, exemplars };
  return { body: encodeRemoteWrite2(series), counts };
}

/** What a receiver of remote write 2.0 says it has written. */
export interface WrittenCounts {
  readonly samples: number;
  readonly histograms: number;
  readonly exemplars: number;
}

function between<Value>(
  byRow: ReadonlyMap<number, Value>,
  start: number,
  end: number,
): Map<number, Value> {
  const found = new Map<number, Value>();
  for (let row = start; row < end; row++) {
    const value = byRow.get(row);
    if (value !== undefined) found.set(row - start, value);
  }
  return found;
}

/** Labels with two underscores in front that leave the agent all the same. */
const SENT_LABELS: ReadonlySet<string> = new Set(["__name__", "__type__", "__unit__"]);

/** Without the labels that never leave the agent; undefined when no name is left. */
export function withoutMetaLabels(labels: Labels): Labels | undefined {
  const pairs: string[] = [];
  for (const [name, value] of labels)
    if (!name.startsWith("__") || SENT_LABELS.has(name)) pairs.push(name, value);
  return pairs.length === 0
    ? undefined
    : pairs.length === labels.pairs.length
      ? labels
      : Labels.fromPairs(pairs);
}
