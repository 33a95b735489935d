/**
 * Remote write: `/api/v1/write` answers as Prometheus does, `/api/v1/push` as Mimir. What can be stored is stored before anything is refused,
 * and only what no retry can mend is answered with 400. A new series beyond the limit is a 400 too, as with Mimir: a sender that tried again
 * until there is room would hold back all the series that there is room for.
 */
import { FinchError, freeBytes } from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { faultReply } from "@finch/runtime/http";
import type { HttpFaultWriter, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import {
  decodeRemoteWrite,
  decodeRemoteWrite2,
  DEFAULT_REMOTE_WRITE_LIMITS,
  negotiateRemoteWrite,
  remoteWriteVersionOf,
} from "@finch/wire";
import type { RemoteWriteLimits } from "@finch/wire";
import type { MetricsLimits } from "./limits.ts";
import { ScratchPool } from "./scratch-pool.ts";
import { NOTHING_WRITTEN } from "./write-ingest.ts";
import type { MetricIngest, Written } from "./write-ingest.ts";

export interface RemoteWriteContext {
  readonly ingest: MetricIngest;
  readonly limits: MetricsLimits;
  readonly log: Logger;
}

interface Dialect {
  readonly path: string;
  readonly successStatus: 200 | 204;
  /** Whether a series of 1.0 left out for its labels makes the answer a 400. Prometheus skips it and says nothing. */
  readonly refusesBadSeries: boolean;
}

const DIALECTS: readonly Dialect[] = [
  { path: "/api/v1/write", successStatus: 204, refusesBadSeries: false },
  { path: "/api/v1/push", successStatus: 200, refusesBadSeries: true },
];

export function createRemoteWriteRoutes(context: RemoteWriteContext): readonly HttpRoute[] {
  const pool = new ScratchPool();
  const limits = remoteWriteLimits(context.limits);
  const write = async (dialect: Dialect, request: HttpRequest): Promise<HttpReply> => {
    const version = negotiateRemoteWrite(
      request.header("content-type") || undefined,
      request.header("content-encoding") || undefined,
    );
    const body = await request.readBody(limits.bodyBytesMax);
    using scratch = pool.take();
    const options = { limits, scratch: scratch.bytes, reader: scratch.reader };
    // What is decoded lives in the scratch memory, and not in the body.
    if (version === "1.0") {
      const decoded = decodeRemoteWrite(body, options);
      freeBytes(body);
      return await write1(context, dialect, decoded);
    }
    const decoded = decodeRemoteWrite2(body, options);
    freeBytes(body);
    return await write2(context, dialect, decoded);
  };
  return DIALECTS.map((dialect): HttpRoute => ({
    kind: "http",
    methods: ["POST"],
    path: dialect.path,
    faults: tellFault,
    handle: (request) => write(dialect, request),
  }));
}

/** Limits of the decoders. */
function remoteWriteLimits(limits: MetricsLimits): RemoteWriteLimits {
  return {
    ...DEFAULT_REMOTE_WRITE_LIMITS,
    bodyBytesMax: limits.writeBytesMax,
    decodedBytesMax: limits.writeDecodedBytesMax,
    ...limits.labels,
  };
}

async function write1(
  { ingest, log }: RemoteWriteContext,
  dialect: Dialect,
  decoded: ReturnType<typeof decodeRemoteWrite>,
): Promise<HttpReply> {
  const { told } = await ingest.ingest(decoded.batch);
  const { skippedSeries, skippedSamples, droppedExemplars } = decoded;
  ingest.countLeftOut({
    series: skippedSeries,
    samples: skippedSamples + decoded.badHistograms,
    exemplars: droppedExemplars,
  });
  if (skippedSeries > 0 && !dialect.refusesBadSeries) {
    log.warn("series skipped", {
      series: skippedSeries,
      samples: skippedSamples,
      first: decoded.faults[0],
    });
  }
  // What is over a limit of ours is told in any dialect: it was not the sender's mistake.
  const lines = [...told, ...(dialect.refusesBadSeries ? decoded.faults : decoded.limitFaults)];
  lines.push(...decoded.histogramFaults);
  if (lines.length > 0) throw new FinchError("invalid", "server/write-refused", lines.join("\n"));
  return { status: dialect.successStatus };
}

/** A partial write: the answer counts what is stored, also when it is a 400 for the rest. */
async function write2(
  { ingest }: RemoteWriteContext,
  dialect: Dialect,
  decoded: ReturnType<typeof decodeRemoteWrite2>,
): Promise<HttpReply> {
  const { written, told, toldExemplars } = await ingest.ingest(decoded.batch);
  ingest.countLeftOut({
    series: decoded.skippedSeries,
    samples: decoded.skippedSamples + decoded.skippedHistograms,
    exemplars: decoded.droppedExemplars,
  });
  const headers = writtenHeaders(written);
  const lines = [...decoded.faults];
  if (decoded.faultCount > lines.length)
    lines.push(`and ${decoded.faultCount - lines.length} more`);
  lines.push(...told, ...toldExemplars);
  if (lines.length === 0) return { status: dialect.successStatus, headers };
  return {
    status: 400,
    headers: {
      ...headers,
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
    },
    body: `${lines.join("\n")}\n`,
  };
}

/** Which 2.0 asks for on every answer, and 1.0 must not have. */
function writtenHeaders({ samples, histograms, exemplars }: Written): Record<string, string> {
  return {
    "x-prometheus-remote-write-samples-written": String(samples),
    "x-prometheus-remote-write-histograms-written": String(histograms),
    "x-prometheus-remote-write-exemplars-written": String(exemplars),
  };
}

/** Nothing is stored when a fault is thrown, which 2.0 asks to be told. */
function tellFault(
  fault: FinchError,
  request: Parameters<HttpFaultWriter>[1],
): ReturnType<HttpFaultWriter> {
  const reply = faultReply(fault, "text");
  if (!isVersion2(request.headers["content-type"])) return reply;
  return { ...reply, headers: { ...reply.headers, ...writtenHeaders(NOTHING_WRITTEN) } };
}

function isVersion2(contentType: string | undefined): boolean {
  try {
    return remoteWriteVersionOf(contentType) === "2.0";
  } catch {
    return false;
  }
}
