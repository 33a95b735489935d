/** The series source of a query in a worker: asks the main thread, and gives back credit for every batch the engine has taken. */
import type { Series } from "@finch/model";
import type { SelectRequest, SeriesSource } from "@finch/promql";
import type { SymbolReceiver } from "./label-symbols.ts";
import { faultOf } from "./query-protocol.ts";
import type { FromWorker, PlainFault } from "./query-protocol.ts";
import { unpackSeries } from "./series-frame.ts";
import type { SeriesFrame } from "./series-frame.ts";

interface Selection {
  readonly batches: (readonly Series[])[];
  fault: unknown;
  isOver: boolean;
  wake: (() => void) | undefined;
}

export class RemoteSource implements SeriesSource {
  /** Takes frames of queries that are over. */
  static readonly NOBODY = new RemoteSource(-1, { post: () => {} });

  readonly #id: number;
  readonly #port: { post(message: FromWorker): void };
  readonly #selections = new Map<number, Selection>();
  #count = 0;

  constructor(id: number, port: { post(message: FromWorker): void }) {
    this.#id = id;
    this.#port = port;
  }

  async *select(request: SelectRequest): AsyncGenerator<readonly Series[]> {
    const { startMs, endMs, newestOnly = false, signal } = request;
    signal.throwIfAborted();
    const number = this.#count++;
    const selection: Selection = { batches: [], fault: undefined, isOver: false, wake: undefined };
    const id = this.#id;
    this.#selections.set(number, selection);
    const onAbort = () => selection.wake?.();
    signal.addEventListener("abort", onAbort, { once: true });
    const matchers = request.matchers.map(({ name, operator, value }) => ({
      name,
      operator,
      value,
    }));
    const range = { startMs, endMs, newestOnly };
    this.#port.post({ kind: "select", id, selection: number, matchers, ...range });
    try {
      for (;;) {
        signal.throwIfAborted();
        const batch = selection.batches.shift();
        if (batch !== undefined) {
          yield batch;
          if (!selection.isOver) this.#port.post({ kind: "more-series", id, selection: number });
        } else if (selection.fault !== undefined) throw selection.fault;
        else if (selection.isOver) return;
        else
          await new Promise<void>((resolve) => {
            selection.wake = resolve;
          });
      }
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#selections.delete(number);
      if (!selection.isOver) this.#port.post({ kind: "unselect", id, selection: number });
    }
  }

  takeFrame(number: number, frame: SeriesFrame, symbols: SymbolReceiver): void {
    const batch = unpackSeries(frame, symbols);
    const selection = this.#selections.get(number);
    if (selection === undefined) return;
    selection.batches.push(batch);
    selection.wake?.();
  }

  takeEnd(number: number, fault: PlainFault | undefined): void {
    const selection = this.#selections.get(number);
    if (selection === undefined) return;
    selection.isOver = true;
    if (fault !== undefined) selection.fault = faultOf(fault);
    selection.wake?.();
  }

  /** The query is over: whoever still waits is let go. */
  close(): void {
    for (const selection of this.#selections.values()) {
      selection.isOver = true;
      selection.wake?.();
    }
  }
}
