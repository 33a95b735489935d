/**
 * Sends one batch until it is settled: again, after growing pauses, what may pass later; in halves what is too large; and gives up, counted, what the
 * receiver refuses for good or what may not be sent any longer.
 */
import { FinchError } from "@finch/runtime";
import type { ComponentContext } from "../component.ts";
import { UNITS } from "./output.ts";
import type { OtlpTransport, SendOutcome } from "./otlp-transport.ts";
import type { SenderArguments } from "./sender-schema.ts";
import { splitBatch } from "./split-batch.ts";
import type { AnyBatch, TelemetryBatch } from "./telemetry-batch.ts";

/** Names in the collector's metrics. */
const METRIC_UNITS = { spans: "spans", samples: "metric_points", lines: "log_records" } as const;

export type SenderContext = Pick<
  ComponentContext<SenderArguments, object>,
  | "id"
  | "arguments"
  | "clock"
  | "log"
  | "metrics"
  | "drops"
  | "setHealth"
  | "dataDirectory"
  | "fileSystem"
>;

export class RequestSender {
  readonly #context: SenderContext;
  readonly #transport: OtlpTransport;
  readonly #random: () => number;

  constructor(context: SenderContext, transport: OtlpTransport, random = Math.random) {
    this.#context = context;
    this.#transport = transport;
    this.#random = random;
  }

  /**
   * Whether the receiver took the batch, all of it; what it did not take is dropped and counted. Rejects when a signal aborts: `cut` ends a request
   * under way, `stop` only the wait for the next try.
   */
  async send(
    batch: AnyBatch,
    signals: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<boolean> {
    // Whatever becomes of it, it is sent as it is.
    batch.share();
    const outcome = await this.#untilSettled(batch, signals);
    if (outcome.kind === "sent") {
      this.#countSent(batch, outcome);
      return true;
    }
    const parts = partsOf(batch, outcome);
    if (parts === undefined) {
      this.#drop(batch, "why" in outcome ? outcome.why : "");
      return false;
    }
    // Those for one receiver must not wait for another's.
    const taken =
      outcome.kind === "divided"
        ? await Promise.all(parts.map((part) => this.send(part, signals)))
        : await this.#sendInTurn(parts, signals);
    return taken.every(Boolean);
  }

  async #sendInTurn(
    parts: readonly AnyBatch[],
    signals: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<readonly boolean[]> {
    const taken: boolean[] = [];
    for (const part of parts) taken.push(await this.send(part, signals));
    return taken;
  }

  async #untilSettled(
    batch: AnyBatch,
    { stop, cut }: { readonly stop: AbortSignal; readonly cut: AbortSignal },
  ): Promise<SendOutcome> {
    const { clock, log, setHealth } = this.#context;
    const { retry_on_failure: retry } = this.#context.arguments();
    const startMs = clock.monotonicMs();
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#transport.send(batch, cut);
      if (outcome.kind !== "later") {
        if (outcome.kind === "sent") setHealth("healthy", "sending");
        if (attempt > 0) log.info("the receiver answers again");
        return outcome;
      }
      const pauseMs = this.#pauseMs(attempt, outcome.afterMs);
      const elapsedMs = clock.monotonicMs() - startMs + pauseMs;
      const limitMs = retry.max_elapsed_time ?? 0;
      if (!retry.enabled || (limitMs > 0 && elapsedMs > limitMs))
        return { kind: "refused", why: `given up: ${outcome.why}` };
      if (attempt === 0) {
        setHealth("unhealthy", outcome.why);
        log.warn("the receiver takes nothing now; it is tried again", { error: outcome.why });
      }
      await clock.sleep(pauseMs, stop);
    }
  }

  /** Grows from the first to the longest, give or take; a receiver that names a time is believed. */
  #pauseMs(attempt: number, askedMs: number | undefined): number {
    const { retry_on_failure: retry } = this.#context.arguments();
    const grown = retry.initial_interval * retry.multiplier ** Math.min(attempt, 50);
    const interval = Math.min(retry.max_interval, grown);
    const spread = 1 + retry.randomization_factor * (2 * this.#random() - 1);
    return Math.max(interval * spread, askedMs ?? 0);
  }

  #countSent(
    batch: AnyBatch,
    { rejected, message }: SendOutcome & { readonly kind: "sent" },
  ): void {
    const { drops, log } = this.#context;
    this.#count("sent", batch, batch.items - rejected);
    if (rejected > 0 || message !== "")
      log.warn("the receiver took a part", { items: batch.items, rejected, message });
    if (rejected === 0) return;
    drops.count({ kind: UNITS[batch.signal], reason: "rejected by the receiver" }, rejected, () => [
      { labels: "", text: message },
    ]);
  }

  #drop(batch: AnyBatch, why: string): void {
    const { drops, log, setHealth } = this.#context;
    this.#count("send_failed", batch, batch.items);
    drops.count(
      { kind: UNITS[batch.signal], reason: "refused by the receiver" },
      batch.items,
      () => [{ labels: "", text: why }],
    );
    setHealth("unhealthy", `telemetry is dropped: ${why}`);
    log.error("telemetry is dropped", { signal: batch.signal, items: batch.items, error: why });
  }

  #count(what: "sent" | "send_failed", { signal }: AnyBatch, items: number): void {
    this.#context.metrics
      .counter(`otelcol_exporter_${what}_${METRIC_UNITS[UNITS[signal]]}_total`, `Items: ${what}.`)
      .add(items);
  }
}

/** Undefined when there is nothing left to try. */
function partsOf(batch: AnyBatch, outcome: SendOutcome): readonly AnyBatch[] | undefined {
  if (outcome.kind === "divided") return outcome.parts;
  if (outcome.kind !== "too-large" || batch.items < 2) return undefined;
  return splitBatch(batch as TelemetryBatch, Math.ceil(batch.items / 2)) as readonly AnyBatch[];
}

/** What a sender is told when the receiver refused for good, where nothing is queued. */
export function notSent(id: string): FinchError {
  return new FinchError(
    "unprocessable",
    "agent/otel-refused",
    `${id}: the receiver refused it; its log says why`,
  );
}
