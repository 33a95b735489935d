/** Starts a query worker and lets it end, so that the compile cache has its modules: no TypeScript compiler is loaded when the first query comes. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { DEFAULT_QUERY_LIMITS } from "./limits.ts";
import { END_OF_WORK } from "./query-protocol.ts";
import type { WorkerSetup } from "./query-protocol.ts";
import { MemorySlots } from "./shared-memory.ts";

export async function warmQueryWorker(): Promise<void> {
  const setup: WorkerSetup = {
    limits: DEFAULT_QUERY_LIMITS.engine,
    resultBytesMax: DEFAULT_QUERY_LIMITS.resultBytesMax,
    indexCacheBytesMax: 0,
    memory: new MemorySlots().buffer,
    slot: 0,
    niceness: 0,
    language: {},
  };
  const worker = new Worker(new URL("query-worker.ts", import.meta.url), { workerData: setup });
  worker.postMessage(END_OF_WORK);
  await once(worker, "exit");
}
