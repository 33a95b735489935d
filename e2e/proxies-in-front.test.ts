/**
 * Finch behind Debian's caddy and nginx, which end TLS, ask GET /auth about agents, and hand on the certificates of clients. Their configurations are those of
 * docs/reference/proxies.md, with other ports and files.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { hasOpenssl, makeCertificates } from "../packages/agent/test/certificates.ts";
import {
  makeAuthority,
  makeClient,
  makeClientPair,
} from "../packages/control/test/client-certificates.ts";
import { openRpcClient } from "../packages/control/test/rpc-client.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";

const PAGE = join(import.meta.dirname, "../docs/reference/proxies.md");
const CLIENT = "rid:finchctl:8d134b24c2541730";
const UNAUTHENTICATED = { code: 16, details: "permission denied" };

/** What stands in the place of what the page has. */
interface Place {
  readonly directory: string;
  readonly port: number;
  /** From ports of the page to those of Finch. */
  readonly ports: Readonly<Record<string, number>>;
}

interface Proxy {
  readonly program: string;
  readonly language: string;
  readonly adapt: (text: string, place: Place) => string;
  readonly args: (file: string, directory: string) => readonly string[];
}

const PROXIES: Readonly<Record<string, Proxy>> = {
  caddy: {
    program: "/usr/bin/caddy",
    language: "caddyfile",
    adapt: (text, { directory, port }) =>
      `{\n\tadmin off\n\tauto_https disable_redirects\n\tstorage file_system ${directory}/caddy\n}\n${text
        .replace("finch.example.com {", `localhost:${port} {`)
        .replace("tls {", `tls ${directory}/tls/server.pem ${directory}/tls/server.key {`)}`,
    args: (file) => ["run", "--config", file, "--adapter", "caddyfile"],
  },
  nginx: {
    program: "/usr/sbin/nginx",
    language: "nginx",
    adapt: (text, { directory, port }) => {
      const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map((name) => `${name}_temp_path ${directory}/${name};`)
        .join(" ");
      const server = text
        .replace("listen 443", `listen 127.0.0.1:${port}`)
        .replace("finch.example.com", "localhost")
        .replace("/etc/nginx/finch.pem", `${directory}/tls/server.pem`)
        .replace("/etc/nginx/finch.key", `${directory}/tls/server.key`);
      return `daemon off; pid ${directory}/nginx.pid; error_log ${directory}/nginx.log;\nevents {}\nhttp { access_log off; ${temporary}\n${server}\n}\n`;
    },
    args: (file, directory) => ["-c", file, "-p", directory, "-e", `${directory}/nginx.log`],
  },
};

for (const [name, proxy] of Object.entries(PROXIES)) {
  const isThere = existsSync(proxy.program);
  const skip = isThere && hasOpenssl() ? false : `${isThere ? "openssl" : name} is not installed`;
  test(`${name} in front`, { skip, timeout: 240_000 }, async () => {
    const directory = await mkdtemp(join(tmpdir(), `finch-${name}-`));
    try {
      await runBehind(proxy, directory);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
}

async function runBehind(proxy: Proxy, directory: string): Promise<void> {
  const data = join(directory, "finch");
  for (const path of [join(directory, "tls"), join(data, "certs.d")])
    await mkdir(path, { recursive: true });
  makeCertificates(join(directory, "tls"));
  const serverAuthority = await readFile(join(directory, "tls", "ca.pem"), "utf8");
  await writeIdleAgent(data);
  const nowMs = Date.now();
  const own = await makeAuthority({ nowMs });
  const shape = { nowMs, name: `CN=${CLIENT}` };
  await writeFile(join(data, "certs.d", `${CLIENT}.pem`), own.pem);
  const [ui, auth, mimir, port] = [
    await freePort(),
    await freePort(),
    await freePort(),
    await freePort(),
  ];
  const ports = { ...(await freePorts()), ui, auth, mimir };
  await using _finch = await startFinch(data, ports, ["--service-trusted-proxies=127.0.0.1"]);
  await using _proxy = await startProxy(proxy, {
    directory,
    port,
    ports: { 3000: ui, 3002: auth, 3100: ports.loki, 8080: mimir },
  });
  const connect = (client?: { readonly certificate: string; readonly key: string }) =>
    openRpcClient(`localhost:${port}`, {
      authority: serverAuthority,
      ...(client !== undefined && { client }),
    });

  using client = connect(await makeClientPair(own, shape));
  const draft = { hostname: "box-1", log_sources: ["journal://"] };
  const { rid } = await client.call("AgentService.RegisterAgent", draft, {});
  const { config } = await client.call("AgentService.GetAgentConfig", { rid }, {});
  const token = /bearer_token = "([^"]+)"/.exec(String(config))![1]!;

  using nobody = connect();
  using foreign = connect(await makeClientPair(await makeAuthority({ nowMs }), shape));
  using unsigned = connect(await makeClientPair(own, { ...shape, name: "CN=unknown" }));
  const stolen = { "x-forwarded-tls-client-cert": await makeClient(own, shape) };
  for (const caller of [nobody, foreign, unsigned])
    for (const headers of [{}, stolen])
      await assert.rejects(caller.call("AgentService.ListAgents", {}, headers), UNAUTHENTICATED);

  const push = (authorization?: string) =>
    post(`https://localhost:${port}/loki/loki/api/v1/push`, serverAuthority, authorization);
  assert.equal(await push(`Bearer ${token}`), 204);
  for (const wrong of [undefined, "Bearer x", `Basic ${token}`, `Bearer ${token}x`])
    assert.equal(await push(wrong), 401, wrong ?? "nothing");
  await client.call("AgentService.DeregisterAgent", { rid }, {});
  assert.equal(await push(`Bearer ${token}`), 401, "after it was deregistered");
}

/** A line, pushed; the status of the answer. */
async function post(url: string, ca: string, authorization: string | undefined): Promise<number> {
  const streams = [{ stream: { app: "curl" }, values: [[`${Date.now()}000000`, "a line"]] }];
  const outgoing = request(url, {
    method: "POST",
    ca,
    agent: false,
    headers: {
      "content-type": "application/json",
      ...(authorization !== undefined && { authorization }),
    },
  });
  outgoing.end(JSON.stringify({ streams }));
  const [reply] = (await once(outgoing, "response")) as [IncomingMessage];
  reply.resume();
  await once(reply, "end");
  return reply.statusCode ?? 0;
}

/** With the configuration of the page. */
async function startProxy(proxy: Proxy, place: Place): Promise<AsyncDisposable> {
  const { directory, port, ports } = place;
  const page = readFileSync(PAGE, "utf8");
  const [, text = ""] = new RegExp(`\`\`\`${proxy.language}\n([^\`]*)\`\`\``).exec(page) ?? [];
  const moved = text.replaceAll(
    /127\.0\.0\.1:(\d+)/g,
    (_, old: string) => `127.0.0.1:${ports[old]!}`,
  );
  const file = join(directory, `${proxy.language}.conf`);
  await writeFile(file, proxy.adapt(moved, place));
  const child = spawn(proxy.program, proxy.args(file, directory), {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, HOME: directory, XDG_DATA_HOME: directory, XDG_CONFIG_HOME: directory },
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const endMs = Date.now() + 60_000;
  while (!(await accepts(port))) {
    if (child.exitCode !== null || Date.now() > endMs)
      throw new Error(`${proxy.program} does not start:\n${output}`);
    await sleep(50);
  }
  return {
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = createConnection(port, "127.0.0.1");
  const isOpen = await Promise.race([
    once(socket, "connect").then(() => true),
    once(socket, "error").then(() => false),
  ]).catch(() => false);
  socket.destroy();
  return isOpen;
}
