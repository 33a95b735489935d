/**
 * Remote write: `/api/v1/write` answers as Prometheus does, `/api/v1/push` as Mimir. What can be stored is stored before anything is refused,
 * and only what no retry can mend is answered with 400. A new series beyond the limit is a 400 too, as with Mimir: a sender that tried again
 * until there is room would hold back all the series that there is room for.
 */
import { FinchError } from "@finch/runtime";
import type { Logger, MetricFamily } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { AppendResult, MetricStore, Rejection } from "@finch/store";
import { decodeRemoteWrite, DEFAULT_REMOTE_WRITE_LIMITS, negotiateRemoteWrite } from "@finch/wire";
import type { RemoteWriteResult } from "@finch/wire";
import type { MetricsLimits } from "./limits.ts";
import { ScratchPool } from "./scratch-pool.ts";

export interface WriteContext {
  readonly store: MetricStore;
  readonly limits: MetricsLimits;
  readonly log: Logger;
}

const REASONS: Readonly<Record<Rejection["reason"], string>> = {
  "out-of-order": "out of order sample",
  "too-old": "too old sample",
  "too-far-in-future": "out of bounds: timestamp too far in the future",
  "duplicate-timestamp": "duplicate sample for timestamp, with another value",
  "too-many-series":
    "too many series at once; drop labels with many values (what was stored before goes on)",
};

const TOLD_LABELS_LENGTH_MAX = 1000;

interface Dialect {
  readonly path: string;
  readonly successStatus: 200 | 204;
  /** Whether a series left out for its labels makes the answer a 400. Prometheus skips it and says nothing. */
  readonly refusesBadSeries: boolean;
}

const DIALECTS: readonly Dialect[] = [
  { path: "/api/v1/write", successStatus: 204, refusesBadSeries: false },
  { path: "/api/v1/push", successStatus: 200, refusesBadSeries: true },
];

/** The routes, and what they counted. */
export function createWriteRoutes(context: WriteContext): {
  readonly routes: readonly HttpRoute[];
  readonly families: () => readonly MetricFamily[];
} {
  const counters = { received: 0, rejected: 0, skippedSeries: 0, histograms: 0, exemplars: 0 };
  const pool = new ScratchPool();
  const limits = {
    ...DEFAULT_REMOTE_WRITE_LIMITS,
    bodyBytesMax: context.limits.writeBytesMax,
    decodedBytesMax: context.limits.writeDecodedBytesMax,
  };
  const write = async (dialect: Dialect, request: HttpRequest): Promise<HttpReply> => {
    negotiateRemoteWrite(
      request.header("content-type") || undefined,
      request.header("content-encoding") || undefined,
    );
    const body = await request.readBody(limits.bodyBytesMax);
    using scratch = pool.take();
    const decoded = decodeRemoteWrite(body, { limits, scratch: scratch.bytes });
    const { batch } = decoded;
    const appended = await context.store.append(batch);
    counters.received += batch.timestampsMs.length;
    counters.rejected += appended.rejections.length;
    counters.skippedSeries += decoded.skippedSeries;
    counters.histograms += decoded.unsupportedHistograms;
    counters.exemplars += decoded.droppedExemplars;
    if (decoded.skippedSeries > 0 && !dialect.refusesBadSeries) {
      context.log.warn("series skipped", {
        series: decoded.skippedSeries,
        samples: decoded.skippedSamples,
        first: decoded.faults[0],
      });
    }
    const refusal = describeRefusal(decoded, appended, dialect, context.limits.rejectionsToldMax);
    if (refusal !== undefined) throw new FinchError("invalid", "server/write-refused", refusal);
    return { status: dialect.successStatus };
  };
  const routes = DIALECTS.map((dialect): HttpRoute => ({
    kind: "http",
    methods: ["POST"],
    path: dialect.path,
    faults: "text",
    handle: (request) => write(dialect, request),
  }));
  return { routes, families: () => familiesOf(counters) };
}

/** What was left out, in words; undefined when nothing was that the sender should know of. */
function describeRefusal(
  decoded: RemoteWriteResult,
  appended: AppendResult,
  dialect: Dialect,
  toldMax: number,
): string | undefined {
  const lines: string[] = [];
  for (const { index, reason, timestampMs } of appended.rejections.slice(0, toldMax)) {
    const labels = clipText(decoded.batch.labelsOf(index).toString());
    lines.push(`${REASONS[reason]}: series ${labels}, timestamp ${timestampMs}`);
  }
  const untold = appended.rejections.length - lines.length;
  if (untold > 0) lines.push(`and ${untold} more samples`);
  if (dialect.refusesBadSeries) lines.push(...decoded.faults);
  if (decoded.unsupportedHistograms > 0) {
    lines.push(
      `not supported yet: native histograms (${decoded.unsupportedHistograms} left out, all else is stored)`,
    );
  }
  return lines.length === 0 ? undefined : lines.join("\n");
}

/** Labels may take a megabyte; an answer names the series, it does not send it back. */
function clipText(text: string): string {
  return text.length <= TOLD_LABELS_LENGTH_MAX ? text : `${text.slice(0, TOLD_LABELS_LENGTH_MAX)}…`;
}

function familiesOf(counters: {
  readonly received: number;
  readonly rejected: number;
  readonly skippedSeries: number;
  readonly histograms: number;
  readonly exemplars: number;
}): readonly MetricFamily[] {
  const counter = (name: string, help: string, value: number): MetricFamily => ({
    name: `finch_metrics_${name}_total`,
    type: "counter",
    help,
    samples: [{ labels: {}, value }],
  });
  return [
    counter("samples_received", "Samples decoded from write requests.", counters.received),
    counter("samples_rejected", "Samples refused by time or order.", counters.rejected),
    counter(
      "series_skipped",
      "Series left out of write requests for their labels.",
      counters.skippedSeries,
    ),
    counter(
      "histograms_unsupported",
      "Native histograms left out of write requests.",
      counters.histograms,
    ),
    counter("exemplars_dropped", "Exemplars left out of write requests.", counters.exemplars),
  ];
}
