/** What of the stack stands on which port: routes of the listeners and of the gateway, and how they are opened. */
import { hostname } from "node:os";
import { join } from "node:path";
import { createAgentRoutes } from "@finch/agent";
import type { Agent } from "@finch/agent";
import { FinchError } from "@finch/runtime";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { Route } from "@finch/runtime/http";
import type { BuildInfo, LogsApi, MetricsApi, Notifications } from "@finch/server";
import type { FinchConfig } from "./config-options.ts";
import type { ControlPlane } from "./control-plane.ts";
import type { FleetPlane } from "./fleet-plane.ts";
import { metricsRoute, openListeners } from "./listeners.ts";
import type { Listeners, ListenersOptions } from "./listeners.ts";
import { machineRoutes } from "./machine-api.ts";
import type { OwnAgent } from "./own-agent.ts";
import { openPublicGateway } from "./public-gateway.ts";
import type { GatewayTargets, PublicGateway } from "./public-gateway.ts";
import type { SignIn } from "./sign-in.ts";
import { serveStaticFiles } from "./static-files.ts";
import { syslogOpener } from "./syslog-listeners.ts";
import { PROJECT_ROOT } from "./version.ts";

interface PortsOptions {
  readonly config: FinchConfig;
  readonly build: BuildInfo;
  readonly clock: Clock;
  readonly log: Logger;
}

/** What is served; the agent and the listeners come later. */
interface StackParts {
  readonly apis: Apis;
  readonly signIn: SignIn;
  readonly controlPlane: ControlPlane;
  readonly fleetPlane: FleetPlane;
  readonly collect: () => Promise<readonly MetricFamily[]>;
  readonly directory: string;
  readonly agent: () => OwnAgent | undefined;
  readonly listeners: () => Listeners | undefined;
  readonly bodyBytesHeldMax: number;
}

export interface Apis {
  readonly metrics: MetricsApi;
  readonly logs: LogsApi;
  readonly notifications: Notifications;
}

/** Routes of the listeners, and those behind the gateway. */
interface StackRoutes {
  readonly listeners: ListenersOptions["routes"];
  readonly gateway: GatewayTargets;
}

/** Every port, the gateway's among them. */
export async function openPorts(
  options: PortsOptions,
  parts: StackParts,
): Promise<{ readonly listeners: Listeners; readonly gateway: PublicGateway | undefined }> {
  const { apis, controlPlane, fleetPlane, directory, bodyBytesHeldMax } = parts;
  const routes = await makeRoutes(options, parts);
  const { build, clock, config, log } = options;
  const otlp = [...apis.metrics.otlp.grpcMethods, ...apis.logs.otlp.grpcMethods];
  // First, so that the health check, which comes with the listeners, is never good without it.
  const gateway = await openPublicGateway({
    config,
    directory,
    controlPlane,
    targets: routes.gateway,
    grpc: { otlp, collectors: fleetPlane.grpcMethods, rpc: controlPlane.gatewayRpcMethods },
    bodyBytesHeldMax,
    clock,
    log,
  });
  try {
    const listeners = await openListeners({
      addresses: config.listen,
      routes: routes.listeners,
      grpc: {
        ui: [...controlPlane.rpcMethods, ...fleetPlane.grpcMethods],
        otlp_grpc: parts.signIn.protectCalls(otlp),
      },
      openReceiver: syslogOpener(apis.logs.syslog, config.logs.syslogTls),
      admits: { agent: (message) => parts.agent()?.agent.http.admit(message) },
      uiNames: [hostname(), config.service.host?.name ?? hostname()],
      bodyBytesHeldMax,
      build,
      clock,
      log,
    });
    if (gateway !== undefined) listeners.add(gateway);
    return { listeners, gateway };
  } catch (error) {
    await gateway?.close(0);
    throw error;
  }
}

async function makeRoutes(options: PortsOptions, parts: StackParts): Promise<StackRoutes> {
  const { apis, collect, directory, agent, signIn } = parts;
  const figures = metricsRoute(collect);
  const machine = machineRoutes({
    build: options.build,
    dataDirectory: directory,
    startedMs: options.clock.nowMs(),
    components: () => agent()?.components() ?? [],
    listeners: () => parts.listeners()?.addresses() ?? {},
  });
  const otlp = [...apis.metrics.otlp.receiverRoutes, ...apis.logs.otlp.receiverRoutes];
  const files = serveStaticFiles(join(PROJECT_ROOT, "packages", "web", "dist"));
  const ui = [
    ...signIn.routes,
    ...parts.controlPlane.adminRoutes,
    ...machine,
    ...parts.fleetPlane.routes,
    ...apis.metrics.queryRoutes,
    ...apis.logs.queryRoutes,
    figures,
    ...files,
  ];
  const loki = [...apis.logs.routes, figures];
  const mimir = [...apis.metrics.mimirRoutes, figures];
  const dashboard = parts.fleetPlane.dashboardRoutes;
  const guarded = (behind: readonly Route[]) => signIn.protectBehindGateway(behind);
  return {
    listeners: {
      ui: signIn.protect("ui", ui),
      dashboard,
      auth: parts.controlPlane.authRoutes,
      loki: signIn.protect("loki", loki),
      prometheus: signIn.protect("prometheus", [...apis.metrics.routes, figures]),
      mimir: signIn.protect("mimir", mimir),
      // A sender that takes one port for the other is served all the same.
      otlp_grpc: signIn.protect("otlp_grpc", otlp),
      otlp_http: signIn.protect("otlp_http", otlp),
      elastic: signIn.protect("elastic", apis.logs.elasticRoutes),
      journal: signIn.protect("journal", apis.logs.journalRoutes),
      agent: createAgentRoutes(lateAgent(() => runningAgent(agent()))),
    },
    gateway: {
      ui: guarded(ui),
      dashboard,
      loki: guarded(loki),
      mimir: guarded(mimir),
      otlp: guarded(otlp),
    },
  };
}

/** The agent starts after the listeners, for it pushes to them. */
export function runningAgent(own: OwnAgent | undefined): Agent {
  if (own !== undefined) return own.agent;
  throw new FinchError(
    "unavailable",
    "finch/no-agent",
    "the agent is not running: it is starting, or its configuration was refused (see the log)",
    { retryAfterSeconds: 2 },
  );
}

/** Pages are mounted before the agent runs: each call goes to the agent of that moment. */
function lateAgent(running: () => Agent): Agent {
  return {
    components: () => running().components(),
    component: (id) => running().component(id),
    flowGraph: (moduleId) => running().flowGraph(moduleId),
    metricsOf: (id) => running().metricsOf(id),
    reload: () => running().reload(),
    metricsText: () => running().metricsText(),
    scrapePools: () => running().scrapePools(),
    scrapePoolsOf: (id) => running().scrapePoolsOf(id),
    logger: (part) => running().logger(part),
    get http() {
      return running().http;
    },
    get live() {
      return running().live;
    },
    get internalHandlers() {
      return running().internalHandlers;
    },
    get done() {
      return running().done;
    },
    [Symbol.asyncDispose]: () => running()[Symbol.asyncDispose](),
  };
}
