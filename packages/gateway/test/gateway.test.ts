import assert from "node:assert/strict";
import "reflect-metadata";
import { KeyObject, webcrypto, X509Certificate } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { request as httpRequest } from "node:http";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { X509CertificateGenerator } from "@peculiar/x509";
import { systemClock } from "@finch/runtime";
import { DEFAULT_GATEWAY_LIMITS } from "@finch/gateway";
import { WebSocket } from "ws";
import { makeSelfSigned } from "../src/certificate-self-signed.ts";
import {
  AGENT_TOKEN,
  ask1,
  ask2,
  askOn,
  callGrpc,
  fakeAuthority,
  openHttp2,
  openTestGateway,
  sendRaw,
} from "./gateway-kit.ts";

/** A certificate that nobody's key with the issuer's name has signed. */
async function makeSignedClient(names: { readonly issuer: string; readonly subject: string }) {
  const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;
  const makeKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"]);
  const [authority, keys] = [await makeKeys(), await makeKeys()];
  const nowMs = systemClock.nowMs();
  const certificate = await X509CertificateGenerator.create({
    ...names,
    notBefore: new Date(nowMs - 60_000),
    notAfter: new Date(nowMs + 3_600_000),
    signingAlgorithm: algorithm,
    publicKey: keys.publicKey,
    signingKey: authority.privateKey,
  });
  const key = KeyObject.from(keys.privateKey).export({ type: "pkcs8", format: "pem" });
  return { cert: certificate.toString("pem"), key: String(key) };
}

const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const AGENT = { headers: bearer(AGENT_TOKEN) };

interface Echo {
  readonly path: string;
  readonly query: string;
  readonly peer: string;
  readonly bytes: number;
  readonly headers: Readonly<Record<string, string>>;
}

describe("the entrance", () => {
  test("serves HTTP/1.1 and HTTP/2 on one port, prefix taken off, body and query whole", async () => {
    await using open = await openTestGateway();
    for (const ask of [ask1, ask2]) {
      const reply = await ask(open.port, "/loki/api/v1/push?a=1&b=%2F", {
        method: "POST",
        body: "x".repeat(70_000),
        headers: AGENT.headers,
      });
      assert.equal(reply.status, 200, reply.body);
      const told = JSON.parse(reply.body) as Echo;
      assert.equal(told.path, "/api/v1/push");
      assert.equal(told.query, "a=1&b=%2F");
      assert.equal(told.bytes, 70_000);
      assert.equal(told.peer, "127.0.0.1");
      assert.equal(told.headers["x-forwarded-proto"], "https");
    }
  });
  test("streams long answers over both, with security headers", async () => {
    await using open = await openTestGateway();
    for (const ask of [ask1, ask2]) {
      const reply = await ask(open.port, "/open/long");
      assert.equal(reply.body.length, 2_000_000);
      assert.equal(reply.headers["x-content-type-options"], "nosniff");
      assert.equal(reply.headers["x-frame-options"], "DENY");
      assert.equal(reply.headers["strict-transport-security"], undefined, "signed by itself");
    }
  });
  test("compressed answers arrive whole over HTTP/2", async () => {
    await using open = await openTestGateway();
    const reply = await ask2(open.port, "/open/long", { headers: { "accept-encoding": "gzip" } });
    assert.equal(reply.headers["content-encoding"], "gzip");
    assert.ok(reply.body.length > 100);
  });
  test("many requests at once on one connection of HTTP/2", async () => {
    await using open = await openTestGateway();
    using session = openHttp2(open.port);
    const replies = await Promise.all(
      Array.from({ length: 100 }, (_, at) => askOn(session, `/open/${at}`)),
    );
    assert.deepEqual(
      replies.map(({ body }) => (JSON.parse(body) as Echo).path),
      Array.from({ length: 100 }, (_, at) => `/${at}`),
    );
  });
  test("a WebSocket of a page of ours, and of a program", async () => {
    await using open = await openTestGateway();
    for (const headers of [{ origin: `https://127.0.0.1:${open.port}` }, {}])
      assert.equal(await firstMessage(open.port, headers), "hello 127.0.0.1");
  });
  test("what is left of a body that is refused does not become the next request", async () => {
    await using open = await openTestGateway();
    const body = "GET /open/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    const { reply } = await sendRaw(
      open.port,
      `POST /loki/x HTTP/1.1\r\nhost: a\r\ncontent-length: ${body.length + 5}\r\n\r\n${body}`,
    );
    assert.match(reply, /^HTTP\/1\.1 401 /);
    assert.doesNotMatch(reply, /smuggled/);
    assert.equal(reply.match(/HTTP\/1\.1/g)?.length, 1);
  });
  test("closing lets requests in flight finish", async () => {
    await using open = await openTestGateway();
    const asked = ask1(open.port, "/open/long");
    const reply = await asked;
    await open.gateway.close(5_000);
    assert.equal(reply.status, 200);
    await assert.rejects(ask1(open.port, "/open/long"));
  });
});

describe("who may come", () => {
  const cases = [
    ["an agent writes", "POST", "/loki/api/v1/push", AGENT.headers, 200],
    ["an agent reads", "GET", "/loki/api/v1/push", AGENT.headers, 403],
    ["an agent posts elsewhere", "POST", "/loki/api/v1/query", AGENT.headers, 403],
    ["an agent reads where people may", "GET", "/mixed/query", AGENT.headers, 403],
    ["somebody whom the target asks for", "GET", "/mixed/query", {}, 200],
    ["nobody", "GET", "/loki/query", {}, 401],
    ["a foreign token", "POST", "/loki/api/v1/push", bearer("no.such.token"), 401],
    ["a path that nobody serves", "GET", "/lokix/query", AGENT.headers, 404],
    ["a page that asks for itself", "GET", "/app/page", {}, 200],
    ["anybody where it is open", "GET", "/open/x", {}, 200],
  ] as const;
  for (const [name, method, path, headers, status] of cases) {
    test(name, async () => {
      await using open = await openTestGateway();
      for (const ask of [ask1, ask2]) {
        const reply = await ask(open.port, path, { method, headers });
        assert.equal(reply.status, status, reply.body);
        if (status === 401) assert.equal(reply.headers["www-authenticate"], 'Bearer realm="finch"');
      }
    });
  }
  test("calls of gRPC need a certificate that the authority knows, over HTTP/2", async () => {
    const nowMs = systemClock.nowMs();
    const good = await makeSelfSigned({ names: ["rid:good"], nowMs });
    const foreign = await makeSelfSigned({ names: ["rid:foreign"], nowMs });
    const known = new Set([new X509Certificate(good.cert).toString()]);
    await using open = await openTestGateway({ authority: fakeAuthority(known) });
    const call = (asking = {}) =>
      callGrpc(open.port, "/test.Service/Echo", Buffer.from("ping"), asking);
    const body = new X509Certificate(good.cert).raw.toString("base64").slice(0, 8);
    assert.deepEqual(await call(good), { code: 0, told: "", reply: `ping|127.0.0.1|${body}` });
    for (const asking of [
      {},
      foreign,
      {
        headers: {
          "x-forwarded-tls-client-cert": new X509Certificate(good.cert).raw.toString("base64"),
        },
      },
    ])
      assert.deepEqual(await call(asking), { code: 16, told: "permission denied", reply: "" });
    const unknown = await callGrpc(open.port, "/test.Service/None", Buffer.alloc(0), good);
    assert.equal(unknown.code, 12);
  });
});

describe("certificates", () => {
  test("an authority of clients may have the gateway's own name, as the original finchctl's has", async () => {
    await using open = await openTestGateway({ hosts: ["finch.example.org"] });
    const own = await readFile(join(open.directory, "certs", "gateway.pem"), "utf8");
    const { subject: issuer } = new X509Certificate(own);
    // OpenSSL takes the gateway's certificate for the issuer, and finds another signature.
    const client = await makeSignedClient({ issuer, subject: "CN=rid:foreign" });
    using session = openHttp2(open.port, client);
    for (let asked = 0; asked < 20; asked++) {
      assert.equal((await askOn(session, "/open/long")).status, 200);
      const answer = await callGrpc(open.port, "/test.Service/Echo", Buffer.from("ping"), client);
      assert.deepEqual(answer, { code: 16, told: "permission denied", reply: "" });
    }
  });
  test("the first is signed by itself, for the names and addresses of the machine, and stays", async () => {
    await using open = await openTestGateway({ hosts: ["Finch.Example.ORG", "192.0.2.7"] });
    const path = join(open.directory, "certs", "gateway.pem");
    const leaf = new X509Certificate(await readFile(path, "utf8"));
    for (const name of ["finch.example.org", "localhost", hostname().toLowerCase()])
      assert.equal(leaf.checkHost(name), name);
    for (const address of ["127.0.0.1", "192.0.2.7"]) assert.equal(leaf.checkIP(address), address);
    assert.ok(leaf.verify(leaf.publicKey));
    assert.equal((await stat(join(open.directory, "certs", "gateway.key"))).mode & 0o077, 0);
    const { certificates } = open.gateway;
    assert.equal(certificates.isOwnName("finch.example.org"), true);
    assert.equal(certificates.isOwnName("evil.example.org"), false);
  });
});

describe("port 80", () => {
  const asks = [
    ["leads to the entrance", "GET", "/a?b=1", "localhost", 308],
    ["knows addresses of this machine", "GET", "/", "127.0.0.1:80", 308],
    ["leads nobody to another name", "GET", "/", "evil.example", 421],
    ["leads nobody to what only looks like a name", "GET", "/", "localhost@evil.example", 421],
    [
      "refuses a path that a browser could take for a host",
      "GET",
      "//evil.example/a",
      "localhost",
      400,
    ],
    ["refuses what is posted", "POST", "/loki/api/v1/push", "localhost", 403],
    ["knows no challenge that nobody made", "GET", "/.well-known/acme-challenge/x", "a", 404],
  ] as const;
  for (const [name, method, path, host, status] of asks) {
    test(name, async () => {
      await using open = await openTestGateway();
      const reply = await askPlain(open.gateway.redirectPort!, { method, path, host });
      assert.equal(reply.status, status);
      const plain = host.replace(/:\d+$/, "");
      const expected = status === 308 ? `https://${plain}:${open.port}${path}` : undefined;
      assert.equal(reply.location, expected);
    });
  }
});

describe("limits", () => {
  test("of requests of one client, with Retry-After", async () => {
    const limits = {
      ...DEFAULT_GATEWAY_LIMITS,
      clientRequestsBurst: 3,
      clientRequestsPerSecond: 0.1,
    };
    await using open = await openTestGateway({ limits });
    const statuses: number[] = [];
    for (let at = 0; at < 5; at++) statuses.push((await ask1(open.port, "/open/x")).status);
    assert.deepEqual(statuses, [200, 200, 200, 429, 429]);
    const reply = await ask1(open.port, "/open/x");
    assert.ok(Number(reply.headers["retry-after"]) >= 1);
  });
  test("of requests of one token", async () => {
    const limits = {
      ...DEFAULT_GATEWAY_LIMITS,
      identityRequestsBurst: 2,
      identityRequestsPerSecond: 0.1,
    };
    await using open = await openTestGateway({ limits });
    const statuses: number[] = [];
    for (let at = 0; at < 3; at++)
      statuses.push(
        (await ask1(open.port, "/loki/api/v1/push", { method: "POST", ...AGENT })).status,
      );
    assert.deepEqual(statuses, [200, 200, 429]);
    assert.equal((await ask1(open.port, "/mixed/x")).status, 200, "others go on");
  });
  test("of refused credentials", async () => {
    const limits = { ...DEFAULT_GATEWAY_LIMITS, refusalsPerMinute: 2 };
    await using open = await openTestGateway({ limits });
    const statuses: number[] = [];
    for (let at = 0; at < 4; at++)
      statuses.push((await ask1(open.port, "/loki/x", { headers: bearer(`guess${at}`) })).status);
    assert.deepEqual(statuses, [401, 401, 429, 429]);
    const push = { method: "POST", ...AGENT };
    const { status } = await ask1(open.port, "/loki/api/v1/push", push);
    assert.equal(status, 200, "an agent behind the same address goes on");
  });
});

describe("the access log", () => {
  test("names who asked for what, and holds no query and no token", async () => {
    await using open = await openTestGateway();
    await ask1(open.port, "/app/login?token=secret1", { headers: bearer("secret2") });
    await ask1(open.port, "/loki/api/v1/push?token=secret3", { method: "POST", ...AGENT });
    const lines = open.log.filter(({ part }) => part === "gateway:access");
    assert.equal(lines.length, 2);
    assert.equal(lines[1]!.fields["who"], "rid:finch:test:agent:1");
    assert.equal(lines[1]!.fields["path"], "/loki/api/v1/push");
    assert.doesNotMatch(JSON.stringify(open.log), /secret|agent\.good/);
  });
});

function firstMessage(port: number, headers: Record<string, string>): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}/open/ws`, {
      headers,
      rejectUnauthorized: false,
    });
    socket.once("message", (data: Buffer) => resolve(data.toString()));
    socket.once("error", reject);
  });
}

function askPlain(
  port: number,
  { method, path, host }: { readonly method: string; readonly path: string; readonly host: string },
): Promise<{ readonly status: number; readonly location: string | undefined }> {
  return new Promise((resolve, reject) => {
    const outgoing = httpRequest(
      { host: "127.0.0.1", port, method, path, headers: { host }, agent: false },
      (incoming) => {
        incoming.resume();
        const { location } = incoming.headers;
        incoming.on("end", () => resolve({ status: incoming.statusCode ?? 0, location }));
      },
    );
    outgoing.on("error", reject);
    outgoing.end();
  });
}
