/** The HTTP kit over real sockets. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { test } from "node:test";
import { gunzipSync, zstdDecompressSync } from "node:zlib";
import { WebSocket } from "ws";
import type { HttpReply, HttpRequest, Route } from "../src/http.ts";
import { textReply } from "../src/http.ts";
import { FinchError } from "../src/index.ts";
import type { FaultKind } from "../src/index.ts";
import { ask, listenOn } from "./http-kit.ts";

function route(
  path: string,
  handle: (request: HttpRequest) => Promise<HttpReply>,
  more: Partial<Extract<Route, { kind: "http" }>> = {},
): Route {
  return { kind: "http", methods: ["GET", "POST"], path, faults: "text", handle, ...more };
}

const ECHO = route("/echo/:name/x", async (request) =>
  textReply(200, `${request.params["name"]} ${(await request.readParameters()).toString()}`),
);

test("routes: parameters, methods, unknown paths", async () => {
  const rest = route("/files/*", async (r) => textReply(200, r.params["*"] ?? ""), {
    methods: ["GET"],
  });
  await using listener = await listenOn([ECHO, rest]);
  const rows: readonly [string, string, number, string][] = [
    ["GET", "/echo/a%2Fb/x?q=1", 200, "a/b q=1"],
    ["GET", "/echo//x", 404, "404 page not found\n"],
    ["GET", "/echo/a", 404, "404 page not found\n"],
    ["GET", "/files/a/b.css", 200, "a/b.css"],
    ["HEAD", "/files/a", 200, ""],
    ["PUT", "/echo/a/x", 405, "Method Not Allowed\n"],
    ["GET", "/echo/%zz/x", 400, 'bad percent-encoding in the path: "%zz"\n'],
  ];
  for (const [method, path, status, body] of rows) {
    const answer = await ask(listener.port, path, { method });
    assert.deepEqual([answer.status, answer.body.toString()], [status, body], `${method} ${path}`);
  }
  const refused = await ask(listener.port, "/echo/a/x", { method: "DELETE" });
  assert.equal(refused.headers.allow, "GET, POST");
});

test("a form body is merged with the query", async () => {
  await using listener = await listenOn([ECHO]);
  const answer = await ask(listener.port, "/echo/n/x?a=1", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded; charset=utf-8" },
    body: "a=2&b=x%20y",
  });
  assert.equal(answer.body.toString(), "n a=2&b=x+y&a=1");
});

test("a body over the limit is 413, declared or not, and the connection goes on for others", async () => {
  const read = route("/read", async (r) => textReply(200, String((await r.readBody(10)).length)));
  await using listener = await listenOn([read]);
  const post = (body: string, headers = {}) =>
    ask(listener.port, "/read", { method: "POST", body, headers });
  assert.equal((await post("x".repeat(10))).body.toString(), "10");
  const declared = await post("x".repeat(11));
  assert.equal(declared.status, 413);
  assert.equal(declared.body.toString(), "request body too large: 11 bytes, limit 10\n");
  assert.equal((await post("x".repeat(11), { "transfer-encoding": "chunked" })).status, 413);
});

test("a sender that writes a whole large body before it reads gets the answer, and may go on", async () => {
  const read = route("/read", async (r) => textReply(200, String((await r.readBody(10)).length)));
  await using listener = await listenOn([read]);
  const keep = { connection: "keep-alive" };
  for (const headers of [keep, { ...keep, "transfer-encoding": "chunked" }]) {
    for (let again = 0; again < 3; again++) {
      const body = "x".repeat(8 << 20);
      const answer = await ask(listener.port, "/read", { method: "POST", body, headers });
      assert.equal(answer.status, 413);
      assert.notEqual(answer.headers.connection, "close");
    }
  }
});

test("a refused body beyond the bound is answered and the connection closed", async () => {
  const read = route("/read", async (r) => textReply(200, String((await r.readBody(10)).length)));
  await using listener = await listenOn([read], { drainBytesMax: 100 });
  const socket = connect(listener.port, "127.0.0.1");
  socket.write("POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n");
  socket.write("x".repeat(1000));
  const [answer] = (await once(socket, "data")) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 413 [^]*connection: close/i);
  socket.destroy();
});

test("bodies held by all requests together are bounded", async () => {
  const read = route("/read", async (r) => textReply(200, String((await r.readBody(100)).length)));
  await using listener = await listenOn([read], { bodyBytesHeldMax: 20 });
  const answer = await ask(listener.port, "/read", { method: "POST", body: "x".repeat(50) });
  assert.equal(answer.status, 503);
  assert.equal(answer.headers["retry-after"], "1");
  assert.equal(
    (await ask(listener.port, "/read", { method: "POST", body: "x".repeat(20) })).status,
    200,
  );
  assert.equal(
    (await ask(listener.port, "/read", { method: "POST", body: "x".repeat(20) })).status,
    200,
  );
});

const FAULTS: readonly [FaultKind, text: number, prometheus: number, errorType: string][] = [
  ["invalid", 400, 400, "bad_data"],
  ["unauthenticated", 401, 401, "bad_data"],
  ["forbidden", 403, 403, "bad_data"],
  ["unsupported", 400, 400, "bad_data"],
  ["not-found", 404, 404, "not_found"],
  ["too-large", 413, 413, "bad_data"],
  ["unsupported-media", 415, 415, "bad_data"],
  ["limited", 429, 429, "too_many_requests"],
  ["unprocessable", 422, 422, "execution"],
  ["unavailable", 503, 503, "unavailable"],
  ["timeout", 504, 503, "timeout"],
  ["canceled", 499, 499, "canceled"],
  ["corrupt", 500, 500, "internal"],
];

test("a fault is told with the protocol's status and body", async () => {
  const fail = (kind: FaultKind) => async () => {
    throw new FinchError(kind, "test/x", `it is ${kind}`, { retryAfterSeconds: 2.5 });
  };
  const routes = FAULTS.flatMap(([kind]) => [
    route(`/text/${kind}`, fail(kind)),
    route(`/prometheus/${kind}`, fail(kind), { faults: "prometheus" }),
  ]);
  await using listener = await listenOn(routes);
  for (const [kind, text, prometheus, errorType] of FAULTS) {
    const plain = await ask(listener.port, `/text/${kind}`);
    assert.equal(plain.status, text, kind);
    assert.equal(plain.body.toString(), `it is ${kind}\n`);
    assert.equal(plain.headers["retry-after"], "3");
    const envelope = await ask(listener.port, `/prometheus/${kind}`);
    assert.equal(envelope.status, prometheus, kind);
    const body: unknown = JSON.parse(envelope.body.toString());
    assert.deepEqual(body, { status: "error", errorType, error: `it is ${kind}` });
  }
});

test("replies are compressed as the client accepts, when it pays", async () => {
  const text = "finch ".repeat(5000);
  async function* chunks() {
    for (let at = 0; at < text.length; at += 1000) yield text.slice(at, at + 1000);
  }
  await using listener = await listenOn([
    route("/whole", async () => textReply(200, text)),
    route("/small", async () => textReply(200, "small")),
    route("/chunks", async () => ({ ...textReply(200, ""), body: chunks() })),
  ]);
  const decoders = { gzip: gunzipSync, zstd: zstdDecompressSync } as const;
  for (const path of ["/whole", "/chunks"]) {
    for (const coding of ["gzip", "zstd"] as const) {
      const answer = await ask(listener.port, path, {
        headers: { "accept-encoding": `${coding}, br` },
      });
      assert.equal(answer.headers["content-encoding"], coding);
      assert.ok(answer.body.length < 2000);
      assert.equal(decoders[coding](answer.body).toString(), text);
    }
    const refused = { headers: { "accept-encoding": "gzip;q=0" } };
    const plain = await ask(listener.port, path, refused);
    assert.equal(plain.headers["content-encoding"], undefined);
    assert.equal(plain.body.toString(), text);
  }
  const small = await ask(listener.port, "/small", { headers: { "accept-encoding": "gzip" } });
  assert.equal(small.headers["content-encoding"], undefined);
});

test("a body that is given away is sent whole, compressed or not, and then takes no memory", async () => {
  const given: Uint8Array[] = [];
  await using listener = await listenOn([
    route("/given", async () => {
      const body = new Uint8Array(3_000_000).fill(0x61);
      given.push(body);
      return { status: 200, headers: { "content-type": "text/plain" }, body, givesBody: true };
    }),
  ]);
  const plain = await ask(listener.port, "/given");
  assert.equal(plain.body.toString(), "a".repeat(3_000_000));
  const packed = await ask(listener.port, "/given", { headers: { "accept-encoding": "gzip" } });
  assert.equal(gunzipSync(packed.body).toString(), "a".repeat(3_000_000));
  const head = await ask(listener.port, "/given", { method: "HEAD" });
  assert.equal(head.headers["content-length"], "3000000");
  // The client may have the last byte before the server is told that it is sent.
  for (let i = 0; i < 1000 && given.some(({ length }) => length > 0); i++)
    await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual(
    given.map(({ length }) => length),
    [0, 0, 0],
  );
  assert.equal(given.length, 3);
});

test("the signal aborts when the client hangs up, and a streamed body stops being made", async () => {
  const ended = Promise.withResolvers<string>();
  async function* endless(signal: AbortSignal) {
    try {
      for (;;) {
        yield "x".repeat(65536);
        await new Promise((resolve) => setImmediate(resolve));
        if (signal.aborted) return;
      }
    } finally {
      ended.resolve(String((signal.reason as Error | undefined)?.message ?? "stopped"));
    }
  }
  await using listener = await listenOn([
    route("/endless", async (request) => ({
      ...textReply(200, ""),
      body: endless(request.signal),
    })),
  ]);
  const socket = connect(listener.port, "127.0.0.1");
  socket.write("GET /endless HTTP/1.1\r\nhost: x\r\n\r\n");
  await once(socket, "data");
  socket.destroy();
  assert.match(await ended.promise, /closed the connection|stopped/);
});

test("a body that fails half-way breaks the connection instead of ending well", async () => {
  async function* half() {
    yield "half";
    throw new Error("disk gone");
  }
  await using listener = await listenOn([
    route("/half", async () => ({ ...textReply(200, ""), body: half() })),
  ]);
  await assert.rejects(ask(listener.port, "/half"), /aborted|hang up|ECONNRESET/);
});

test("closing lets a request in flight finish, and refuses new connections", async () => {
  const started = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const slow = route("/slow", async () => {
    started.resolve();
    await finish.promise;
    return textReply(200, "done");
  });
  const listener = await listenOn([slow]);
  const answer = ask(listener.port, "/slow");
  await started.promise;
  const closed = listener.close(60_000);
  assert.equal(listener.isServing(), false);
  await assert.rejects(ask(listener.port, "/slow"), /ECONNREFUSED/);
  finish.resolve();
  assert.equal((await answer).headers.connection, "close");
  await closed;
});

test("closing cuts what does not finish by the deadline, with the signal aborted", async () => {
  const started = Promise.withResolvers<void>();
  let reason = "";
  const stuck = route("/stuck", async (request) => {
    started.resolve();
    await once(request.signal, "abort");
    reason = (request.signal.reason as Error).message;
    return textReply(200, "too late");
  });
  const listener = await listenOn([stuck]);
  const answer = assert.rejects(ask(listener.port, "/stuck"));
  await started.promise;
  await listener.close(1);
  await answer;
  assert.equal(reason, "Finch is stopping");
});

test("a taken port is told with its purpose and the way out", async () => {
  await using listener = await listenOn([]);
  const { openListener, DEFAULT_HTTP_LIMITS } = await import("../src/http.ts");
  const { silentLogger, systemClock } = await import("../src/index.ts");
  await assert.rejects(
    openListener({
      name: "loki",
      purpose: "the Loki API",
      host: "127.0.0.1",
      port: listener.port,
      setting: { flag: "--listen-loki", env: "FINCH_LISTEN_LOKI", key: "listen.loki" },
      routes: [],
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log: silentLogger,
    }),
    {
      code: "runtime/port-taken",
      message: `port ${listener.port} on 127.0.0.1, for the Loki API, is taken by another program; choose another with --listen-loki HOST:PORT, FINCH_LISTEN_LOKI=HOST:PORT or listen.loki in finch.yaml ("off" turns it off)`,
    },
  );
});

test("too many requests at once get 503", async () => {
  const finish = Promise.withResolvers<void>();
  const started = Promise.withResolvers<void>();
  const slow = route("/slow", async () => {
    started.resolve();
    await finish.promise;
    return textReply(200, "done");
  });
  await using listener = await listenOn([slow], { requestsMax: 1 });
  const first = ask(listener.port, "/slow");
  await started.promise;
  assert.equal((await ask(listener.port, "/slow")).status, 503);
  finish.resolve();
  assert.equal((await first).status, 200);
});

const UPGRADE: Route = {
  kind: "websocket",
  path: "/ws",
  faults: "text",
  accept: async (request) => {
    const mode = request.query.get("mode");
    if (mode === "refuse") throw new FinchError("invalid", "test/no", "not like that");
    return async (socket) => {
      await socket.send("hello");
      if (mode === "fail") throw new FinchError("internal", "test/late", "it broke");
      if (mode === "wait") await once(socket.signal, "abort");
    };
  },
};

test("a WebSocket: messages, close codes, refusal before the upgrade", async () => {
  await using listener = await listenOn([UPGRADE]);
  const rows: readonly [string, number, string][] = [
    ["end", 1000, ""],
    ["fail", 1011, "it broke"],
  ];
  for (const [mode, code, reason] of rows) {
    const socket = new WebSocket(`ws://127.0.0.1:${listener.port}/ws?mode=${mode}`);
    const [message] = (await once(socket, "message")) as [Buffer];
    assert.equal(message.toString(), "hello");
    const [gotCode, gotReason] = (await once(socket, "close")) as [number, Buffer];
    assert.deepEqual([gotCode, gotReason.toString()], [code, reason]);
  }
  const refused = new WebSocket(`ws://127.0.0.1:${listener.port}/ws?mode=refuse`);
  refused.on("error", () => {});
  const [, response] = (await once(refused, "unexpected-response")) as [
    unknown,
    NodeJS.ReadableStream & { statusCode: number },
  ];
  assert.equal(response.statusCode, 400);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  assert.equal(Buffer.concat(chunks).toString(), "not like that\n");
  assert.equal((await ask(listener.port, "/ws")).status, 426);
});

test("closing says good-bye to open WebSockets", async () => {
  const listener = await listenOn([UPGRADE]);
  const socket = new WebSocket(`ws://127.0.0.1:${listener.port}/ws?mode=wait`);
  await once(socket, "message");
  const closed = once(socket, "close") as Promise<[number]>;
  await Promise.all([listener.close(60_000), closed]);
  assert.equal((await closed)[0], 1001);
});

test("answers are counted by route pattern", async () => {
  await using listener = await listenOn([ECHO]);
  await ask(listener.port, "/echo/a/x");
  await ask(listener.port, "/echo/b/x");
  const [durations] = listener.families();
  const count = durations!.samples.find((sample) => sample.suffix === "_count");
  assert.deepEqual(count, {
    suffix: "_count",
    labels: { listener: "test", route: "/echo/:name/x", method: "GET", status: "200" },
    value: 2,
  });
});
