/** Which routes stand on which port of `finch up`, and how the ports are opened and closed together. */
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener, textReply } from "@finch/runtime/http";
import type {
  GrpcMethod,
  HttpLimits,
  HttpRequest,
  HttpRoute,
  Listener,
  ListenerOptions,
  ListenerSetting,
  Route,
} from "@finch/runtime/http";
import type { BuildInfo } from "@finch/server";
import { EXPOSITION_CONTENT_TYPES, formatExposition, negotiateExposition } from "@finch/wire";
import { envOf, flagOf, LISTENER_NAMES, LISTENERS } from "./config-options.ts";
import type { ListenAddress } from "./config-address.ts";
import type { FinchConfig, ListenerName, SyslogListenerName } from "./config-options.ts";
import { createHostCheck } from "./host-check.ts";
import type { OpenReceiver } from "./syslog-listeners.ts";

const JOURNAL_REQUEST_MS_MAX = 6 * 3_600_000;

type Admit = NonNullable<ListenerOptions["admit"]>;

export interface ListenersOptions {
  readonly addresses: FinchConfig["listen"];
  /** Routes of each listener; `health` has its own. */
  readonly routes: Readonly<
    Record<Exclude<ListenerName, "health" | SyslogListenerName>, readonly Route[]>
  >;
  /** Of those that speak no HTTP. */
  readonly openReceiver: OpenReceiver;
  /** Calls of gRPC on the same port. */
  readonly grpc: Partial<Readonly<Record<ListenerName, readonly GrpcMethod[]>>>;
  /** Looked at before each request, and may answer it. */
  readonly admits: Partial<Readonly<Record<ListenerName, Admit>>>;
  /** Names by which browsers reach the web application, besides addresses. */
  readonly uiNames: readonly string[];
  readonly bodyBytesHeldMax: number;
  readonly build: BuildInfo;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface Listeners {
  /** Of one that is on. */
  addressOf(name: ListenerName): { readonly host: string; readonly port: number } | undefined;
  /** `HOST:PORT` of each one that is on. */
  addresses(): Readonly<Record<string, string>>;
  /** Of each one that is on, whether it accepts connections. */
  states(): readonly { readonly name: string; readonly isServing: boolean }[];
  /** One more, which is closed with the others. */
  add(listener: Listener): void;
  families(): readonly MetricFamily[];
  /** Stops accepting everywhere at once; requests in flight have up to `deadlineMs`. */
  close(deadlineMs: number): Promise<void>;
}

/** Opens every listener that is on; when one cannot open, the others are closed again and its fault is thrown. */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const open = new Map<string, Listener>();
  const close = async (deadlineMs: number) => {
    await Promise.all([...open.values()].map((listener) => listener.close(deadlineMs)));
  };
  const health = healthRoute(() => [...open.values()]);
  try {
    for (const name of LISTENER_NAMES) {
      const address = options.addresses[name];
      if (address === undefined) continue;
      open.set(name, await openOne(name, address, health, options));
    }
  } catch (error) {
    await close(0);
    throw error;
  }
  return {
    addressOf: (name) => open.get(name),
    addresses: () =>
      Object.fromEntries([...open].map(([name, { host, port }]) => [name, `${host}:${port}`])),
    states: () => [...open].map(([name, listener]) => ({ name, isServing: listener.isServing() })),
    add: (listener) => void open.set(listener.name, listener),
    families: () => [...open.values()].flatMap((listener) => listener.families()),
    close,
  };
}

async function openOne(
  name: ListenerName,
  address: ListenAddress,
  health: HttpRoute,
  options: ListenersOptions,
): Promise<Listener> {
  const key = `listen.${name}`;
  const setting = { flag: flagOf(key), env: envOf(key), key };
  switch (name) {
    case "syslog_tcp":
    case "syslog_udp":
    case "syslog_tls":
      return await options.openReceiver(name, address, setting);
    case "health":
      return await openHttp(name, address, { routes: [health], setting }, options);
    default:
      return await openHttp(name, address, { routes: options.routes[name], setting }, options);
  }
}

async function openHttp(
  name: ListenerName,
  address: ListenAddress,
  about: { readonly routes: readonly Route[]; readonly setting: ListenerSetting },
  options: ListenersOptions,
): Promise<Listener> {
  const { build, clock } = options;
  const grpc = options.grpc[name];
  const limits: HttpLimits = {
    ...DEFAULT_HTTP_LIMITS,
    bodyBytesHeldMax: options.bodyBytesHeldMax,
    // A machine that was off for a while uploads its whole journal in one request.
    ...(name === "journal" && { requestTimeoutMs: JOURNAL_REQUEST_MS_MAX }),
  };
  const checkHost = createHostCheck({ names: name === "ui" ? options.uiNames : undefined });
  const admit: Admit = (message) => checkHost(message) ?? options.admits[name]?.(message);
  const headers =
    name === "health"
      ? { "x-finch-release": build.version, "x-finch-commit": build.revision || "unknown" }
      : {};
  return await openListener({
    name,
    purpose: LISTENERS[name].purpose,
    ...address,
    ...about,
    limits,
    clock,
    log: options.log.child(`http:${name}`),
    headers,
    admit,
    ...(grpc !== undefined && { grpc }),
  });
}

/** 200 only when every listener that is on accepts connections. */
function healthRoute(listeners: () => readonly Listener[]): HttpRoute {
  const handle = async () => {
    const down = listeners().filter((listener) => !listener.isServing());
    if (down.length === 0) return textReply(200, "ok\n");
    return textReply(500, `not serving: ${down.map((listener) => listener.name).join(", ")}\n`);
  };
  return { kind: "http", methods: ["GET"], path: "/healthz", faults: "text", handle };
}

/** `/metrics` as text 0.0.4 or as OpenMetrics, by `Accept`. */
export function metricsRoute(collect: () => Promise<readonly MetricFamily[]>): HttpRoute {
  const handle = async (request: HttpRequest) => {
    const format = negotiateExposition(request.header("accept"));
    return {
      status: 200,
      headers: { "content-type": EXPOSITION_CONTENT_TYPES[format] },
      body: formatExposition(await collect(), format),
    };
  };
  return {
    kind: "http",
    methods: ["GET"],
    path: "/metrics",
    faults: "text",
    access: "read-all",
    handle,
  };
}
