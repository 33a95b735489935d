/** OTLP logs over real HTTP and gRPC into a real store: paths, encodings, partial success, faults, what SDKs sent. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:http2";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { FinchError, nodeFileSystem, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { DEFAULT_LIMITS, DEFAULT_RETENTION, openLogStore } from "@finch/store";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { createLogsApi, DEFAULT_LOGS_LIMITS } from "../src/index.ts";
import { BUILD, fixedClock, NOW_MS, serve, temporaryDirectory } from "./serve.ts";

const PROTOBUF = { "content-type": "application/x-protobuf" } as const;
const JSON_TYPE = { "content-type": "application/json" } as const;

async function openApi({ nowMs = NOW_MS, window = DEFAULT_LIMITS.outOfOrderWindowMs } = {}) {
  await using opening = new AsyncDisposableStack();
  const { path } = opening.use(await temporaryDirectory());
  const clock = { ...fixedClock, nowMs: () => nowMs, nowNs: () => BigInt(nowMs) * 1_000_000n };
  const store = opening.use(
    await openLogStore({
      directory: join(path, "logs"),
      fileSystem: nodeFileSystem,
      clock,
      log: silentLogger,
      limits: { ...DEFAULT_LIMITS, outOfOrderWindowMs: window, freeBytesMin: 0 },
      retention: DEFAULT_RETENTION,
    }),
  );
  const failing: { fault: Error | undefined } = { fault: undefined };
  const api = createLogsApi({
    store: new Proxy(store, {
      get: (target, name) => {
        if (name === "append" && failing.fault !== undefined)
          return () => Promise.reject(failing.fault!);
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? (value.bind(target) as unknown) : value;
      },
    }),
    clock,
    limits: DEFAULT_LOGS_LIMITS,
    build: BUILD,
    retention: DEFAULT_RETENTION,
  });
  const listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes: api.otlp.receiverRoutes,
    grpc: api.otlp.grpcMethods,
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
  });
  opening.defer(() => listener.close(0));
  const served = opening.use(await serve(api.routes));
  const lines = async (query = '{service_name=~".+"}') => {
    const parameters = {
      query,
      start: String((nowMs - 86_400_000) / 1000),
      end: String(nowMs / 1000 + 1),
      limit: "1000",
    };
    const { text } = await served.get("/loki/api/v1/query_range", parameters);
    const { data } = JSON.parse(text) as {
      data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
    };
    return data.result.flatMap(({ stream, values }) =>
      values.map(([, line]) => ({ line, stream })),
    );
  };
  const parts = opening.move();
  return {
    ...served,
    failing,
    lines,
    receiverPort: listener.port,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}

function requestOf(...lines: readonly (readonly [line: string, secondsAgo: number])[]): object {
  const attributes = [{ key: "service.name", value: { stringValue: "cart" } }];
  const logRecords = lines.map(([stringValue, secondsAgo]) => ({
    timeUnixNano: `${NOW_MS - secondsAgo * 1000}000000`,
    severityNumber: 13,
    body: { stringValue },
  }));
  return { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] };
}

/** `{}` in frames of LZ4. */
const LZ4_EMPTY_OBJECT = Buffer.from("04224d18604082020000807b7d00000000", "hex");

test("each encoding and compression is taken", async () => {
  await using api = await openApi();
  const codings: readonly [string, (body: Uint8Array) => Uint8Array][] = [
    ["", (body) => body],
    ["gzip", (body) => gzipSync(body)],
    ["zstd", (body) => zstdCompressSync(body)],
    ["deflate", (body) => deflateSync(body)],
  ];
  let n = 0;
  for (const [coding, compress] of codings) {
    for (const type of [PROTOBUF, JSON_TYPE]) {
      const request = requestOf([`line ${n++}`, 1]);
      const body =
        type === PROTOBUF ? encodeOtlpJson(request) : Buffer.from(JSON.stringify(request));
      const answer = await api.post("/otlp/v1/logs", new Uint8Array(compress(body)), {
        ...type,
        ...(coding !== "" && { "content-encoding": coding }),
      });
      assert.deepEqual([answer.status, answer.text], [204, ""], coding);
    }
  }
  const lz4 = await api.post("/otlp/v1/logs", new Uint8Array(LZ4_EMPTY_OBJECT), {
    ...JSON_TYPE,
    "content-encoding": "lz4",
  });
  assert.deepEqual([lz4.status, lz4.text], [204, ""]);
  const found = await api.lines();
  assert.equal(found.length, n);
  assert.deepEqual(found[0]!.stream, {
    service_name: "cart",
    severity_number: "13",
    detected_level: "warn",
  });
});

test("lines that cannot be stored are a partial success; the rest is stored", async () => {
  await using api = await openApi();
  const request = requestOf(["good", 1], ["x".repeat(300_000), 1], ["ancient", 8 * 86_400]);
  const answer = await api.post("/otlp/v1/logs", JSON.stringify(request), JSON_TYPE);
  assert.equal(answer.status, 200);
  const { partialSuccess } = JSON.parse(answer.text) as {
    partialSuccess: { rejectedLogRecords: string; errorMessage: string };
  };
  assert.equal(partialSuccess.rejectedLogRecords, "2");
  assert.match(
    partialSuccess.errorMessage,
    /max entry size '262144' bytes exceeded[^]*timestamp too old/,
  );
  assert.deepEqual(
    (await api.lines()).map(({ line }) => line),
    ["good"],
  );
});

test("faults are a Status in the request's encoding, and 500 becomes 503", async () => {
  await using api = await openApi();
  for (const [kind, status, code, after] of [
    ["limited", 429, 8, 7],
    ["unavailable", 503, 14, 7],
    ["internal", 503, 14, undefined],
  ] as const) {
    api.failing.fault = new FinchError(kind, "test/fault", "no", {
      ...(after !== undefined && { retryAfterSeconds: after }),
    });
    const body = encodeOtlpJson(requestOf(["x", 1]));
    const binary = await api.post("/otlp/v1/logs", new Uint8Array(body), PROTOBUF);
    assert.deepEqual(
      [binary.status, binary.headers.get("content-type"), binary.text.slice(0, 6)],
      [status, "application/x-protobuf", `\b${String.fromCharCode(code)}\u0012\u0002no`],
    );
    assert.equal(binary.headers.get("retry-after"), after === undefined ? null : String(after));
  }
  const rows: readonly [string, Record<string, string>, number, RegExp][] = [
    ["{}", { "content-type": "text/plain" }, 415, /unsupported content type: text\/plain/],
    ["{}", { ...JSON_TYPE, "content-encoding": "br" }, 415, /unsupported compression: br/],
    ["{}", { ...JSON_TYPE, "content-encoding": "lz4" }, 400, /not valid lz4/],
    ["[]", JSON_TYPE, 400, /"message":"the body must be an object"/],
    ["\u0007", PROTOBUF, 400, /cannot read the OTLP request/],
  ];
  for (const [body, headers, status, message] of rows) {
    const answer = await api.post("/otlp/v1/logs", body, headers);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, message);
  }
});

test("the receiver's own port: HTTP answers 200 with a response, gRPC the same", async () => {
  await using api = await openApi();
  const http = await fetch(`http://127.0.0.1:${api.receiverPort}/v1/logs`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(requestOf(["by http", 1])),
  });
  assert.deepEqual([http.status, await http.text()], [200, "{}"]);
  await using stack = new AsyncDisposableStack();
  const session = connect(`http://127.0.0.1:${api.receiverPort}`);
  stack.defer(() => session.destroy());
  const [status, reply] = await call(
    session,
    encodeOtlpJson(requestOf(["by grpc", 2], ["ancient", 9e6])),
  );
  assert.equal(status, "0");
  assert.match(reply, /timestamp too old/);
  api.failing.fault = new FinchError("internal", "test/bug", "no", {});
  assert.equal((await call(session, encodeOtlpJson(requestOf(["x", 1]))))[0], "14");
  assert.deepEqual(
    (await api.lines()).map(({ line }) => line),
    ["by http", "by grpc"],
  );
});

type Outcome = readonly [status: string, reply: string];

/** The status of an Export call, and the bytes of its reply as text. */
function call(session: ClientHttp2Session, message: Uint8Array): Promise<Outcome> {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return callFramed(session, Buffer.concat([head, message]), "identity");
}

function callFramed(
  session: ClientHttp2Session,
  frame: Uint8Array,
  encoding: string,
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
      "content-type": "application/grpc",
      "grpc-encoding": encoding,
      te: "trailers",
    });
    let status = "";
    let reply = "";
    const note = (headers: IncomingHttpHeaders) => {
      status = [headers["grpc-status"]].flat()[0] ?? status;
    };
    stream.on("response", note).on("trailers", note).on("error", reject);
    stream.on("data", (chunk: Buffer) => (reply += chunk.toString("latin1")));
    stream.on("end", () => resolve([status, reply]));
    stream.end(frame);
  });
}

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

test("what OpenTelemetry's SDKs sent is taken whole", { skip }, async () => {
  let seen = 0;
  for (const folder of ["otlp", "otlp-sdk3"]) {
    const directory = join(CAPTURES, folder);
    for (const file of readdirSync(directory)) {
      const isGrpc = file.endsWith("LogsService_Export.body");
      if (!isGrpc && !file.endsWith("POST-v1_logs.body")) continue;
      seen++;
      const { rawHeaders, at } = JSON.parse(
        readFileSync(join(directory, file.replace(/body$/, "json")), "utf8"),
      ) as { rawHeaders?: string[]; at: string };
      await using api = await openApi({ nowMs: Date.parse(at), window: 86_400_000 });
      const body = new Uint8Array(readFileSync(join(directory, file)));
      if (isGrpc) {
        await using stack = new AsyncDisposableStack();
        const session = connect(`http://127.0.0.1:${api.receiverPort}`);
        stack.defer(() => session.destroy());
        // Captured with its frame, whose first byte tells whether it is compressed.
        const outcome = await callFramed(session, body, body[0] === 1 ? "gzip" : "identity");
        assert.deepEqual(outcome, ["0", "\0\0\0\0\0"], file);
      } else {
        const header = (name: string) => {
          const i = rawHeaders!.findIndex((text, n) => n % 2 === 0 && text.toLowerCase() === name);
          return i < 0 ? undefined : rawHeaders![i + 1];
        };
        const coding = header("content-encoding");
        const answer = await api.post("/otlp/v1/logs", body, {
          "content-type": header("content-type")!,
          ...(coding !== undefined && { "content-encoding": coding }),
        });
        assert.equal(answer.status, 204, `${folder}/${file}: ${answer.text}`);
      }
      const found = await api.lines();
      assert.ok(found.length > 0, `${folder}/${file}`);
      for (const { stream } of found) assert.notEqual(stream["service_name"], "unknown_service");
    }
  }
  assert.ok(seen >= 8, `${seen} captures of logs`);
});
