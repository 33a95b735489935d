/**
 * The agent of `finch up`: enrols this machine with a generated configuration and runs it in this process. The file is the user's from the
 * moment they edit it: it is written anew only while it is still exactly what was generated.
 */
import { createHash } from "node:crypto";
import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import {
  detectJournal,
  detectTimeZone,
  generateMachineConfig,
  machineEnvironment,
  startAgent,
} from "@finch/agent";
import type { Agent, AgentLogSink, ScrapePool } from "@finch/agent";
import { describeError, FinchError, nodeFileSystem } from "@finch/runtime";
import type { Clock, Logger } from "@finch/runtime";
import type { dataPaths } from "./data-directory.ts";
import type { Listeners } from "./listeners.ts";
import type { ComponentReport } from "./machine-api.ts";

export interface OwnAgentOptions {
  readonly paths: ReturnType<typeof dataPaths>;
  readonly listeners: Listeners;
  /** Whose its metrics are; undefined when there are no tenants. */
  readonly tenant: string | undefined;
  readonly clock: Clock;
  readonly log: Logger;
  readonly logSink: AgentLogSink;
  readonly version: string;
}

export interface OwnAgent {
  readonly agent: Agent;
  components(): readonly ComponentReport[];
  metricsText(): string;
  /** What the agent scrapes, by job name. */
  scrapePools(): readonly ScrapePool[];
  /** Sources first, sinks last; queues are on disk when it resolves. */
  stop(): Promise<void>;
}

/** Follows the generated text, so that an edited file is told from an untouched one. */
const MARK = /^\/\/ finch:generated ([0-9a-f]{64})\n/;

/** Starts the agent; a configuration that is refused (edited by hand, say) is told, and Finch runs without one. */
export async function startOwnAgent(options: OwnAgentOptions): Promise<OwnAgent | undefined> {
  const { paths, clock, log, logSink, version } = options;
  const path = paths.agentConfig;
  const targets = writeTargets(options.listeners);
  if (targets === undefined) {
    log.warn(
      "this machine is not enrolled: the Prometheus or the Loki listener is off, so its agent has nowhere to send to",
    );
    return undefined;
  }
  const timeZone = await detectTimeZone();
  await writeGeneratedConfig(
    path,
    generateMachineConfig({
      ...targets,
      ...(options.tenant === undefined ? {} : { metricsTenant: options.tenant }),
      hasJournal: await detectJournal(),
      ...(timeZone === undefined ? {} : { timeZone }),
    }),
  );
  const stop = new AbortController();
  let agent: Agent;
  try {
    agent = await startAgent({
      source: { path },
      storagePath: paths.agent,
      clock,
      logSink,
      fileSystem: nodeFileSystem,
      environment: machineEnvironment(process.env, version),
      signal: stop.signal,
      liveDebugging: showsToLoopbackOnly(options.listeners),
    });
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    log.error(
      "the agent's configuration is refused; this machine is not watched until it is mended",
      {
        file: path,
        error: describeError(error),
      },
    );
    return undefined;
  }
  return {
    agent,
    components: () =>
      agent
        .components()
        .map(({ id, health }) => ({ id, health: health.state, message: health.message })),
    metricsText: () => agent.metricsText(),
    scrapePools: () => agent.scrapePools(),
    stop: async () => {
      await agent[Symbol.asyncDispose]();
    },
  };
}

/** Where the agent sends to: our own listeners, as any agent would. */
function writeTargets(
  listeners: Listeners,
): { readonly metricsUrl: string; readonly logsUrl: string } | undefined {
  const metrics = listeners.addressOf("prometheus") ?? listeners.addressOf("mimir");
  const logs = listeners.addressOf("loki");
  if (metrics === undefined || logs === undefined) return undefined;
  return {
    metricsUrl: `http://${reachable(metrics)}/api/v1/write`,
    logsUrl: `http://${reachable(logs)}/loki/api/v1/push`,
  };
}

/** What passes through the agent is not shown to other machines unless its configuration says so. */
function showsToLoopbackOnly(listeners: Listeners): boolean {
  const { host = "" } = listeners.addressOf("agent") ?? {};
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}

/** An address this machine can connect to; "all addresses" includes loopback. */
function reachable(address: { readonly host: string; readonly port: number }): string {
  const { host, port } = address;
  if (host === "0.0.0.0") return `127.0.0.1:${port}`;
  if (host === "::") return `[::1]:${port}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Writes the configuration unless the user has changed the one that is there. */
export async function writeGeneratedConfig(path: string, text: string): Promise<void> {
  const present = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (present !== undefined && !isUntouched(present)) return;
  const marked = `// finch:generated ${hashOf(text)}\n${text}`;
  if (present === marked) return;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(`${path}.tmp`, marked, { flush: true });
  await rename(`${path}.tmp`, path);
}

function isUntouched(text: string): boolean {
  const hash = MARK.exec(text)?.[1];
  return hash !== undefined && hashOf(text.slice(text.indexOf("\n") + 1)) === hash;
}

function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
