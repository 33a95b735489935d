/**
 * Reads a selection of a query from the store, on the main thread, and sends it to a worker batch by batch, as far as its credit goes. What is
 * in blocks the worker reads itself.
 */
import { setImmediate } from "node:timers/promises";
import { createMatcher } from "@finch/model";
import type { Matcher, Series } from "@finch/model";
import type { SampleMemory } from "@finch/store";
import type { SymbolSender } from "./label-symbols.ts";
import { FRAMES_AHEAD } from "./query-protocol.ts";
import type { PlainMatcher } from "./query-protocol.ts";
import { packSeries } from "./series-frame.ts";
import type { SeriesFrame } from "./series-frame.ts";
import type { SeriesLoan, StoredSeries } from "./source.ts";

export interface FeedOptions {
  readonly source: StoredSeries;
  readonly request: {
    readonly matchers: readonly PlainMatcher[];
    readonly startMs: number;
    readonly endMs: number;
    readonly newestOnly: boolean;
  };
  /** Ends the feed without a word. */
  readonly signal: AbortSignal;
  readonly turns: FeedTurns;
  readonly symbols: SymbolSender;
  /** Where values lie until the query is over. */
  readonly memory: SampleMemory;
  /** Posts a frame at once: the symbols of the next one build on it. */
  readonly send: (frame: SeriesFrame, samples: number) => void;
  /** Sends a loan, before anything else. The selection is then that of the series in memory. */
  readonly lend: (loan: SeriesLoan) => void;
}

export interface Feed {
  /** The worker has taken a batch. */
  readonly credit: () => void;
  /** Rejects with the fault of the selection. */
  readonly done: Promise<void>;
}

export function feedSelection(options: FeedOptions): Feed {
  const credit = { free: FRAMES_AHEAD, wake: () => {} };
  const { signal } = options;
  signal.addEventListener("abort", () => credit.wake(), { once: true });
  return {
    credit: () => {
      credit.free++;
      credit.wake();
    },
    done: pump(options, credit),
  };
}

async function pump(
  options: FeedOptions,
  credit: { free: number; wake: () => void },
): Promise<void> {
  const { source, request, signal, turns, symbols, memory, send } = options;
  const { startMs, endMs, newestOnly } = request;
  const matchers: Matcher[] = [];
  for (const { name, operator, value } of request.matchers) {
    matchers.push(createMatcher(name, operator, value));
    // A pattern of classes takes a while to compile, and a query may hold many.
    if (operator === "=~" || operator === "!~") await setImmediate();
  }
  if (signal.aborted) return;
  const wanted = { matchers, startMs, endMs, newestOnly, signal, memory };
  const loan = source.lend?.(wanted);
  if (loan !== undefined) options.lend(loan);
  const series = loan === undefined ? source.select(wanted) : loan.heads;
  const batches = series[Symbol.asyncIterator]() as AsyncIterator<readonly Series[], void>;
  try {
    for (;;) {
      while (credit.free === 0 && !signal.aborted) {
        await new Promise<void>((resolve) => {
          credit.wake = resolve;
        });
      }
      if (signal.aborted) return;
      const { value } = await turns.take(() => batches.next());
      if (value === undefined || signal.aborted) return;
      credit.free--;
      send(packSeries(value, symbols), countSamples(value));
    }
  } catch (thrown) {
    if (!signal.aborted) throw thrown;
  } finally {
    await batches.return?.();
  }
}

function countSamples(batch: readonly Series[]): number {
  let samples = 0;
  for (const { timestampsMs } of batch) samples += timestampsMs.length;
  return samples;
}

/** Lets a bounded number of feeds read the store at a time, first come first served: many large selections must not crowd out a small one. */
export class FeedTurns {
  #free: number;
  readonly #waiting: (() => void)[] = [];

  constructor(atOnce: number) {
    this.#free = atOnce;
  }

  async take<Result>(read: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    }
  }
}
