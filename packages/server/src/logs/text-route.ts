/** What the reading routes of Loki's HTTP API have in common: asked with GET or a form, faults in plain text. */
import type { HttpMethod, HttpReply, HttpRequest, HttpRoute } from "@finch/runtime/http";

const GET_OR_POST: readonly HttpMethod[] = ["GET", "POST"];

export function textRoute(
  path: string,
  handle: (request: HttpRequest) => Promise<HttpReply>,
  methods = GET_OR_POST,
): HttpRoute {
  return { kind: "http", methods, path, faults: "text", handle };
}
