/** A machine registered over gRPC, the configuration that it is given run by `finch agent run`, and what it collects found with its labels, until it is deregistered. */
import assert from "node:assert/strict";
import { appendFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hasOpenssl } from "../packages/agent/test/certificates.ts";
import { makeAuthority, makeClient } from "../packages/control/test/client-certificates.ts";
import { openRpcClient } from "../packages/control/test/rpc-client.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import { openFrontDoor } from "./front-door.ts";
import { startNamespacedAgent } from "./namespaced-agent.ts";
import { findLines, findSamples, listen, until, untilHealthy } from "./original-finch.ts";

const CLIENT = "rid:finchctl:8d134b24c2541730";

test(
  "a machine is registered, runs what it is given, is found, and is shut out when it is deregistered",
  { skip: hasOpenssl() ? false : "openssl is not installed", timeout: 240_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-enrolment-"));
    try {
      await enrol(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);

async function enrol(directory: string): Promise<void> {
  const data = join(directory, "finch");
  const logFile = join(directory, "app.log");
  for (const path of [join(directory, "tls"), join(data, "certs.d")])
    await mkdir(path, { recursive: true });
  await writeFile(logFile, "first line\n");
  await writeIdleAgent(data);
  const nowMs = Date.now();
  const authority = await makeAuthority({ nowMs });
  await writeFile(join(data, "certs.d", `${CLIENT}.pem`), authority.pem);
  const headers = {
    "x-forwarded-tls-client-cert": await makeClient(authority, { nowMs, name: `CN=${CLIENT}` }),
  };
  const ports = { ...(await freePorts()), ui: await freePort(), auth: await freePort() };
  await using target = await startTarget();
  await using door = await openFrontDoor(join(directory, "tls"), {
    authUrl: `http://127.0.0.1:${ports.auth}/auth`,
    routes: {
      "/loki": `http://127.0.0.1:${ports.loki}`,
      "/mimir": `http://127.0.0.1:${ports.prometheus}`,
    },
  });
  await using finch = await startFinch(data, ports, [
    `--service-host=${door.host}`,
    "--service-certificate=self-signed",
    "--service-trusted-proxies=127.0.0.1",
  ]);
  using client = openRpcClient(`127.0.0.1:${ports.ui}`);
  const { rid } = await client.call(
    "AgentService.RegisterAgent",
    {
      hostname: "box-7",
      labels: ["env=test"],
      log_sources: [`file://${logFile}`],
      metrics: true,
      metrics_targets: [`http://${target.address}/own/metrics`],
    },
    headers,
  );
  const { config } = await client.call("AgentService.GetAgentConfig", { rid }, headers);
  await using agent = await startNamespacedAgent(directory, {
    config: await moveLocalPorts(String(config)),
    mounts: [],
  });
  const parts = { agent, finch };
  await untilHealthy(parts);
  await appendFile(logFile, "second line\n");
  const own = { host: "box-7", rid: String(rid), env: "test" };
  const lines = await findLines(parts, `{rid="${String(rid)}"}`, 2);
  assert.deepEqual(lines.map(({ line }) => line).toSorted(), ["first line", "second line"]);
  const expected = { filename: logFile, service_name: "loki.source.file.files", ...own };
  for (const { labels } of lines) assert.deepEqual(labels, expected);
  const [sample] = await findSamples(parts, 'shop_orders_total{host="box-7"}');
  const { host, rid: sampleRid, env } = sample!.metric;
  assert.deepEqual({ host, rid: sampleRid, env }, own);
  assert.equal(door.refused, 0, "nothing came without its token");

  await client.call("AgentService.DeregisterAgent", { rid }, headers);
  await appendFile(logFile, "a line after the end\n");
  await until("a refused request", parts, () => door.refused > 0);
  assert.equal((await findLines(parts, `{rid="${String(rid)}"}`, 2)).length, 2);
}

/** The ports for programs on the machine, which a machine that runs tests may have in use. */
async function moveLocalPorts(config: string): Promise<string> {
  let moved = config;
  for (const port of config.matchAll(/listen_port = "?(\d+)"?/g))
    moved = moved.replace(port[0], port[0].replace(port[1]!, String(await freePort())));
  return moved;
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
