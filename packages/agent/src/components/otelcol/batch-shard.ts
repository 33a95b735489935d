/** What `otelcol.processor.batch` holds of one signal and one combination of metadata, and the loop that hands it on. */
import { describeError } from "@finch/runtime";
import type { OtlpSignal } from "@finch/wire";
import type { ComponentContext } from "../../component.ts";
import { offer, UNITS } from "../../otel/output.ts";
import { isPermanent } from "../../otel/permanent-fault.ts";
import { splitBatch } from "../../otel/split-batch.ts";
import { joinBatches } from "../../otel/telemetry-batch.ts";
import type { AnyBatch, ClientInfo, TelemetryBatch } from "../../otel/telemetry-batch.ts";
import { unlessAborted } from "../../until-aborted.ts";
import type { BatchArguments } from "./processor-batch.ts";

/** Batches that are held before senders wait, and bytes of them. */
const HELD_BATCHES_MAX = 2;
const HELD_BYTES_MAX = 64 << 20;
/**
 * When nothing came for so long, what is held goes before its time: its senders wait, and one that sends a request after the other would send one in each
 * timeout.
 */
const QUIET_MS = 20;
const RETRY_MS = 1000;
const SIZE_BUCKETS = [
  10, 25, 50, 75, 100, 250, 500, 750, 1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 10_000,
  20_000, 30_000, 50_000, 100_000,
];

type Context = Pick<
  ComponentContext<BatchArguments, object>,
  "arguments" | "clock" | "log" | "metrics" | "drops" | "setHealth"
>;

/** A batch as it came, and its sender's wait: until all of it is handed on, or refused for good. */
interface Held {
  readonly batch: AnyBatch;
  readonly settled: PromiseWithResolvers<void>;
}

export class BatchShard {
  readonly #context: Context;
  readonly #signal: OtlpSignal;
  readonly #client: ClientInfo;
  /** Ends retries at a stop. */
  readonly #stop: AbortSignal;
  readonly #onEmpty: () => void;
  #held: Held[] = [];
  #items = 0;
  #bytes = 0;
  #firstMs = 0;
  #lastMs = 0;
  #isDraining = false;
  #changed = Promise.withResolvers<void>();
  #pumping: Promise<void> | undefined;

  constructor(
    context: Context,
    about: {
      readonly signal: OtlpSignal;
      readonly client: ClientInfo;
      readonly stop: AbortSignal;
    },
    onEmpty: () => void,
  ) {
    this.#context = context;
    this.#signal = about.signal;
    this.#client = about.client;
    this.#stop = about.stop;
    this.#onEmpty = onEmpty;
  }

  /**
   * Resolves when the components behind have the batch: who acknowledges it loses nothing to a crash. Rejects with why they refuse it for good, or with the
   * signal's reason; then it may be handed on all the same.
   */
  async add(batch: AnyBatch, signal: AbortSignal): Promise<void> {
    while (this.#isFull()) await unlessAborted(this.#changed.promise, signal);
    this.#lastMs = this.#context.clock.monotonicMs();
    if (this.#held.length === 0) this.#firstMs = this.#lastMs;
    const settled = Promise.withResolvers<void>();
    // Nobody waits for it any more once the sender has gone.
    settled.promise.catch(() => {});
    this.#held.push({ batch, settled });
    this.#items += batch.items;
    this.#bytes += batch.bytes().length;
    this.#announce();
    this.#pumping ??= this.#pump();
    await unlessAborted(settled.promise, signal);
  }

  /** Hands on all that is held, without waiting for more. */
  async drain(): Promise<void> {
    this.#isDraining = true;
    this.#announce();
    await this.#pumping;
  }

  #isFull(): boolean {
    const { send_batch_size: size, send_batch_max_size: sizeMax } = this.#context.arguments();
    const itemsMax = Math.max(1, size, sizeMax) * HELD_BATCHES_MAX;
    return this.#held.length > 0 && (this.#items >= itemsMax || this.#bytes >= HELD_BYTES_MAX);
  }

  #announce(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #pump(): Promise<void> {
    while (this.#held.length > 0) {
      await this.#due();
      const taken = this.#take();
      let refusal: { readonly reason: unknown } | undefined;
      for (const batch of this.#joined(taken)) refusal = (await this.#handOn(batch)) ?? refusal;
      for (const { settled } of taken) {
        if (refusal === undefined) settled.resolve();
        else settled.reject(refusal.reason);
      }
    }
    this.#pumping = undefined;
    this.#onEmpty();
  }

  /** Waits until a batch is full, its time is up, nothing more comes, or everything must go. */
  async #due(): Promise<void> {
    const { clock, metrics } = this.#context;
    for (;;) {
      const { timeout, send_batch_size: size } = this.#context.arguments();
      if (this.#isDraining || this.#items >= size || this.#bytes >= HELD_BYTES_MAX) {
        metrics
          .counter(
            "otelcol_processor_batch_batch_size_trigger_send_total",
            "Batches that were full.",
          )
          .add(1);
        return;
      }
      const dueMs = Math.min(this.#firstMs + timeout, this.#lastMs + QUIET_MS);
      const leftMs = dueMs - clock.monotonicMs();
      if (leftMs <= 0) {
        metrics
          .counter(
            "otelcol_processor_batch_timeout_trigger_send_total",
            "Batches whose time was up.",
          )
          .add(1);
        return;
      }
      const wait = new AbortController();
      await Promise.race([this.#changed.promise, clock.sleep(leftMs, wait.signal).catch(() => {})]);
      wait.abort();
    }
  }

  /** Those that are due: as many as make a full batch. */
  #take(): readonly Held[] {
    const { send_batch_size: size, send_batch_max_size: sizeMax } = this.#context.arguments();
    const most = sizeMax === 0 ? Infinity : sizeMax;
    let count = 0;
    let items = 0;
    for (const { batch } of this.#held) {
      if (count > 0 && (items + batch.items > most || items >= Math.max(1, size))) break;
      count++;
      items += batch.items;
    }
    const taken = this.#held.splice(0, count);
    this.#items -= items;
    this.#bytes -= taken.reduce((sum, { batch }) => sum + batch.bytes().length, 0);
    this.#firstMs = this.#context.clock.monotonicMs();
    this.#announce();
    return taken;
  }

  /** Joined, and split where that is larger than allowed. */
  #joined(taken: readonly Held[]): readonly AnyBatch[] {
    const { send_batch_max_size: sizeMax } = this.#context.arguments();
    const batches = taken.map(({ batch }) => batch) as readonly TelemetryBatch[];
    const joined = joinBatches(this.#signal, batches, this.#client);
    return splitBatch(joined, sizeMax === 0 ? Infinity : sizeMax) as readonly AnyBatch[];
  }

  /** Offers a batch until it is taken; what is refused for good, or at a stop, is dropped and counted, and the first refusal told. */
  async #handOn(batch: AnyBatch): Promise<{ readonly reason: unknown } | undefined> {
    const { clock, drops, metrics, setHealth } = this.#context;
    metrics
      .histogram("otelcol_processor_batch_batch_send_size", "Items in a batch.", SIZE_BUCKETS)
      .observe(batch.items);
    // It may be offered again.
    batch.share();
    let consumers = this.#context.arguments().output[this.#signal];
    let refusal: { readonly reason: unknown } | undefined;
    for (let attempt = 0; consumers.length > 0; attempt++) {
      const refusals = await offer(consumers, batch, this.#stop);
      const isOver = this.#isDraining || this.#stop.aborted;
      for (const { reason } of refusals) {
        if (!isOver && !isPermanent(reason)) continue;
        this.#drop(batch, describeError(reason));
        refusal ??= { reason };
      }
      const again = refusals.filter(({ reason }) => !isOver && !isPermanent(reason));
      consumers = again.map(({ consumer }) => consumer);
      if (consumers.length === 0) {
        if (attempt > 0) setHealth("healthy", "batches are taken again");
        return refusal;
      }
      if (attempt === 0)
        setHealth("unhealthy", `a batch is not taken: ${describeError(again[0]!.reason)}`);
      await this.#pause(clock);
    }
    drops.count(
      { kind: UNITS[this.#signal], reason: `output.${this.#signal} is empty` },
      batch.items,
    );
    return undefined;
  }

  /** Up to a retry; a stop does not wait for it. */
  async #pause(clock: Context["clock"]): Promise<void> {
    const wait = new AbortController();
    const pause = clock.sleep(RETRY_MS, AbortSignal.any([this.#stop, wait.signal])).catch(() => {});
    let isOver = false;
    void pause.then(() => (isOver = true));
    while (!isOver && !this.#isDraining) await Promise.race([pause, this.#changed.promise]);
    wait.abort();
  }

  #drop(batch: AnyBatch, why: string): void {
    const { drops, log } = this.#context;
    drops.count({ kind: UNITS[this.#signal], reason: "refused" }, batch.items, () => [
      { labels: "", text: why },
    ]);
    log.error("a batch is dropped", { signal: this.#signal, items: batch.items, error: why });
  }
}
