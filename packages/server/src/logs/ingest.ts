/**
 * The way every batch of log lines takes into the store, whoever sends it: adds what Loki adds, leaves out what is too old or too new, appends. Entries
 * are refused one by one; the rest is durable when `take` resolves.
 */
import { formatRfc3339 } from "@finch/model";
import type { LogBatch, LogBatchStream, LogColumns } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { Clock, MetricFamily } from "@finch/runtime";
import type { LogStore, Rejection } from "@finch/store";
import { DEFAULT_LOKI_PUSH_LIMITS } from "@finch/wire";
import type { LokiPushLimits } from "@finch/wire";
import { keepRows } from "./entry-columns.ts";
import { withDetectedLevels, withServiceName } from "./ingest-labels.ts";
import type { LabelDemotion } from "./label-demotion.ts";
import type { LogsLimits } from "./limits.ts";
import { mergeStreams } from "./stream-merge.ts";
import type { MovedStream } from "./stream-merge.ts";

export interface IngestContext {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly limits: LogsLimits;
  /** Without it every label stays one of streams. */
  readonly demotion?: LabelDemotion | undefined;
}

/** Entries of a batch that were not taken. */
export interface LogRefusals {
  readonly count: number;
  /** The first few in words. */
  told(): readonly string[];
}

export interface LogIngest {
  /**
   * Resolves when the rest is durable. Streams there is no room for now are a FinchError `limited`: what is stored already is found to be a
   * repetition when all of it comes again.
   */
  take(batch: LogBatch): Promise<LogRefusals>;
  /** Counts entries that a decoder left out. */
  countRefused(entries: number): void;
  families(): readonly MetricFamily[];
}

const NS_PER_MS = 1_000_000n;
/** Refusals told in words; the rest is counted. */
const TOLD_MAX = 10;
/** When to come again with streams there is no room for; the head gives room when it is sealed. */
const STREAMS_RETRY_SECONDS = 30;

const REASONS: Readonly<Record<Rejection["reason"], string>> = {
  "out-of-order": "entry too far behind",
  "too-old": "entry too far behind",
  "too-far-in-future": "timestamp too new",
  "duplicate-timestamp": "duplicate entry",
  "too-many-series": "too many streams at once; drop labels with many values",
};

/** What decoders hold a push to. */
export function pushLimitsOf(limits: LogsLimits): LokiPushLimits {
  return {
    ...DEFAULT_LOKI_PUSH_LIMITS,
    bodyBytesMax: limits.pushBytesMax,
    decodedBytesMax: limits.pushDecodedBytesMax,
    labelsPerStreamMax: limits.labelsPerStreamMax,
    labelNameBytesMax: limits.labelNameBytesMax,
    labelValueBytesMax: limits.labelValueBytesMax,
    lineBytesMax: limits.lineBytesMax,
    metadataPairsMax: limits.metadataEntriesMax,
    metadataBytesMax: limits.metadataBytesMax,
  };
}

export function createLogIngest(context: IngestContext): LogIngest {
  const counters = { lines: 0, bytes: 0, refused: 0 };
  const take = async (batch: LogBatch): Promise<LogRefusals> => {
    const refusals = new Refusals();
    const streams = prepare(batch, context, refusals);
    for (const { entries } of streams) {
      counters.lines += entries.count;
      counters.bytes += entries.lineBounds[entries.count]! - entries.lineBounds[0]!;
    }
    let isForNow = false;
    if (streams.length > 0) {
      await context.demotion?.save();
      const appended = await context.store.append({ streams });
      for (const { index, reason, timestampMs } of appended.rejections) {
        if (reason === "too-many-series") isForNow = true;
        refusals.add(() => {
          const time = formatRfc3339(BigInt(Math.floor(timestampMs)) * NS_PER_MS);
          const stream = streams[index]!.labels.toString();
          return `entry with timestamp ${time} ignored, reason: '${REASONS[reason]}' for stream: ${stream}`;
        });
      }
    }
    counters.refused += refusals.count;
    if (isForNow)
      throw new FinchError("limited", "server/too-many-streams", refusals.told().join("\n"), {
        retryAfterSeconds: STREAMS_RETRY_SECONDS,
      });
    return refusals;
  };
  return {
    take,
    countRefused: (entries) => void (counters.refused += entries),
    families: () => familiesOf(counters),
  };
}

/** The streams as they are stored: labels and levels added, entries out of the time window left out. */
function prepare(
  batch: LogBatch,
  context: IngestContext,
  refusals: Refusals,
): readonly LogBatchStream[] {
  const nowMs = context.clock.nowMs();
  const oldestNs = BigInt(Math.floor(nowMs - context.limits.ageMsMax)) * NS_PER_MS;
  const newestNs = BigInt(Math.floor(nowMs + context.limits.futureMsMax)) * NS_PER_MS;
  const streams: MovedStream[] = [];
  for (const stream of batch.streams) {
    const { labels, entries } = dropOutside(stream, { oldestNs, newestNs }, refusals);
    if (entries.count === 0) continue;
    const split = context.demotion?.split(labels) ?? {
      labels: withServiceName(labels),
      demoted: [],
    };
    streams.push({ ...split, entries });
  }
  return mergeStreams(streams).map(({ labels, entries }) => ({
    labels,
    entries: withDetectedLevels({ labels, entries }),
  }));
}

function dropOutside(
  stream: LogBatchStream,
  window: { readonly oldestNs: bigint; readonly newestNs: bigint },
  refusals: Refusals,
): LogBatchStream {
  const { entries } = stream;
  const { oldestNs, newestNs } = window;
  if (isClearlyWithin(entries, window)) return stream;
  const rows: number[] = [];
  for (let row = 0; row < entries.count; row++) {
    const timeNs = entries.timestampsNs[row]!;
    if (timeNs < oldestNs) {
      refusals.add(
        () =>
          `entry for stream '${stream.labels.toString()}' has timestamp too old: ${formatRfc3339(timeNs)}, oldest acceptable timestamp is: ${formatRfc3339(oldestNs)}`,
      );
    } else if (timeNs > newestNs) {
      refusals.add(
        () =>
          `entry for stream '${stream.labels.toString()}' has timestamp too new: ${formatRfc3339(timeNs)}`,
      );
    } else rows.push(row);
  }
  if (rows.length === entries.count) return stream;
  return { labels: stream.labels, entries: keepRows(entries, rows) };
}

/** Whether all times are inside the window by more than numbers are rounded; says no where only exact times can tell. */
function isClearlyWithin(
  { timestampsNs, count }: LogColumns,
  window: { readonly oldestNs: bigint; readonly newestNs: bigint },
): boolean {
  const oldest = Number(window.oldestNs) + ROUNDING_NS;
  const newest = Number(window.newestNs) - ROUNDING_NS;
  const words = new Int32Array(timestampsNs.buffer, timestampsNs.byteOffset, 2 * count);
  for (let word = 0; word < 2 * count; word += 2) {
    const time = words[word + 1]! * 2 ** 32 + (words[word]! >>> 0);
    if (time < oldest || time > newest) return false;
  }
  return true;
}

/** More than a double of this century's nanoseconds is off. */
const ROUNDING_NS = 1000;

/** The first few in words, all counted. */
class Refusals implements LogRefusals {
  count = 0;
  readonly #messages: string[] = [];

  /** `describe` is only called for those that are told. */
  add(describe: () => string): void {
    this.count++;
    if (this.#messages.length < TOLD_MAX) this.#messages.push(describe());
  }

  told(): readonly string[] {
    const untold = this.count - this.#messages.length;
    return untold > 0 ? [...this.#messages, `and ${untold} more entries`] : this.#messages;
  }
}

function familiesOf(counters: {
  readonly lines: number;
  readonly bytes: number;
  readonly refused: number;
}): readonly MetricFamily[] {
  const counter = (name: string, help: string, value: number): MetricFamily => ({
    name: `finch_logs_${name}_total`,
    type: "counter",
    help,
    samples: [{ labels: {}, value }],
  });
  return [
    counter("lines_received", "Log lines taken in.", counters.lines),
    counter("line_bytes_received", "Bytes of log lines taken in.", counters.bytes),
    counter("lines_refused", "Log lines refused for their time, size or labels.", counters.refused),
  ];
}
