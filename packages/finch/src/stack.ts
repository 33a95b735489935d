/**
 * The parts of `finch up`, opened in order and closed in the reverse of what depends on them. Stop order: (1) the agent stops, sources first,
 * and hands on what it has while the listeners still take it, the rest stays in its queues on disk; (2) no listener accepts any more,
 * requests in flight finish; (3) our own log lines are written; (4) query workers end and the stores close; what is not in a block is in the WAL; (5) the lock is released.
 */
import { join, resolve } from "node:path";
import type { Clock, Logger, MetricFamily } from "@finch/runtime";
import { nodeFileSystem, singleMetric } from "@finch/runtime";
import { compileLineSelection } from "@finch/logql";
import type { AgentLogSink, ScrapePool } from "@finch/agent";
import {
  ANONYMOUS_TENANT,
  columnsOfLines,
  createLogsApi,
  createMetricsApi,
  DEFAULT_LOGS_LIMITS,
  DEFAULT_METRICS_LIMITS,
  Notifications,
  openLabelDemotion,
} from "@finch/server";
import type {
  AdminActions,
  BuildInfo,
  DemotionOptions,
  LabelDemotion,
  LogsApi,
  ServerStatus,
} from "@finch/server";
import { DEFAULT_LIMITS, lockDirectory, openLogStore, openMetricStore } from "@finch/store";
import type { LogStore, MetricStore, Retention, StoreOptions } from "@finch/store";
import { Labels } from "@finch/model";
import type { FinchConfig } from "./config-options.ts";
import { openControlPlane } from "./control-plane.ts";
import type { ControlPlane } from "./control-plane.ts";
import { openFleetPlane } from "./fleet-plane.ts";
import type { FleetPlane } from "./fleet-plane.ts";
import { checkDataVersion, dataPaths, makeDataDirectory } from "./data-directory.ts";
import type { Listeners } from "./listeners.ts";
import type { OwnLogs, OwnLogWriter } from "./log-output.ts";
import { detectMemoryLimit, divideMemory } from "./memory-budget.ts";
import type { MemoryBudget } from "./memory-budget.ts";
import { createAdminActions } from "./metrics-snapshot.ts";
import { startOwnAgent } from "./own-agent.ts";
import type { OwnAgent } from "./own-agent.ts";
import { queryLimits } from "./query-limits.ts";
import type { PublicGateway } from "./public-gateway.ts";
import { openPorts, runningAgent } from "./stack-ports.ts";
import type { Apis } from "./stack-ports.ts";
import { startProcessMetrics } from "./process-metrics.ts";
import { describeServer } from "./server-status.ts";
import { createSignIn } from "./sign-in.ts";
import type { SignIn } from "./sign-in.ts";
import { storeFamilies } from "./store-metrics.ts";

export interface StackOptions {
  readonly config: FinchConfig;
  readonly build: BuildInfo;
  readonly clock: Clock;
  readonly log: Logger;
  readonly ownLogs: OwnLogs;
  /** Where the agent's events go; its `logging` block filters them. */
  readonly agentLogSink: AgentLogSink;
}

export interface Stack {
  readonly listeners: Listeners;
  readonly stores: { readonly metrics: MetricStore; readonly logs: LogStore };
  /** `HOST` or `HOST:PORT` of the gateway; undefined while there is none. */
  readonly publicHost: string | undefined;
  /** Reads the agent's configuration again; one that is refused changes nothing and throws. */
  reloadAgent(): Promise<void>;
  /** Reads again what other programs may have written of the service, such as a new secret; the same. */
  reloadControl(): Promise<void>;
  /** A line for a person who has not signed in yet; undefined where nobody needs one. */
  firstSignIn(): string | undefined;
  /** Stops everything in the written order; requests in flight have up to `deadlineMs`. */
  stop(deadlineMs: number): Promise<void>;
}

/** Opens everything; when a part fails, those before it are closed again and its fault is thrown. */
export async function openStack(options: StackOptions): Promise<Stack> {
  const { config, log, ownLogs } = options;
  await using opening = new AsyncDisposableStack();
  const directory = await takeDataDirectory(config, opening);
  let gateway: PublicGateway | undefined;
  const controlPlane = opening.use(
    await openControlPlane({ ...options, directory, gateway: () => gateway }),
  );
  const signIn = await createSignIn({ ...options, ...controlPlane });
  const budget = divideMemory(config.memoryLimitBytes ?? detectMemoryLimit());
  const paths = dataPaths(directory);
  const metrics = opening.use(
    await openMetricStore(storeOptions(options, budget, paths.metrics, "metrics")),
  );
  const logs = opening.use(await openLogStore(storeOptions(options, budget, paths.logs, "logs")));
  const demotion = await openLabelDemotion(demotionOptions(options, paths.logs));
  let agent: OwnAgent | undefined;
  const apis = createApis(options, budget, {
    signIn,
    stores: { metrics, logs },
    demotion,
    scrapePools: () => agent?.scrapePools() ?? [],
    services: () => describeServices(agent, listeners),
  });
  opening.use(apis.metrics);
  const fleetPlane = opening.use(
    openFleetPlane({ ...options, controlPlane, guard: signIn.guard, metrics }),
  );
  ownLogs.connect(ownLogWriter(apis.logs));
  opening.defer(() => ownLogs.disconnect());
  const processMetrics = opening.use(startProcessMetrics());
  const collect = async (): Promise<readonly MetricFamily[]> => [
    ...(await processMetrics.families()),
    ...familiesOf(options, { apis, controlPlane, fleetPlane, signIn, stores: { metrics, logs } }),
    ...(listeners?.families() ?? []),
  ];
  let listeners: Listeners | undefined;
  ({ listeners, gateway } = await openPorts(options, {
    apis,
    signIn,
    controlPlane,
    fleetPlane,
    collect,
    directory,
    agent: () => agent,
    listeners: () => listeners,
    bodyBytesHeldMax: budget.bodyBytesHeldMax,
  }));
  const opened = listeners;
  opening.defer(() => opened.close(0));
  agent = await startAgentOf(options, paths, listeners);
  opening.defer(async () => agent?.stop());
  const parts = opening.move();
  return {
    listeners,
    stores: { metrics, logs },
    publicHost: gateway && controlPlane.publicAddress().host,
    reloadAgent: async () => runningAgent(agent).reload(),
    reloadControl: async () => {
      await controlPlane.reload();
      await gateway?.reload();
    },
    firstSignIn: () => signIn.firstSignIn(),
    stop: (deadlineMs) => stopInOrder({ apis, agent, listeners: opened, parts, log }, deadlineMs),
  };
}

/** The data directory, locked as long as `opening` is not disposed, and of a version that is known. */
async function takeDataDirectory(
  { dataDirectory }: FinchConfig,
  opening: AsyncDisposableStack,
): Promise<string> {
  const directory = resolve(dataDirectory);
  await makeDataDirectory(directory);
  opening.use(await lockDirectory(directory));
  await checkDataVersion(directory);
  return directory;
}

function startAgentOf(
  { config, build, clock, log, agentLogSink }: StackOptions,
  paths: ReturnType<typeof dataPaths>,
  listeners: Listeners,
): Promise<OwnAgent | undefined> {
  return startOwnAgent({
    paths,
    listeners,
    tenant: config.multitenancy ? ANONYMOUS_TENANT : undefined,
    clock,
    log: log.child("agent"),
    logSink: agentLogSink,
    version: build.version,
  });
}

function familiesOf(
  { build, ownLogs }: StackOptions,
  {
    apis,
    controlPlane,
    fleetPlane,
    signIn,
    stores,
  }: {
    readonly apis: Apis;
    readonly controlPlane: ControlPlane;
    readonly fleetPlane: FleetPlane;
    readonly signIn: SignIn;
    readonly stores: Stack["stores"];
  },
): readonly MetricFamily[] {
  return [
    ...storeFamilies(stores),
    ...apis.metrics.families(),
    ...apis.logs.families(),
    ...controlPlane.control.families(),
    ...fleetPlane.families(),
    ...signIn.families(),
    ownLogFamily(ownLogs),
    buildFamily(build),
  ];
}

/** Stops in the order at the top of this file. */
async function stopInOrder(
  running: {
    readonly apis: Apis;
    readonly agent: OwnAgent | undefined;
    readonly listeners: Listeners;
    readonly parts: AsyncDisposable;
    readonly log: Logger;
  },
  deadlineMs: number,
): Promise<void> {
  const { apis, agent, listeners, parts, log } = running;
  apis.notifications.add("Finch is shutting down and finishes what it has begun.");
  apis.notifications.close();
  await agent?.stop();
  await listeners.close(deadlineMs);
  log.info("agent stopped, listeners closed");
  await parts[Symbol.asyncDispose]();
}

function ownLogFamily(ownLogs: OwnLogs): MetricFamily {
  return singleMetric(
    "finch_own_log_lines_dropped_total",
    "counter",
    "Own log lines that did not reach the store.",
    ownLogs.droppedTotal,
  );
}

function storeOptions(
  options: StackOptions,
  budget: MemoryBudget,
  directory: string,
  signal: "metrics" | "logs",
): StoreOptions {
  const { config, clock, log } = options;
  return {
    directory,
    fileSystem: nodeFileSystem,
    clock,
    log: log.child(`store:${signal}`),
    limits: {
      ...DEFAULT_LIMITS,
      ...(signal === "logs"
        ? { headSeriesMax: LOG_STREAMS_MAX, headBytesMax: budget.logHeadBytesMax }
        : { headBytesMax: budget.metricHeadBytesMax }),
      pendingBytesMax: budget.pendingBytesMax,
    },
    retention: retentionOf(config, signal),
    ...(signal === "logs" ? { compileSelection: compileLineSelection } : {}),
  };
}

function retentionOf({ retention }: FinchConfig, signal: "metrics" | "logs"): Retention {
  const isMetrics = signal === "metrics";
  const bytes = isMetrics ? retention.metricsBytes : retention.logsBytes;
  return {
    maxAgeMs: isMetrics ? retention.metricsMs : retention.logsMs,
    rules: isMetrics ? retention.metricsRules : retention.logsRules,
    maxDiskShare: retention.diskShare,
    ...(bytes !== undefined && { maxBytes: bytes }),
  };
}

function demotionOptions({ config, clock, log }: StackOptions, directory: string): DemotionOptions {
  return {
    path: join(directory, "demoted-labels.json"),
    fileSystem: nodeFileSystem,
    clock,
    log: log.child("server:logs"),
    labelValuesMax: config.logs.labelValuesMax,
    windowMs: config.logs.labelValuesWindowMs,
    retentionMs: config.retention.logsMs,
  };
}

/** Streams of the log head; each has pages of its own. */
const LOG_STREAMS_MAX = 200_000;

function createApis(
  options: StackOptions,
  budget: MemoryBudget,
  parts: {
    readonly stores: Stack["stores"];
    readonly demotion: LabelDemotion;
    readonly scrapePools: () => readonly ScrapePool[];
    readonly services: ServerStatus["services"];
    readonly signIn: SignIn;
  },
): Apis {
  const { stores, scrapePools } = parts;
  const { scopeOf } = parts.signIn;
  const { build, clock, config, log } = options;
  const notifications = new Notifications(clock);
  const status = describeServer(config, {
    startedMs: clock.nowMs(),
    memoryLimitBytes: budget.totalBytes,
    seriesMax: DEFAULT_LIMITS.headSeriesMax,
    services: parts.services,
  });
  return {
    metrics: createMetricsApi({
      store: stores.metrics,
      clock,
      log: log.child("server:metrics"),
      limits: {
        ...DEFAULT_METRICS_LIMITS,
        ...config.metrics.limits,
        ...queryLimits(config.query, budget),
      },
      otlp: config.metrics.otlp,
      language: config.metrics.language,
      build,
      status,
      notifications,
      scrapePools,
      multitenancy: config.multitenancy,
      scopeOf,
      admin: config.adminApi ? adminActions(options, stores.metrics) : undefined,
    }),
    logs: createLogsApi({
      store: stores.logs,
      clock,
      limits: DEFAULT_LOGS_LIMITS,
      build,
      retention: retentionOf(config, "logs"),
      demotion: parts.demotion,
      scopeOf,
      log: log.child("server:logs"),
    }),
    notifications,
  };
}

function adminActions({ clock, config }: StackOptions, store: MetricStore): AdminActions {
  const directory = resolve(config.dataDirectory);
  const metricsDirectory = dataPaths(directory).metrics;
  return createAdminActions({ store, clock, directory, metricsDirectory });
}

/** The parts, in the words of Mimir's page of services. */
function describeServices(
  agent: OwnAgent | undefined,
  listeners: Listeners | undefined,
): ReturnType<ServerStatus["services"]> {
  const stateOf = (isRunning: boolean) => (isRunning ? "Running" : "Failed");
  return [
    // Both are open as long as anybody can ask.
    { name: "metrics-store", state: "Running" },
    { name: "logs-store", state: "Running" },
    ...(listeners?.states() ?? []).map(({ name, isServing }) => ({
      name: `listener-${name}`,
      state: stateOf(isServing),
    })),
    { name: "agent", state: agent === undefined ? "Terminated" : "Running" },
  ];
}

function ownLogWriter(logs: LogsApi): OwnLogWriter {
  return async (lines) => {
    const levels = [...new Set(lines.map((line) => line.level))];
    const streams = levels.map((level) => ({
      labels: Labels.fromObject({ job: "finch", service_name: "finch", level }),
      entries: columnsOfLines(lines.filter((line) => line.level === level)),
    }));
    await logs.ingest({ streams });
  };
}

function buildFamily(build: BuildInfo): MetricFamily {
  const { version, revision } = build;
  return {
    name: "finch_build_info",
    type: "gauge",
    help: "Always 1; the labels tell which Finch this is.",
    samples: [{ labels: { version, revision, nodeversion: build.nodeVersion }, value: 1 }],
  };
}
