/**
 * The series source of a query in a worker: reads blocks that the main thread lends for a selection, and takes all other series from it, giving
 * back credit for every batch the engine has taken.
 */
import type { Series } from "@finch/model";
import type { SelectRequest, SeriesSource } from "@finch/promql";
import { FinchError } from "@finch/runtime";
import type { BlockReader, LentBlocks, SampleMemory } from "@finch/store/loan";
import type { SymbolReceiver } from "./label-symbols.ts";
import { faultOf } from "./query-protocol.ts";
import type { FromWorker, PlainFault } from "./query-protocol.ts";
import { unpackSeries } from "./series-frame.ts";
import type { SeriesFrame } from "./series-frame.ts";
import { TenantScope } from "./tenant-matchers.ts";

interface Loan {
  readonly lent: LentBlocks;
  readonly tenants: readonly string[] | undefined;
}

interface Selection {
  readonly number: number;
  readonly batches: (readonly Series[])[];
  loan: Loan | undefined;
  fault: unknown;
  isOver: boolean;
  wake: (() => void) | undefined;
}

export interface RemoteSourceOptions {
  /** Of the query. */
  readonly id: number;
  readonly port: { post(message: FromWorker): void };
  /** Reads what is lent. */
  readonly blocks: BlockReader;
  /** Takes the values that are read of blocks. */
  readonly memory: SampleMemory;
  /** Whether the main thread wants to know of samples that are read. */
  readonly tellsSamples: boolean;
}

export class RemoteSource implements SeriesSource {
  readonly #options: RemoteSourceOptions;
  readonly #selections = new Map<number, Selection>();
  #count = 0;

  constructor(options: RemoteSourceOptions) {
    this.#options = options;
  }

  async *select(request: SelectRequest): AsyncGenerator<readonly Series[]> {
    const { startMs, endMs, newestOnly = false, signal } = request;
    signal.throwIfAborted();
    const { id, port } = this.#options;
    const selection = this.#open();
    const { number } = selection;
    const onAbort = () => selection.wake?.();
    signal.addEventListener("abort", onAbort, { once: true });
    const matchers = request.matchers.map(({ name, operator, value }) => ({
      name,
      operator,
      value,
    }));
    const range = { startMs, endMs, newestOnly };
    port.post({ kind: "select", id, selection: number, matchers, ...range });
    try {
      await this.#untilBegun(selection, signal);
      const { loan } = selection;
      if (loan === undefined) yield* this.#batches(selection, signal);
      else yield* this.#readLoan(selection, loan, request);
    } finally {
      signal.removeEventListener("abort", onAbort);
      this.#selections.delete(number);
      if (!selection.isOver) port.post({ kind: "unselect", id, selection: number });
    }
  }

  takeLoan(number: number, loan: Loan): void {
    const selection = this.#selections.get(number);
    if (selection === undefined) return;
    selection.loan = loan;
    selection.wake?.();
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

  #open(): Selection {
    const selection: Selection = {
      number: this.#count++,
      batches: [],
      loan: undefined,
      fault: undefined,
      isOver: false,
      wake: undefined,
    };
    this.#selections.set(selection.number, selection);
    return selection;
  }

  async #untilBegun(selection: Selection, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const { batches, isOver, loan } = selection;
      if (batches.length > 0 || isOver || loan !== undefined) return;
      await untilWoken(selection);
    }
  }

  /** What the main thread sends. */
  async *#batches(selection: Selection, signal: AbortSignal): AsyncGenerator<readonly Series[]> {
    const { id, port } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      const batch = selection.batches.shift();
      if (batch !== undefined) {
        yield batch;
        if (!selection.isOver) port.post({ kind: "more-series", id, selection: selection.number });
      } else if (selection.fault !== undefined) throw selection.fault;
      else if (selection.isOver) return;
      else await untilWoken(selection);
    }
  }

  /** What the main thread sends, and what lies in blocks. */
  async *#readLoan(
    selection: Selection,
    { lent, tenants }: Loan,
    request: SelectRequest,
  ): AsyncGenerator<readonly Series[]> {
    const { id, port, blocks, memory, tellsSamples } = this.#options;
    const scope = tenants && new TenantScope(tenants);
    let damage: { readonly path: string; readonly message: string } | undefined;
    try {
      const others = this.#batches(selection, request.signal);
      for await (const batch of blocks.select(lent, { ...request, memory }, others)) {
        if (tellsSamples) {
          let samples = 0;
          for (const { timestampsMs } of batch) samples += timestampsMs.length;
          port.post({ kind: "read", id, samples });
        }
        yield scope === undefined
          ? batch
          : batch.map((series) => ({ ...series, labels: scope.reveal(series.labels) }));
      }
    } catch (thrown) {
      damage = damageOf(thrown);
      throw thrown;
    } finally {
      port.post({ kind: "return", id, selection: selection.number, damage });
    }
  }
}

function untilWoken(selection: Selection): Promise<void> {
  return new Promise((resolve) => {
    selection.wake = resolve;
  });
}

function damageOf(thrown: unknown): { path: string; message: string } | undefined {
  if (!(thrown instanceof FinchError) || thrown.kind !== "corrupt") return undefined;
  const { fields, message } = thrown;
  return { path: String(fields?.["path"] ?? ""), message };
}
