/**
 * Through which proxy a request goes, by the rules of Go's `golang.org/x/net/http/httpproxy`, and the tunnel that a proxy opens to where TLS
 * is spoken (RFC 9110, 9.3.6).
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import type { Agent as HttpsAgent, AgentOptions } from "node:https";
import type { BlockList } from "node:net";
import type { Duplex } from "node:stream";
import type { ConnectionOptions } from "node:tls";
import { FinchError } from "@finch/runtime";
import { loadHttps, request as httpRequest } from "@finch/runtime/http";
import type { Secret } from "./schema.ts";

export interface ProxyOptions {
  /** Proxy of http: URLs; undefined: none. */
  readonly http: string | undefined;
  /** Proxy of https: URLs; undefined: none. */
  readonly https: string | undefined;
  /** `NO_PROXY`, which spares this machine too, even when empty; undefined: everything goes through the proxy. */
  readonly except: string | undefined;
  /** Sent to the proxy when it is asked for a tunnel. */
  readonly connectHeaders: readonly { readonly name: string; readonly value: Secret }[];
}

/** A proxy that is silent for so long opens no tunnel any more. */
const CONNECT_TIMEOUT_MS = 30_000;

/** The proxy that a request to `url` goes through; undefined: none. */
export function proxyFor(url: URL, options: ProxyOptions): URL | undefined {
  const isSecure = url.protocol === "https:";
  const proxy = isSecure ? options.https : options.http;
  if (proxy === undefined) return undefined;
  const port = url.port === "" ? (isSecure ? "443" : "80") : url.port;
  const { except } = options;
  return except !== undefined && isSpared(url.hostname, port, except) ? undefined : new URL(proxy);
}

/**
 * Whether `NO_PROXY` spares a host: `*`, a domain (with what is below it; with a leading dot only that), an address or a CIDR range, each but
 * the range with or without a port; and this machine always.
 */
function isSpared(hostname: string, port: string, except: string): boolean {
  const host = unbracketed(hostname).toLowerCase().replace(/\.$/, "");
  const { isIP } = loadNet();
  const version = isIP(host);
  if (
    host === "localhost" ||
    (version > 0 && isInRange(host, version === 4 ? "127.0.0.0/8" : "::1/128"))
  )
    return true;
  return except
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => {
      if (entry === "*") return true;
      if (entry.includes("/")) return version > 0 && isInRange(host, entry);
      const { name, port: only } = splitPort(entry);
      if (name === "" || (only !== undefined && only !== port)) return false;
      if (version > 0 || isIP(name) > 0) return name === host;
      const domain = name.replace(/^\*(?=\.)/, "");
      return domain.startsWith(".")
        ? host.endsWith(domain)
        : host === domain || host.endsWith(`.${domain}`);
    });
}

/** `name`, `name:port`, `address`, `address:port`, `[address]:port`. */
function splitPort(entry: string): { readonly name: string; readonly port: string | undefined } {
  const match = /^(\[[^\]]*\]|[^:]*):(\d+)$/.exec(entry);
  return { name: unbracketed(match?.[1] ?? entry), port: match?.[2] };
}

function unbracketed(host: string): string {
  return host.replace(/^\[(.*)\]$/, "$1");
}

function isInRange(address: string, range: string): boolean {
  const { isIP } = loadNet();
  const [network = "", bits = ""] = range.split("/");
  const version = isIP(network);
  if (version === 0 || version !== isIP(address) || !/^\d+$/.test(bits)) return false;
  if (Number(bits) > (version === 4 ? 32 : 128)) return false;
  const family = version === 4 ? "ipv4" : "ipv6";
  const list: BlockList = new (loadNet().BlockList)();
  list.addSubnet(network, Number(bits), family);
  return list.check(address, family);
}

/** A pool of TLS connections through tunnels of one proxy. */
export function createTunnelAgent(
  options: AgentOptions,
  proxy: URL,
  headers: ProxyOptions["connectHeaders"],
): HttpsAgent {
  const agent = new (loadHttps().Agent)(options);
  const { connect } = process.getBuiltinModule("node:tls");
  agent.createConnection = (target: ConnectionOptions, callback) => {
    openTunnel(`${target.host}:${target.port}`, proxy, headers, {
      opened: (socket) => callback?.(null, connect({ ...target, socket })),
      failed: (error) => callback?.(error, undefined as never),
    });
    return undefined;
  };
  return agent;
}

interface TunnelOutcome {
  readonly opened: (socket: Duplex) => void;
  /** `unavailable`: the proxy opens no tunnel. */
  readonly failed: (error: FinchError) => void;
}

/** Asks the proxy for a tunnel to `authority` (`host:port`). */
function openTunnel(
  authority: string,
  proxy: URL,
  headers: ProxyOptions["connectHeaders"],
  outcome: TunnelOutcome,
): void {
  const request = askProxy(authority, proxy, headers);
  request.once("connect", (response: IncomingMessage, socket: Duplex, head: Buffer) => {
    if (response.statusCode === 200) {
      if (head.length > 0) socket.unshift(head);
      outcome.opened(socket);
      return;
    }
    socket.destroy();
    refuse(`it answers ${response.statusCode} ${response.statusMessage ?? ""}`.trim());
  });
  request.once("timeout", () =>
    request.destroy(new Error(`it is silent for ${CONNECT_TIMEOUT_MS} ms`)),
  );
  request.once("error", (error) => refuse(error.message));
  request.end();

  function refuse(why: string): void {
    const message = `the proxy ${proxy.host} opens no tunnel to ${authority}: ${why}`;
    outcome.failed(new FinchError("unavailable", "agent/http-tunnel", message));
  }
}

function askProxy(
  authority: string,
  proxy: URL,
  headers: ProxyOptions["connectHeaders"],
): ClientRequest {
  const sent: Record<string, string[]> = {};
  for (const { name, value } of headers) (sent[name.toLowerCase()] ??= []).push(value.reveal());
  if (proxy.username !== "") {
    const user = decodeURIComponent(`${proxy.username}:${proxy.password}`);
    sent["proxy-authorization"] = [`Basic ${Buffer.from(user).toString("base64")}`];
  }
  const request = proxy.protocol === "https:" ? loadHttps().request : httpRequest;
  return request({
    host: unbracketed(proxy.hostname),
    port: proxy.port === "" ? (proxy.protocol === "https:" ? 443 : 80) : Number(proxy.port),
    method: "CONNECT",
    path: authority,
    headers: { ...sent, host: authority },
    agent: false,
    timeout: CONNECT_TIMEOUT_MS,
  });
}

function loadNet() {
  return process.getBuiltinModule("node:net");
}
