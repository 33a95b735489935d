/**
 * Port 80: tells browsers to come over TLS, and authorities what they ask for. It sends nobody to a place that was not configured or is not in the certificate, and takes
 * nothing but reads: whoever posted here has sent its secrets in clear text already, and must not get used to it.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { bindFault, createServer } from "@finch/runtime/http";
import type { ListenerSetting } from "@finch/runtime/http";
import type { AcmeChallenges } from "./acme-challenges.ts";
import type { GatewayLimits } from "./limits.ts";
import { badTarget, pathOf } from "./request-path.ts";

const CHALLENGE_PREFIX = "/.well-known/acme-challenge/";

export interface RedirectOptions {
  readonly host: string;
  readonly port: number;
  readonly setting: ListenerSetting;
  readonly challenges: AcmeChallenges;
  readonly limits: GatewayLimits;
  /** Port of the entrance, as clients see it. */
  readonly targetPort: () => number;
  /** Whether this is a name of ours. */
  readonly isOwnName: (name: string) => boolean;
}

export interface Redirect {
  readonly port: number;
  isServing(): boolean;
  close(): Promise<void>;
}

export async function openRedirect(options: RedirectOptions): Promise<Redirect> {
  const { limits } = options;
  const server = createServer(
    {
      maxHeaderSize: limits.headerBytesMax,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.headersTimeoutMs,
      connectionsCheckingInterval: Math.min(5_000, limits.headersTimeoutMs),
      keepAliveTimeout: 5_000,
    },
    (message, response) => answer(message, response, options),
  );
  server.maxConnections = REDIRECT_SOCKETS_MAX;
  server.maxHeadersCount = limits.headersMax;
  server.timeout = limits.keepAliveTimeoutMs;
  server.on("upgrade", (_message, socket) => socket.destroy());
  await listen(server, options);
  return {
    port: (server.address() as AddressInfo).port,
    isServing: () => server.listening,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Nothing here takes long. */
const REDIRECT_SOCKETS_MAX = 1024;

function answer(
  message: IncomingMessage,
  response: ServerResponse,
  options: RedirectOptions,
): void {
  const target = message.url ?? "";
  const tell = (status: number, text: string) => {
    response.writeHead(status, {
      "content-type": "text/plain; charset=utf-8",
      "x-content-type-options": "nosniff",
      ...(!message.complete && { connection: "close" }),
    });
    response.end(message.method === "HEAD" ? undefined : `${text}\n`);
  };
  const fault = badTarget(target);
  if (fault !== undefined) {
    tell(400, fault);
    return;
  }
  const isRead = message.method === "GET" || message.method === "HEAD";
  const path = pathOf(target);
  if (isRead && path.startsWith(CHALLENGE_PREFIX)) {
    const text = options.challenges.textOf(path.slice(CHALLENGE_PREFIX.length));
    if (text === undefined) tell(404, "nobody asked for this");
    else response.writeHead(200, { "content-type": "application/octet-stream" }).end(text);
    return;
  }
  if (!isRead) {
    tell(403, "this port only leads to https://; send nothing here, least of all secrets");
    return;
  }
  const name = nameOf(message.headers.host ?? "");
  if (name === undefined || !options.isOwnName(name.plain)) {
    tell(421, "this Finch is not reached by that name; name it in gateway.host of finch.yaml");
    return;
  }
  const port = options.targetPort();
  const location = `https://${name.text}${port === 443 ? "" : `:${port}`}${target}`;
  response.writeHead(308, { location, "content-length": 0 }).end();
}

/** The name in a Host header, as it stands in an address and without brackets. */
function nameOf(host: string): { readonly text: string; readonly plain: string } | undefined {
  const match = /^(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?$/i.exec(host);
  if (match === null) return undefined;
  const text = match[1]!.toLowerCase();
  return { text, plain: text.replaceAll(/^\[|\]$/g, "") };
}

function listen(server: Server, { host, port, setting }: RedirectOptions): Promise<void> {
  const purpose = "the redirect to the public entrance (HTTP)";
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException) =>
      reject(bindFault(error, { host, port, purpose, setting }));
    server.once("error", onError);
    server.listen({ host, port }, () => {
      server.off("error", onError);
      resolve();
    });
  });
}
