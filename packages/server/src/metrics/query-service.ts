/**
 * The inside of a query worker: runs jobs on an engine of its own, several in turns, and writes each answer as JSON. Series come from blocks and
 * from the main thread, see `query-protocol.ts`.
 */
import { createEngine } from "@finch/promql";
import type { Engine, InstantResult, SharedMemory } from "@finch/promql";
import { AssertionFailure, FinchError, nodeFileSystem } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import { BlockReader, SampleMemoryPool } from "@finch/store/loan";
import { SymbolReceiver } from "./label-symbols.ts";
import { evaluateJob, figuresOf, writeJobAnswer } from "./query-evaluation.ts";
import { CHUNKS_AHEAD, faultOf, plainFault } from "./query-protocol.ts";
import type { FromWorker, QueryJob, ToWorker, WorkerSetup } from "./query-protocol.ts";
import { RemoteSource } from "./remote-source.ts";
import { openSlot } from "./shared-memory.ts";

/** How the service speaks to the main thread. */
export interface ServicePort {
  post(message: FromWorker, transfer?: ArrayBuffer[]): void;
}

/** Memory for samples that is kept from query to query: as much as a page of charts over a week takes. */
const SAMPLE_BYTES_KEPT = 96 * 1024 * 1024;

type RunMessage = ToWorker & { readonly kind: "run" };

interface Running {
  readonly source: RemoteSource;
  readonly canceled: AbortController;
  readonly credit: Credit;
}

export class QueryService {
  readonly #port: ServicePort;
  readonly #setup: WorkerSetup;
  readonly #memory: SharedMemory;
  readonly #engine: Engine;
  readonly #symbols = new SymbolReceiver();
  readonly #running = new Map<number, Running>();
  readonly #blocks: BlockReader;
  /** Where values go that are read of blocks. */
  readonly #sampleMemory = new SampleMemoryPool(SAMPLE_BYTES_KEPT);
  #cacheBytes = 0;

  constructor(port: ServicePort, clock: Clock, setup: WorkerSetup) {
    this.#port = port;
    this.#setup = setup;
    this.#memory = openSlot(setup.memory, setup.slot);
    this.#blocks = new BlockReader(nodeFileSystem, clock, setup.indexCacheBytesMax);
    this.#engine = createEngine({
      clock,
      limits: setup.limits,
      ...setup.language,
      sharedMemory: this.#memory,
    });
  }

  /** Takes one message of the main thread; what concerns a query that is over is dropped. */
  receive(message: ToWorker): void {
    const running = this.#running.get(message.id);
    switch (message.kind) {
      case "run":
        void this.#run(message);
        break;
      case "cancel":
        running?.canceled.abort(faultOf(message.fault));
        // Whoever waits to send more of the answer looks at the signal.
        running?.credit.add();
        break;
      case "lend":
        running?.source.takeLoan(message.selection, message);
        break;
      case "series":
        // Symbols are numbered in the order of the frames, so they are taken, wanted or not.
        if (running === undefined) this.#symbols.take(message.frame.symbols);
        else running.source.takeFrame(message.selection, message.frame, this.#symbols);
        break;
      case "selected":
        running?.source.takeEnd(message.selection, message.fault);
        break;
      case "more-answer":
        running?.credit.add();
        break;
    }
  }

  async #run({ id, job, queuedMs, tellsSamples }: RunMessage): Promise<void> {
    const canceled = new AbortController();
    const memory = this.#sampleMemory.open();
    const blocks = this.#blocks;
    const source = new RemoteSource({ id, port: this.#port, blocks, memory, tellsSamples });
    const credit = new Credit(CHUNKS_AHEAD);
    this.#running.set(id, { source, canceled, credit });
    const { signal } = canceled;
    let resultBytes = 0;
    try {
      const { resultBytesMax } = this.#setup;
      const result = await evaluateJob(this.#engine, job, { source, signal, resultBytesMax });
      // A slow reader keeps the result in memory.
      resultBytes = bytesOf(result);
      this.#memory.add(resultBytes, 0);
      await this.#answer(id, result, { job, queuedMs, credit, signal });
    } catch (thrown) {
      if (thrown instanceof AssertionFailure) {
        // A bug ends the thread, and with it this query; the main thread starts another.
        setImmediate(() => {
          throw thrown;
        });
        return;
      }
      // Something may still be read into it.
      memory.abandon();
      this.#port.post({ kind: "failed", id, fault: plainFault(outOfBounds(thrown)) });
    } finally {
      source.close();
      memory.close();
      this.#countCache();
      this.#memory.add(-resultBytes, 0);
      this.#running.delete(id);
    }
  }

  /** Gives back memory that nobody has used for a while. */
  shrink(): void {
    this.#sampleMemory.shrink();
  }

  /** What is kept of blocks between queries. */
  #countCache(): void {
    const { cacheBytes } = this.#blocks;
    this.#memory.add(cacheBytes - this.#cacheBytes, 0);
    this.#cacheBytes = cacheBytes;
  }

  /** Sends chunk after chunk, the last one with the figures. */
  async #answer(
    id: number,
    result: InstantResult,
    to: {
      readonly job: QueryJob;
      readonly queuedMs: number;
      readonly credit: Credit;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    let answerBytes = 0;
    let held: Uint8Array<ArrayBuffer> | undefined;
    for (const chunk of writeJobAnswer(result, to.job, to.queuedMs)) {
      if (held !== undefined) {
        this.#port.post({ kind: "answer", id, bytes: held }, [held.buffer]);
        await to.credit.take();
        to.signal.throwIfAborted();
      }
      held = chunk;
      answerBytes += held.length;
    }
    const bytes = held ?? new Uint8Array();
    this.#port.post({ kind: "answered", id, bytes, figures: figuresOf(result, answerBytes) }, [
      bytes.buffer,
    ]);
  }
}

/** Memory of a result, columns alone. */
function bytesOf(result: InstantResult): number {
  if (result.type === "vector") return 8 * result.values.length;
  if (result.type !== "matrix") return 0;
  return result.series.reduce((bytes, { values }) => bytes + 16 * values.length, 0);
}

/** JavaScript's own bounds, as faults of the query that ran into them. */
function outOfBounds(thrown: unknown): unknown {
  if (!(thrown instanceof RangeError)) return thrown;
  const isDeep = thrown.message.includes("call stack");
  const what = isDeep ? "is nested too deeply" : `needs too much memory (${thrown.message})`;
  return new FinchError("unprocessable", "server/query-out-of-bounds", `the query ${what}`, {
    cause: thrown,
  });
}

/** How many chunks may still be sent; `take` waits until one may. */
class Credit {
  #free: number;
  #wake: (() => void) | undefined;

  constructor(free: number) {
    this.#free = free;
  }

  add(): void {
    this.#free++;
    this.#wake?.();
  }

  async take(): Promise<void> {
    while (this.#free === 0) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#free--;
  }
}
