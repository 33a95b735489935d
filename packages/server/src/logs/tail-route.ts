/**
 * `tail` of Loki's HTTP API: a WebSocket that first brings the newest lines since `start`, then every line as it becomes durable. No line
 * comes twice where history and live meet, and none is missing between them.
 */
import { createTailFilter, parseQuery } from "@finch/logql";
import type { TailEntry, TailFilter } from "@finch/logql";
import { formatRfc3339 } from "@finch/model";
import type { Labels, LogColumns } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { HttpRequest, HttpWebSocket, WebSocketRoute } from "@finch/runtime/http";
import type { LogStore } from "@finch/store";
import {
  badRequest,
  checkEntryLimit,
  readDelayMs,
  readEntryLimit,
  readTimeNs,
} from "./parameters.ts";
import { ENCODING_FLAGS_HEADER } from "./query-routes.ts";
import type { LogsQueryContext } from "./query-routes.ts";
import {
  asksToCategorize,
  CATEGORIZE_FLAG,
  rowsOf,
  writeLegacyStreams,
  writeTailStreams,
} from "./result-json.ts";
import { TailQueue } from "./tail-queue.ts";
import type { DroppedEntry } from "./tail-queue.ts";

/** How many there are, whoever opened them. */
export interface OpenTails {
  count: number;
}

export interface TailContext extends LogsQueryContext {
  readonly store: LogStore;
  readonly tails: OpenTails;
}

interface TailRequest {
  readonly query: ReturnType<typeof parseQuery>;
  readonly startNs: bigint;
  readonly limit: number;
  readonly delayMs: number;
  readonly frames: TailFrames;
}

/** In which shape lines are sent: labels together or apart, or as before 2019. */
type TailFrames = "together" | "apart" | "legacy";

/** Lines gathered before a frame is sent; bursts become a few large frames instead of many small ones. */
const GATHER_MS = 50;
/** Lines in one frame, and characters of them from which on there is another: a frame is held as text until it is sent. */
const FRAME_ROWS_MAX = 1000;
const FRAME_CHARACTERS_MIN = 1024 * 1024;
const HOUR_NS = 3_600_000_000_000n;

export function createTailRoutes(context: TailContext): readonly WebSocketRoute[] {
  const { tails } = context;
  const accept = (isLegacy: boolean) => async (request: HttpRequest) => {
    const wanted = readTailRequest(context, request, isLegacy);
    const refuseOneMore = () => {
      const { tailsMax } = context.limits;
      if (tails.count < tailsMax) return;
      throw badRequest(
        `max concurrent tail requests limit exceeded, count > limit (${tails.count + 1} > ${tailsMax})`,
      );
    };
    refuseOneMore();
    const filter = createTailFilter(wanted.query, context.clock);
    return async (socket: HttpWebSocket) => {
      // Others may have opened while this one was being upgraded.
      refuseOneMore();
      tails.count++;
      try {
        await runTail(context, wanted, filter, socket);
      } finally {
        tails.count--;
      }
    };
  };
  const route = (path: string, isLegacy: boolean): WebSocketRoute => ({
    kind: "websocket",
    path,
    faults: "text",
    accept: accept(isLegacy),
  });
  return [route("/loki/api/v1/tail", false), route("/api/prom/tail", true)];
}

function readTailRequest(
  context: TailContext,
  request: HttpRequest,
  isLegacy: boolean,
): TailRequest {
  const { limits, clock } = context;
  const { query: parameters } = request;
  const query = parseQuery(parameters.get("query") ?? "");
  if (query.kind !== "log")
    throw badRequest("only log queries can be tailed, this is a metric query");
  const limit = readEntryLimit(parameters);
  checkEntryLimit(limit, limits);
  const nowNs = BigInt(Math.floor(clock.nowMs())) * 1_000_000n;
  return {
    query,
    limit,
    startNs: readTimeNs(parameters, "start") ?? nowNs - HOUR_NS,
    delayMs: readDelayMs(parameters, limits),
    frames: isLegacy
      ? "legacy"
      : asksToCategorize(request.header(ENCODING_FLAGS_HEADER))
        ? "apart"
        : "together",
  };
}

async function runTail(
  context: TailContext,
  wanted: TailRequest,
  filter: TailFilter,
  socket: HttpWebSocket,
): Promise<void> {
  // Lines that wait for late ones wait in the queue: a second of them is to fit for each second.
  const waitSeconds = 1 + wanted.delayMs / 1000;
  const queue = new TailQueue(Math.ceil(context.limits.tailQueueEntriesMax * waitSeconds));
  const failed = new AbortController();
  const signal = AbortSignal.any([socket.signal, failed.signal]);
  const stop = context.store.tail(createListener(filter, queue, failed));
  try {
    const history = await readHistory(context, wanted, signal);
    if (history.length > 0) await sendFrames(socket, history, [], wanted.frames);
    let sent: ReadonlySet<string> | undefined = new Set(history.map(identify));
    for (;;) {
      let { rows, dropped } = await queue.take(signal);
      if (sent !== undefined) {
        // Lines that became durable while history was read may be in both.
        const known = sent;
        rows = rows.filter((row) => !known.has(identify(row)));
        sent = undefined;
      }
      if (wanted.delayMs > 0) {
        // What comes in during the delay belongs to it: that is how late lines find their place.
        await context.clock.sleep(wanted.delayMs, signal);
        const later = queue.takeNow();
        dropped = [...dropped, ...later.dropped];
        rows = [...rows, ...later.rows].toSorted((a, b) =>
          compareBigints(a.timestampNs, b.timestampNs),
        );
      }
      if (rows.length > 0 || dropped.length > 0) {
        await sendFrames(socket, rows, dropped, wanted.frames);
      }
      await context.clock.sleep(GATHER_MS, signal);
    }
  } catch (error) {
    if (socket.signal.aborted) return;
    throw error;
  } finally {
    stop();
  }
}

/**
 * Called inside the store's append: takes what matches and passes the pipeline, and never throws. `start` bounds the history only: a line that
 * arrives late is news all the same.
 */
function createListener(
  filter: TailFilter,
  queue: TailQueue,
  failed: AbortController,
): (labels: Labels, entries: LogColumns) => void {
  return (labels, entries) => {
    try {
      queue.push(filter(labels, entries));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      failed.abort(new FinchError("internal", "server/tail-failed", message, { cause: error }));
    }
  };
}

/** The newest lines from `start` to now, oldest first. */
async function readHistory(
  context: TailContext,
  wanted: TailRequest,
  signal: AbortSignal,
): Promise<readonly TailEntry[]> {
  const { engine, source, gate, clock, limits } = context;
  const endNs = BigInt(Math.floor(clock.nowMs()) + limits.futureMsMax) * 1_000_000n;
  if (endNs <= wanted.startNs) return [];
  using _place = await gate.enter(signal);
  const answer = await engine.rangeQuery({
    source,
    query: wanted.query,
    startNs: wanted.startNs,
    endNs,
    stepNs: 1_000_000_000n,
    limit: wanted.limit,
    direction: "backward",
    signal,
  });
  if (answer.type !== "streams") return [];
  return rowsOf(answer).toSorted((a, b) => compareBigints(a.timestampNs, b.timestampNs));
}

async function sendFrames(
  socket: HttpWebSocket,
  rows: readonly TailEntry[],
  dropped: readonly DroppedEntry[],
  frames: TailFrames,
): Promise<void> {
  let at = 0;
  do {
    const to = endOfFrame(rows, at);
    const some = rows.slice(at, to);
    const streams =
      frames === "legacy" ? writeLegacyStreams(some) : writeTailStreams(some, frames === "apart");
    let frame = `{"streams":${streams}`;
    if (frames === "apart") frame += `,"encodingFlags":["${CATEGORIZE_FLAG}"]`;
    if (at === 0 && dropped.length > 0) {
      const told = dropped.map(({ labels, timestampNs }) => ({
        labels,
        timestamp: frames === "legacy" ? formatRfc3339(timestampNs) : String(timestampNs),
      }));
      frame += `,"dropped_entries":${JSON.stringify(told)}`;
    }
    // Resolves when the kernel has the frame: a slow client holds the loop here, and the queue fills up behind it.
    await socket.send(`${frame}}`);
    at = to;
  } while (at < rows.length);
}

function endOfFrame(rows: readonly TailEntry[], from: number): number {
  let to = from;
  let characters = 0;
  while (to < rows.length && to - from < FRAME_ROWS_MAX && characters < FRAME_CHARACTERS_MIN)
    characters += rows[to++]!.line.length;
  return to;
}

function identify(row: TailEntry): string {
  return `${row.stream.key}\n${row.timestampNs}\n${row.line}`;
}

function compareBigints(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
