/** The gateway within `finch up`: which routes stand behind it, who is asked about agents and clients, and where it listens. */
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openDispatcher } from "@finch/runtime/http";
import type { Dispatcher, GrpcMethod, Listener, Route } from "@finch/runtime/http";
import type { Authority, Gateway, GatewayOptions, GatewayRoute } from "@finch/gateway";
import type { ListenAddress } from "./config-address.ts";
import { envOf, flagOf } from "./config-options.ts";
import type { FinchConfig } from "./config-options.ts";
import type { ControlPlane } from "./control-plane.ts";
import { mayBindLowPorts } from "./low-ports.ts";

export interface PublicGatewayOptions {
  readonly config: FinchConfig;
  /** The data directory. */
  readonly directory: string;
  readonly controlPlane: ControlPlane;
  readonly targets: GatewayTargets;
  readonly grpc: {
    readonly otlp: readonly GrpcMethod[];
    readonly collectors: readonly GrpcMethod[];
    /** Of clients with certificates. */
    readonly rpc: readonly GrpcMethod[];
  };
  readonly bodyBytesHeldMax: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Routes behind the gateway, which ask for themselves who comes when it was no agent that sends. */
export interface GatewayTargets {
  readonly ui: readonly Route[];
  readonly dashboard: readonly Route[];
  readonly loki: readonly Route[];
  readonly mimir: readonly Route[];
  readonly otlp: readonly Route[];
}

/** A listener like the others, and what agents are told of it. */
export interface PublicGateway extends Listener {
  readonly isSelfSigned: boolean;
  /** Reads certificate files again. */
  reload(): Promise<void>;
}

/** Undefined where the configuration asks for none; its code is loaded only then. */
export async function openPublicGateway(
  options: PublicGatewayOptions,
): Promise<PublicGateway | undefined> {
  const { tls, http } = options.config.gateway;
  if (tls === undefined) return undefined;
  const { openGateway } = await import("@finch/gateway");
  const address = placeOf("listen.gateway", tls, { low: 443, high: 8443 });
  const gateway = await openGateway({
    ...(await gatewayOptions(options)),
    tls: address,
    redirect:
      http === undefined
        ? undefined
        : placeOf("listen.gateway_http", http, { low: 80, high: 8081 }),
  });
  return asListener(gateway, address.host);
}

function asListener(gateway: Gateway, host: string): PublicGateway {
  return {
    name: "gateway",
    host,
    port: gateway.port,
    isServing: () => gateway.isServing(),
    families: () => gateway.families(),
    close: (deadlineMs) => gateway.close(deadlineMs),
    get isSelfSigned() {
      return gateway.certificates.current.isSelfSigned;
    },
    reload: () => gateway.certificates.reload(),
  };
}

function placeOf(
  key: string,
  given: ListenAddress | "public",
  ports: { readonly low: number; readonly high: number },
): GatewayOptions["tls"] {
  const setting = { flag: flagOf(key), env: envOf(key), key };
  if (given !== "public") return { ...given, setting };
  return { host: "0.0.0.0", port: mayBindLowPorts() ? ports.low : ports.high, setting };
}

async function gatewayOptions(
  options: PublicGatewayOptions,
): Promise<Omit<GatewayOptions, "tls" | "redirect">> {
  const { DEFAULT_ACME_RETRY_MS, DEFAULT_GATEWAY_LIMITS } = await import("@finch/gateway");
  const { clock, config, controlPlane, directory, log } = options;
  const { gateway, service } = config;
  const { acme } = gateway;
  return {
    routes: gatewayRoutes(options),
    authority: createAuthority(controlPlane),
    certificates: {
      directory: join(directory, "certs"),
      hosts: [controlPlane.control.identity.current.hostname, ...gateway.names],
      files: gateway.files,
      acme: acme && {
        ...acme,
        serverAuthorities: acme.serverAuthorities && (await readPem(acme.serverAuthorities)),
        retryMs: DEFAULT_ACME_RETRY_MS,
      },
      clock,
      log: log.child("gateway:certificates"),
    },
    isTrustedProxy: service.isTrustedProxy,
    accessLog: gateway.accessLog,
    limits: {
      ...DEFAULT_GATEWAY_LIMITS,
      clientRequestsPerSecond: gateway.clientRequestsPerSecond,
      clientRequestsBurst: 4 * gateway.clientRequestsPerSecond,
      identityRequestsPerSecond: gateway.agentRequestsPerSecond,
      identityRequestsBurst: 10 * gateway.agentRequestsPerSecond,
      bodyBytesMax: gateway.bodyBytesMax,
    },
    clock,
    log,
  };
}

async function readPem(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/no-file", `cannot read ${path}`, { cause: error });
  }
}

/** The control plane, as the gateway asks it. What it refuses it has logged itself. */
function createAuthority(controlPlane: ControlPlane): Authority {
  return {
    verifyAgentToken: async (token) => {
      const resourceId = await unlessRefused(controlPlane.verifyAgentToken(token));
      return resourceId === undefined ? undefined : { kind: "agent", resourceId };
    },
    verifyClientCertificate: async (pem) => {
      const client = await unlessRefused(
        controlPlane.control.clientAuthorities.verify(new X509Certificate(pem)),
      );
      return client && { kind: "client", resourceId: client.resourceId };
    },
  };
}

async function unlessRefused<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof FinchError && error.kind === "unauthenticated") return undefined;
    throw error;
  }
}

/** The table of docs/reference/gateway.md. */
function gatewayRoutes(options: PublicGatewayOptions): readonly GatewayRoute[] {
  const { targets, grpc } = options;
  const agents = (name: string, routes: readonly Route[]): GatewayRoute => ({
    name,
    prefix: `/${name}`,
    strips: true,
    protocol: "http",
    access: { kind: "agent", writes: writesOf(routes), others: "own" },
    target: dispatcherOf(options, name, { routes }),
  });
  const own = { protocol: "http", access: { kind: "own" } } as const;
  const ui = dispatcherOf(options, "ui", { routes: targets.ui });
  const dashboard = dispatcherOf(options, "dashboard", { routes: targets.dashboard });
  const call = (
    name: string,
    prefix: string,
    access: GatewayRoute["access"],
    methods: readonly GrpcMethod[],
  ): GatewayRoute => ({
    name,
    prefix,
    strips: false,
    protocol: "grpc",
    access,
    target: dispatcherOf(options, name, { grpc: methods }),
  });
  const sends = { kind: "agent", writes: () => true, others: "refused" } as const;
  return [
    agents("loki", [...targets.loki, ...pushBesidePrefix(targets.loki)]),
    agents("mimir", targets.mimir),
    agents("otlp", targets.otlp),
    ...["/dashboard", "/login", "/logout", "/ws"].map((prefix) => ({
      ...own,
      name: "dashboard",
      prefix,
      strips: false,
      target: dashboard,
    })),
    { ...own, name: "ui", prefix: "/grafana", strips: true, target: ui },
    { ...own, name: "ui", prefix: "/", strips: false, target: ui },
    call("otlp-grpc", "/opentelemetry.proto.collector.", sends, grpc.otlp),
    call("collectors", "/collector.v1.CollectorService", { kind: "own" }, grpc.collectors),
    call("rpc", "/", { kind: "client-certificate" }, grpc.rpc),
  ];
}

function dispatcherOf(
  { bodyBytesHeldMax, clock, config, log }: PublicGatewayOptions,
  name: string,
  served: { readonly routes?: readonly Route[]; readonly grpc?: readonly GrpcMethod[] },
): Dispatcher {
  return openDispatcher({
    name: `gateway-${name}`,
    routes: served.routes ?? [],
    grpc: served.grpc ?? [],
    limits: {
      ...DEFAULT_HTTP_LIMITS,
      bodyBytesHeldMax,
      bodyBytesMax: config.gateway.bodyBytesMax,
    },
    clock,
    log: log.child(`http:gateway-${name}`),
  });
}

/** Of a client whose base address lacks the prefix: the path that it pushes to is the prefix and the rest of it. */
function pushBesidePrefix(routes: readonly Route[]): readonly Route[] {
  const push = "/loki/api/v1/push";
  return routes
    .filter(({ path }) => path === push)
    .map((route) => ({ ...route, path: push.slice("/loki".length) }));
}

/** Whether a route takes telemetry and tells nothing, by what it asks of people. */
function writesOf(routes: readonly Route[]): (method: string, path: string) => boolean {
  const writes = new Set<string>();
  for (const route of routes) {
    if (route.kind !== "http" || route.access !== "write") continue;
    for (const method of route.methods) writes.add(`${method} ${route.path}`);
  }
  return (method, path) => writes.has(`${method} ${path}`);
}
