/**
 * Runs entries through a pipeline and hands them on, at once or, for what stages hold back, when its time comes. One batch that was held is
 * on its way at a time, and batches that arrive wait behind it: order within a stream stays, and a slow receiver slows the source.
 *
 * A stage that limits a rate slows `append`, and so its source.
 *
 * An `append` that resolved says that its entries are handed on or held. What is held is in memory: it is handed on at stop and on a change of
 * the stages, and lost in a crash.
 */
import type { Clock, Logger } from "@finch/runtime";
import { describeError } from "@finch/runtime";
import type { LogEntry } from "../../receivers.ts";
import { PipelineEntry } from "./pipeline-entry.ts";
import type { Stage } from "./process-stage.ts";

/** Wait before entries that were held are offered again to a receiver that refused them. */
const RETRY_MS = 1000;
/** Entries that go through all stages together. What stages make of them is dead before the collector sees it; of a whole batch it would be copied. */
const STEP_ENTRIES = 128;

export interface PipelineRunnerOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly forward: (entries: readonly LogEntry[], signal: AbortSignal) => Promise<void>;
}

export class PipelineRunner {
  readonly #options: PipelineRunnerOptions;
  #pipeline: Stage;
  /** Released by stages and not taken by the receivers yet. */
  #unsent: LogEntry[] = [];
  /** Settles, and never rejects, when the release under way has ended. */
  #releasing: Promise<void> = Promise.resolve();
  #wake = new AbortController();
  #awaitedMs = 0;

  constructor(pipeline: Stage, options: PipelineRunnerOptions) {
    this.#pipeline = pipeline;
    this.#options = options;
  }

  async append(entries: readonly LogEntry[], signal: AbortSignal): Promise<void> {
    let out: LogEntry[] = [];
    for (let from = 0; from < entries.length; from += STEP_ENTRIES) {
      const some = entries.slice(from, from + STEP_ENTRIES);
      for (const entry of this.#pipeline(some.map((one) => new PipelineEntry(one))))
        out.push(entry.close());
      const waitMs = this.#pipeline.waitMs?.() ?? 0;
      if (waitMs === 0) continue;
      // What a rate lets through does not wait for the rest of the batch, which may take minutes.
      await this.#options.clock.sleep(waitMs, signal);
      await this.#handOn(out, signal);
      out = [];
    }
    await this.#handOn(out, signal);
  }

  async #handOn(out: readonly LogEntry[], signal: AbortSignal): Promise<void> {
    const dueMs = this.#pipeline.held?.dueMs();
    if (dueMs !== undefined && dueMs < this.#awaitedMs) this.#wake.abort();
    await this.#releasing;
    if (out.length > 0) await this.#options.forward(out, signal);
  }

  /** Hands on what the old stages hold, then works with the new ones. */
  async replace(pipeline: Stage, signal: AbortSignal): Promise<void> {
    this.#collect("all");
    this.#pipeline = pipeline;
    this.#wake.abort();
    await this.#send(signal);
  }

  /** Releases what is due until the signal aborts. Called once. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    while (!signal.aborted) {
      await this.#waitForDue(signal);
      if (signal.aborted) return;
      this.#collect("due");
      try {
        await this.#send(signal);
      } catch (error) {
        if (signal.aborted) return;
        log.warn("held entries were not taken, trying again", { error: describeError(error) });
        await clock.sleep(RETRY_MS, signal).catch(() => {});
      }
    }
  }

  /** Hands on everything that is held, whether due or not. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#collect("all");
    await this.#send(signal);
  }

  #collect(which: "due" | "all"): void {
    const released = this.#pipeline.held?.release(which) ?? [];
    for (const entry of released) this.#unsent.push(entry.close());
  }

  async #send(signal: AbortSignal): Promise<void> {
    const sent = this.#releasing.then(async () => {
      const entries = this.#unsent;
      if (entries.length === 0) return;
      this.#unsent = [];
      try {
        await this.#options.forward(entries, signal);
      } catch (error) {
        this.#unsent = [...entries, ...this.#unsent];
        throw error;
      }
    });
    this.#releasing = sent.catch(() => {});
    await sent;
  }

  async #waitForDue(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    if (this.#unsent.length > 0) return;
    const dueMs = this.#pipeline.held?.dueMs();
    this.#wake = new AbortController();
    this.#awaitedMs = dueMs ?? Infinity;
    const either = AbortSignal.any([signal, this.#wake.signal]);
    if (dueMs === undefined) await aborted(either);
    else await clock.sleep(Math.max(0, dueMs - clock.monotonicMs()), either).catch(() => {});
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
