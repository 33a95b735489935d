/**
 * The queue of an OTLP exporter: on disk, so that what was taken survives restarts, with Alloy's limit on what waits. At a stop, requests that are under
 * way may end; what is not settled goes back into the queue. A crash may send the group of requests again that was under way.
 */
import { describeError, FinchError } from "@finch/runtime";
import { openDurableQueue } from "../durable-queue.ts";
import type { DurableQueue } from "../durable-queue.ts";
import { unlessAborted, untilAborted } from "../until-aborted.ts";
import { wrongHandler } from "./handler.ts";
import { decodeBatchRecord, encodeBatchRecord } from "./queue-record.ts";
import type { RequestSender, SenderContext } from "./request-sender.ts";
import { splitBatch } from "./split-batch.ts";
import { joinBatches } from "./telemetry-batch.ts";
import type { AnyBatch, TelemetryBatch } from "./telemetry-batch.ts";

const SENDER = "otlp";
/** Disk that unsent telemetry may take. */
const QUEUE_BYTES_MAX = 512 << 20;
/** Of one group of requests, which is settled as a whole. */
const GROUP_BYTES_MAX = 8 << 20;
const RETRY_AFTER_SECONDS = 5;
/** Pause after a fault of this machine. */
const FAULT_PAUSE_MS = 5000;

export async function openSendingQueue(context: SenderContext): Promise<SendingQueue> {
  const { storage } = context.arguments().sending_queue;
  if (storage !== undefined && storage.directory === undefined)
    throw wrongHandler(storage, "as storage");
  const directory = storage?.directory?.();
  const queue = await openDurableQueue({
    directory:
      directory === undefined
        ? context.dataDirectory
        : `${directory}/${encodeURIComponent(context.id)}`,
    fileSystem: context.fileSystem,
    log: context.log,
    bytesMax: QUEUE_BYTES_MAX,
    senders: [SENDER],
  });
  return new SendingQueue(context, queue);
}

export class SendingQueue implements AsyncDisposable {
  readonly #context: SenderContext;
  readonly #queue: DurableQueue;
  /** Of what came since the start; what was left before is bounded by the disk alone. */
  #waiting = { requests: 0, items: 0, bytes: 0 };
  /** Items that are durable and not yet sent. */
  #durableItems = 0;
  #changed = Promise.withResolvers<void>();

  constructor(context: SenderContext, queue: DurableQueue) {
    this.#context = context;
    this.#queue = queue;
    const { queue_size: size } = context.arguments().sending_queue;
    context.metrics.gauge("otelcol_exporter_queue_capacity", "What the queue may hold.").set(size);
  }

  /** Resolves when the batch is durable. Rejects with `unavailable` when the queue is full, unless senders are to wait. */
  async push(batch: AnyBatch, signal: AbortSignal): Promise<void> {
    const { block_on_overflow: waits } = this.#context.arguments().sending_queue;
    while (this.#isFull()) {
      if (!waits) throw this.#full();
      await unlessAborted(this.#changed.promise, signal);
    }
    const record = encodeBatchRecord(batch);
    this.#add(batch, 1);
    try {
      await this.#queue.push(record, signal);
    } catch (error) {
      this.#add(batch, -1);
      throw error;
    }
    this.#durableItems += batch.items;
    this.#announce();
  }

  #isFull(): boolean {
    const { queue_size: size, sizer } = this.#context.arguments().sending_queue;
    return this.#waiting[sizer] >= size;
  }

  #full(): FinchError {
    const { queue_size: size, sizer } = this.#context.arguments().sending_queue;
    return new FinchError(
      "unavailable",
      "agent/otel-queue-full",
      `the sending queue of ${this.#context.id} is full: ${size} ${sizer} wait`,
      { retryAfterSeconds: RETRY_AFTER_SECONDS },
    );
  }

  #add(batch: AnyBatch, sign: 1 | -1): void {
    const waiting = this.#waiting;
    waiting.requests = Math.max(0, waiting.requests + sign);
    waiting.items = Math.max(0, waiting.items + sign * batch.items);
    waiting.bytes = Math.max(0, waiting.bytes + sign * batch.bytes().length);
    const { sizer } = this.#context.arguments().sending_queue;
    this.#context.metrics
      .gauge("otelcol_exporter_queue_size", "What waits to be sent.")
      .set(waiting[sizer]);
    this.#announce();
  }

  #announce(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  /** Sends what is queued until `stop` aborts; requests under way end by themselves, or when `cut` aborts. */
  async run(
    sender: RequestSender,
    signals: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<void> {
    const { clock, log, setHealth } = this.#context;
    await untilAborted(signals.stop, async () => {
      try {
        await this.#sendGroup(sender, signals);
      } catch (error) {
        signals.stop.throwIfAborted();
        const shown = describeError(error);
        setHealth("unhealthy", shown);
        log.error("sending failed and goes on after a pause", { error: shown });
        await clock.sleep(FAULT_PAUSE_MS, signals.stop);
      }
    });
  }

  async #sendGroup(
    sender: RequestSender,
    signals: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<void> {
    const taking = { bytesMax: GROUP_BYTES_MAX, waitMs: 0, signal: signals.stop };
    let group = await this.#queue.take(SENDER, taking);
    if (await this.#waitForMore(signals.stop)) group = await this.#queue.take(SENDER, taking);
    const queued = group.records.flatMap((record) => this.#readable(record));
    const requests = this.#joined(queued);
    const unsettled = await this.#sendAll(sender, requests, signals);
    // What is not settled is queued anew, behind the rest: the group as a whole is done.
    for (const batch of unsettled) await this.#queue.push(encodeBatchRecord(batch), signals.cut);
    await this.#queue.commit(SENDER, group.next);
    for (const batch of queued) {
      this.#durableItems = Math.max(0, this.#durableItems - batch.items);
      this.#add(batch, -1);
    }
  }

  /** Where requests are joined: whether it was worth waiting for more of them. */
  async #waitForMore(stop: AbortSignal): Promise<boolean> {
    const { batch } = this.#context.arguments().sending_queue;
    if (batch === undefined || this.#durableItems >= batch.min_size) return false;
    const wait = new AbortController();
    const time = this.#context.clock
      .sleep(batch.flush_timeout, AbortSignal.any([stop, wait.signal]))
      .catch(() => {});
    let isOver = false;
    void time.then(() => (isOver = true));
    while (!isOver && this.#durableItems < batch.min_size)
      await Promise.race([time, this.#changed.promise]);
    wait.abort();
    stop.throwIfAborted();
    return true;
  }

  #readable(record: Uint8Array): readonly AnyBatch[] {
    try {
      return [decodeBatchRecord(record)];
    } catch (error) {
      this.#context.log.error("a queued record cannot be read and is left out", {
        error: describeError(error),
      });
      return [];
    }
  }

  /** Requests of the sizes that the `batch` block says, of one signal and client each; as they came without it. */
  #joined(batches: readonly AnyBatch[]): readonly AnyBatch[] {
    const { batch: sizes } = this.#context.arguments().sending_queue;
    if (sizes === undefined) return batches;
    const most = sizes.max_size === 0 ? Infinity : sizes.max_size;
    const groups = new Map<string, AnyBatch[]>();
    for (const batch of batches) {
      const key = `${batch.signal} ${JSON.stringify([...batch.client.metadata])}`;
      groups.set(key, [...(groups.get(key) ?? []), batch]);
    }
    return [...groups.values()].flatMap((list) => {
      const { signal, client } = list[0]!;
      const joined = joinBatches(signal, list as readonly TelemetryBatch[], client);
      return splitBatch(joined, most) as readonly AnyBatch[];
    });
  }

  /** Sends several at a time; resolves with those that were not settled when it had to stop. */
  async #sendAll(
    sender: RequestSender,
    requests: readonly AnyBatch[],
    signals: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<readonly AnyBatch[]> {
    const unsettled: AnyBatch[] = [];
    const waiting = requests.toReversed();
    const settle = async (batch: AnyBatch): Promise<boolean> => {
      if (signals.stop.aborted) return false;
      try {
        await sender.send(batch, signals);
        return true;
      } catch (error) {
        if (!signals.stop.aborted && !signals.cut.aborted) throw error;
        return false;
      }
    };
    const work = async () => {
      for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
        if (!(await settle(next))) unsettled.push(next);
      }
    };
    const { num_consumers: consumers } = this.#context.arguments().sending_queue;
    const workers = Math.min(consumers, requests.length);
    await Promise.all(Array.from({ length: workers }, work));
    return unsettled;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#queue[Symbol.asyncDispose]();
  }
}
