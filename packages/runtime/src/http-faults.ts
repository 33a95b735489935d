/** The one place where a fault becomes an HTTP status and a body, in the error shape of the protocol spoken. */
import { describeError, FinchError } from "./errors.ts";
import type { FaultKind } from "./errors.ts";
import type { HttpReply } from "./http-types.ts";

/**
 * `prometheus`: the JSON envelope with `errorType`. `text`: a bare message, as Loki and the write paths answer.
 * `json`: `{"error":message,"code":…}`, the own API of Finch. `connect`: `{"code":…,"message":…}` with the codes and statuses of the Connect protocol.
 */
export type HttpFaultStyle = "prometheus" | "text" | "json" | "connect";

const TEXT_STATUS: Readonly<Record<FaultKind, number>> = {
  invalid: 400,
  unauthenticated: 401,
  forbidden: 403,
  unsupported: 400,
  "not-found": 404,
  conflict: 409,
  "too-large": 413,
  "unsupported-media": 415,
  limited: 429,
  unprocessable: 422,
  unavailable: 503,
  timeout: 504,
  canceled: 499,
  corrupt: 500,
  internal: 500,
};

const PROMETHEUS_TYPE: Readonly<Record<FaultKind, readonly [type: string, status: number]>> = {
  invalid: ["bad_data", 400],
  unauthenticated: ["bad_data", 401],
  forbidden: ["bad_data", 403],
  unsupported: ["bad_data", 400],
  "not-found": ["not_found", 404],
  conflict: ["bad_data", 409],
  "too-large": ["bad_data", 413],
  "unsupported-media": ["bad_data", 415],
  limited: ["too_many_requests", 429],
  unprocessable: ["execution", 422],
  unavailable: ["unavailable", 503],
  timeout: ["timeout", 503],
  canceled: ["canceled", 499],
  corrupt: ["internal", 500],
  internal: ["internal", 500],
};

/** https://connectrpc.com/docs/protocol#error-codes; a media type that is not spoken has a status and no code of its own there. */
const CONNECT_CODE: Readonly<Record<FaultKind, readonly [code: string, status: number]>> = {
  invalid: ["invalid_argument", 400],
  unauthenticated: ["unauthenticated", 401],
  forbidden: ["permission_denied", 403],
  unsupported: ["unimplemented", 501],
  "not-found": ["not_found", 404],
  conflict: ["already_exists", 409],
  "too-large": ["invalid_argument", 400],
  "unsupported-media": ["invalid_argument", 415],
  limited: ["resource_exhausted", 429],
  unprocessable: ["failed_precondition", 400],
  unavailable: ["unavailable", 503],
  timeout: ["deadline_exceeded", 504],
  canceled: ["canceled", 499],
  corrupt: ["data_loss", 500],
  internal: ["internal", 500],
};

/** Whatever was thrown, as a fault: what is not a FinchError is `internal`, an abort is `canceled`. */
export function toFault(thrown: unknown): FinchError {
  if (thrown instanceof FinchError) return thrown;
  if (thrown instanceof Error && thrown.name === "AbortError") {
    return new FinchError("canceled", "runtime/request-canceled", "the request was canceled", {
      cause: thrown,
    });
  }
  return new FinchError("internal", "runtime/internal", describeError(thrown), { cause: thrown });
}

/** The reply that tells `fault` in the given style. */
export function faultReply(fault: FinchError, style: HttpFaultStyle): HttpReply {
  const headers: Record<string, string> = {};
  if (fault.retryAfterSeconds !== undefined) {
    headers["retry-after"] = String(Math.max(1, Math.ceil(fault.retryAfterSeconds)));
  }
  if (style === "text") {
    headers["content-type"] = "text/plain; charset=utf-8";
    headers["x-content-type-options"] = "nosniff";
    return { status: TEXT_STATUS[fault.kind], headers, body: `${fault.message}\n` };
  }
  headers["content-type"] = "application/json";
  if (style === "prometheus") {
    const [errorType, status] = PROMETHEUS_TYPE[fault.kind];
    const body = JSON.stringify({ status: "error", errorType, error: fault.message });
    return { status, headers, body };
  }
  if (style === "connect") {
    const [code, status] = CONNECT_CODE[fault.kind];
    return { status, headers, body: JSON.stringify({ code, message: fault.message }) };
  }
  const body = JSON.stringify({ error: fault.message, code: fault.code });
  return { status: TEXT_STATUS[fault.kind], headers, body };
}
