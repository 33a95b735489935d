/**
 * Sends what the queue holds to one endpoint: joins records of a tenant into requests, retries what may pass later for as long as the queue keeps
 * it, gives up only what the server refuses for good, and moves its position after each answer.
 */
import { encodeSnappy } from "@finch/codec";
import { describeError, FinchError } from "@finch/runtime";
import type { ComponentContext } from "../../component.ts";
import type { DurableQueue } from "../../durable-queue.ts";
import type { HttpClient, HttpClientResponse } from "../../http-client.ts";
import { decodeQueueRecord } from "./write-queue-record.ts";

const ANSWER_BYTES_MAX = 64 << 10;
/** What is shown of a server's answer. */
const ANSWER_SHOWN_MAX = 300;

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
  readonly message: Uint8Array;
}

/** Sends until `signal` aborts. */
export async function runSender(
  options: SenderOptions,
  queue: DurableQueue,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      const batch = await queue.take(options.name, {
        bytesMax: options.batchBytesMax,
        waitMs: options.batchWaitMs,
        signal,
      });
      for (const request of joinByTenant(batch.records, options.tenant)) {
        await sendUntilSettled(request, options, client, context, signal);
      }
      await queue.commit(options.name, batch.next);
    } catch (error) {
      if (signal.aborted) return;
      throw error;
    }
  }
}

/** One request per tenant; the endpoint's own tenant stands in for none. */
function joinByTenant(records: readonly Uint8Array[], fallback: string): readonly Request[] {
  const byTenant = new Map<string, { entries: number; parts: Uint8Array[] }>();
  for (const record of records) {
    const { tenant, entries, message } = decodeQueueRecord(record);
    const key = tenant || fallback;
    const joined = byTenant.get(key) ?? { entries: 0, parts: [] };
    joined.entries += entries;
    joined.parts.push(message);
    byTenant.set(key, joined);
  }
  return [...byTenant].map(([tenant, { entries, parts }]) => ({
    tenant,
    entries,
    message: Buffer.concat(parts),
  }));
}

async function sendUntilSettled(
  request: Request,
  options: SenderOptions,
  client: HttpClient,
  context: SenderContext,
  signal: AbortSignal,
): Promise<void> {
  const labels = { endpoint: options.name };
  const body = encodeSnappy(request.message);
  for (let attempt = 0; ; attempt++) {
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
      const reason = isRefused ? "ingester_error" : "retries_exhausted";
      context.metrics
        .counter("loki_write_dropped_entries_total", "Entries given up.", { ...labels, reason })
        .add(request.entries);
      context.log.error("entries are dropped", {
        endpoint: options.name,
        entries: request.entries,
        reason,
        answer: shown,
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
