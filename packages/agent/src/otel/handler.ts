/**
 * The `handler` that `otelcol.auth.*` and `otelcol.storage.*` export: how a client shows who it is, how a server asks for it, or where a queue stands.
 * A handler stays the same object while its component lives; it reads the component's arguments when it is asked.
 */
import { FinchError } from "@finch/runtime";
import type { ClientInfo } from "./telemetry-batch.ts";

export type RequestHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

export interface OtelHandler {
  readonly kind: "otel-handler";
  readonly owner: string;
  /** What a client changes in the headers of a request about telemetry of `client`; names in lower case. Missing: it is nothing for clients. */
  readonly dress?: (headers: Record<string, string>, client: ClientInfo) => Promise<void>;
  /** Throws a FinchError `unauthenticated` when the headers of a request do not show that it may. Missing: it is nothing for servers. */
  readonly admit?: (headers: RequestHeaders) => void;
  /** Directory in which queues are kept. Missing: it is no storage. */
  readonly directory?: () => string;
}

/** The first value of a header. */
export function headerOf(headers: RequestHeaders, name: string): string {
  return [headers[name.toLowerCase()]].flat()[0] ?? "";
}

export function unauthenticated(message: string): FinchError {
  return new FinchError("unauthenticated", "agent/otel-unauthenticated", message);
}

/** What stands in the place of a handler of another purpose. */
export function wrongHandler(handler: OtelHandler, wanted: string): FinchError {
  return new FinchError(
    "invalid",
    "agent/otel-handler",
    `${handler.owner} cannot be used ${wanted}`,
  );
}
