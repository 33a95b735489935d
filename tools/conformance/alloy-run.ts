/** Runs real configurations: each is started with what it talks to stubbed, and its components must be healthy, and stay so. */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { startAgent } from "@finch/agent";
import type { Agent } from "@finch/agent";
import { describeError, nodeFileSystem, systemClock } from "@finch/runtime";
import { keysOf, kubeconfigOf, startStub, stubbed, valueOf } from "./alloy-stubs.ts";

/** Behind the stubs of programs. */
const PATH = process.env["PATH"] ?? "";

/** How long everything may take to become healthy, and how long it must stay so. */
const START_MS_MAX = 5000;
const STAY_MS = 500;
const POLL_MS = 25;
/** Said by components that cannot be part of this program. */
const OUTSIDE = "does not run here: ";

/** What is not healthy of a configuration, a line each; none when all is well. */
export async function runConfig(text: string): Promise<readonly string[]> {
  await using stub = await startStub(keysOf(text));
  const address = `127.0.0.1:${stub.port}`;
  const directory = await mkdtemp(join(tmpdir(), "finch-conformance-"));
  try {
    const at = (name: string) => join(directory, name);
    const path = at("config.alloy");
    const places = { address, file: at("stub"), mapping: at("mapping.yaml") };
    await writeFile(places.file, "stub");
    await writeFile(places.mapping, "mappings: []\n");
    await writeFile(at("kubeconfig"), kubeconfigOf(address));
    await writeFile(at("journalctl"), "#!/bin/sh\nexec sleep 600\n", { mode: 0o755 });
    process.env["KUBECONFIG"] = at("kubeconfig");
    process.env["PATH"] = `${directory}:${PATH}`;
    await writeFile(path, stubbed(text, places));
    await using agent = await startAgent({
      source: { path },
      storagePath: join(directory, "data"),
      clock: systemClock,
      fileSystem: nodeFileSystem,
      environment: {
        env: (name) => valueOf(name, address),
        hostname: "stub",
        os: "linux",
        arch: "amd64",
        version: "v1",
      },
      signal: new AbortController().signal,
      logSink: () => {},
      stability: "experimental",
      servesTls: true,
    });
    await untilHealthy(agent);
    await sleep(STAY_MS);
    return faultsOf(agent);
  } catch (error) {
    return [describeError(error)];
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

async function untilHealthy(agent: Agent): Promise<void> {
  for (let waitedMs = 0; faultsOf(agent).length > 0 && waitedMs < START_MS_MAX; waitedMs += POLL_MS)
    await sleep(POLL_MS);
}

function faultsOf(agent: Agent): readonly string[] {
  return agent
    .components()
    .filter(({ health }) => health.state !== "healthy" && !health.message.startsWith(OUTSIDE))
    .map(({ id, health }) => `${id} is ${health.state}: ${health.message}`);
}
