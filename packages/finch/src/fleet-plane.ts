/** The fleet and the dashboard within `finch up`: fits the control plane, the agent's validation and the metrics store to what they ask for, and runs the roll-outs. */
import { generateAgentConfig } from "@finch/control";
import type { Actor, Agent, AgentRegistry, Guard } from "@finch/control";
import { Dashboard } from "@finch/control/dashboard";
import { Fleet, fleetRoutes } from "@finch/control/fleet";
import type { ValidateConfiguration } from "@finch/control/fleet";
import { validateRemoteConfig } from "@finch/agent";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import type { GrpcMethod, HttpRequest, Route } from "@finch/runtime/http";
import type { BuildInfo } from "@finch/server";
import type { MetricStore } from "@finch/store";
import { createReadFigures } from "./collector-figures.ts";
import type { ControlPlane } from "./control-plane.ts";

export interface FleetPlane extends AsyncDisposable {
  /** Beside the web application: where collectors call in, and the API of the fleet. */
  readonly routes: readonly Route[];
  readonly grpcMethods: readonly GrpcMethod[];
  readonly dashboardRoutes: readonly Route[];
  families(): readonly MetricFamily[];
}

export interface FleetPlaneOptions {
  readonly controlPlane: ControlPlane;
  /** Knows who asks at the listener of the web application. */
  readonly guard: Guard;
  /** Where collectors' metrics of themselves are. */
  readonly metrics: MetricStore;
  readonly build: BuildInfo;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Starts to look after roll-outs; disposing ends that, and writes down who was heard of. */
export function openFleetPlane(options: FleetPlaneOptions): FleetPlane {
  const { controlPlane, metrics, clock } = options;
  const { control, contacts } = controlPlane;
  const registered = keepRegistered(control.agents);
  const fleet = new Fleet({
    database: control.database,
    audit: control.audit,
    clock,
    log: options.log.child("control:fleet"),
    contacts,
    authenticate: (authorization) => controlPlane.verifyAgentToken(bearerOf(authorization)),
    agentLabels: (resourceId) => registered.labels(resourceId),
    validate: validateForFleet,
    readFigures: createReadFigures(
      { select: (request) => metrics.select(request) },
      { clock, agentOfHost: registered.ofHost },
    ),
  });
  const stop = new AbortController();
  const running = fleet.run(stop.signal);
  return {
    routes: [
      ...fleet.collectorRoutes,
      ...fleetRoutes({ fleet, actorOf: (request) => actorOf(options.guard, request) }),
    ],
    grpcMethods: fleet.grpcMethods,
    dashboardRoutes: openDashboard(options, fleet, registered.list).routes,
    families: () => fleet.families(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

function openDashboard(
  { controlPlane, build, clock }: FleetPlaneOptions,
  fleet: Fleet,
  listAgents: () => readonly Agent[],
): Dashboard {
  const { control, contacts } = controlPlane;
  const { agents, audit, identity, tokens } = control;
  const issue = async (actor: Actor, action: string, target: string) => {
    const token = await tokens.issueAgentToken(target);
    audit.record(actor, { action, target });
    return token;
  };
  return new Dashboard({
    clock,
    build: { release: build.version, commit: build.revision || "unknown" },
    hostname: () => identity.current.hostname,
    publicHost: () => controlPlane.publicAddress().host,
    verify: (token) => tokens.verifyDashboardToken(token),
    agents: listAgents,
    collectors: () => fleet.collectors(),
    lastContactMs: (resourceId) => contacts.lastMs(resourceId),
    issueToken: (actor, { resourceId }) => issue(actor, "agent.token", resourceId),
    generateConfig: async (actor, { resourceId }) => {
      const agent = agents.get(resourceId);
      const token = await issue(actor, "agent.config", resourceId);
      return generateAgentConfig(agent, { ...controlPlane.publicAddress(), token });
    },
    watch: (watcher) => {
      const unwatchers = [fleet.watch(watcher), agents.onChange(watcher)];
      return () => unwatchers.forEach((unwatch) => unwatch());
    },
  });
}

/** The agents and their labels, read again after each change: the fleet asks at each call, and dashboards draw all of them. */
function keepRegistered(agents: AgentRegistry) {
  let kept: readonly Agent[] | undefined;
  let labels = new Map<string, Readonly<Record<string, string>>>();
  agents.onChange(() => (kept = undefined));
  const list = (): readonly Agent[] => {
    if (kept === undefined) {
      kept = agents.list();
      labels = new Map(kept.map((agent) => [agent.resourceId, labelsOf(agent)]));
    }
    return kept;
  };
  return {
    list,
    ofHost: (host: string) => list().find(({ hostname }) => hostname === host)?.resourceId,
    labels: (resourceId: string) => {
      list();
      return labels.get(resourceId);
    },
  };
}

function bearerOf(authorization: string): string {
  return /^Bearer +(\S+)$/i.exec(authorization)?.[1] ?? "";
}

function actorOf(guard: Guard, request: HttpRequest): Actor {
  const principal = guard.principalOf(request);
  return { name: principal?.actor ?? "unknown", origin: guard.originOf(request).address };
}

/** Its host, and its labels as `key=value`, or as a key that is "true". */
function labelsOf(agent: Agent): Readonly<Record<string, string>> {
  const pairs = agent.labels.map((label) => {
    const at = label.indexOf("=");
    return at < 0 ? [label, "true"] : [label.slice(0, at), label.slice(at + 1)];
  });
  return { ...Object.fromEntries(pairs), host: agent.hostname };
}

/** What Finch has not built yet Alloy may have: it is told, and left to the collectors. */
const validateForFleet: ValidateConfiguration = async (text, name) => {
  const diagnostics = await validateRemoteConfig(text, name);
  return diagnostics.map(({ severity, kind, message, source, start }) => ({
    severity: kind === "unsupported" ? "warning" : severity,
    message,
    ...source.position(start),
  }));
};
