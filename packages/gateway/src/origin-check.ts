/**
 * Whether a request comes from a page of our own: what a browser sends along with cookies must, when it changes something or opens a WebSocket. By Sec-Fetch-Site where
 * the browser says it, else by Origin. Programs send neither, and no cookies.
 */
import type { IncomingHttpHeaders } from "node:http";

/** What is wrong, or undefined. `authority` is the Host of the request. */
export function foreignOrigin(request: {
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly authority: string;
  readonly isUpgrade: boolean;
}): string | undefined {
  const { method, headers, authority, isUpgrade } = request;
  const changes = !["GET", "HEAD", "OPTIONS"].includes(method);
  if (!changes && !isUpgrade) return undefined;
  const { origin, cookie } = headers;
  const site = headers["sec-fetch-site"];
  if (origin !== undefined && !isOwnOrigin(origin, authority))
    return "a page of another origin may not do this";
  if (site !== undefined && site !== "same-origin" && site !== "none")
    return "a page of another site may not do this";
  if (cookie !== undefined && origin === undefined && site === undefined)
    return "a request with cookies must say from which page it comes (Origin or Sec-Fetch-Site)";
  return undefined;
}

function isOwnOrigin(origin: string, authority: string): boolean {
  try {
    return new URL(origin).origin === new URL(`https://${authority}`).origin;
  } catch {
    return false;
  }
}
