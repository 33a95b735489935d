/** The secret of a running Finch is changed by the command while agents send: none of them is refused, and without an overlap all are. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { makeAuthority, makeClient } from "../packages/control/test/client-certificates.ts";
import { openRpcClient } from "../packages/control/test/rpc-client.ts";
import type { RpcClient } from "../packages/control/test/rpc-client.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const MAIN = join(import.meta.dirname, "../packages/finch/src/main.ts");
const CLIENT = "rid:finchctl:8d134b24c2541730";
const AGENTS = 20;

test(
  "a secret is changed under load, and nothing is refused until it shall be",
  { timeout: 240_000 },
  async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-rotation-"));
    try {
      await rotate(directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  },
);

async function rotate(directory: string): Promise<void> {
  const nowMs = Date.now();
  const authority = await makeAuthority({ nowMs });
  await mkdir(join(directory, "certs.d"));
  await writeFile(join(directory, "certs.d", `${CLIENT}.pem`), authority.pem);
  await writeIdleAgent(directory);
  const certificate = await makeClient(authority, { nowMs, name: `CN=${CLIENT}` });
  const ports = { ...(await freePorts()), ui: await freePort(), auth: await freePort() };
  await using finch = await startFinch(directory, ports, ["--service-trusted-proxies=127.0.0.1"]);
  using client = openRpcClient(`127.0.0.1:${ports.ui}`);
  const rids: string[] = [];
  for (let n = 0; n < AGENTS; n++) rids.push(await register(client, certificate, n));
  const tokensOf = () => Promise.all(rids.map((rid) => tokenOf(client, certificate, rid)));
  const first = await tokensOf();
  const statusOf = async (token: string) => {
    const headers = { authorization: `Bearer ${token}` };
    return (await fetch(`http://127.0.0.1:${ports.auth}/auth`, { headers })).status;
  };
  const load = startLoad(first, statusOf);
  await untilSeen(() => load.rounds >= 2);

  await runRotate(directory, "1h");
  await untilSeen(() => finch.output().includes("finch.json was written by another program"));
  const second = await tokensOf();
  const seenAt = load.rounds;
  await untilSeen(() => load.rounds >= seenAt + 2);
  for (const token of second) assert.equal(await statusOf(token), 200);
  await load.stop();
  assert.deepEqual([...load.statuses], [200], "no agent was refused");

  await runRotate(directory, "0s");
  await untilSeen(async () => (await statusOf(second[0]!)) === 401);
  for (const token of [...first, ...second]) assert.equal(await statusOf(token), 401);
  for (const token of await tokensOf()) assert.equal(await statusOf(token), 200);
}

async function register(client: RpcClient, certificate: string, n: number): Promise<string> {
  const request = { hostname: `box-${n}`, log_sources: ["journal://"] };
  const headers = { "x-forwarded-tls-client-cert": certificate };
  return String((await client.call("AgentService.RegisterAgent", request, headers))["rid"]);
}

async function tokenOf(client: RpcClient, certificate: string, rid: string): Promise<string> {
  const headers = { "x-forwarded-tls-client-cert": certificate };
  const { config } = await client.call("AgentService.GetAgentConfig", { rid }, headers);
  return /bearer_token = "([^"]+)"/.exec(String(config))![1]!;
}

/** Every agent asks again and again. */
function startLoad(tokens: readonly string[], statusOf: (token: string) => Promise<number>) {
  const statuses = new Set<number>();
  let rounds = 0;
  let isStopping = false;
  const running = (async () => {
    while (!isStopping) {
      for (const status of await Promise.all(tokens.map(statusOf))) statuses.add(status);
      rounds++;
      await sleep(10);
    }
  })();
  return {
    statuses,
    get rounds() {
      return rounds;
    },
    stop: () => {
      isStopping = true;
      return running;
    },
  };
}

async function runRotate(directory: string, overlap: string): Promise<void> {
  const args = [MAIN, "rotate-secret", "--data-dir", directory, "--overlap", overlap];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  assert.match(stdout, /is changed/);
}

async function untilSeen(condition: () => boolean | Promise<boolean>): Promise<void> {
  const endMs = Date.now() + 60_000;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error("not seen within a minute");
    await sleep(50);
  }
}
