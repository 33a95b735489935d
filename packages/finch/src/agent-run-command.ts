/** `finch agent run`: the collector by itself. Loads neither server nor query languages. */
import { resolve } from "node:path";
import { ConfigError, createAgentRoutes, machineEnvironment, startAgent } from "@finch/agent";
import {
  createLogger,
  describeError,
  FinchError,
  nodeFileSystem,
  systemClock,
  untilSignal,
} from "@finch/runtime";
import type { Logger } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import type { Listener } from "@finch/runtime/http";
import type { Agent, Stability } from "@finch/agent";
import { readVersion } from "./version.ts";
import { parseListenAddress } from "./config-options.ts";
import { createStreamSink } from "./log-output.ts";

const REQUESTS_DEADLINE_MS = 2_000;
/** Past it the process ends hard; queues are on disk all along, so nothing taken is lost. */
const STOP_DEADLINE_MS = 30_000;

export interface AgentRunOptions {
  readonly storagePath: string;
  readonly listen: string;
  readonly stability: Stability;
}

/** Runs until SIGINT or SIGTERM; SIGHUP reads the configuration again. */
export async function runAgent(path: string, options: AgentRunOptions): Promise<void> {
  const address = parseListenAddress(options.listen);
  const sink = createStreamSink(process.stderr, "auto");
  const log = createLogger({
    sink,
    level: "info",
    part: "finch",
    nowMs: () => systemClock.nowMs(),
  });
  using stopping = untilSignal(process, () => process.exit(130));
  const stop = new AbortController();
  const agent = await start(path, options, { signal: stop.signal, sink });
  const listener = address === undefined ? undefined : await listen(agent, address, log);
  const reload = () => void reloadAgent(agent, log);
  process.on("SIGHUP", reload);
  log.info("the agent is up", {
    config: path,
    storage: options.storagePath,
    pages: listener === undefined ? "off" : `http://${listener.host}:${listener.port}`,
  });
  await new Promise<void>((settle) => {
    if (stopping.signal.aborted) settle();
    stopping.signal.addEventListener("abort", () => settle(), { once: true });
  });
  process.off("SIGHUP", reload);
  log.info("stopping", { reason: describeError(stopping.signal.reason) });
  setTimeout(() => process.exit(1), STOP_DEADLINE_MS).unref();
  await listener?.close(REQUESTS_DEADLINE_MS);
  await agent[Symbol.asyncDispose]();
}

async function start(
  path: string,
  options: AgentRunOptions,
  {
    signal,
    sink,
  }: { readonly signal: AbortSignal; readonly sink: ReturnType<typeof createStreamSink> },
): Promise<Agent> {
  try {
    return await startAgent({
      source: { path: resolve(path) },
      storagePath: resolve(options.storagePath),
      clock: systemClock,
      logSink: (event) => sink(event),
      fileSystem: nodeFileSystem,
      environment: machineEnvironment(process.env, readVersion()),
      signal,
      stability: options.stability,
    });
  } catch (error) {
    if (error instanceof ConfigError) process.stderr.write(`${error.text()}\n`);
    throw error;
  }
}

async function listen(
  agent: Agent,
  address: { readonly host: string; readonly port: number },
  log: Logger,
): Promise<Listener> {
  try {
    return await openListener({
      name: "agent",
      purpose: "the agent's pages (--server.http.listen-addr)",
      ...address,
      routes: createAgentRoutes(agent),
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log,
    });
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
