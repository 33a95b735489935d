/**
 * A record of the queue between the receiver of `prometheus.remote_write` and its endpoints: a request body as it can be sent, with what must
 * be known without reading it.
 *
 *     u8 version (1) · u8 flags (1: has labels for rewriting only) · u32 samples · f64 newest timestamp in ms · Snappy block of a WriteRequest
 *
 * Numbers are little-endian. Several records merge into one request by joining their decompressed bodies: fields of a protobuf message that
 * repeat may come in any number of parts.
 */
import { decodeSnappy, readSnappyHeader } from "@finch/codec";
import { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import {
  decodeRemoteWrite,
  DEFAULT_REMOTE_WRITE_LIMITS,
  encodeRemoteWrite,
  encodeSnappyBody,
} from "@finch/wire";
import type { SampleSet } from "../../receivers.ts";
import { SampleBuilder } from "./sample-builder.ts";

const VERSION = 1;
const FLAG_NEEDS_REWRITE = 1;
const HEADER_BYTES = 14;

export interface WriteRecord {
  readonly samples: number;
  readonly newestMs: number;
  /** Holds labels that only rewriting may see; it cannot be sent as it is. */
  readonly needsRewrite: boolean;
  /** Snappy block. */
  readonly body: Uint8Array;
}

export function encodeRecord(
  set: SampleSet,
  options: { readonly needsRewrite: boolean },
): Uint8Array {
  const body = encodeRemoteWrite({
    labels: set.labels,
    timestampsMs: set.timestampsMs,
    values: set.values,
  });
  const record = new Uint8Array(HEADER_BYTES + body.length);
  const view = new DataView(record.buffer);
  view.setUint8(0, VERSION);
  view.setUint8(1, options.needsRewrite ? FLAG_NEEDS_REWRITE : 0);
  view.setUint32(2, set.labels.length, true);
  view.setFloat64(
    6,
    set.timestampsMs.reduce((newest, at) => Math.max(newest, at), -Infinity),
    true,
  );
  record.set(body, HEADER_BYTES);
  return record;
}

export function decodeRecord(record: Uint8Array): WriteRecord {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  if (record.byteLength < HEADER_BYTES || view.getUint8(0) !== VERSION) {
    throw new FinchError(
      "corrupt",
      "agent/remote-write-record",
      "a record of the remote write queue was written by another version of Finch",
    );
  }
  return {
    needsRewrite: (view.getUint8(1) & FLAG_NEEDS_REWRITE) !== 0,
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

/** The record with every label set passed through `rewrite` (undefined drops the series); undefined when nothing is left. */
export function rewriteRecord(
  record: WriteRecord,
  rewrite: (labels: Labels) => Labels | undefined,
): WriteRecord | undefined {
  const { batch } = decodeRemoteWrite(record.body, { limits: DEFAULT_REMOTE_WRITE_LIMITS });
  const builder = new SampleBuilder();
  for (let series = 0; series < batch.seriesCount; series++) {
    const labels = rewrite(batch.labelsOf(series));
    if (labels === undefined) continue;
    const from = { timestampsMs: batch.timestampsMs, values: batch.values };
    for (let at = batch.sampleStarts[series]!; at < batch.sampleStarts[series + 1]!; at++)
      builder.copy(labels, from, at);
  }
  if (builder.count === 0) return undefined;
  const set = builder.build([]);
  const body = encodeRemoteWrite({
    labels: set.labels,
    timestampsMs: set.timestampsMs,
    values: set.values,
  });
  return { samples: set.labels.length, newestMs: record.newestMs, needsRewrite: false, body };
}

/** Without the labels that never leave the agent; undefined when no name is left. */
export function withoutMetaLabels(labels: Labels): Labels | undefined {
  const pairs: string[] = [];
  for (const [name, value] of labels)
    if (name === "__name__" || !name.startsWith("__")) pairs.push(name, value);
  return pairs.length === 0
    ? undefined
    : pairs.length === labels.pairs.length
      ? labels
      : Labels.fromPairs(pairs);
}
