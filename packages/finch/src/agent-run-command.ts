/** `finch agent run`: the collector by itself. Loads neither server nor query languages. */
import { resolve } from "node:path";
import {
  ConfigError,
  formatAgentLine,
  machineEnvironment,
  startAgent,
  watchConfig,
} from "@finch/agent";
import type { Agent, ConfigSource, Stability } from "@finch/agent";
import {
  describeError,
  FinchError,
  nodeFileSystem,
  systemClock,
  untilSignal,
} from "@finch/runtime";
import type { Logger, LogSink } from "@finch/runtime";
import { createAgentLogSink } from "./agent-log.ts";
import { AgentPages } from "./agent-pages.ts";
import type { FileConversion } from "./agent-convert-command.ts";
import { readVersion } from "./version.ts";
import { parseListenAddress } from "./config-address.ts";
import { createStreamSink } from "./log-output.ts";

/** Past it the process ends hard; queues are on disk all along, so nothing taken is lost. */
const STOP_DEADLINE_MS = 30_000;

export interface AgentRunOptions {
  readonly storagePath: string;
  readonly listen: string;
  readonly stability: Stability;
  /** Whether a change of the configuration's files reloads it. */
  readonly watches: boolean;
  /** What the file is converted from at each load; undefined for a configuration of this agent. */
  readonly conversion: FileConversion | undefined;
}

/** Runs until SIGINT or SIGTERM; SIGHUP reads the configuration again, and so does a change of its files where that is asked for. */
export async function runAgent(path: string, options: AgentRunOptions): Promise<void> {
  const address = parseListenAddress(options.listen);
  using stopping = untilSignal(process, () => process.exit(130));
  const stop = new AbortController();
  const stopWatching = new AbortController();
  const agent = await start(path, options, stop.signal);
  const log = agent.logger("agent");
  const pages = address === undefined ? undefined : await openPages(agent, address, log);
  const reload = () => void reloadAgent(agent, log);
  process.on("SIGHUP", reload);
  const watching = options.watches
    ? watch(agent, path, { log, signal: stopWatching.signal })
    : undefined;
  log.info("the agent is up", {
    config: path,
    watched: options.watches,
    storage: options.storagePath,
    pages: pages === undefined ? "off" : pages.url,
  });
  await new Promise<void>((settle) => {
    if (stopping.signal.aborted) settle();
    stopping.signal.addEventListener("abort", () => settle(), { once: true });
  });
  process.off("SIGHUP", reload);
  log.info("stopping", { reason: describeError(stopping.signal.reason) });
  setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
  stopWatching.abort();
  await watching;
  await pages?.[Symbol.asyncDispose]();
  await agent[Symbol.asyncDispose]();
}

function watch(
  agent: Agent,
  path: string,
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<void> {
  const options = { path: resolve(path), clock: systemClock, fileSystem: nodeFileSystem, log };
  return watchConfig(agent, options, signal);
}

/** For a person at a terminal, else as Alloy writes them. */
function createHostSink(): LogSink {
  if (process.stderr.isTTY) return createStreamSink(process.stderr, "pretty");
  return (event) => process.stderr.write(`${formatAgentLine(event, "logfmt")}\n`);
}

async function start(path: string, options: AgentRunOptions, signal: AbortSignal): Promise<Agent> {
  try {
    return await startAgent({
      source: sourceOf(resolve(path), options.conversion),
      storagePath: resolve(options.storagePath),
      clock: systemClock,
      logSink: createAgentLogSink(createHostSink()),
      fileSystem: nodeFileSystem,
      environment: machineEnvironment(process.env, readVersion()),
      signal,
      stability: options.stability,
      servesTls: true,
    });
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.text()}\n`);
    throw error;
  }
}

function sourceOf(path: string, conversion: FileConversion | undefined): ConfigSource {
  if (conversion === undefined) return { path };
  return {
    load: async () => {
      const { convertFile } = await import("./agent-convert-command.ts");
      return { text: await convertFile(path, conversion), name: `${path} (converted)` };
    },
  };
}

async function openPages(
  agent: Agent,
  address: { readonly host: string; readonly port: number },
  log: Logger,
): Promise<AgentPages> {
  try {
    return await AgentPages.open(agent, address, log);
  } catch (error) {
    await agent[Symbol.asyncDispose]();
    throw error;
  }
}

async function reloadAgent(agent: Agent, log: Logger): Promise<void> {
  try {
    await agent.reload();
  } catch (error) {
    if (!(error instanceof FinchError)) throw error;
    log.error("the new configuration is refused; the old one goes on", { error: error.message });
  }
}
