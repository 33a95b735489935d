/** Influx line protocol, on the paths of Mimir (`/api/v1/push/influx/write`) and of InfluxDB 1 (`/write`) and 2 (`/api/v2/write`). */
import { FinchError } from "@finch/runtime";
import type { Clock } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { decodeInfluxLines, DEFAULT_REMOTE_WRITE_LIMITS } from "@finch/wire";
import type { MetricsLimits } from "./limits.ts";
import { readEncodedBody } from "../encoded-body.ts";
import type { MetricIngest } from "./write-ingest.ts";

export interface TextWriteContext {
  readonly ingest: MetricIngest;
  readonly clock: Clock;
  readonly limits: MetricsLimits;
}

const PATHS = ["/api/v1/push/influx/write", "/api/v2/write", "/write"] as const;

export function createInfluxRoutes(context: TextWriteContext): readonly HttpRoute[] {
  return PATHS.map((path): HttpRoute => ({
    kind: "http",
    methods: ["POST"],
    path,
    faults: "json",
    handle: (request) => write(context, request),
  }));
}

async function write(context: TextWriteContext, request: HttpRequest): Promise<HttpReply> {
  const { ingest, clock, limits } = context;
  const body = await readEncodedBody(request, limits);
  const decoded = decodeInfluxLines(body, {
    precision: request.query.get("precision") ?? "",
    nowMs: clock.nowMs(),
    limits: { ...DEFAULT_REMOTE_WRITE_LIMITS, ...limits.labels },
  });
  const { told } = await ingest.ingest(decoded.batch);
  ingest.countLeftOut({
    series: decoded.skippedSeries,
    samples: decoded.skippedSeries + decoded.textFields,
    exemplars: 0,
  });
  const lines = [...decoded.faults, ...told];
  // InfluxDB, too, keeps what it can and answers 400 for the rest.
  if (lines.length > 0)
    throw new FinchError("invalid", "server/write-refused", `partial write: ${lines.join("\n")}`);
  return { status: 204 };
}
