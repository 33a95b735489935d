/** What the tests of the original Finch's configurations share: filling its templates, what must be there, and asking Finch until something is found. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import type { Server } from "node:http";
import { createServer as createSocketServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { BUILT_IN_FUNCTIONS, parseTemplate, runTemplate } from "@finch/go-text";
import type { TemplateValue } from "@finch/go-text";
import { hasOpenssl } from "../packages/agent/test/certificates.ts";
import { noDockerd } from "../packages/agent/test/docker-daemon.ts";
import { noJournald } from "../packages/agent/test/journald.ts";
import type { FinchProcess } from "./finch-process.ts";
import { noMounts } from "./namespaced-agent.ts";
import type { NamespacedAgent } from "./namespaced-agent.ts";

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../shared");
export const CONFIGS = join(SHARED, "conformance/alloy-configs");
const FOUND_MS_MAX = 90_000;

type Data = string | number | boolean | readonly Data[] | { readonly [name: string]: Data };

/** The template as the original's server fills it. */
export function render(path: string, data: { readonly [name: string]: Data }): string {
  const nodes = parseTemplate(readFileSync(path, "utf8"), new Set(Object.keys(BUILT_IN_FUNCTIONS)));
  const values = valueOf(data) as ReadonlyMap<string, TemplateValue>;
  return runTemplate(nodes, {
    root: { get: (name) => values.get(name) ?? null, toMap: () => values },
    functions: BUILT_IN_FUNCTIONS,
    scope: { nowNs: () => 0n },
  });
}

function valueOf(data: Data): TemplateValue {
  if (Array.isArray(data)) return data.map((one: Data) => valueOf(one));
  if (typeof data !== "object") return data;
  return new Map(
    Object.entries(data as { readonly [name: string]: Data }).map(([name, one]) => [
      name,
      valueOf(one),
    ]),
  );
}

/** A port that a configuration has and that something else listens on; undefined when all are free. */
async function takenPort(host: string, ports: readonly number[]): Promise<string | undefined> {
  for (const port of ports) {
    const server = createSocketServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false));
      server.listen(port, host, () => server.close(() => resolve(true)));
    });
    if (!isFree) return `${host}:${port}`;
  }
  return undefined;
}

/** What is missing; false when all is there. */
export function missing(config: string): string | false {
  if (!existsSync(config))
    return `no configuration here: set FINCH_SHARED to the folder that has ${config.slice(SHARED.length + 1)}`;
  if (!hasOpenssl()) return "openssl is not installed";
  return noMounts() || noDockerd() || noJournald();
}

export interface Parts {
  readonly agent: NamespacedAgent;
  readonly finch: FinchProcess;
}

export async function until(
  what: string | (() => string),
  { agent, finch }: Parts,
  condition: () => Promise<boolean> | boolean,
): Promise<void> {
  const endMs = Date.now() + FOUND_MS_MAX;
  while (!(await condition())) {
    if (Date.now() > endMs)
      throw new Error(
        `not found: ${typeof what === "string" ? what : what()}\n--- agent\n${agent.output()}\n--- finch\n${finch.output()}`,
      );
    await sleep(200);
  }
}

export interface Line {
  readonly labels: Readonly<Record<string, string>>;
  readonly line: string;
}

/** With the labels of the stream; what the store finds in lines by itself, `detected_level`, is left out. */
async function linesOf(finch: FinchProcess, query: string): Promise<readonly Line[]> {
  const parameters = new URLSearchParams({ query, limit: "1000" });
  const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/query_range?${parameters.toString()}`);
  const { data } = (await reply.json()) as {
    data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
  };
  return data.result.flatMap(({ stream, values }) => {
    const { detected_level: _, ...labels } = stream;
    return values.map(([, line]) => ({ labels, line }));
  });
}

export interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: number;
}

async function samplesOf(finch: FinchProcess, query: string): Promise<readonly Sample[]> {
  const reply = await fetch(
    `${finch.prometheusUrl}/api/v1/query?${new URLSearchParams({ query }).toString()}`,
  );
  const { data } = (await reply.json()) as {
    data: { result: { metric: Record<string, string>; value: [number, string] }[] };
  };
  return data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

export async function listen(
  server: Server,
  { host = "127.0.0.1", port = 0 } = {},
): Promise<AsyncDisposable & { readonly address: string }> {
  server.listen(port, host);
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    address: `${host}:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Runs `run` in a folder of its own, unless something listens where the configuration wants to. */
export async function runAt(
  t: TestContext,
  at: { readonly host: string; readonly ports: readonly number[] },
  run: (directory: string) => Promise<void>,
): Promise<void> {
  const taken = await takenPort(at.host, at.ports);
  if (taken !== undefined) {
    t.skip(`${taken}, which the configuration has, is taken by something else`);
    return;
  }
  const directory = await mkdtemp(join(tmpdir(), "finch-original-"));
  try {
    await run(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

export async function untilHealthy(parts: Parts): Promise<void> {
  let unwell: readonly unknown[] = [];
  await until(
    () => `a healthy agent, but ${JSON.stringify(unwell)}`,
    parts,
    async () => {
      const components = await parts.agent.components();
      unwell = components.filter(({ health }) => health.state !== "healthy");
      return components.length > 0 && unwell.length === 0;
    },
  );
}

export async function findLines(parts: Parts, query: string, count = 1): Promise<readonly Line[]> {
  let found: readonly Line[] = [];
  await until(query, parts, async () => {
    found = await linesOf(parts.finch, query);
    return found.length >= count;
  });
  assert.equal(found.length, count, query);
  return found;
}

export async function findSamples(
  parts: Parts,
  query: string,
  count = 1,
): Promise<readonly Sample[]> {
  let found: readonly Sample[] = [];
  await until(query, parts, async () => {
    found = await samplesOf(parts.finch, query);
    return found.length >= count;
  });
  return found;
}
