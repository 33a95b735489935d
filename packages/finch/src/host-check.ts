/**
 * Protects a loopback listener from other web pages: a page that rebinds its DNS name to 127.0.0.1 shows in `Host`, one that posts from
 * elsewhere shows in `Origin`. Programs that send neither header wrong (curl, agents, Grafana) pass.
 */
import { isIP } from "node:net";
import type { IncomingMessage } from "node:http";
import { FinchError } from "@finch/runtime";

/** Refuses requests whose Host is a foreign name, and changes or WebSockets whose Origin is not this very listener. */
export function createHostCheck(options: {
  /** Names besides IP addresses and localhost under which this machine is reached; undefined takes any, for listeners other hosts name as they like. */
  readonly names: readonly string[] | undefined;
}): (message: IncomingMessage) => undefined {
  const names =
    options.names === undefined
      ? undefined
      : new Set(["localhost", ...options.names.map((name) => name.toLowerCase())]);
  return (message) => {
    const host = message.headers.host ?? "";
    if (names !== undefined) refuseForeignHost(host, names);
    const { origin } = message.headers;
    const changes = message.method !== "GET" && message.method !== "HEAD";
    const isUpgrade = message.headers.upgrade !== undefined;
    if (origin === undefined || (!changes && !isUpgrade)) return;
    if (!isSameOrigin(origin, host)) {
      throw new FinchError(
        "invalid",
        "finch/foreign-origin",
        `a page of ${JSON.stringify(origin)} may not change anything here`,
      );
    }
  };
}

function refuseForeignHost(host: string, names: ReadonlySet<string>): void {
  const name = hostnameOf(host);
  if (name === undefined || names.has(name) || name.endsWith(".localhost") || isIP(name) !== 0)
    return;
  throw new FinchError(
    "invalid",
    "finch/foreign-host",
    `this Finch is not reached as ${JSON.stringify(name)}; use its IP address or host name`,
  );
}

function hostnameOf(host: string): string | undefined {
  if (host === "") return undefined;
  try {
    return new URL(`http://${host}`).hostname.replace(/^\[|\]$/g, "");
  } catch {
    return host.toLowerCase();
  }
}

function isSameOrigin(origin: string, host: string): boolean {
  try {
    return new URL(origin).host === new URL(`http://${host}`).host;
  } catch {
    return false;
  }
}
