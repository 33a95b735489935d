/** `finch up`: reads the configuration, opens the stack, waits for a signal, stops in order. */
import { readFile } from "node:fs/promises";
import { isIP } from "node:net";
import type { Logger } from "@finch/runtime";
import { createLogger, describeError, FinchError, systemClock, untilSignal } from "@finch/runtime";
import type { AgentLogSink } from "@finch/agent";
import { createAgentLogSink } from "./agent-log.ts";
import { readBuild } from "./build.ts";
import { CONFIG_OPTIONS, flagOf } from "./config-options.ts";
import { parseConfig } from "./config.ts";
import type { FinchConfig } from "./config-options.ts";
import { createStreamSink, joinSinks, OwnLogs } from "./log-output.ts";
import { openStack } from "./stack.ts";
import type { Stack } from "./stack.ts";

/** Requests in flight may take this long once a stop was asked for. */
const REQUESTS_DEADLINE_MS = 5_000;
/** The whole stop; past it the process ends hard. Nothing acknowledged is lost then, only the next start replays more. */
const STOP_DEADLINE_MS = 30_000;

/** Runs until SIGINT or SIGTERM. `flags` are commander's, by their camel-case names. */
export async function runUp(flags: Readonly<Record<string, string>>): Promise<void> {
  const config = await readConfiguration(flags);
  const ownLogs = new OwnLogs();
  const stderr = createStreamSink(process.stderr, config.log.format);
  const logSink = joinSinks([stderr, ownLogs.sink]);
  const agentLines = createAgentLogSink(stderr);
  const agentLogSink: AgentLogSink = (event, settings) => {
    agentLines(event, settings);
    ownLogs.sink(event);
  };
  const log = createLogger({
    sink: logSink,
    level: config.log.level,
    part: "finch",
    nowMs: () => systemClock.nowMs(),
  });
  using stopping = untilSignal(process, () => process.exit(130));
  const build = await readBuild();
  const stack = await openStack({ config, build, clock: systemClock, log, ownLogs, agentLogSink });
  log.info("finch is up", { version: build.version, pid: process.pid, data: config.dataDirectory });
  tellAddress(stack, config);
  const hangUp = () => onHangUp(stack, log);
  process.on("SIGHUP", hangUp);
  await untilAborted(stopping.signal);
  log.info("stopping", { reason: describeError(stopping.signal.reason) });
  const deadline = setTimeout(() => {
    process.stderr.write(`finch: not stopped after ${STOP_DEADLINE_MS / 1000} s, ending now\n`);
    process.exit(1);
  }, STOP_DEADLINE_MS);
  deadline.unref();
  await stack.stop(REQUESTS_DEADLINE_MS);
  clearTimeout(deadline);
  process.off("SIGHUP", hangUp);
  process.stderr.write("Finch has stopped; everything is on disk.\n");
}

/** A closed terminal stops Finch as Ctrl-C does; without one, SIGHUP reads the agent's configuration and finch.json again. */
function onHangUp(stack: Stack, log: Logger): void {
  if (process.stdin.isTTY) {
    process.kill(process.pid, "SIGTERM");
    return;
  }
  stack.reloadAgent().then(
    () => log.info("the agent's configuration was read again"),
    (error: unknown) => log.error("the agent goes on as it was", { error: describeError(error) }),
  );
  stack.reloadControl().then(
    () => log.info("finch.json was read again"),
    (error: unknown) => log.error("the service goes on as it was", { error: describeError(error) }),
  );
}

async function readConfiguration(flags: Readonly<Record<string, string>>): Promise<FinchConfig> {
  const path = flags["config"];
  const byKey: Record<string, string | undefined> = {};
  for (const { key } of CONFIG_OPTIONS) byKey[key] = textOf(flags[camelCase(flagOf(key).slice(2))]);
  return parseConfig({
    file: path === undefined ? undefined : { name: path, text: await readText(path) },
    env: process.env,
    flags: byKey,
  });
}

/** A switch that stands alone is on. */
function textOf(flag: string | true | undefined): string | undefined {
  return flag === true ? "on" : flag;
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw new FinchError("invalid", "finch/no-config-file", `cannot read --config ${path}`, {
      cause: error,
    });
  }
}

function camelCase(flag: string): string {
  return flag.replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The one line a newcomer needs. */
function tellAddress(stack: Stack, config: FinchConfig): void {
  const address = stack.listeners.addressOf("ui");
  const { publicHost } = stack;
  if (address === undefined && publicHost === undefined) {
    process.stdout.write("Finch is up, without its web application (listen.ui is off).\n");
    return;
  }
  const places = [
    ...(address === undefined ? [] : [urlOf(address)]),
    ...(publicHost === undefined ? [] : [`https://${publicHost}`]),
  ];
  const lines = [
    `Finch is up: ${places.join(" and, from elsewhere, ")}`,
    `Data: ${config.dataDirectory} · Stop with Ctrl-C`,
    stack.firstSignIn(),
  ];
  const told = lines.filter((line) => line !== undefined).map((line) => `  ${line}\n`);
  process.stdout.write(`\n${told.join("")}\n`);
}

/** An address a browser on this machine can open. */
function urlOf(address: { readonly host: string; readonly port: number }): string {
  const { host, port } = address;
  const isHere = ["127.0.0.1", "::1", "0.0.0.0", "::", "localhost"].includes(host);
  const name = isHere ? "localhost" : isIP(host) === 6 ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
