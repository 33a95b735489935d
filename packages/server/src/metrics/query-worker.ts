/** The program of a query worker: connects a `QueryService` with the thread that started it. Its data is a `WorkerSetup`. */
import { readlinkSync } from "node:fs";
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { assert, systemClock } from "@finch/runtime";
import { END_OF_WORK } from "./query-protocol.ts";
import type { ToWorker, WorkerSetup } from "./query-protocol.ts";
import { QueryService } from "./query-service.ts";

/** How often memory that nobody uses is given back. */
const SHRINK_MS = 30_000;

const setup = workerData as WorkerSetup;
assert(parentPort !== null, "this module runs in a worker thread");
const port = parentPort;
if (setup.niceness > 0) giveWay(setup.niceness);
const service = new QueryService(
  { post: (message, transfer: ArrayBuffer[] = []) => port.postMessage(message, transfer) },
  systemClock,
  setup,
);
setInterval(() => service.shrink(), SHRINK_MS).unref();
port.on("message", (message: ToWorker | typeof END_OF_WORK) => {
  if (message === END_OF_WORK) port.close();
  else service.receive(message);
});

/** Large queries yield the processor to ingest and small queries. Linux has a priority for each thread; elsewhere all are equal. */
function giveWay(niceness: number): void {
  if (process.platform !== "linux") return;
  try {
    const thread = Number(readlinkSync("/proc/thread-self").split("/").at(-1));
    setPriority(thread, niceness);
  } catch {
    // Without /proc, or where the priority may not be changed, queries are answered all the same.
  }
}
