/**
 * Loki's push: decodes, adds what Loki adds, and stores. Entries that are too old, too new or break a limit are refused one by one after the
 * rest is durable; the answer is then a 400 that names them, which senders take as final. Streams there is no room for are a 429.
 */
import { formatRfc3339 } from "@finch/model";
import type { LogBatch, LogBatchStream } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { Clock, MetricFamily } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { LogStore, Rejection } from "@finch/store";
import { decodeLokiPush, DEFAULT_LOKI_PUSH_LIMITS } from "@finch/wire";
import { keepRows } from "./entry-columns.ts";
import { withDetectedLevels, withServiceName } from "./ingest-labels.ts";
import type { LogsLimits } from "./limits.ts";

export interface PushContext {
  readonly store: LogStore;
  readonly clock: Clock;
  readonly limits: LogsLimits;
}

export interface LogIngest {
  readonly routes: readonly HttpRoute[];
  /** The path every batch takes, whoever sends it; resolves when the rest is durable, with the refusals in words. */
  ingest(batch: LogBatch): Promise<readonly string[]>;
  families(): readonly MetricFamily[];
}

const NS_PER_MS = 1_000_000n;
/** The last is what arrives from clients that take the gateway's address for Loki's. */
const PUSH_PATHS = ["/loki/api/v1/push", "/api/prom/push", "/api/v1/push"] as const;
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

export function createLogIngest(context: PushContext): LogIngest {
  const counters = { lines: 0, bytes: 0, refused: 0 };
  const limits = {
    ...DEFAULT_LOKI_PUSH_LIMITS,
    bodyBytesMax: context.limits.pushBytesMax,
    decodedBytesMax: context.limits.pushDecodedBytesMax,
    labelsPerStreamMax: context.limits.labelsPerStreamMax,
    labelNameBytesMax: context.limits.labelNameBytesMax,
    labelValueBytesMax: context.limits.labelValueBytesMax,
    lineBytesMax: context.limits.lineBytesMax,
    metadataPairsMax: context.limits.metadataEntriesMax,
    metadataBytesMax: context.limits.metadataBytesMax,
  };
  const take = async (batch: LogBatch): Promise<Refusals> => {
    const refusals = new Refusals();
    const streams = prepare(batch, context, refusals);
    for (const { entries } of streams) {
      counters.lines += entries.count;
      counters.bytes += entries.lineBounds[entries.count]! - entries.lineBounds[0]!;
    }
    if (streams.length > 0) {
      const appended = await context.store.append({ streams });
      for (const { index, reason, timestampMs } of appended.rejections) {
        if (reason === "too-many-series") refusals.isForNow = true;
        refusals.add(() => {
          const time = formatRfc3339(BigInt(Math.floor(timestampMs)) * NS_PER_MS);
          const stream = streams[index]!.labels.toString();
          return `entry with timestamp ${time} ignored, reason: '${REASONS[reason]}' for stream: ${stream}`;
        });
      }
    }
    counters.refused += refusals.count;
    return refusals;
  };
  const push = async (request: HttpRequest): Promise<HttpReply> => {
    const decoded = decodeLokiPush({
      body: await request.readBody(limits.bodyBytesMax),
      contentType: request.header("content-type") || undefined,
      contentEncoding: request.header("content-encoding") || undefined,
      limits,
    });
    const refusals = await take(decoded.batch);
    counters.refused += decoded.rejectedEntries;
    const told = [...decoded.faults, ...refusals.told()];
    if (told.length === 0) return { status: 204 };
    // What is stored already is found to be a repetition when all of it comes again.
    throw refusals.isForNow
      ? new FinchError("limited", "server/too-many-streams", told.join("\n"), {
          retryAfterSeconds: STREAMS_RETRY_SECONDS,
        })
      : new FinchError("invalid", "server/push-refused", told.join("\n"));
  };
  const routes = PUSH_PATHS.map((path): HttpRoute => ({
    kind: "http",
    methods: ["POST"],
    path,
    faults: "text",
    handle: push,
  }));
  const ingest = async (batch: LogBatch) => (await take(batch)).told();
  return { routes, ingest, families: () => familiesOf(counters) };
}

/** The streams as they are stored: labels and levels added, entries out of the time window left out. */
function prepare(
  batch: LogBatch,
  context: PushContext,
  refusals: Refusals,
): readonly LogBatchStream[] {
  const nowMs = context.clock.nowMs();
  const oldestNs = BigInt(Math.floor(nowMs - context.limits.ageMsMax)) * NS_PER_MS;
  const newestNs = BigInt(Math.floor(nowMs + context.limits.futureMsMax)) * NS_PER_MS;
  const streams: LogBatchStream[] = [];
  for (const stream of batch.streams) {
    const kept = dropOutside(stream, { oldestNs, newestNs }, refusals);
    if (kept.entries.count === 0) continue;
    const labels = withServiceName(kept.labels);
    streams.push({ labels, entries: withDetectedLevels({ labels, entries: kept.entries }) });
  }
  return streams;
}

function dropOutside(
  stream: LogBatchStream,
  window: { readonly oldestNs: bigint; readonly newestNs: bigint },
  refusals: Refusals,
): LogBatchStream {
  const { entries } = stream;
  const { oldestNs, newestNs } = window;
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

/** The first few in words, all counted. */
class Refusals {
  count = 0;
  /** Whether the same push may be taken later. */
  isForNow = false;
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
