/** Unary gRPC and HTTP/1.1 on one port, with node's own HTTP/2 client as the sender. */
import assert from "node:assert/strict";
import { connect } from "node:http2";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { get as httpsGet } from "node:https";
import { connect as connectSocket } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { execFileSync } from "node:child_process";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DEFAULT_HTTP_LIMITS, openListener, textReply } from "../src/http.ts";
import type { GrpcMethod, HttpRoute } from "../src/http.ts";
import { FinchError, silentLogger, systemClock } from "../src/index.ts";
import { ask, listenOn } from "./http-kit.ts";

const hello: HttpRoute = {
  kind: "http",
  methods: ["POST", "GET"],
  path: "/hello",
  faults: "text",
  handle: async (request) =>
    textReply(200, `hello ${(await request.readBody(1 << 20)).toString("utf8")}`),
};

const echo: GrpcMethod = {
  path: "/test.Echo/Call",
  messageBytesMax: 1000,
  messageBytesDecodedMax: 5000,
  codes: { internal: 14 },
  details: (_, code) => Uint8Array.of(8, code),
  handle: ({ message }) => {
    const text = Buffer.from(message).toString("utf8");
    const [kind, what = ""] = text.split(":");
    if (kind === "fault")
      throw new FinchError(what as "invalid", "test/fault", "100 % größer", {
        retryAfterSeconds: 1,
      });
    return Promise.resolve(Buffer.from(`echo ${text.length < 100 ? text : text.length}`));
  },
};

interface Reply {
  readonly httpStatus: number;
  readonly status: string;
  readonly message: string;
  readonly details: string;
  readonly text: string;
}

function frame(message: string | Uint8Array, flag = 0): Buffer {
  const bytes = Buffer.from(message as Uint8Array);
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

function call(
  session: ClientHttp2Session,
  body: Uint8Array,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/test.Echo/Call",
      "content-type": "application/grpc",
      te: "trailers",
      ...headers,
    });
    const chunks: Buffer[] = [];
    const one = (name: string) => [seen[name]].flat()[0] ?? "";
    let seen: IncomingHttpHeaders = {};
    stream.on("response", (response) => (seen = { ...seen, ...response }));
    stream.on("trailers", (trailers) => (seen = { ...seen, ...trailers }));
    stream.on("data", (chunk: Buffer) => chunks.push(chunk));
    stream.on("error", reject);
    stream.on("end", () =>
      resolve({
        httpStatus: Number(seen[":status"]),
        status: one("grpc-status"),
        message: one("grpc-message"),
        details: one("grpc-status-details-bin"),
        text: Buffer.concat(chunks).subarray(5).toString("utf8"),
      }),
    );
    stream.end(body);
  });
}

async function open() {
  await using opening = new AsyncDisposableStack();
  const listener = opening.use(await listenOn([hello], {}, [echo]));
  const session = connect(`http://127.0.0.1:${listener.port}`);
  opening.defer(() => session.destroy());
  const parts = opening.move();
  return { listener, session, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}

test("calls are answered, plain and gzip, several at once on one connection", async () => {
  await using served = await open();
  const replies = await Promise.all([
    call(served.session, frame("a")),
    call(served.session, frame(gzipSync("b"), 1), { "grpc-encoding": "gzip" }),
    call(served.session, frame(""), { "content-type": "application/grpc+proto" }),
  ]);
  assert.deepEqual(
    replies.map(({ status, text }) => [status, text]),
    [
      ["0", "echo a"],
      ["0", "echo b"],
      ["0", "echo "],
    ],
  );
});

test("HTTP/1.1 on the same port works as ever, in pieces and kept alive", async () => {
  await using served = await open();
  const { port } = served.listener;
  const answer = await ask(port, "/hello", { method: "POST", body: "x".repeat(100_000) });
  assert.deepEqual([answer.status, answer.body.length], [200, 100_006]);
  const socket = connectSocket(port, "127.0.0.1");
  let seen = "";
  socket.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const until = async (count: number) => {
    while (seen.split("hello ").length <= count)
      await new Promise((resolve) => socket.once("data", resolve));
  };
  for (const piece of [
    "P",
    "O",
    "ST /hello HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nh",
    "i",
  ]) {
    socket.write(piece);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until(1);
  socket.write("GET /hello HTTP/1.1\r\nhost: a\r\n\r\n");
  await until(2);
  assert.match(seen, /hello hi/);
  socket.destroy();
});

test("faults become statuses, with their message escaped and their details", async () => {
  await using served = await open();
  const rows: readonly [
    body: Uint8Array,
    headers: Record<string, string>,
    status: string,
    message: RegExp,
  ][] = [
    [frame("fault:invalid"), {}, "3", /^100 %25 gr%C3%B6%C3%9Fer$/],
    [frame("fault:limited"), {}, "8", /./],
    [frame("fault:unavailable"), {}, "14", /./],
    [frame("fault:internal"), {}, "14", /./],
    [frame("x".repeat(1001)), {}, "3", /larger than 1000 bytes/],
    [
      frame(gzipSync("x".repeat(6000)), 1),
      { "grpc-encoding": "gzip" },
      "3",
      /unfolds to more than 5000 bytes/,
    ],
    [frame("no gzip", 1), { "grpc-encoding": "gzip" }, "3", /not valid gzip/],
    [frame("x", 1), { "grpc-encoding": "snappy" }, "12", /grpc-encoding "snappy" is not supported/],
    [frame("x").subarray(0, 4), {}, "3", /takes one message/],
    [Buffer.concat([frame("x"), frame("y")]), {}, "3", /takes one message/],
    [frame("x"), { ":path": "/test.Echo/Other" }, "12", /unknown method \/test\.Echo\/Other/],
  ];
  for (const [body, headers, status, message] of rows) {
    const reply = await call(served.session, body, headers);
    assert.deepEqual([reply.httpStatus, reply.status], [200, status], String(message));
    assert.match(reply.message, message);
  }
  const told = await call(served.session, frame("fault:limited"));
  assert.equal(told.details, Buffer.from([8, 8]).toString("base64"));
  const plain = await call(served.session, frame("x"), { "content-type": "application/json" });
  assert.equal(plain.httpStatus, 415);
  // The connection has outlived all of it.
  assert.equal((await call(served.session, frame("a"))).text, "echo a");
});

test("a listener closes with connections open: silent ones, HTTP/2 ones", async () => {
  await using served = await open();
  assert.equal((await call(served.session, frame("a"))).status, "0");
  const silent = connectSocket(served.listener.port, "127.0.0.1");
  await new Promise((resolve) => silent.once("connect", resolve));
  const gone = new Promise((resolve) => silent.once("close", resolve));
  await served.listener.close(50);
  await gone;
});

/** A certificate of `localhost` and its key, or undefined where there is no openssl. */
function certificate(): { readonly cert: string; readonly key: string } | undefined {
  const directory = mkdtempSync(join(tmpdir(), "finch-grpc-"));
  const [cert, key] = ["cert.pem", "key.pem"].map((name) => join(directory, name)) as [
    string,
    string,
  ];
  try {
    const made = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"];
    const names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"];
    execFileSync("openssl", ["req", "-x509", ...made, ...names, "-keyout", key, "-out", cert], {
      stdio: "ignore",
    });
    return { cert: readFileSync(cert, "utf8"), key: readFileSync(key, "utf8") };
  } catch {
    return undefined;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const pem = certificate();
const noOpenssl = pem === undefined && "no openssl here to make a certificate";

test(
  "with TLS both share a port too, and who is not admitted is neither",
  { skip: noOpenssl },
  async () => {
    let admits = true;
    await using cleanup = new AsyncDisposableStack();
    const listener = await openListener({
      name: "test",
      purpose: "the test",
      host: "127.0.0.1",
      port: 0,
      routes: [hello],
      grpc: [echo],
      tls: { options: pem!, admits: () => admits },
      limits: DEFAULT_HTTP_LIMITS,
      clock: systemClock,
      log: silentLogger,
    });
    cleanup.defer(() => listener.close(0));
    const url = `https://localhost:${listener.port}`;
    const session = connect(url, { ca: pem!.cert });
    assert.equal((await call(session, frame("a"))).text, "echo a");
    const answer = await new Promise<number | undefined>((resolve, reject) => {
      httpsGet(`${url}/hello`, { ca: pem!.cert, agent: false }, (response) => {
        response.resume();
        resolve(response.statusCode);
      }).on("error", reject);
    });
    assert.equal(answer, 200);
    session.destroy();
    admits = false;
    const refused = connect(url, { ca: pem!.cert });
    refused.on("error", () => {});
    const reply = await call(refused, frame("b")).catch(() => undefined);
    assert.ok(!(reply?.httpStatus === 200), "it is cut before it is answered");
    refused.destroy();
  },
);
