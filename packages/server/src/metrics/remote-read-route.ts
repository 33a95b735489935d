/**
 * Remote read: raw samples for another Prometheus to evaluate over, as one message or as a stream of chunks. Clients merge the streams of several
 * servers series by series, so series come sorted: chunks of a query are held until its last series is read, compressed, up to a limit.
 * Finch has no external labels of its own (agents put theirs on every series), so nothing is added to labels or taken from matchers.
 */
import { compareLabels } from "@finch/model";
import type { Labels } from "@finch/model";
import { FinchError } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import {
  decodeReadRequest,
  encodeReadFrames,
  negotiateReadResponse,
  READ_CONTENT_TYPES,
  ReadResponseWriter,
} from "@finch/wire";
import type { ReadQuery } from "@finch/wire";
import { withTimeout } from "../query-gate.ts";
import type { QueryGate, QueryGateLimits } from "../query-gate.ts";
import type { ReadContext } from "./api-route.ts";

/** Of a request, once decompressed: selectors are short. */
const REQUEST_BYTES_MAX = 1 << 20;
const QUERIES_MAX = 100;
/** Samples of an answer in one message, some 16 bytes each before compression, which holds up everything else. */
const SAMPLES_MAX = 2_000_000;
/** Chunks held for one query of a stream; some 30 million samples. */
const HELD_BYTES_MAX = 64 << 20;
/** Chunks of one frame, as in Prometheus. */
const FRAME_BYTES_MAX = 1 << 20;
/** Requests at once: each may hold {@link HELD_BYTES_MAX}, and a slow client holds it long. */
export const REMOTE_READ_GATE_LIMITS: QueryGateLimits = { runningMax: 2, waitingMax: 32 };

type RemoteReadContext = Pick<ReadContext, "store" | "gate" | "limits">;

export function remoteReadRoute(context: RemoteReadContext): HttpRoute {
  return {
    kind: "http",
    methods: ["POST"],
    path: "/api/v1/read",
    faults: "text",
    handle: (request) => answerRead(context, request),
  };
}

async function answerRead(
  { store, limits, gate }: RemoteReadContext,
  request: HttpRequest,
): Promise<HttpReply> {
  const body = await request.readBody(REQUEST_BYTES_MAX);
  const limit = { decodedBytesMax: REQUEST_BYTES_MAX, queriesMax: QUERIES_MAX };
  const decoded = decodeReadRequest(body, limit);
  const type = negotiateReadResponse(decoded);
  const headers = { "content-type": READ_CONTENT_TYPES[type] };
  const { queries } = decoded;
  if (type === "samples") {
    using limited = withTimeout(request.signal, limits.queryTimeoutMs, "remote read timed out");
    using _place = await gate.enter(limited.signal);
    const answer = await readSamples(store, queries, limited.signal);
    return { status: 200, headers: { ...headers, "content-encoding": "snappy" }, body: answer };
  }
  const frames = streamFrames({ store, gate, timeoutMs: limits.queryTimeoutMs }, queries, request);
  // What is wrong with the first query is told as a fault; what comes later breaks the stream.
  const first = await frames.next();
  return { status: 200, headers, body: startingWith(first, frames), compress: false };
}

async function readSamples(
  store: MetricStore,
  queries: readonly ReadQuery[],
  signal: AbortSignal,
): Promise<Uint8Array> {
  const writer = new ReadResponseWriter();
  let samples = 0;
  for (const query of queries) {
    writer.beginQuery();
    for await (const batch of store.select({ ...query, signal })) {
      for (const series of batch) {
        samples += series.timestampsMs.length;
        if (samples > SAMPLES_MAX) {
          throw new FinchError(
            "invalid",
            "server/read-too-large",
            `exceeded sample limit (${SAMPLES_MAX}); select less, or accept STREAMED_XOR_CHUNKS`,
          );
        }
        writer.addSeries(series);
      }
    }
  }
  return writer.finish();
}

async function* streamFrames(
  parts: { readonly store: MetricStore; readonly gate: QueryGate; readonly timeoutMs: number },
  queries: readonly ReadQuery[],
  request: HttpRequest,
): AsyncGenerator<Uint8Array> {
  using _place = await parts.gate.enter(request.signal);
  for (const [queryIndex, query] of queries.entries()) {
    // Reading has a time limit; sending takes as long as the client does.
    using limited = withTimeout(request.signal, parts.timeoutMs, "remote read timed out");
    const held = await holdFrames(parts.store, { query, queryIndex }, limited.signal);
    limited[Symbol.dispose]();
    for (const { frames } of held) yield* frames;
  }
}

interface HeldSeries {
  readonly labels: Labels;
  readonly frames: readonly Uint8Array[];
}

/** The frames of a query, by labels. */
async function holdFrames(
  store: MetricStore,
  { query, queryIndex }: { readonly query: ReadQuery; readonly queryIndex: number },
  signal: AbortSignal,
): Promise<readonly HeldSeries[]> {
  const held: HeldSeries[] = [];
  let bytes = 0;
  for await (const batch of store.select({ ...query, signal })) {
    for (const series of batch) {
      const frames = [...encodeReadFrames(series, { queryIndex, frameBytesMax: FRAME_BYTES_MAX })];
      for (const frame of frames) bytes += frame.length;
      if (bytes > HELD_BYTES_MAX) {
        throw new FinchError(
          "invalid",
          "server/read-too-large",
          `the chunks of query ${queryIndex} take more than ${HELD_BYTES_MAX} bytes: select fewer series or a shorter time`,
        );
      }
      held.push({ labels: series.labels, frames });
    }
  }
  return held.sort((a, b) => compareLabels(a.labels, b.labels));
}

async function* startingWith<Chunk>(
  first: IteratorResult<Chunk, void>,
  rest: AsyncGenerator<Chunk, void>,
): AsyncGenerator<Chunk> {
  try {
    if (first.done === true) return;
    yield first.value;
    yield* rest;
  } finally {
    await rest.return();
  }
}
