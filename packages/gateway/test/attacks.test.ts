/** Attempts to get past the gateway, or to wear it down. Rows of the table in docs/reference/security.md. */
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect as connectTcp } from "node:net";
import { describe, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemClock } from "@finch/runtime";
import { DEFAULT_GATEWAY_LIMITS } from "@finch/gateway";
import type { GatewayLimits } from "@finch/gateway";
import { WebSocket } from "ws";
import { makeSelfSigned } from "../src/certificate-self-signed.ts";
import {
  AGENT_TOKEN,
  ask1,
  ask2,
  askOn,
  callGrpc,
  echoTarget,
  fakeAuthority,
  H2_CANCEL,
  openHttp2,
  openTestGateway,
  sendRaw,
  testRoutes,
} from "./gateway-kit.ts";

const AUTHORIZED = `authorization: Bearer ${AGENT_TOKEN}\r\n`;
const withLimits = (limits: Partial<GatewayLimits>) => ({
  limits: { ...DEFAULT_GATEWAY_LIMITS, ...limits },
});

describe("path traversal and double encoding through prefixes", () => {
  const targets = [
    "/loki/../app/admin",
    "/loki/./api/v1/push",
    "/loki/%2e%2e/app/admin",
    "/loki/%2E%2e%2Fapp/admin",
    "/loki/..%2fapp/admin",
    "/loki/..%5capp",
    "/loki/%252e%252e/app/admin",
    "/loki/%25252e%25252e%25252fapp",
    "/loki/%25%32%65%25%32%65/app",
    "/loki/..;/app/admin",
    "/loki/..;a=b/app",
    "/loki\\..\\app",
    "/loki/%00/app",
    "/loki/%0d%0aset-cookie:a=b",
    "/loki/%zz",
    "//app/admin",
    "http://evil.example/loki/api/v1/push",
    "loki/api/v1/push",
    "*",
    `/loki/${"a/".repeat(5000)}`,
  ];
  test("each is refused, and none is answered by anybody behind", async () => {
    await using open = await openTestGateway();
    for (const target of targets) {
      const { reply } = await sendRaw(
        open.port,
        `POST ${target} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n${AUTHORIZED}content-length: 0\r\n\r\n`,
      );
      assert.match(reply, /^HTTP\/1\.1 400 /, target);
      if (!target.startsWith("/")) continue;
      const answer = await ask2(open.port, target, {
        method: "POST",
        headers: { authorization: `Bearer ${AGENT_TOKEN}` },
      });
      assert.equal(answer.status, 400, `h2 ${target}`);
    }
    assert.equal(open.gateway.families()[0]!.samples[0]!.value, 0, "nothing was handed on");
  });
  test("a slash within a name stays one", async () => {
    await using open = await openTestGateway();
    const reply = await ask1(open.port, "/open/label/k8s.io%2Fname/values");
    assert.equal(reply.status, 200);
    assert.match(reply.body, /"\/label\/k8s\.io%2Fname\/values"/);
  });
});

describe("request smuggling", () => {
  const smuggled = "GET /open/smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
  const length = smuggled.length;
  const head = `POST /open/x HTTP/1.1\r\nhost: a\r\n`;
  const attempts: readonly [name: string, text: string][] = [
    [
      "length and chunks",
      `${head}content-length: ${length}\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    ["two lengths", `${head}content-length: 0\r\ncontent-length: ${length}\r\n\r\n${smuggled}`],
    ["a length that is a list", `${head}content-length: 0, ${length}\r\n\r\n${smuggled}`],
    ["a length with a sign", `${head}content-length: +${length}\r\n\r\n${smuggled}`],
    ["chunks by another name", `${head}transfer-encoding: xchunked\r\n\r\n0\r\n\r\n${smuggled}`],
    [
      "chunks twice",
      `${head}transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n${smuggled}`,
    ],
    [
      "a space before the colon",
      `${head}transfer-encoding : chunked\r\ncontent-length: ${length}\r\n\r\n${smuggled}`,
    ],
    ["a folded header", `${head}x: a\r\n transfer-encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`],
    ["a bare carriage return", `${head}x: a\rtransfer-encoding: chunked\r\n\r\n${smuggled}`],
    ["bare line feeds", `POST /open/x HTTP/1.1\nhost: a\ncontent-length: 0\n\n${smuggled}`],
    [
      "a chunk size that is none",
      `${head}transfer-encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n${smuggled}`,
    ],
    ["no Host", `POST /open/x HTTP/1.1\r\ncontent-length: 0\r\n\r\n${smuggled}`],
    ["two Hosts", `${head}host: b\r\ncontent-length: 0\r\n\r\n${smuggled}`],
  ];
  for (const [name, text] of attempts) {
    test(`${name}: refused, the connection closed, and nothing after it read`, async () => {
      await using open = await openTestGateway();
      const { reply, closed } = await sendRaw(open.port, text);
      assert.doesNotMatch(reply, /smuggled/, reply);
      assert.match(reply, /^HTTP\/1\.1 400 /);
      assert.ok(closed, "the connection stays open");
    });
  }
  test("HTTP/2 with a Host that is not its authority", async () => {
    await using open = await openTestGateway();
    const reply = await ask2(open.port, "/open/x", {
      headers: { ":authority": "a.example", host: "evil.example" },
    });
    assert.equal(reply.status, 400);
  });
});

describe("too large", () => {
  test("a header of 64 KiB", async () => {
    await using open = await openTestGateway();
    const value = "a".repeat(64 * 1024);
    const { reply } = await sendRaw(
      open.port,
      `GET /open/x HTTP/1.1\r\nhost: a\r\nx: ${value}\r\n\r\n`,
    );
    assert.match(reply, /^HTTP\/1\.1 431 /);
    const many = Array.from({ length: 30 }, (_, at) => [`x-${at}`, "a".repeat(2000)]);
    const reply2 = await ask2(open.port, "/open/x", { headers: Object.fromEntries(many) });
    assert.equal(reply2.status, 431);
    assert.equal((await ask2(open.port, "/open/x")).status, 200, "others go on");
  });
  test("a declared body, refused before it is sent", async () => {
    await using open = await openTestGateway(withLimits({ bodyBytesMax: 1000 }));
    const { reply } = await sendRaw(
      open.port,
      `POST /loki/api/v1/push HTTP/1.1\r\nhost: a\r\n${AUTHORIZED}content-length: 1000000000\r\n\r\n`,
    );
    assert.match(reply, /^HTTP\/1\.1 413 /);
    assert.match(reply, /connection: close/);
  });
  test("a body that does not say how long it is", async () => {
    const routes = testRoutes(echoTarget({ bodyBytesMax: 1000 }));
    await using open = await openTestGateway({ ...withLimits({ bodyBytesMax: 1000 }), routes });
    const chunk = `3e8\r\n${"a".repeat(1000)}\r\n`;
    const { reply } = await sendRaw(
      open.port,
      `POST /open/x HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n${chunk.repeat(3)}0\r\n\r\n`,
    );
    assert.match(reply, /^HTTP\/1\.1 413 /);
    assert.equal(
      (await ask2(open.port, "/open/x", { method: "POST", body: "a".repeat(2000) })).status,
      413,
    );
  });
});

describe("too slow", () => {
  const limits = {
    handshakeTimeoutMs: 300,
    headersTimeoutMs: 300,
    requestTimeoutMs: 600,
    keepAliveTimeoutMs: 500,
  };
  test("a connection that says nothing, before and after the handshake", async () => {
    await using open = await openTestGateway(withLimits(limits));
    const socket = connectTcp(open.port, "127.0.0.1");
    socket.on("error", () => {});
    await once(socket, "close");
    assert.equal((await sendRaw(open.port, "", { waitMs: 20_000 })).closed, true);
  });
  test("headers and bodies that never end", async () => {
    await using open = await openTestGateway(withLimits(limits));
    const begun = `POST /open/x HTTP/1.1\r\nhost: a\r\n`;
    for (const text of [begun, `${begun}content-length: 100\r\n\r\nabc`]) {
      const { closed, reply } = await sendRaw(open.port, text, { waitMs: 20_000 });
      assert.ok(closed, "the connection stays open");
      assert.doesNotMatch(reply, /^HTTP\/1\.1 200/);
    }
  });
  test("a body that never ends on HTTP/2", async () => {
    await using open = await openTestGateway(withLimits(limits));
    using session = openHttp2(open.port);
    const stream = session.request({ ":method": "POST", ":path": "/open/x" });
    stream.on("error", () => {});
    stream.write("abc");
    await once(stream, "close");
    assert.equal(stream.rstCode, H2_CANCEL);
  });
  test("more connections of one address than it may have", async () => {
    await using open = await openTestGateway(withLimits({ socketsPerClientMax: 3 }));
    const sockets = [1, 2, 3].map(() => connectTcp(open.port, "127.0.0.1"));
    await Promise.all(sockets.map((socket) => once(socket, "connect")));
    await assert.rejects(ask1(open.port, "/open/x"));
    for (const socket of sockets) socket.destroy();
  });
});

describe("HTTP/2 rapid reset", () => {
  test("a client that takes back request after request loses its connection, others go on", async () => {
    await using open = await openTestGateway(withLimits({ resetsMax: 50 }));
    using other = openHttp2(open.port);
    assert.equal((await askOn(other, "/open/x")).status, 200);
    using session = openHttp2(open.port);
    const gone = new Promise((resolve) => session.once("close", resolve));
    await once(session, "connect");
    for (let round = 0; round < 200 && !session.closed && !session.destroyed; round++) {
      for (let at = 0; at < 10; at++) {
        const stream = session.request({ ":method": "POST", ":path": "/open/x" });
        stream.on("error", () => {});
        setImmediate(() => stream.close(H2_CANCEL));
      }
      await Promise.race([sleep(10), gone]);
    }
    await gone;
    assert.equal((await askOn(other, "/open/x")).status, 200);
  });
});

describe("pages of other origins", () => {
  const cookie = { cookie: "session=good" };
  const posts: readonly [name: string, headers: Record<string, string>, status: number][] = [
    ["another origin", { ...cookie, origin: "https://evil.example" }, 403],
    ["another port of this host", { ...cookie, origin: "https://127.0.0.1:1" }, 403],
    ["this host without TLS", { ...cookie, origin: "http://127.0.0.1" }, 403],
    ["an opaque origin", { ...cookie, origin: "null" }, 403],
    ["another site by Sec-Fetch-Site", { ...cookie, "sec-fetch-site": "cross-site" }, 403],
    ["a neighbour by Sec-Fetch-Site", { ...cookie, "sec-fetch-site": "same-site" }, 403],
    ["a browser that says neither", cookie, 403],
    ["our own page", { ...cookie, "sec-fetch-site": "same-origin" }, 200],
    ["a program without cookies", {}, 200],
  ];
  for (const [name, headers, status] of posts) {
    test(`a change by ${name}: ${status}`, async () => {
      await using open = await openTestGateway();
      const own = `https://127.0.0.1:${open.port}`;
      const given = { ...headers, ...(status === 200 && headers["cookie"] && { origin: own }) };
      for (const ask of [ask1, ask2])
        assert.equal(
          (await ask(open.port, "/app/x", { method: "POST", headers: given })).status,
          status,
        );
      assert.equal(
        (await ask1(open.port, "/mixed/x", { method: "POST", headers: given })).status,
        status,
      );
    });
  }
  for (const origin of ["https://evil.example", "null", "http://127.0.0.1"]) {
    test(`a WebSocket of ${origin}`, async () => {
      await using open = await openTestGateway();
      const socket = new WebSocket(`wss://127.0.0.1:${open.port}/app/ws`, {
        headers: { ...cookie, origin },
        rejectUnauthorized: false,
      });
      const [error] = (await once(socket, "error")) as [Error];
      assert.match(error.message, /403/);
    });
  }
});

describe("headers that only a gateway may set", () => {
  test("a client's certificate, its address, and the name of an agent are what the gateway knows", async () => {
    await using open = await openTestGateway();
    const headers = {
      "x-forwarded-tls-client-cert": "MIIB",
      "x-forwarded-for": "10.9.9.9",
      "x-real-ip": "10.9.9.9",
      forwarded: "for=10.9.9.9",
      "x-forwarded-host": "evil.example",
      "x-forwarded-proto": "http",
      "x-finch-agent": "rid:finch:test:agent:2",
    };
    for (const ask of [ask1, ask2]) {
      const reply = await ask(open.port, "/mixed/x", { headers });
      const told = JSON.parse(reply.body) as { peer: string; headers: Record<string, string> };
      assert.equal(told.peer, "127.0.0.1");
      assert.equal(told.headers["x-forwarded-for"], "127.0.0.1");
      assert.equal(told.headers["x-forwarded-host"], told.headers["host"]);
      assert.equal(told.headers["x-forwarded-proto"], "https");
      for (const name of ["x-forwarded-tls-client-cert", "x-real-ip", "forwarded", "x-finch-agent"])
        assert.equal(told.headers[name], undefined, name);
    }
  });
  test("limits are not evaded by an address of one's own choice", async () => {
    await using open = await openTestGateway(
      withLimits({ clientRequestsBurst: 2, clientRequestsPerSecond: 0.1 }),
    );
    const statuses: number[] = [];
    for (let at = 0; at < 4; at++) {
      const headers = { "x-forwarded-for": `10.0.0.${at}` };
      statuses.push((await ask1(open.port, "/open/x", { headers })).status);
    }
    assert.deepEqual(statuses, [200, 200, 429, 429]);
  });
  test("a proxy that is trusted by address says who asks, as far as it is trusted", async () => {
    const { cert } = await makeSelfSigned({ names: ["client"], nowMs: systemClock.nowMs() });
    const leaf = new X509Certificate(cert);
    const authority = fakeAuthority(new Set([leaf.toString()]));
    const isTrustedProxy = (address: string) => address === "127.0.0.1";
    await using open = await openTestGateway({ authority, isTrustedProxy });
    const told = await ask1(open.port, "/open/x", {
      headers: { "x-forwarded-for": "203.0.113.1, 198.51.100.2" },
    });
    assert.equal((JSON.parse(told.body) as { peer: string }).peer, "198.51.100.2");
    const body = leaf.raw.toString("base64");
    for (const value of [body, `${body},AAAA`, encodeURIComponent(leaf.toString())]) {
      const headers = { "x-forwarded-tls-client-cert": value };
      const { code } = await callGrpc(open.port, "/test.Service/Echo", Buffer.from("x"), {
        headers,
      });
      assert.equal(code, 0);
    }
    for (const value of ["", "AAAA", "%", body.slice(10)]) {
      const headers = { "x-forwarded-tls-client-cert": value };
      const { code } = await callGrpc(open.port, "/test.Service/Echo", Buffer.from("x"), {
        headers,
      });
      assert.equal(code, 16, value);
    }
  });
});
