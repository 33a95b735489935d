/** The fleet and the dashboard through the gateway: a real agent takes its configuration over TLS, and the dashboard's cookie, headers and WebSocket are those of TLS. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:https";
import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { enrolAgents } from "./enrolled-agents.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const FINCH = join(import.meta.dirname, "../packages/finch/bin/finch");
const WAIT_MS_MAX = 60_000;

test("the fleet and the dashboard through the gateway", { timeout: 180_000 }, async (t) => {
  await using cleanUp = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "finch-fleet-gateway-"));
  cleanUp.defer(() => rm(directory, { recursive: true, force: true }));
  const data = join(directory, "finch");
  await mkdir(data);
  await writeIdleAgent(data);
  const { agents, dashboardTokens } = await enrolAgents(data, ["web-1"]);
  const ports = { ...(await freePorts()), ui: await freePort() };
  const port = await freePort();
  const host = `localhost:${port}`;
  cleanUp.use(
    await startFinch(data, ports, [
      `--listen-gateway=127.0.0.1:${port}`,
      "--listen-gateway-http=off",
      `--service-host=${host}`,
    ]),
  );
  const api = `http://127.0.0.1:${ports.ui}/api/v1/fleet`;
  const send = async (method: string, path: string, body: unknown) => {
    const headers = { "content-type": "application/json" };
    const reply = await fetch(api + path, { method, headers, body: JSON.stringify(body) });
    assert.ok(reply.ok, await reply.text());
  };

  await t.test("an agent takes its configuration over TLS", async () => {
    await send("PUT", "/configurations/base", {
      text: 'local.file "a" { filename = "/dev/null" }\n',
    });
    const stages = [{ percent: 100, pauseSeconds: 1 }];
    await send("POST", "/rollouts", { configuration: "base", selector: "{}", stages });
    await using _agent = await startAgent(directory, { host, token: agents[0]!.token });
    const deadline = Date.now() + WAIT_MS_MAX;
    for (;;) {
      const reply = await fetch(`${api}/collectors/web-1`);
      const { drift = "not seen" } = (await reply.json()) as { readonly drift?: string };
      if (drift === "in-sync") break;
      assert.ok(Date.now() < deadline, `the agent's configuration is ${drift}`);
      await sleep(200);
    }
  });

  await t.test("the dashboard's cookie and headers are those of TLS", async () => {
    const login = await ask(host, `/login?token=${dashboardTokens.admin}`, {});
    assert.equal(login.statusCode, 303);
    assert.match(login.headers["set-cookie"]![0]!, /; HttpOnly; SameSite=Strict; Secure$/);
    assert.ok(login.headers["strict-transport-security"] !== undefined);
    const cookie = `dashboard_token=${dashboardTokens.admin}`;
    const page = await ask(host, "/dashboard", { cookie });
    assert.equal(page.statusCode, 200);
    assert.match(String(page.headers["content-security-policy"]), /script-src 'self'/);
    assert.equal((await ask(host, "/dashboard/assets/dashboard.js", {})).statusCode, 200);
  });

  await t.test("the WebSocket opens for its own page alone", async () => {
    const open = (origin: string) => {
      const headers = {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        cookie: `dashboard_token=${dashboardTokens.admin}`,
        origin,
      };
      return request(`https://${host}/ws`, { headers, rejectUnauthorized: false }).end();
    };
    const [, socket, head] = (await once(open(`https://${host}`), "upgrade")) as [
      IncomingMessage,
      Socket,
      Buffer,
    ];
    let text = head.toString();
    while (!text.includes('{"type":"stats"'))
      text += String(((await once(socket, "data")) as [Buffer])[0]);
    socket.destroy();
    const [refused] = (await once(open("https://evil.example"), "response")) as [IncomingMessage];
    refused.resume();
    assert.equal(refused.statusCode, 403);
  });
});

async function ask(
  host: string,
  path: string,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const asked = request(`https://${host}${path}`, { headers, rejectUnauthorized: false });
  asked.end();
  const [answer] = (await once(asked, "response")) as [IncomingMessage];
  answer.resume();
  await once(answer, "end");
  return answer;
}

async function startAgent(
  directory: string,
  { host, token }: { readonly host: string; readonly token: string },
): Promise<AsyncDisposable> {
  const path = join(directory, "agent.alloy");
  await writeFile(
    path,
    `remotecfg {
	url            = "https://${host}"
	id             = "web-1"
	bearer_token   = "${token}"
	poll_frequency = "10s"
	tls_config { insecure_skip_verify = true }
}
`,
  );
  const address = `--server.http.listen-addr=127.0.0.1:${await freePort()}`;
  const storage = `--storage.path=${join(directory, "agent")}`;
  const child = spawn(FINCH, ["agent", "run", path, storage, address], { stdio: "ignore" });
  const exited = once(child, "exit");
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await exited;
    },
  };
}
