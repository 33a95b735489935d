/**
 * `finch up` with its gateway: a client with a certificate registers an agent, what the agent sends with its token is stored, and whoever comes with less is refused. One
 * Finch for all; rows of the table in docs/reference/security.md.
 */
import assert from "node:assert/strict";
import { createHmac, createSign, generateKeyPairSync } from "node:crypto";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { makeAuthority, makeClientPair } from "../packages/control/test/client-certificates.ts";
import { openRpcClient } from "../packages/control/test/rpc-client.ts";
import type { RpcClient } from "../packages/control/test/rpc-client.ts";
import { ask1, ask2, callGrpc } from "../packages/gateway/test/gateway-kit.ts";
import type { Asking } from "../packages/gateway/test/gateway-kit.ts";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchProcess } from "./finch-process.ts";

const CLIENT = "rid:finchctl:8d134b24c2541730";
const PUSH = "/loki/loki/api/v1/push";
const REFUSED = { code: 16, details: "permission denied" };

let directory = "";
let finch: FinchProcess;
let port = 0;
let redirectPort = 0;
let root = "";
let secret = "";
let agent = { rid: "", token: "" };
let client: RpcClient;
let authority: Awaited<ReturnType<typeof makeAuthority>>;

before(async () => {
  directory = await mkdtemp(join(tmpdir(), "finch-gateway-"));
  await mkdir(join(directory, "certs.d"), { recursive: true });
  await writeIdleAgent(directory);
  authority = await makeAuthority({ nowMs: Date.now() });
  await writeFile(join(directory, "certs.d", `${CLIENT}.pem`), authority.pem);
  port = await freePort();
  redirectPort = await freePort();
  finch = await startFinch(directory, await freePorts(), [
    `--listen-gateway=127.0.0.1:${port}`,
    `--listen-gateway-http=127.0.0.1:${redirectPort}`,
    `--service-host=localhost:${port}`,
    "--gateway-access-log=all",
  ]);
  root = await readFile(join(directory, "certs", "gateway.pem"), "utf8");
  secret = (JSON.parse(await readFile(join(directory, "finch.json"), "utf8")) as { secret: string })
    .secret;
  client = await clientOf({});
  agent = await registerAgent("box-1");
});

after(async () => {
  client?.[Symbol.dispose]();
  await finch?.kill();
  await rm(directory, { recursive: true, force: true });
});

describe("the gateway of finch up", () => {
  test("the agent's configuration leads to it, and does not verify a certificate that nobody knows", async () => {
    const { config } = await client.call("AgentService.GetAgentConfig", { rid: agent.rid }, {});
    assert.match(String(config), new RegExp(`https://localhost:${port}/loki/loki/api/v1/push`));
    assert.match(String(config), /insecure_skip_verify\s*=\s*true/);
  });
  test("lines and samples that the agent sends are stored, over both versions of HTTP and gRPC", async () => {
    for (const ask of [ask1, ask2])
      assert.equal((await ask(port, PUSH, push("a line"))).status, 204);
    assert.equal((await ask1(port, "/loki/api/v1/push", push("without the prefix"))).status, 204);
    const otlp = await ask1(port, "/otlp/v1/metrics", {
      ...asAgent({ "content-type": "application/json" }),
      body: "{}",
    });
    assert.equal(otlp.status, 200, otlp.body);
    const call = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
    const headers = asAgent().headers!;
    assert.equal((await callGrpc(port, call, Buffer.alloc(0), { headers })).code, 0);
    assert.equal((await callGrpc(port, call, Buffer.alloc(0))).code, 16);
    const found = await fetch(
      `${finch.lokiUrl}/loki/api/v1/query_range?query=${encodeURIComponent('{job="gateway"}')}`,
    );
    const { data } = (await found.json()) as { data: { result: { values: unknown[] }[] } };
    assert.equal(data.result.flatMap(({ values }) => values).length, 3);
  });
  test("an agent reads nothing, and nobody else does without signing in", async () => {
    for (const path of ["/loki/loki/api/v1/labels", "/mimir/prometheus/api/v1/labels"]) {
      assert.equal((await ask1(port, path, { ...asAgent(), method: "GET" })).status, 403);
      assert.equal((await ask1(port, path)).status, 401);
    }
    for (const path of [
      "/api/v1/machine",
      "/grafana/api/v1/machine",
      "/prometheus/api/v1/labels",
      "/metrics",
    ])
      assert.equal((await ask1(port, path)).status, 401, path);
  });
  test("the page to sign in on and the dashboard's are there, and what they lead to", async () => {
    for (const path of ["/", "/grafana/"]) {
      const page = await ask2(port, path);
      assert.ok([200, 503].includes(page.status), "503 where it is not built");
      assert.match(String(page.headers["content-security-policy"]), /frame-ancestors 'none'/);
    }
    assert.equal((await ask2(port, "/login")).status, 200);
    const { status, headers } = await ask2(port, "/dashboard");
    assert.ok(status === 401 || String(headers.location).startsWith("/login"), `${status}`);
  });
  test("the first sign-in from another machine needs the set-up code that the start printed", async () => {
    const given = { name: "admin", password: "admin", newPassword: "a long enough new one" };
    const headers = { "content-type": "application/json", origin: `https://127.0.0.1:${port}` };
    const setPassword = (body: object, more = {}) =>
      ask2(port, "/api/v1/session/password", {
        method: "PUT",
        headers: { ...headers, ...more },
        body: JSON.stringify(body),
      });
    const setUpCode = /set-up code ([A-Z0-9-]{14})/.exec(finch.output())?.[1];
    assert.ok(setUpCode !== undefined, finch.output());
    assert.equal((await setPassword(given)).status, 401);
    const elsewhere = { origin: "https://evil.example" };
    assert.equal((await setPassword({ ...given, setUpCode }, elsewhere)).status, 403);
    const reply = await setPassword({ ...given, setUpCode });
    assert.ok(reply.status < 300, reply.body);
    const set = String(reply.headers["set-cookie"]);
    assert.match(set, /HttpOnly/);
    assert.match(set, /Secure/);
    const cookie = set.split(";")[0]!;
    for (const path of ["/api/v1/machine", "/grafana/api/v1/machine", "/loki/loki/api/v1/labels"])
      assert.equal((await ask2(port, path, { headers: { cookie } })).status, 200, path);
    const change = { method: "DELETE", headers: { cookie, origin: headers.origin } };
    const refused = await ask2(port, "/api/v1/session", {
      ...change,
      headers: { ...change.headers, "sec-fetch-site": "cross-site" },
    });
    assert.equal(refused.status, 403);
  });
  test("the access log names the agent, and holds no token", () => {
    assert.match(finch.output(), new RegExp(`who=${agent.rid}`));
    assert.doesNotMatch(finch.output(), new RegExp(agent.token.slice(-20)));
  });
});

describe("certificates of clients", () => {
  test("every call without one, with a foreign, an expired or a header of one's own is refused", async () => {
    const foreign = await makeAuthority({ nowMs: Date.now() });
    const shape = { nowMs: Date.now(), name: `CN=${CLIENT}` };
    const good = await makeClientPair(authority, shape);
    const body = good.certificate.replaceAll(/-----[A-Z ]+-----|\s/g, "");
    const attempts = [
      [undefined, {}],
      [await makeClientPair(foreign, shape), {}],
      [await makeClientPair(authority, { ...shape, fromDays: -10, untilDays: -1 }), {}],
      [await makeClientPair(authority, { ...shape, name: "CN=rid:finchctl:0000000000000000" }), {}],
      [undefined, { "x-forwarded-tls-client-cert": body }],
    ] as const;
    for (const [pair, headers] of attempts) {
      using other = openRpcClient(`localhost:${port}`, {
        authority: root,
        ...(pair && { client: pair }),
      });
      await assert.rejects(other.call("AgentService.ListAgents", {}, headers), REFUSED);
    }
    await client.call("AgentService.ListAgents", {}, {});
  });
});

describe("tokens that are none", () => {
  const claims = () => ({
    iss: "finch",
    sub: "agent",
    rid: agent.rid,
    iat: now(),
    exp: now() + 60,
  });
  const hs = (algorithm: string, key: string) => (text: string) =>
    createHmac(algorithm, key).update(text).digest("base64url");
  const attempts: readonly [name: string, make: () => string][] = [
    ["alg none", () => jwt({ alg: "none" }, claims(), () => "")],
    ["alg None, with a signature", () => jwt({ alg: "None" }, claims(), hs("sha256", secret))],
    ["no alg", () => jwt({}, claims(), hs("sha256", secret))],
    [
      "the certificate's public key taken for the secret",
      () => jwt({ alg: "HS256" }, claims(), hs("sha256", root)),
    ],
    ["an empty secret", () => jwt({ alg: "HS256" }, claims(), hs("sha256", ""))],
    ["a key of its own in the header", () => signedByOwnKey(claims())],
    [
      "another algorithm with the right secret",
      () => jwt({ alg: "HS512" }, claims(), hs("sha512", secret)),
    ],
    [
      "a key named by a path",
      () => jwt({ alg: "HS256", kid: "../../../../dev/null" }, claims(), hs("sha256", "")),
    ],
    [
      "an unknown critical header",
      () => jwt({ alg: "HS256", crit: ["x"], x: 1 }, claims(), hs("sha256", secret)),
    ],
    ["expired", () => signed({ ...claims(), exp: now() - 60 })],
    ["not valid yet", () => signed({ ...claims(), nbf: now() + 600 })],
    ["without an end", () => signed({ ...claims(), exp: undefined })],
    ["another issuer", () => signed({ ...claims(), iss: "other" })],
    ["for the dashboard", () => signed({ ...claims(), sub: "dashboard", role: "admin" })],
    [
      "of an agent that is not registered",
      () => signed({ ...claims(), rid: "rid:finch:0:agent:0" }),
    ],
    ["of no agent", () => signed({ ...claims(), rid: undefined })],
    ["of a foreign service", () => jwt({ alg: "HS256" }, claims(), hs("sha256", "c2VjcmV0"))],
    ["cut short", () => agent.token.slice(0, -4)],
    ["very long", () => `${agent.token}${"a".repeat(20_000)}`],
  ];
  const signed = (given: object) => jwt({ alg: "HS256", typ: "JWT" }, given, hs("sha256", secret));

  test("the forger knows how a good one is made", async () => {
    assert.equal((await ask1(port, PUSH, push("x", signed(claims())))).status, 204);
  });
  for (const [name, make] of attempts) {
    test(name, async () => {
      assert.equal((await ask1(port, PUSH, push("forged", make()))).status, 401);
    });
  }
  test("in the query, where logs would keep it", async () => {
    const { body } = push("x");
    const asking = { method: "POST", headers: { "content-type": "application/json" }, body: body! };
    for (const name of ["access_token", "token", "jwt"])
      assert.equal((await ask1(port, `${PUSH}?${name}=${agent.token}`, asking)).status, 401);
  });
});

describe("bodies that unfold to more than they may", () => {
  const bomb = gzipSync(Buffer.alloc(300 * 1024 * 1024, 0x20), { level: 9 });
  // A block of snappy that says it has 4 GiB - 1.
  const snappy = Buffer.concat([Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f]), Buffer.alloc(64)]);
  const cases: readonly [path: string, headers: Record<string, string>, body: Buffer][] = [
    [PUSH, { "content-type": "application/json", "content-encoding": "gzip" }, bomb],
    [PUSH, { "content-type": "application/x-protobuf" }, snappy],
    [
      "/mimir/api/v1/push",
      { "content-type": "application/x-protobuf", "content-encoding": "snappy" },
      snappy,
    ],
    ["/otlp/v1/logs", { "content-type": "application/json", "content-encoding": "gzip" }, bomb],
  ];
  for (const [path, headers, body] of cases) {
    test(`${path} ${headers["content-encoding"] ?? headers["content-type"]}`, async () => {
      const reply = await ask1(port, path, { ...asAgent(headers), body });
      assert.ok(
        reply.status === 413 || reply.status === 400,
        `${reply.status} ${reply.body.slice(0, 200)}`,
      );
      assert.equal((await ask1(port, PUSH, push("still here"))).status, 204);
    });
  }
  test("a message of gRPC", async () => {
    const frame = Buffer.concat([Buffer.from([1, 0, 0, 0, 0]), bomb]);
    frame.writeUInt32BE(bomb.length, 1);
    const { headers } = await ask2(
      port,
      "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
      {
        method: "POST",
        headers: {
          ...asAgent().headers,
          "content-type": "application/grpc",
          "grpc-encoding": "gzip",
        },
        body: frame,
      },
    );
    assert.equal(Number(headers["grpc-status"]), 3);
  });
});

describe("the end of an agent", () => {
  test("its token is refused as soon as it is deregistered", async () => {
    const other = await registerAgent("box-2");
    assert.equal((await ask1(port, PUSH, push("x", other.token))).status, 204);
    await client.call("AgentService.DeregisterAgent", { rid: other.rid }, {});
    assert.equal((await ask1(port, PUSH, push("x", other.token))).status, 401);
  });
});

async function clientOf(shape: { readonly untilDays?: number }): Promise<RpcClient> {
  const pair = await makeClientPair(authority, {
    nowMs: Date.now(),
    name: `CN=${CLIENT}`,
    ...shape,
  });
  return openRpcClient(`localhost:${port}`, { authority: root, client: pair });
}

async function registerAgent(hostname: string): Promise<{ rid: string; token: string }> {
  const { rid } = await client.call(
    "AgentService.RegisterAgent",
    { hostname, log_sources: ["journal://"], metrics: true },
    {},
  );
  const { config } = await client.call("AgentService.GetAgentConfig", { rid }, {});
  const token = /bearer_token\s*=\s*"([^"]+)"/.exec(String(config))?.[1];
  assert.ok(token !== undefined, String(config));
  return { rid: String(rid), token };
}

function asAgent(headers: Record<string, string> = {}, token = agent.token): Asking {
  return { method: "POST", headers: { authorization: `Bearer ${token}`, ...headers } };
}

function push(line: string, token = agent.token): Asking {
  const values = [[`${Date.now()}000000`, line]];
  const body = JSON.stringify({ streams: [{ stream: { job: "gateway" }, values }] });
  return { ...asAgent({ "content-type": "application/json" }, token), body };
}

function now(): number {
  return Math.floor(Date.now() / 1000);
}

function jwt(header: object, claims: object, sign: (text: string) => string): string {
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${sign(text)}`;
}

function signedByOwnKey(claims: object): string {
  const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const header = { alg: "RS256", jwk: publicKey.export({ format: "jwk" }) };
  return jwt(header, claims, (text) =>
    createSign("sha256").update(text).sign(privateKey, "base64url"),
  );
}
