/**
 * The sender of one endpoint of `prometheus.remote_write`: takes what is durable in the queue, sends it in requests of bounded size, in order,
 * until the endpoint has it, and only then moves its stored position. What the endpoint refuses for good, and what grows too old or too
 * much, is dropped, counted by reason and logged.
 */
import type { Labels, MetricMetadata } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";
import { encodeRemoteWrite } from "@finch/wire/remote-write";
import type { ComponentContext } from "../../component.ts";
import type { DurableQueue } from "../../durable-queue.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import {
  decodeRecord,
  encodeVersion2,
  mergeBodies,
  rewriteRecord,
  withoutMetaLabels,
  type WriteRecord,
  type WrittenCounts,
} from "./remote-write-record.ts";
import { nextShards, spreadRecords } from "./remote-write-shards.ts";

export interface EndpointOptions {
  /** Unique among the endpoints; also the name under which the position is stored. */
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly version: "1.0" | "2.0";
  readonly sendsHistograms: boolean;
  readonly sendsExemplars: boolean;
  readonly samplesPerRequestMax: number;
  /** Samples held in memory at once, by each sender. */
  readonly capacity: number;
  /** How many requests may be under way at once. */
  readonly shardsMin: number;
  readonly shardsMax: number;
  readonly batchDeadlineMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly retryOn429: boolean;
  /** Older samples are dropped unsent; Infinity keeps them. */
  readonly sampleAgeMaxMs: number;
  readonly relabel: ((labels: Labels) => Labels | undefined) | undefined;
}

export interface EndpointParts {
  readonly context: Pick<
    ComponentContext<unknown, object>,
    "clock" | "log" | "metrics" | "setHealth" | "drops"
  >;
  readonly client: HttpClient;
  readonly queue: DurableQueue;
  /** Size of the queue at which the oldest samples are given up, so that new ones find room. */
  readonly queueBytesHigh: number;
  /** What is known of the family of a metric; version 2.0 sends it with each series. */
  readonly metadataOf: (name: string) => MetricMetadata | undefined;
}

/** What a compressed sample takes in the queue, roughly; only to translate a number of samples into bytes. */
const BYTES_PER_SAMPLE = 64;
const TAKE_BYTES_MIN = 64 << 10;
const TAKE_BYTES_MAX = 4 << 20;
/** A batch with so much of what it may hold is full: there is more behind it. */
const FULL_SHARE = 0.8;
/** A queue that gives nothing within this is empty: it reads from this machine's page cache. */
const QUEUE_ANSWER_MS = 50;
/** An answer to a write is an error message at most. */
const RESPONSE_BYTES_MAX = 1 << 20;
/** Longest wait that an endpoint may ask for; a wrong date in Retry-After must not stop the sender for years. */
const RETRY_AFTER_MS_MAX = 10 * 60_000;
const SECONDS_BUCKETS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30];

type Outcome =
  | { readonly kind: "sent" }
  | { readonly kind: "refused"; readonly why: string; readonly written?: number }
  | Retry;
interface Retry {
  readonly kind: "retry";
  readonly why: string;
  readonly afterMs: number | undefined;
}

export class Endpoint {
  readonly #options: EndpointOptions;
  readonly #parts: EndpointParts;
  readonly #series: { readonly remote_name: string; readonly url: string };

  constructor(options: EndpointOptions, parts: EndpointParts) {
    this.#options = options;
    this.#parts = parts;
    this.#series = { remote_name: options.name, url: options.url };
    for (const name of [
      "samples_total",
      "samples_failed_total",
      "samples_retried_total",
      "bytes_total",
    ])
      this.#count(name, 0);
    this.#gauge("shards_min", "Fewest senders.").set(options.shardsMin);
    this.#gauge("shards_max", "Most senders.").set(options.shardsMax);
    this.#gauge("shard_capacity", "Samples a sender holds in memory.").set(options.capacity);
    this.#gauge("max_samples_per_send", "Most samples in a request.").set(
      options.samplesPerRequestMax,
    );
  }

  /** Sends until `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { queue } = this.#parts;
    const { name, capacity, batchDeadlineMs, shardsMin: min, shardsMax: max } = this.#options;
    let shards = min;
    while (!signal.aborted) {
      this.#gauge("shards", "Senders at work.").set(shards);
      const bytesMax = Math.min(
        TAKE_BYTES_MAX,
        Math.max(TAKE_BYTES_MIN, capacity * shards * BYTES_PER_SAMPLE),
      );
      const batch = await queue.take(name, { bytesMax, waitMs: batchDeadlineMs, signal });
      await this.#deliverAll(batch.records, { shards, signal });
      await queue.commit(name, batch.next);
      const bytes = batch.records.reduce((sum, record) => sum + record.length, 0);
      shards = nextShards(shards, { min, max, isBehind: bytes >= bytesMax * FULL_SHARE });
      this.#gauge("shards_desired", "Senders the next batch gets.").set(shards);
    }
  }

  async #deliverAll(
    queued: readonly Uint8Array[],
    options: { readonly shards: number; readonly signal: AbortSignal },
  ): Promise<void> {
    const { shards, signal } = options;
    const records = queued.flatMap((bytes) => this.#prepare(bytes) ?? []);
    const samplesMax = this.#options.samplesPerRequestMax;
    const spread = shards === 1 ? [records] : spreadRecords(records, { shards, samplesMax });
    const results = await Promise.allSettled(
      spread.map(async (own) => {
        for (const request of this.#plan(own)) await this.#deliver(request, signal);
      }),
    );
    for (const result of results) if (result.status === "rejected") throw result.reason as Error;
  }

  /** Sends what is queued, without waiting for more and for `msMax` at most; what then is left stays in the queue. */
  async flush(msMax: number): Promise<void> {
    const { queue, context } = this.#parts;
    const { name } = this.#options;
    const timeUp = AbortSignal.timeout(msMax);
    try {
      for (;;) {
        const isEmpty = AbortSignal.timeout(QUEUE_ANSWER_MS);
        const signal = AbortSignal.any([timeUp, isEmpty]);
        const batch = await queue.take(name, { bytesMax: TAKE_BYTES_MAX, waitMs: 0, signal });
        await this.#deliverAll(batch.records, { shards: 1, signal: timeUp });
        await queue.commit(name, batch.next);
      }
    } catch (error) {
      if (timeUp.aborted) {
        context.log.info("unsent samples wait for the next start", { endpoint: name });
      } else if (!(error instanceof DOMException)) {
        context.log.error("sending what was queued failed; it waits for the next start", {
          endpoint: name,
          error: describeError(error),
        });
      }
    }
  }

  /** Sends metadata once; a failure waits for the next round, since metadata is sent whole each time. */
  async sendMetadata(
    metadata: readonly MetricMetadata[],
    options: { readonly perRequestMax: number; readonly signal: AbortSignal },
  ): Promise<void> {
    // Version 2.0 sends it with the series.
    if (this.#options.version === "2.0") return;
    for (let from = 0; from < metadata.length; from += options.perRequestMax) {
      const part = metadata.slice(from, from + options.perRequestMax);
      const none = new Float64Array(0);
      const body = encodeRemoteWrite({
        labels: [],
        timestampsMs: none,
        values: none,
        metadata: part,
      });
      const outcome = await this.#send({ body, counts: undefined }, options.signal);
      this.#count(
        outcome.kind === "sent" ? "metadata_total" : "metadata_failed_total",
        part.length,
      );
      if (outcome.kind !== "sent") {
        this.#parts.context.log.debug("metadata was not sent", {
          endpoint: this.#options.name,
          why: outcome.why,
        });
        return;
      }
    }
  }

  /** Groups records into requests of at most so many samples, a record at least. */
  #plan(records: readonly WriteRecord[]): readonly (readonly WriteRecord[])[] {
    const requests: WriteRecord[][] = [];
    let samples = Infinity;
    for (const record of records) {
      if (samples + record.samples > this.#options.samplesPerRequestMax) {
        requests.push([]);
        samples = 0;
      }
      requests.at(-1)!.push(record);
      samples += record.samples;
    }
    return requests;
  }

  #prepare(bytes: Uint8Array): WriteRecord | undefined {
    const { relabel, name, sendsHistograms, sendsExemplars } = this.#options;
    try {
      const record = decodeRecord(bytes);
      const isAsWanted =
        relabel === undefined &&
        !record.needsRewrite &&
        (sendsHistograms || !record.hasHistograms) &&
        (sendsExemplars || !record.hasExemplars);
      if (isAsWanted) return record;
      let example: Labels | undefined;
      const rewritten = rewriteRecord(record, {
        keepsHistograms: sendsHistograms,
        keepsExemplars: sendsExemplars,
        relabel: (labels) => {
          const relabelled = relabel === undefined ? labels : relabel(labels);
          if (relabelled === undefined) example = labels;
          return relabelled === undefined ? undefined : withoutMetaLabels(relabelled);
        },
      });
      const dropped = record.samples - (rewritten?.samples ?? 0);
      if (dropped > 0)
        this.#countDropped(
          relabel === undefined ? "native_histograms_off" : "dropped_series",
          dropped,
          example,
        );
      return rewritten;
    } catch (error) {
      // The queue checks what it reads; such a record is of another version, and would stop the endpoint for good.
      this.#countDropped("unreadable_record", 1);
      this.#parts.context.log.error("a queued record cannot be read and is left out", {
        endpoint: name,
        error: describeError(error),
      });
      return undefined;
    }
  }

  async #deliver(records: readonly WriteRecord[], signal: AbortSignal): Promise<void> {
    const { context } = this.#parts;
    const { name, backoffMinMs, backoffMaxMs } = this.#options;
    let backoffMs = backoffMinMs;
    let waiting = records;
    for (let attempt = 0; ; attempt++) {
      waiting = this.#dropTooOld(waiting);
      if (waiting.length === 0) return;
      const samples = countSamples(waiting);
      const outcome = await this.#sendRecords(waiting, signal);
      signal.throwIfAborted();
      if (outcome.kind === "sent") {
        this.#count("samples_total", samples);
        const newestMs = Math.max(...waiting.map((record) => record.newestMs));
        this.#gauge(
          "queue_highest_sent_timestamp_seconds",
          "Newest timestamp the endpoint has.",
        ).set(newestMs / 1000);
        context.setHealth("healthy", "sends");
        if (attempt > 0) context.log.info("the endpoint takes samples again", { endpoint: name });
        return;
      }
      if (outcome.kind === "refused") {
        const written = outcome.written ?? 0;
        this.#count("samples_total", written);
        this.#count("samples_failed_total", Math.max(0, samples - written));
        context.log.error("the endpoint refused samples; they are dropped", {
          endpoint: name,
          samples: Math.max(0, samples - written),
          why: outcome.why,
        });
        context.setHealth("unhealthy", `endpoint ${name} refused samples: ${outcome.why}`);
        return;
      }
      this.#count("samples_retried_total", samples);
      context.setHealth("unhealthy", `endpoint ${name} cannot be written to: ${outcome.why}`);
      const waitMs = outcome.afterMs ?? backoffMs;
      // Once: an endpoint that is away for hours is tried every few seconds, and would fill the log.
      context.log[attempt === 0 ? "warn" : "debug"]("a write failed and is tried again", {
        endpoint: name,
        samples,
        why: outcome.why,
        wait_ms: waitMs,
      });
      await context.clock.sleep(waitMs, signal);
      // Only here: an endpoint that takes what it is sent never loses anything to a full queue.
      if (this.#parts.queue.bytes() > this.#parts.queueBytesHigh) {
        this.#drop(waiting, "queue_full");
        return;
      }
      backoffMs = Math.min(backoffMaxMs, backoffMs * 2);
    }
  }

  #dropTooOld(records: readonly WriteRecord[]): readonly WriteRecord[] {
    const oldestMs = this.#parts.context.clock.nowMs() - this.#options.sampleAgeMaxMs;
    const fresh = records.filter((record) => record.newestMs >= oldestMs);
    if (fresh.length < records.length) {
      this.#drop(
        records.filter((record) => record.newestMs < oldestMs),
        "too_old",
      );
    }
    return fresh;
  }

  #drop(records: readonly WriteRecord[], reason: string): void {
    const samples = countSamples(records);
    this.#countDropped(reason, samples);
    this.#parts.context.log.warn("samples are dropped unsent", {
      endpoint: this.#options.name,
      reason,
      samples,
    });
  }

  async #sendRecords(records: readonly WriteRecord[], signal: AbortSignal): Promise<Outcome> {
    const { version } = this.#options;
    if (version === "1.0")
      return await this.#send({ body: mergeBodies(records), counts: undefined }, signal);
    return await this.#send(encodeVersion2(records, this.#parts.metadataOf), signal);
  }

  async #send(
    message: { readonly body: Uint8Array; readonly counts: WrittenCounts | undefined },
    signal: AbortSignal,
  ): Promise<Outcome> {
    const { client, context } = this.#parts;
    const { url, headers, timeoutMs, version } = this.#options;
    const { body, counts } = message;
    const startMs = context.clock.monotonicMs();
    try {
      const response = await client.request({
        method: "POST",
        url,
        headers: {
          ...headers,
          ...VERSION_HEADERS[version],
          "content-encoding": "snappy",
          "user-agent": "Finch",
        },
        body,
        timeoutMs,
        signal,
        responseBytesMax: RESPONSE_BYTES_MAX,
      });
      const help = "Seconds that one request took.";
      const seconds = context.metrics.histogram(
        "prometheus_remote_storage_sent_batch_duration_seconds",
        help,
        SECONDS_BUCKETS,
        this.#series,
      );
      seconds.observe((context.clock.monotonicMs() - startMs) / 1000);
      this.#count("bytes_total", body.byteLength);
      return this.#judge(response, counts);
    } catch (error) {
      signal.throwIfAborted();
      const isRetryable = !(error instanceof FinchError) || error.code !== "agent/http-url";
      return isRetryable
        ? { kind: "retry", why: describeError(error), afterMs: undefined }
        : { kind: "refused", why: describeError(error) };
    }
  }

  #judge(response: HttpClientResponse, counts: WrittenCounts | undefined): Outcome {
    const { status, headers, body } = response;
    const written = counts === undefined ? undefined : writtenOf(headers);
    if (status >= 200 && status < 300) {
      if (counts === undefined) return { kind: "sent" };
      if (written === undefined) {
        const why = `status ${status} without ${WRITTEN_HEADERS.samples}: the endpoint does not take remote write 2.0`;
        return { kind: "refused", why };
      }
      if (written.samples < counts.samples || written.histograms < counts.histograms) {
        const why = `only ${written.samples} of ${counts.samples} samples and ${written.histograms} of ${counts.histograms} histograms were written`;
        return { kind: "refused", why, written: written.samples + written.histograms };
      }
      return { kind: "sent" };
    }
    const text = Buffer.from(body.buffer, body.byteOffset, Math.min(body.byteLength, 256))
      .toString("utf8")
      .trim();
    const why = `status ${status}${text === "" ? "" : `: ${text}`}`;
    const isRetryable = status >= 500 || (status === 429 && this.#options.retryOn429);
    if (!isRetryable) {
      const some = written === undefined ? 0 : written.samples + written.histograms;
      return { kind: "refused", why, written: some };
    }
    return {
      kind: "retry",
      why,
      afterMs: retryAfterMs(headers["retry-after"], this.#parts.context.clock.nowMs()),
    };
  }

  #count(name: string, amount: number): void {
    this.#parts.context.metrics
      .counter(`prometheus_remote_storage_${name}`, COUNTER_HELP[name] ?? "", this.#series)
      .add(amount);
  }

  #countDropped(reason: string, amount: number, example?: Labels): void {
    const help = "Samples that were dropped unsent.";
    this.#parts.context.drops.count({ kind: "samples", reason }, amount, () =>
      example === undefined ? [] : [{ labels: String(example), text: "" }],
    );
    this.#parts.context.metrics
      .counter("prometheus_remote_storage_samples_dropped_total", help, { ...this.#series, reason })
      .add(amount);
  }

  #gauge(name: string, help: string) {
    return this.#parts.context.metrics.gauge(
      `prometheus_remote_storage_${name}`,
      help,
      this.#series,
    );
  }
}

const VERSION_HEADERS = {
  "1.0": {
    "content-type": "application/x-protobuf",
    "x-prometheus-remote-write-version": "0.1.0",
  },
  "2.0": {
    "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
    "x-prometheus-remote-write-version": "2.0.0",
  },
} as const;

const WRITTEN_HEADERS = {
  samples: "x-prometheus-remote-write-samples-written",
  histograms: "x-prometheus-remote-write-histograms-written",
  exemplars: "x-prometheus-remote-write-exemplars-written",
} as const;

/** What the answer says was written; undefined when it says nothing. */
function writtenOf(headers: HttpClientResponse["headers"]): WrittenCounts | undefined {
  if (headers[WRITTEN_HEADERS.samples] === undefined) return undefined;
  const of = (name: keyof typeof WRITTEN_HEADERS) =>
    Number(headers[WRITTEN_HEADERS[name]] ?? 0) || 0;
  return { samples: of("samples"), histograms: of("histograms"), exemplars: of("exemplars") };
}

const COUNTER_HELP: Readonly<Record<string, string>> = {
  samples_total: "Samples that the endpoint has taken.",
  samples_failed_total: "Samples that the endpoint refused for good.",
  samples_retried_total: "Samples of requests that failed and were sent again.",
  bytes_total: "Bytes of samples that were sent, compressed.",
  metadata_total: "Metadata entries that the endpoint has taken.",
  metadata_failed_total: "Metadata entries that the endpoint did not take.",
};

function countSamples(records: readonly WriteRecord[]): number {
  return records.reduce((sum, record) => sum + record.samples, 0);
}

/** The wait that `Retry-After` asks for, in seconds or as a date; undefined when it says nothing usable. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? Number(header) * 1000 : Date.parse(header) - nowMs;
  return Number.isNaN(ms) ? undefined : Math.min(RETRY_AFTER_MS_MAX, Math.max(0, ms));
}
