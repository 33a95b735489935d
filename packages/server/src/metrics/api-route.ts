/** What the routes of Prometheus' HTTP API have in common: the shape of their faults, the envelope of their answers, what they work with. */
import type { MetricMetadata } from "@finch/model";
import type { Clock } from "@finch/runtime";
import { jsonReply } from "@finch/runtime/http";
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";
import type { MetricStore } from "@finch/store";
import type { QueryGate } from "../query-gate.ts";
import type { MetricsLimits } from "./limits.ts";

/** What reading handlers share. */
export interface ReadContext {
  readonly store: MetricStore;
  /** Newest metadata by family, of those whose series may be read. */
  readonly metadata: () => Promise<ReadonlyMap<string, MetricMetadata>>;
  readonly gate: QueryGate;
  readonly limits: MetricsLimits;
  readonly clock: Clock;
}

export const GET: readonly HttpMethod[] = ["GET"];
/** Most queries may be sent as a form, too: long selectors do not fit into a URL. */
export const GET_OR_POST: readonly HttpMethod[] = ["GET", "POST"];

/** A route whose faults are told in Prometheus' envelope. */
export function apiRoute(
  methods: readonly HttpMethod[],
  path: string,
  handle: (request: HttpRequest) => Promise<HttpReply>,
): HttpRoute {
  return { kind: "http", methods, path, faults: "prometheus", handle };
}

/** `{"status":"success","data":…}`, with warnings when there are any. */
export function dataReply(data: unknown, warnings: readonly string[] = []): HttpReply {
  return jsonReply(200, {
    status: "success",
    data,
    ...(warnings.length > 0 ? { warnings } : {}),
  });
}
