/**
 * Sends what the queue holds to one endpoint: joins records of a tenant into requests, retries what may pass later for as long as the queue keeps
 * it, gives up only what the server refuses for good, and moves its position after each answer.
 */
import { describeError, FinchError } from "@finch/runtime";
import { encodeSnappyBody } from "@finch/wire";
import type { ComponentContext } from "../../component.ts";
import type { DurableQueue } from "../../durable-queue.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import { untilAborted } from "../../until-aborted.ts";
import { decodeQueueRecord } from "./write-queue-record.ts";
import type { QueueRecord } from "./write-queue-record.ts";

const ANSWER_BYTES_MAX = 64 << 10;
/** What is shown of a server's answer. */
const ANSWER_SHOWN_MAX = 300;
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
  "metrics" | "log" | "clock" | "setHealth"
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
  for (const request of joinByTenant(records, options.tenant)) {
    await sendUntilSettled(request, options, queue, client, context, signal);
  }
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

async function sendUntilSettled(
  request: Request,
  options: SenderOptions,
  queue: DurableQueue,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<void> {
  const labels = { endpoint: options.name };
  const body = encodeSnappyBody(request.messages);
  for (let attempt = 0; ; attempt++) {
    if (queue.holdsOthersBack(options.name)) {
      drop(request, "queue_is_full", "it is so far behind that the other endpoints get nothing", {
        options,
        context,
      });
      return;
    }
    const answer = await post(request, body, options, client, signal);
    if (!(answer instanceof FinchError) && answer.status < 300) {
      context.metrics
        .counter("loki_write_sent_entries_total", "Entries the endpoint took.", labels)
        .add(request.entries);
      context.metrics
        .counter("loki_write_sent_bytes_total", "Bytes the endpoint took.", labels)
        .add(body.length);
      if (attempt > 0) context.log.info("endpoint takes entries again", { endpoint: options.name });
      context.setHealth("healthy", "sending");
      return;
    }
    const shown =
      answer instanceof FinchError
        ? describeError(answer)
        : `status ${answer.status}: ${textOf(answer)}`;
    const isRefused =
      !(answer instanceof FinchError) && !isTransient(answer.status, options.retryOn429);
    if (isRefused || attempt === options.retriesMax) {
      drop(request, isRefused ? "ingester_error" : "retries_exhausted", shown, {
        options,
        context,
      });
      return;
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

function drop(
  request: Request,
  reason: string,
  why: string,
  { options, context }: { readonly options: SenderOptions; readonly context: SenderContext },
): void {
  const labels = { endpoint: options.name, reason };
  const { metrics } = context;
  metrics
    .counter("loki_write_dropped_entries_total", "Entries given up.", labels)
    .add(request.entries);
  metrics
    .counter("loki_write_dropped_bytes_total", "Bytes given up.", labels)
    .add(request.messages.reduce((sum, { length }) => sum + length, 0));
  context.setHealth("unhealthy", `${options.url}: entries are dropped: ${why}`);
  context.log.error("entries are dropped", {
    endpoint: options.name,
    entries: request.entries,
    reason,
    why,
  });
}

async function post(
  request: Request,
  body: Uint8Array,
  options: SenderOptions,
  client: HttpClient,
  signal: AbortSignal,
): Promise<HttpClientResponse | FinchError> {
  try {
    return await client.request({
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
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof FinchError && error.kind !== "internal") return error;
    throw error;
  }
}

function isTransient(status: number, retryOn429: boolean): boolean {
  return status >= 500 || (status === 429 && retryOn429) || status === 408;
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
