/**
 * The configuration that the original Finch gives an agent, run whole and as it is against `finch up`, behind a front door as the original has it, with a real engine, a
 * real journal, a file, and pushes of others. All that it collects must be found by queries, with the labels Alloy gives.
 */
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Labels } from "@finch/model";
import { encodeRemoteWrite } from "@finch/wire";
import { startDockerd } from "../packages/agent/test/docker-daemon.ts";
import { startJournald } from "../packages/agent/test/journald.ts";
import { freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { openFrontDoor } from "./front-door.ts";
import { startNamespacedAgent } from "./namespaced-agent.ts";
import {
  CONFIGS,
  findLines,
  findSamples,
  listen,
  missing,
  render,
  runAt,
  until,
  untilHealthy,
} from "./original-finch.ts";
import type { Parts } from "./original-finch.ts";

const AGENT_CONFIG = join(CONFIGS, "tschaefer+finch/agent_config.alloy");
const HOST = "box-7";
const TOKEN = "header.claims.signature";
const RID = "rid:finch:8d134b24c2541730:agent:1";
/** What everything that the agent sends carries. */
const OWN = { host: HOST, rid: RID, env: "test" };
/** Ports that the configuration of an agent has on 127.0.0.1. */
const AGENT_PORTS = { logs: 3100, metrics: 9091, profiles: 4040 };

/** A server that keeps paths and bodies of profiles, in the place of a store for them. */
async function startProfileSink() {
  const profiles: { path: string; body: Buffer }[] = [];
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      profiles.push({ path: message.url ?? "", body: Buffer.concat(chunks) });
      response.end();
    });
  });
  return { profiles, ...(await listen(server)) };
}

/** A program with metrics of its own. */
function startTarget() {
  return listen(
    createServer((message, response) => {
      const isOwn = message.url === "/own/metrics";
      response.writeHead(isOwn ? 200 : 404, { "content-type": "text/plain; version=0.0.4" });
      response.end(isOwn ? 'shop_orders_total{kind="paid"} 42\n' : "");
    }),
  );
}

/** Writes to the journal as a service would: journald tells units by the control group of the writer. Undefined where no group can be made. */
function logAsUnit(directory: string, unit: string, text: string): string | undefined {
  const socket = join(directory, "run", "dev-log");
  const root = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/systemd", "/sys/fs/cgroup"].find((path) =>
    existsSync(join(path, "cgroup.procs")),
  );
  const group = root === undefined ? undefined : join(root, "system.slice", unit);
  try {
    if (group === undefined) return undefined;
    mkdirSync(group, { recursive: true });
    // The writer lives on for a moment, so that journald finds its group; then the group is left and removed.
    const write = `(echo "${text}"; sleep 1) | logger -u ${socket} -p user.warning -t shop`;
    const leave = `echo $$ > ${root}/cgroup.procs; rmdir ${group}`;
    const script = `echo $$ > ${group}/cgroup.procs && ${write}; ${leave}`;
    execFileSync("sh", ["-c", script], { stdio: "pipe" });
    return unit;
  } catch {
    return undefined;
  }
}

test(
  "the configuration of an agent runs whole, and all that it collects is found",
  { skip: missing(AGENT_CONFIG), timeout: 240_000 },
  (t) =>
    runAt(t, { host: "127.0.0.1", ports: Object.values(AGENT_PORTS) }, (directory) =>
      runAgentConfig(directory, (text) => t.diagnostic(text)),
    ),
);

async function runAgentConfig(directory: string, tell: (text: string) => void): Promise<void> {
  const journalDirectory = join(directory, "journal");
  const dockerDirectory = join(directory, "docker");
  const logFile = join(directory, "app.log");
  for (const path of [journalDirectory, dockerDirectory, join(directory, "tls")]) await mkdir(path);
  await writeFile(logFile, "first line of a file\n");
  await writeIdleAgent(join(directory, "finch"));
  await using finch = await startFinch(join(directory, "finch"), await freePorts());
  await using sink = await startProfileSink();
  await using target = await startTarget();
  await using door = await openFrontDoor(join(directory, "tls"), {
    token: TOKEN,
    routes: {
      "/loki": finch.lokiUrl,
      "/mimir": finch.prometheusUrl,
      "/pyroscope": `http://${sink.address}`,
    },
  });
  await using docker = await startDockerd(dockerDirectory);
  await docker.run("web-1", 'echo "a line of a container"; sleep 600');
  await using journald = await startJournald(journalDirectory);
  journald.write("a line of the journal", "user.warning");
  const unit = logAsUnit(journalDirectory, "finch-shop.service", "a line of a unit");
  if (unit === undefined)
    tell("no control group can be made here: units of the journal are not looked at");
  const config = render(AGENT_CONFIG, {
    ServiceName: door.host,
    Token: TOKEN,
    TokenExpiry: "2030-01-01T00:00:00Z",
    InsecureSkipVerify: true,
    Hostname: HOST,
    ResourceId: RID,
    Labels: ['"env" = "test"'],
    LogSources: {
      Journal: true,
      Docker: true,
      Files: [`{"__path__" = "${logFile}"}`],
      Events: [],
    },
    Metrics: true,
    MetricsTargets: [{ Address: target.address, MetricsPath: "/own/metrics" }],
    Node: "unix",
    Profiles: true,
  });
  await using agent = await startNamespacedAgent(directory, {
    config,
    mounts: [
      { from: `${journalDirectory}/log`, to: "/var/log/journal", kind: "folder" },
      { from: join(dockerDirectory, "docker.sock"), to: "/run/docker.sock", kind: "run-file" },
    ],
  });
  const parts = { agent, finch };
  await untilHealthy(parts);
  await appendFile(logFile, "second line of a file\n");
  await pushToAgent();
  await checkLogs(parts, { logFile, unit });
  await checkMetrics(parts, target.address);
  await until("two profiles", parts, () => sink.profiles.length >= 2);
  checkProfiles(sink.profiles);
  assert.equal(door.refused, 0, "a request came without the token");
  const failed = door.passed.filter(({ status }) => status >= 300);
  assert.deepEqual(failed, []);
  await untilHealthy(parts);
}

/** What others on the machine send to the agent, as curl and SDKs do. */
async function pushToAgent(): Promise<void> {
  const post = async (
    port: number,
    path: string,
    body: string | Uint8Array<ArrayBuffer>,
    type: string,
  ) => {
    const url = `http://127.0.0.1:${port}${path}`;
    const reply = await fetch(url, { method: "POST", body, headers: { "content-type": type } });
    assert.ok(reply.ok, `${url}: ${reply.status} ${await reply.text()}`);
  };
  const now = `${Date.now()}000000`;
  const push = { streams: [{ stream: { app: "curl" }, values: [[now, "a pushed line"]] }] };
  await post(AGENT_PORTS.logs, "/loki/api/v1/push", JSON.stringify(push), "application/json");
  const samples = encodeRemoteWrite({
    labels: [Labels.fromObject({ __name__: "pushed_metric", job: "batch" })],
    timestampsMs: Float64Array.of(Date.now()),
    values: Float64Array.of(7),
  });
  const protobuf = "application/x-protobuf";
  await post(AGENT_PORTS.metrics, "/api/v1/metrics/write", new Uint8Array(samples), protobuf);
  const name = encodeURIComponent("shop.api{region=eu}");
  const query = `name=${name}&from=1795197955&until=1795197957&format=folded&sampleRate=100`;
  await post(AGENT_PORTS.profiles, `/ingest?${query}`, "main;work 3\n", "text/plain");
  const series = {
    labels: [
      { name: "__name__", value: "process_cpu" },
      { name: "service_name", value: "shop" },
    ],
    samples: [{ rawProfile: "AQI=" }],
  };
  await post(
    AGENT_PORTS.profiles,
    "/push.v1.PusherService/Push",
    JSON.stringify({ series: [series] }),
    "application/json",
  );
}

async function checkLogs(
  parts: Parts,
  { logFile, unit }: { readonly logFile: string; readonly unit: string | undefined },
): Promise<void> {
  const find = (query: string, count = 1) => findLines(parts, query, count);
  const [pushed] = await find('{app="curl"}');
  assert.deepEqual(pushed, {
    line: "a pushed line",
    labels: { app: "curl", service_name: "curl", ...OWN },
  });
  const file = await find('{service_name="loki.source.file.files"}', 2);
  assert.deepEqual(file.map(({ line }) => line).toSorted(), [
    "first line of a file",
    "second line of a file",
  ]);
  const ofFile = { filename: logFile, service_name: "loki.source.file.files", ...OWN };
  for (const { labels } of file) assert.deepEqual(labels, ofFile);
  const [container] = await find('{platform="docker"}');
  assert.deepEqual(container, {
    line: "a line of a container",
    labels: { platform: "docker", service_name: "web-1", ...OWN },
  });
  const [entry] = await find('{level="warning"} |= "a line of the journal"');
  const { boot_id: bootId, ...rest } = entry!.labels;
  assert.match(bootId ?? "", /^[0-9a-f]{32}$/);
  assert.deepEqual(rest, {
    level: "warning",
    transport: "syslog",
    job: "loki.source.journal.journal",
    service_name: "loki.source.journal.journal",
    ...OWN,
  });
  const fields = JSON.parse(entry!.line) as Readonly<Record<string, string>>;
  assert.deepEqual(
    [fields["MESSAGE"], fields["SYSLOG_IDENTIFIER"]],
    ["a line of the journal", "finch-test"],
  );
  if (unit === undefined) return;
  const [ofUnit] = await find(`{unit="${unit}"}`);
  assert.equal(ofUnit!.labels["level"], "warning");
}

async function checkMetrics(parts: Parts, target: string): Promise<void> {
  const find = (query: string) => findSamples(parts, query);
  const node = { job: "integrations/unix", instance: hostname(), ...OWN };
  assert.deepEqual(await find('up{job="integrations/unix"} == 1'), [
    { metric: { __name__: "up", ...node }, value: 1 },
  ]);
  const [uname] = await find("node_uname_info");
  const { job, instance, host, rid, env } = uname!.metric;
  assert.deepEqual({ job, instance, host, rid, env }, node);
  // `include_exporter_metrics`
  await find('node_exporter_build_info{job="integrations/unix"}');
  const custom = { job: "prometheus.scrape.custom_0", instance: target, ...OWN };
  assert.deepEqual(await find("shop_orders_total"), [
    { metric: { __name__: "shop_orders_total", kind: "paid", ...custom }, value: 42 },
  ]);
  assert.deepEqual(await find('up{job="prometheus.scrape.custom_0"} == 1'), [
    { metric: { __name__: "up", ...custom }, value: 1 },
  ]);
  assert.deepEqual(await find("pushed_metric"), [
    { metric: { __name__: "pushed_metric", job: "batch", ...OWN }, value: 7 },
  ]);
}

function checkProfiles(
  profiles: readonly { readonly path: string; readonly body: Buffer }[],
): void {
  const [ingested] = profiles.filter(({ path }) => path.startsWith("/ingest?"));
  assert.equal(ingested!.body.toString(), "main;work 3\n");
  assert.deepEqual(
    [...new URL(ingested!.path, "http://x").searchParams],
    [
      ["name", `shop.api{env=test,host=${HOST},region=eu,rid=${RID},service_name=shop.api}`],
      ["from", "1795197955"],
      ["until", "1795197957"],
      ["format", "folded"],
      ["sampleRate", "100"],
    ],
  );
  const [pushed] = profiles.filter(({ path }) => path === "/push.v1.PusherService/Push");
  assert.ok(pushed!.body.includes(RID) && pushed!.body.includes("process_cpu"));
}
