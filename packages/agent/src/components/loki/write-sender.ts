/**
 * Sends what the queue holds to one endpoint: joins records of a tenant into requests, retries what may pass later for as long as the queue keeps
 * it, splits what the server refuses until only the entries it does not want are given up, and moves its position when all are settled.
 */
import { describeError, FinchError } from "@finch/runtime";
import { encodeSnappyBody } from "@finch/wire/loki-push";
import type { ComponentContext } from "../../component.ts";
import type { DurableQueue } from "../../durable-queue.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import { untilAborted } from "../../until-aborted.ts";
import { decodeQueueRecord } from "./write-queue-record.ts";
import type { QueueRecord } from "./write-queue-record.ts";
import { firstLabelsOf, halvePush } from "./write-split.ts";

const ANSWER_BYTES_MAX = 64 << 10;
/** What is shown of a server's answer. */
const ANSWER_SHOWN_MAX = 300;
/** Requests that the parts of one refused batch may take; what is refused still is given up then, or a server that wants nothing is asked for ever. */
const SPLIT_REQUESTS_MAX = 256;
/** Seconds and bytes, as Alloy's histograms have them. */
const DURATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const SIZE_BUCKETS = [1, 4, 16, 64, 256, 1024, 4096, 16_384].map((kibibytes) => kibibytes * 1024);
/** The endpoint refuses the sender and not the entries: a wrong password must not cost them. */
const SENDER_REFUSED: ReadonlySet<number> = new Set([401, 403, 404, 405, 407]);
/** Pause after a fault of this machine, such as a full disk that keeps the position from being stored. */
const FAULT_PAUSE_MS = 5000;

export interface SenderOptions {
  /** Names the endpoint in the queue, in metrics and in messages. */
  readonly name: string;
  readonly url: string;
  readonly tenant: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly batchBytesMax: number;
  readonly batchWaitMs: number;
  readonly timeoutMs: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly retryOn429: boolean;
  /** Retries after which a request is dropped; undefined: never, it waits on disk. */
  readonly retriesMax: number | undefined;
}

/** What a sender needs of its component. */
export type SenderContext = Pick<
  ComponentContext<object, object>,
  "metrics" | "log" | "clock" | "setHealth" | "drops"
>;

interface Request {
  readonly tenant: string;
  readonly entries: number;
  /** Together one push request. */
  readonly messages: readonly Uint8Array[];
}

/** Sends until `signal` aborts. A fault of this machine is reported and pauses it: the entries wait safely on disk. */
export async function runSender(
  options: SenderOptions,
  queue: DurableQueue,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<void> {
  await untilAborted(signal, async () => {
    try {
      await sendBatch(options, queue, client, context, signal);
    } catch (error) {
      signal.throwIfAborted();
      const shown = describeError(error);
      context.setHealth("unhealthy", `${options.url}: ${shown}`);
      context.log.error("sending failed and goes on after a pause", {
        endpoint: options.name,
        error: shown,
      });
      await context.clock.sleep(FAULT_PAUSE_MS, signal);
    }
  });
}

async function sendBatch(
  options: SenderOptions,
  queue: DurableQueue,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<void> {
  const batch = await queue.take(options.name, {
    bytesMax: options.batchBytesMax,
    waitMs: options.batchWaitMs,
    signal,
  });
  const records = batch.records.flatMap((record) => readable(record, options, context));
  const sending = { options, queue, client, context, signal };
  for (const request of joinByTenant(records, options.tenant)) await sendOrSplit(request, sending);
  await queue.commit(options.name, batch.next);
}

/** The queue checks what it reads; a record that makes no sense all the same is of another version, and would stop the endpoint for good. */
function readable(
  bytes: Uint8Array,
  options: SenderOptions,
  context: SenderContext,
): readonly QueueRecord[] {
  try {
    return [decodeQueueRecord(bytes)];
  } catch (error) {
    context.metrics
      .counter("loki_write_unreadable_records_total", "Queued records that were left out.", {
        endpoint: options.name,
      })
      .add(1);
    context.log.error("a queued record cannot be read and is left out", {
      endpoint: options.name,
      error: describeError(error),
    });
    return [];
  }
}

/** One request per tenant; the endpoint's own tenant stands in for none. */
function joinByTenant(records: readonly QueueRecord[], fallback: string): readonly Request[] {
  const byTenant = new Map<string, { entries: number; parts: Uint8Array[] }>();
  for (const { tenant, entries, message } of records) {
    const key = tenant || fallback;
    const joined = byTenant.get(key) ?? { entries: 0, parts: [] };
    joined.entries += entries;
    joined.parts.push(message);
    byTenant.set(key, joined);
  }
  return [...byTenant].map(([tenant, { entries, parts }]) => ({
    tenant,
    entries,
    messages: parts,
  }));
}

interface Sending {
  readonly options: SenderOptions;
  readonly queue: DurableQueue;
  readonly client: HttpClient;
  readonly context: SenderContext;
  readonly signal: AbortSignal;
}

/** What a request came to: `refused` with the server's words, for good; `dropped` ones are counted already. */
type Outcome = { readonly kind: "sent" | "dropped" } | Refusal;
interface Refusal {
  readonly kind: "refused";
  readonly status: number;
  readonly why: string;
}

/** Settles every entry of the request: what is refused is sent in halves, down to the entries that are. */
async function sendOrSplit(request: Request, sending: Sending): Promise<void> {
  const { options, context } = sending;
  let budget = SPLIT_REQUESTS_MAX;
  const waiting: Request[] = [request];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const outcome = await sendUntilSettled(next, sending);
    if (outcome.kind !== "refused") continue;
    const isWorthIt = outcome.status !== 429 && budget > 0;
    const halves = isWorthIt ? halvePush(Buffer.concat(next.messages)) : undefined;
    if (halves === undefined) {
      drop(next, { reason: reasonOf(outcome), why: outcome.why }, sending);
      continue;
    }
    budget -= 2;
    context.log.debug("a refused batch is sent in halves", {
      endpoint: options.name,
      entries: next.entries,
      answer: outcome.why,
    });
    const { tenant } = next;
    for (const { entries, message } of halves.toReversed())
      waiting.push({ tenant, entries, messages: [message] });
  }
}

/** The words Alloy counts by. */
function reasonOf({ status, why }: Refusal): string {
  if (status === 429) return "rate_limited";
  if (/max(?:imum)? (?:entry|line) size|line too long|entry too large/i.test(why))
    return "line_too_long";
  return /(?:stream|streams) limit/i.test(why) ? "stream_limited" : "ingester_error";
}

async function sendUntilSettled(request: Request, sending: Sending): Promise<Outcome> {
  const { options, queue, client, context, signal } = sending;
  const labels = { host: hostOf(options.url), tenant: request.tenant };
  const body = encodeSnappyBody(request.messages);
  for (let attempt = 0; ; attempt++) {
    if (queue.holdsOthersBack(options.name)) {
      const why = "it is so far behind that the other endpoints get nothing";
      drop(request, { reason: "queue_is_full", why }, sending);
      return { kind: "dropped" };
    }
    const answer = await post(request, body, options, client, context, signal);
    if (!(answer instanceof FinchError) && answer.status < 300) {
      countSent(request, body.length, sending);
      if (attempt > 0) context.log.info("endpoint takes entries again", { endpoint: options.name });
      context.setHealth("healthy", "sending");
      return { kind: "sent" };
    }
    const shown =
      answer instanceof FinchError
        ? describeError(answer)
        : `status ${answer.status}: ${textOf(answer)}`;
    if (!(answer instanceof FinchError) && !isTransient(answer.status, options.retryOn429))
      return { kind: "refused", status: answer.status, why: shown };
    if (attempt === options.retriesMax) {
      drop(request, { reason: "retries_exhausted", why: shown }, sending);
      return { kind: "dropped" };
    }
    context.metrics
      .counter("loki_write_batch_retries_total", "Requests sent again.", labels)
      .add(1);
    if (attempt === 0) {
      context.setHealth("unhealthy", `${options.url}: ${shown}`);
      context.log.warn("endpoint takes no entries now; they wait on disk", {
        endpoint: options.name,
        answer: shown,
      });
    }
    await context.clock.sleep(pauseMs(attempt, answer, options), signal);
  }
}

function countSent(request: Request, bytes: number, { options, context }: Sending): void {
  const labels = { host: hostOf(options.url), tenant: request.tenant };
  const { metrics } = context;
  metrics
    .counter("loki_write_sent_entries_total", "Entries the endpoint took.", labels)
    .add(request.entries);
  metrics.counter("loki_write_sent_bytes_total", "Bytes the endpoint took.", labels).add(bytes);
}

function drop(
  request: Request,
  { reason, why }: { readonly reason: string; readonly why: string },
  { options, context }: Sending,
): void {
  const labels = { host: hostOf(options.url), tenant: request.tenant, reason };
  const { metrics } = context;
  metrics
    .counter("loki_write_dropped_entries_total", "Entries given up.", labels)
    .add(request.entries);
  metrics
    .counter("loki_write_dropped_bytes_total", "Bytes given up.", labels)
    .add(request.messages.reduce((sum, { length }) => sum + length, 0));
  const stream = firstLabelsOf(request.messages[0]!);
  context.drops.count({ kind: "lines", reason }, request.entries, () => [
    { labels: stream, text: why },
  ]);
  context.setHealth("unhealthy", `${options.url}: entries are dropped: ${why}`);
  context.log.error("entries are dropped", {
    endpoint: options.name,
    entries: request.entries,
    stream,
    reason,
    why,
  });
}

/** As Alloy labels its metrics. */
function hostOf(url: string): string {
  return URL.parse(url)?.host ?? url;
}

async function post(
  request: Request,
  body: Uint8Array,
  options: SenderOptions,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<HttpClientResponse | FinchError> {
  const { clock, metrics } = context;
  const host = hostOf(options.url);
  const startedMs = clock.monotonicMs();
  let status = "error";
  metrics
    .histogram("loki_write_request_size_bytes", "Bytes of requests.", SIZE_BUCKETS, { host })
    .observe(body.length);
  try {
    const response = await client.request({
      method: "POST",
      url: options.url,
      headers: {
        "Content-Type": "application/x-protobuf",
        ...(request.tenant === "" ? {} : { "X-Scope-OrgID": request.tenant }),
        ...options.headers,
      },
      body,
      timeoutMs: options.timeoutMs,
      signal,
      responseBytesMax: ANSWER_BYTES_MAX,
    });
    status = String(response.status);
    return response;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError && error.kind !== "internal") return error;
    throw error;
  } finally {
    metrics
      .histogram("loki_write_request_duration_seconds", "Time of requests.", DURATION_BUCKETS, {
        host,
        status_code: status,
      })
      .observe((clock.monotonicMs() - startedMs) / 1000);
  }
}

function isTransient(status: number, retryOn429: boolean): boolean {
  return (
    status >= 500 || (status === 429 && retryOn429) || status === 408 || SENDER_REFUSED.has(status)
  );
}

/** Doubles from the minimum to the maximum; a server that names a time is believed up to the maximum. */
function pauseMs(
  attempt: number,
  answer: HttpClientResponse | FinchError,
  options: SenderOptions,
): number {
  const { backoffMsMin, backoffMsMax } = options;
  const doubled = Math.min(backoffMsMax, backoffMsMin * 2 ** Math.min(attempt, 30));
  const seconds = answer instanceof FinchError ? Number.NaN : Number(answer.headers["retry-after"]);
  return seconds > 0 ? Math.min(backoffMsMax, Math.max(backoffMsMin, seconds * 1000)) : doubled;
}

function textOf(answer: HttpClientResponse): string {
  return new TextDecoder().decode(answer.body).trim().slice(0, ANSWER_SHOWN_MAX);
}
