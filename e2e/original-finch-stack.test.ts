/** The configuration that the original Finch gives the machine of its own stack, run whole: services found by their names, the machine below /host, and a real engine. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { startDockerd } from "../packages/agent/test/docker-daemon.ts";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { startNamespacedAgent } from "./namespaced-agent.ts";
import {
  CONFIGS,
  findLines,
  findSamples,
  listen,
  missing,
  render,
  runAt,
  untilHealthy,
} from "./original-finch.ts";

const STACK_CONFIG = join(CONFIGS, "tschaefer+finchctl/internal_service_assets_alloy.config.tmpl");
const HOST = "box-7";
/** Where the configuration of the stack finds its services, by names and with the ports they always have. */
const STACK_HOST = "127.83.0.1";
const STACK_PORTS = { traefik: 443, loki: 3100, mimir: 8080, finch: 3003, pyroscope: 4040 };

test(
  "the configuration of the stack's own machine runs whole",
  { skip: missing(STACK_CONFIG), timeout: 240_000 },
  (t) => runAt(t, { host: STACK_HOST, ports: Object.values(STACK_PORTS) }, runStackConfig),
);

async function runStackConfig(directory: string): Promise<void> {
  const dockerDirectory = join(directory, "docker");
  const hosts = join(directory, "hosts");
  await mkdir(dockerDirectory);
  const names = Object.keys(STACK_PORTS).join(" ");
  await writeFile(hosts, `127.0.0.1 localhost\n${STACK_HOST} ${names}\n`);
  await writeIdleAgent(join(directory, "finch"));
  const { loki, mimir, finch: health, traefik, pyroscope } = STACK_PORTS;
  await using finch = await startFinch(join(directory, "finch"), {
    ...(await freePorts()),
    host: STACK_HOST,
    loki,
    mimir,
    health,
  });
  const ready = () => createServer((_message, response) => void response.end("ready"));
  await using _traefik = await listen(ready(), { host: STACK_HOST, port: traefik });
  await using _pyroscope = await listen(ready(), { host: STACK_HOST, port: pyroscope });
  await using docker = await startDockerd(dockerDirectory);
  await docker.run("grafana", 'echo "a line of the stack"; sleep 600');
  await using agent = await startNamespacedAgent(directory, {
    config: render(STACK_CONFIG, { Hostname: HOST }),
    mounts: [
      { from: hosts, to: "/etc/hosts", kind: "file" },
      { from: join(dockerDirectory, "docker.sock"), to: "/run/docker.sock", kind: "run-file" },
      { from: "/", to: "/host", kind: "tree" },
    ],
  });
  const parts = { agent, finch };
  await untilHealthy(parts);
  const [container] = await findLines(parts, '{platform="docker"}');
  assert.deepEqual(container, {
    line: "a line of the stack",
    labels: { platform: "docker", service_name: "grafana", host: HOST },
  });
  const node = { job: "integrations/unix", instance: hostname(), host: HOST };
  assert.deepEqual(await findSamples(parts, 'up{job="integrations/unix"} == 1'), [
    { metric: { __name__: "up", ...node }, value: 1 },
  ]);
  const [memory] = await findSamples(parts, "node_memory_MemTotal_bytes");
  assert.ok(memory!.value > 2 ** 20);
  const probes = await findSamples(parts, "probe_success == 1", 5);
  assert.deepEqual(
    probes.map(({ metric }) => `${metric["job"]} ${metric["host"]}`).toSorted(),
    Object.keys(STACK_PORTS)
      .map((name) => `integrations/blackbox/${name} ${HOST}`)
      .toSorted(),
  );
  await untilHealthy(parts);
}
