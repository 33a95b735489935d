/**
 * The listener of a component that takes data in, as the component's `http` block describes it. It is opened again only when the block
 * changes; a port that is taken makes the component unhealthy and is tried again.
 */
import { readFile } from "node:fs/promises";
import type { TLSSocket } from "node:tls";
import { describeError, FinchError } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener, ListenerOptions, ListenerTls, Route } from "@finch/runtime/http";
import type { ComponentContext } from "./component.ts";
import type { HttpServerArguments, ServerTlsArguments } from "./http-server-schema.ts";
import { sameData } from "./runtime/export-value.ts";
import { untilAborted } from "./until-aborted.ts";

/** Pause before a port that could not be opened is tried again. */
const RETRY_MS = 5000;
/** For requests in flight when the component stops: less than a component may take. */
const CLOSE_MS = 5000;

export interface ServedRoutes {
  /** What it is for, in words for a person. */
  readonly purpose: string;
  readonly routes: readonly Route[];
  /** For requests in flight at a stop, up to what a component may take; all of that when absent. */
  readonly closeMs?: () => number;
  /** Told of each listener that opened. */
  readonly onOpen?: (listener: Listener) => void;
}

type Context<Values> = Pick<
  ComponentContext<Values, object>,
  "id" | "arguments" | "nextArguments" | "setHealth" | "clock" | "log"
>;

/** Serves until `signal` aborts; then requests in flight are answered. */
export async function runHttpServer<Values extends { readonly http: HttpServerArguments }>(
  context: Context<Values>,
  served: ServedRoutes,
  signal: AbortSignal,
): Promise<void> {
  let opened: { readonly values: HttpServerArguments; readonly listener: Listener } | undefined;
  const close = async () => {
    await opened?.listener.close(Math.min(CLOSE_MS, served.closeMs?.() ?? CLOSE_MS));
    opened = undefined;
  };
  try {
    await untilAborted(signal, async () => {
      const values = context.arguments().http;
      if (opened === undefined || !sameData(opened.values, values)) {
        await close();
        const listener = await tryToOpen(context, values, served);
        if (listener !== undefined) opened = { values, listener };
      }
      const next = context.nextArguments(signal);
      await (opened === undefined
        ? Promise.race([next, context.clock.sleep(RETRY_MS, signal)])
        : next);
    });
  } finally {
    await close();
  }
}

async function tryToOpen<Values>(
  context: Context<Values>,
  values: HttpServerArguments,
  { purpose, routes, onOpen }: ServedRoutes,
): Promise<Listener | undefined> {
  const { id, clock, log } = context;
  try {
    const listener = await open(values, { name: id, purpose, routes, clock, log });
    context.setHealth("healthy", `listening on ${values.listen_address}:${listener.port}`);
    onOpen?.(listener);
    return listener;
  } catch (error) {
    context.setHealth("unhealthy", describeError(error));
    log.error("cannot listen; trying again", { error: describeError(error), retryMs: RETRY_MS });
    return undefined;
  }
}

async function open(
  values: HttpServerArguments,
  options: Pick<ListenerOptions, "name" | "purpose" | "routes" | "clock" | "log">,
): Promise<Listener> {
  const tls = values.tls === undefined ? undefined : await serverTls(values.tls);
  return openListener({
    ...options,
    host: values.listen_address,
    port: values.listen_port,
    limits: {
      ...DEFAULT_HTTP_LIMITS,
      socketsMax: values.conn_limit || DEFAULT_HTTP_LIMITS.socketsMax,
      headersTimeoutMs: values.server_read_timeout,
      requestTimeoutMs: values.server_read_timeout,
      keepAliveTimeoutMs: values.server_idle_timeout,
    },
    ...(tls === undefined ? {} : { tls }),
  });
}

/** What a listener needs to speak TLS; throws `agent/http-tls-file` when a file cannot be read. */
export async function serverTls(values: ServerTlsArguments): Promise<ListenerTls> {
  const cert = values.cert_pem ?? (await readPem(values.cert_file!));
  const key = values.key_pem?.reveal() ?? (await readPem(values.key_file!));
  const authority =
    values.client_ca_pem ??
    (values.client_ca_file === undefined ? undefined : await readPem(values.client_ca_file));
  const type = values.client_auth_type;
  return {
    options: {
      cert,
      key,
      ...(authority === undefined ? {} : { ca: authority }),
      requestCert: type !== "NoClientCert",
      rejectUnauthorized: type === "RequireAndVerifyClientCert",
    },
    admits: (socket) => admitsClient(type, socket),
  };
}

type ClientAuthType = ServerTlsArguments["client_auth_type"];

function admitsClient(type: ClientAuthType, socket: TLSSocket): boolean {
  if (type === "NoClientCert" || type === "RequestClientCert") return true;
  const isShown = Object.keys(socket.getPeerCertificate()).length > 0;
  if (!isShown) return type === "VerifyClientCertIfGiven";
  return type === "RequireAnyClientCert" || socket.authorized;
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError(
      "invalid",
      "agent/http-tls-file",
      `cannot read ${path}: ${describeError(error)}`,
    );
  }
}
