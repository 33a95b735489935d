/**
 * Keeps what passes through an agent from pages of others: one that points its own name to 127.0.0.1 would be let in by the browser as this very
 * page, and shows in `Host`. Requests from other machines come under whatever name those know.
 */
import { isIP } from "node:net";
import { hostname } from "node:os";
import { FinchError } from "@finch/runtime";
import type { HttpRequest } from "@finch/runtime/http";

/** Throws when a request from this machine calls it by a name it has not. */
export function refuseForeignHost(request: Pick<HttpRequest, "peer" | "header">): void {
  const isLocal = /^(?:::1$|(?:::ffff:)?127\.)/.test(request.peer);
  const host = request.header("host");
  if (!isLocal || host === "") return;
  const name = (URL.parse(`http://${host}`)?.hostname ?? host).replace(/^\[|\]$/g, "");
  const isOwn =
    isIP(name) !== 0 ||
    name === "localhost" ||
    name.endsWith(".localhost") ||
    name === hostname().toLowerCase();
  if (isOwn) return;
  throw new FinchError(
    "invalid",
    "agent/foreign-host",
    `what passes is not shown under the name ${JSON.stringify(name)}; use localhost or an IP address`,
  );
}
