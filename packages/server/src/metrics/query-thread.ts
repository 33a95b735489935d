/**
 * A query worker as the main thread sees it: starts the thread, runs queries on it, reads the store for them, and ends it when it no longer
 * answers. When a thread is lost, each of its queries fails with a fault that says why; everything else goes on.
 */
import { Worker } from "node:worker_threads";
import { AssertionFailure, describeError, FinchError } from "@finch/runtime";
import type { PooledMemory, SampleMemoryPool } from "@finch/store";
import { SymbolSender } from "./label-symbols.ts";
import { AnswerStream } from "./query-answer.ts";
import { feedSelection } from "./query-feed.ts";
import type { FeedTurns } from "./query-feed.ts";
import { faultOf, plainFault } from "./query-protocol.ts";
import type {
  FromWorker,
  QueryFigures,
  QueryJob,
  ToWorker,
  WorkerSetup,
} from "./query-protocol.ts";
import type { SeriesLoan, StoredSeries } from "./source.ts";

/** Time a worker has to stop a query that was canceled. Then it is in a loop that nothing else ends. */
const STOP_MS_MAX = 1000;

export const WORKER_LOST = "server/query-worker-lost";

export interface QueryThreadOptions {
  readonly setup: WorkerSetup;
  /** For JavaScript objects of the worker; columns of samples are counted apart. */
  readonly heapBytesMax: number;
  /** Who reads the store at a time. */
  readonly turns: FeedTurns;
  readonly memory: SampleMemoryPool;
  /** A place became free. */
  readonly onFree: () => void;
  /** The thread no longer runs, for whatever reason. */
  readonly onEnd: () => void;
  /** The thread has ended by itself or was ended for a fault; not to be used any more. */
  readonly onLost: (reason: LostReason, error: string) => void;
}

export type LostReason = "memory" | "stuck" | "fault";

export interface ThreadRequest {
  readonly job: QueryJob;
  /** What the query reads. */
  readonly source: StoredSeries;
  /** Aborts with the fault to answer. */
  readonly signal: AbortSignal;
  readonly onStart: () => void;
  readonly queuedSinceMs: number;
  /** Told of the samples of every batch that was read, if it matters. */
  readonly onSamples: ((samples: number) => void) | undefined;
}

export interface ThreadAnswer {
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
  /** Resolves when the whole answer was sent; undefined when it was broken off. */
  readonly figures: Promise<QueryFigures | undefined>;
}

interface Query {
  readonly request: ThreadRequest;
  readonly resolve: (answer: ThreadAnswer) => void;
  readonly reject: (fault: unknown) => void;
  readonly selections: Map<number, { readonly stop: AbortController; credit(): void }>;
  /** Blocks that the worker reads, by selection. */
  readonly loans: Map<number, SeriesLoan>;
  readonly onAbort: () => void;
  /** Values of its selections, which the worker reads. */
  readonly memory: PooledMemory;
  answer: AnswerStream | undefined;
  stopTimer: NodeJS.Timeout | undefined;
}

export class QueryThread {
  readonly #options: QueryThreadOptions;
  readonly #worker: Worker;
  readonly #symbols = new SymbolSender();
  readonly #queries = new Map<number, Query>();
  #count = 0;
  #isLost = false;
  #idleSinceMs = performance.now();

  constructor(options: QueryThreadOptions) {
    this.#options = options;
    const mebibytes = Math.ceil(options.heapBytesMax / (1024 * 1024));
    this.#worker = new Worker(new URL("query-worker.ts", import.meta.url), {
      name: "finch-query",
      workerData: options.setup,
      resourceLimits: { maxOldGenerationSizeMb: mebibytes, maxYoungGenerationSizeMb: 16 },
    });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#lose(reasonOf(error), error));
    this.#worker.on("exit", () => {
      this.#lose("fault", new Error("the worker ended"));
      options.onEnd();
    });
    // Listeners and stores keep the process up, a worker does not. After the handlers, for they hold it again.
    this.#worker.unref();
  }

  /** Queries that are evaluated; those whose answer is being sent need no place. */
  get busy(): number {
    let busy = 0;
    for (const { answer } of this.#queries.values()) if (answer === undefined) busy++;
    return busy;
  }

  /** How long nothing has run here; 0 while something does. */
  idleMs(nowMs: number): number {
    return this.#queries.size > 0 ? 0 : nowMs - this.#idleSinceMs;
  }

  /** Resolves with the beginning of the answer, or its whole. */
  run(request: ThreadRequest): Promise<ThreadAnswer> {
    const { job, signal } = request;
    const id = this.#count++;
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#cancel(id, signal.reason);
      const query: Query = {
        request,
        resolve,
        reject,
        selections: new Map(),
        loans: new Map(),
        onAbort,
        memory: this.#options.memory.open(),
        answer: undefined,
        stopTimer: undefined,
      };
      this.#queries.set(id, query);
      request.onStart();
      const queuedMs = performance.now() - request.queuedSinceMs;
      const tellsSamples = request.onSamples !== undefined;
      this.#post({ kind: "run", id, job, queuedMs, tellsSamples });
      if (signal.aborted) onAbort();
      else signal.addEventListener("abort", onAbort, { once: true });
    });
  }

  async stop(): Promise<void> {
    this.#isLost = true;
    const fault = new FinchError("unavailable", "server/stopping", "Finch is stopping", {
      retryAfterSeconds: 5,
    });
    for (const id of this.#queries.keys()) this.#end(id, fault);
    await this.#worker.terminate();
  }

  #post(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    if (!this.#isLost) this.#worker.postMessage(message, transfer);
  }

  #receive(message: FromWorker): void {
    const { id } = message;
    const query = this.#queries.get(id);
    if (query === undefined) return;
    switch (message.kind) {
      case "select":
        void this.#feed(query, message);
        break;
      case "more-series":
        query.selections.get(message.selection)?.credit();
        break;
      case "read":
        query.request.onSamples?.(message.samples);
        break;
      case "return":
        void this.#takeBack(query, message);
        break;
      case "unselect":
        void this.#takeBack(query, { ...message, damage: undefined });
        break;
      case "answer":
        this.#answerOf(id, query).add(message.bytes);
        break;
      case "answered":
        if (query.answer === undefined)
          query.resolve({ body: message.bytes, figures: Promise.resolve(message.figures) });
        else query.answer.finish(message.bytes, message.figures);
        this.#end(id, undefined);
        break;
      case "failed":
        this.#end(id, faultOf(message.fault));
        break;
    }
  }

  /** The stream of an answer of several chunks, begun with the first. */
  #answerOf(id: number, query: Query): AnswerStream {
    if (query.answer !== undefined) return query.answer;
    const answer = new AnswerStream({
      onTaken: () => this.#post({ kind: "more-answer", id }),
      onLeft: () => this.#cancel(id, new Error("nobody reads the answer")),
    });
    query.answer = answer;
    query.resolve({ body: answer.chunks(), figures: answer.figures });
    this.#options.onFree();
    return answer;
  }

  async #feed(query: Query, message: FromWorker & { readonly kind: "select" }): Promise<void> {
    const { id, selection } = message;
    const stop = new AbortController();
    const feed = feedSelection({
      source: query.request.source,
      request: message,
      signal: stop.signal,
      turns: this.#options.turns,
      memory: query.memory,
      symbols: this.#symbols,
      send: (frame, samples) => {
        this.#post({ kind: "series", id, selection, frame }, [frame.buffer]);
        // Of a loan, the worker counts all that it reads.
        if (!query.loans.has(selection)) query.request.onSamples?.(samples);
      },
      lend: (loan) => {
        query.loans.set(selection, loan);
        const { lent, tenants } = loan;
        this.#post({ kind: "lend", id, selection, lent, tenants });
      },
    });
    query.selections.set(selection, { stop, credit: feed.credit });
    let fault: unknown;
    try {
      await feed.done;
    } catch (thrown) {
      if (thrown instanceof AssertionFailure) throw thrown;
      fault = thrown;
    }
    query.selections.delete(selection);
    const plain = fault === undefined ? undefined : plainFault(fault);
    this.#post({ kind: "selected", id, selection, fault: plain });
  }

  /** The worker is done with a selection. */
  async #takeBack(
    query: Query,
    { selection, damage }: Pick<FromWorker & { readonly kind: "return" }, "selection" | "damage">,
  ): Promise<void> {
    query.selections.get(selection)?.stop.abort();
    const loan = query.loans.get(selection);
    if (loan === undefined) return;
    query.loans.delete(selection);
    if (damage !== undefined) {
      const { path, message: what } = damage;
      const fault = new FinchError("corrupt", "store/corrupt-file", what, { fields: { path } });
      await loan.setAside(fault);
    }
    await loan.release();
  }

  /** Tells the caller at once; the worker has a moment to stop, or is ended. */
  #cancel(id: number, reason: unknown): void {
    const query = this.#queries.get(id);
    if (query === undefined || query.stopTimer !== undefined) return;
    this.#post({ kind: "cancel", id, fault: plainFault(reason) });
    for (const { stop } of query.selections.values()) stop.abort();
    query.reject(reason);
    query.answer?.breakOff(reason);
    query.stopTimer = setTimeout(() => {
      this.#lose("stuck", new Error("the worker did not stop a query that was canceled"));
    }, STOP_MS_MAX);
  }

  /** The worker is done with a query: nothing of it is left here. */
  #end(id: number, fault: unknown): void {
    const query = this.#queries.get(id);
    if (query === undefined) return;
    this.#queries.delete(id);
    clearTimeout(query.stopTimer);
    query.request.signal.removeEventListener("abort", query.onAbort);
    for (const { stop } of query.selections.values()) stop.abort();
    for (const loan of query.loans.values()) void loan.release();
    query.loans.clear();
    if (query.selections.size === 0) query.memory.close();
    else query.memory.abandon();
    if (fault !== undefined) {
      query.reject(fault);
      query.answer?.breakOff(fault);
    }
    this.#idleSinceMs = performance.now();
    this.#options.onFree();
  }

  #lose(reason: LostReason, error: unknown): void {
    if (this.#isLost) return;
    this.#isLost = true;
    void this.#worker.terminate();
    const fault = lostFault(reason, this.#options.heapBytesMax);
    for (const id of this.#queries.keys()) this.#end(id, fault);
    this.#options.onLost(reason, describeError(error));
  }
}

function reasonOf(error: unknown): LostReason {
  const isError = error instanceof Error && "code" in error;
  return isError && error.code === "ERR_WORKER_OUT_OF_MEMORY" ? "memory" : "fault";
}

function lostFault(reason: LostReason, heapBytesMax: number): FinchError {
  switch (reason) {
    case "memory":
      return new FinchError(
        "unprocessable",
        "server/query-heap",
        `the query needs more than the ${Math.round(heapBytesMax / 1048576)} MiB that a query worker has for labels and other objects: select fewer series`,
      );
    case "stuck":
      return new FinchError(
        "unavailable",
        WORKER_LOST,
        "the worker that ran this query was ended, since another query of it did not stop when it was canceled; try again",
        { retryAfterSeconds: 1 },
      );
    case "fault":
      return new FinchError(
        "internal",
        "server/query-worker-failed",
        "the worker that ran this query has failed; see Finch's log",
      );
  }
}
