/**
 * Loki's push: decodes and stores. Entries that are too old, too new or break a limit are refused one by one after the rest is durable; the answer is
 * then a 400 that names them, which senders take as final.
 */
import { FinchError, freeBytes } from "@finch/runtime";
import type { HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import { decodeLokiPush } from "@finch/wire";
import { pushLimitsOf } from "./ingest.ts";
import type { LogIngest } from "./ingest.ts";
import type { LogsLimits } from "./limits.ts";

/** The last is what arrives from clients that take the gateway's address for Loki's. */
const PUSH_PATHS = ["/loki/api/v1/push", "/api/prom/push", "/api/v1/push"] as const;

export function pushRoutes(ingest: LogIngest, logsLimits: LogsLimits): readonly HttpRoute[] {
  const limits = pushLimitsOf(logsLimits);
  const handle = async (request: HttpRequest): Promise<HttpReply> => {
    const body = await request.readBody(limits.bodyBytesMax);
    const decoded = decodeLokiPush({
      body,
      contentType: request.header("content-type") || undefined,
      contentEncoding: request.header("content-encoding") || undefined,
      limits,
    });
    freeBytes(body);
    ingest.countRefused(decoded.rejectedEntries);
    const refusals = await ingest.take(decoded.batch);
    decoded.free();
    const told = [...decoded.faults, ...refusals.told()];
    if (told.length === 0) return { status: 204 };
    throw new FinchError("invalid", "server/push-refused", told.join("\n"));
  };
  return PUSH_PATHS.map((path) => ({
    kind: "http",
    methods: ["POST"],
    path,
    faults: "text",
    handle,
  }));
}
