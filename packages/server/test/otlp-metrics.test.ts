/** OTLP metrics over real HTTP into a real store: both encodings, compression, partial success, faults, delta temporality. */
import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { connect } from "node:http2";
import type { ClientHttp2Session, IncomingHttpHeaders } from "node:http2";
import { join } from "node:path";
import { test } from "node:test";
import { deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { FinchError, silentLogger, systemClock } from "@finch/runtime";
import { DEFAULT_HTTP_LIMITS, openListener } from "@finch/runtime/http";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { serveMetrics } from "./metrics-api.ts";
import type { ServedMetrics } from "./metrics-api.ts";
import { NOW_MS } from "./serve.ts";

const PROTOBUF = { "content-type": "application/x-protobuf" } as const;
const JSON_TYPE = { "content-type": "application/json" } as const;

function requestOf(...metrics: readonly object[]): object {
  const attributes = [{ key: "service.name", value: { stringValue: "cart" } }];
  return { resourceMetrics: [{ resource: { attributes }, scopeMetrics: [{ metrics }] }] };
}

function gauge(name: string, value: number, atMs = NOW_MS): object {
  return { name, gauge: { dataPoints: [{ timeUnixNano: `${atMs}000000`, asDouble: value }] } };
}

function delta(name: string, value: number, atMs: number): object {
  const dataPoints = [
    { timeUnixNano: `${atMs}000000`, startTimeUnixNano: `${atMs - 10_000}000000`, asDouble: value },
  ];
  return { name, sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints } };
}

const postJson = (metrics: ServedMetrics, request: object) =>
  metrics.post("/otlp/v1/metrics", JSON.stringify(request), JSON_TYPE);

test("each path, encoding and compression is taken and answered in kind", async () => {
  await using metrics = await serveMetrics();
  const bodies: readonly [string, (body: Uint8Array) => Uint8Array][] = [
    ["", (body) => body],
    ["identity", (body) => body],
    ["gzip", (body) => gzipSync(body)],
    ["deflate", (body) => deflateSync(body)],
    ["zstd", (body) => zstdCompressSync(body)],
  ];
  let n = 0;
  for (const path of ["/otlp/v1/metrics", "/api/v1/otlp/v1/metrics"]) {
    for (const [coding, compress] of bodies) {
      for (const type of [PROTOBUF, JSON_TYPE]) {
        const request = requestOf(gauge(`m${n}`, n));
        n++;
        const body =
          type === PROTOBUF ? encodeOtlpJson(request) : Buffer.from(JSON.stringify(request));
        const answer = await metrics.post(path, new Uint8Array(compress(body)), {
          ...type,
          ...(coding !== "" && { "content-encoding": coding }),
        });
        assert.deepEqual(
          [answer.status, answer.headers.get("content-type"), answer.text],
          [200, type["content-type"], type === PROTOBUF ? "" : "{}"],
        );
      }
    }
  }
  const found = await metrics.query('{__name__=~"m.+"}');
  assert.equal(Object.keys(found).length, n);
  assert.equal(found['{__name__="m7", job="cart"}'], "7");
});

test("what can never be stored is a partial success that counts points and names them", async () => {
  await using metrics = await serveMetrics();
  const request = requestOf(
    gauge("good", 1),
    gauge("late", 1, NOW_MS + 3_600_000),
    { name: "ü", gauge: { dataPoints: [{ timeUnixNano: `${NOW_MS}000000`, asInt: 1 }, {}] } },
    {
      name: "h",
      histogram: {
        aggregationTemporality: 2,
        dataPoints: [{ timeUnixNano: `${NOW_MS + 3_600_000}000000`, count: 1, sum: 2 }],
      },
    },
  );
  const answer = await postJson(metrics, request);
  assert.equal(answer.status, 200);
  const { partialSuccess } = JSON.parse(answer.text) as {
    partialSuccess: { rejectedDataPoints: string; errorMessage: string };
  };
  assert.equal(partialSuccess.rejectedDataPoints, "4");
  assert.match(partialSuccess.errorMessage, /metric "ü": nothing of its name is left/);
  assert.match(partialSuccess.errorMessage, /too far in the future for series \{__name__="late"/);
  assert.deepEqual(await metrics.query('{__name__=~".+"}'), {
    '{__name__="good", job="cart"}': "1",
  });
});

test("faults are a Status in the request's encoding; what may be sent again says when", async () => {
  const cases = [
    ["limited", 429, 8, "7"],
    ["unavailable", 503, 14, "7"],
    ["internal", 503, 14, undefined],
  ] as const;
  for (const [kind, status, code, after] of cases) {
    await using metrics = await serveMetrics({
      append: () =>
        Promise.reject(
          new FinchError(kind, "test/fault", "no", {
            ...(after !== undefined && { retryAfterSeconds: Number(after) }),
          }),
        ),
    });
    const answer = await postJson(metrics, requestOf(gauge("m", 1)));
    assert.deepEqual(
      [answer.status, answer.headers.get("retry-after") ?? undefined],
      [status, after],
    );
    const body = JSON.parse(answer.text) as { code: number; message: string };
    assert.deepEqual([body.code, body.message], [code, "no"]);
    const binary = await metrics.post(
      "/otlp/v1/metrics",
      new Uint8Array(encodeOtlpJson(requestOf(gauge("m", 1)))),
      PROTOBUF,
    );
    assert.deepEqual(
      [binary.status, binary.headers.get("content-type"), binary.text.slice(0, 6)],
      [status, "application/x-protobuf", `\b${String.fromCharCode(code)}\u0012\u0002no`],
    );
  }
  await using metrics = await serveMetrics();
  const post = (body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>) =>
    metrics.post("/otlp/v1/metrics", body, headers);
  const rows: readonly [
    string | Uint8Array<ArrayBuffer>,
    Record<string, string>,
    number,
    RegExp,
  ][] = [
    ["{}", { "content-type": "text/plain" }, 415, /unsupported content type: text\/plain/],
    ["{}", { ...JSON_TYPE, "content-encoding": "br" }, 415, /unsupported compression: br/],
    ["{}", { ...JSON_TYPE, "content-encoding": "gzip" }, 400, /not valid gzip/],
    ["[]", JSON_TYPE, 400, /"message":"the body must be an object"/],
    [new Uint8Array([0xff]), PROTOBUF, 400, /cannot read the OTLP request/],
    [
      new Uint8Array(gzipSync(new Uint8Array(200 << 20))),
      { ...PROTOBUF, "content-encoding": "gzip" },
      413,
      /decodes to more than/,
    ],
  ];
  for (const [body, headers, status, message] of rows) {
    const answer = await post(body, headers);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.text, message);
  }
});

test("delta points are summed up; one sent again after a fault is not added twice", async () => {
  let fails = false;
  await using metrics = await serveMetrics();
  const { store } = metrics;
  await using flaky = await serveMetrics({
    append: (batch) =>
      fails
        ? Promise.reject(
            new FinchError("unavailable", "test/full", "full", { retryAfterSeconds: 1 }),
          )
        : store.append(batch),
  });
  const send = (value: number, secondsAgo: number) =>
    flaky.post(
      "/otlp/v1/metrics",
      JSON.stringify(requestOf(delta("hits", value, NOW_MS - secondsAgo * 1000))),
      JSON_TYPE,
    );
  assert.equal((await send(5, 30)).text, "{}");
  fails = true;
  assert.equal((await send(7, 20)).status, 503);
  fails = false;
  assert.equal((await send(7, 20)).text, "{}");
  const again = await send(7, 20);
  assert.match(again.text, /"rejectedDataPoints":"1".*is not newer than the last one/);
  const both = await Promise.all([send(1, 10), send(2, 5)]);
  assert.deepEqual(
    both.map(({ text }) => text),
    ["{}", "{}"],
  );
  const { text } = await metrics.get("/api/v1/query", {
    query: "hits_total[1m]",
    time: String(NOW_MS / 1000),
  });
  const { data } = JSON.parse(text) as { data: { result: { values: [number, string][] }[] } };
  assert.deepEqual(
    data.result[0]!.values.map(([, value]) => value),
    ["5", "12", "13", "15"],
  );
});

test("gRPC: a call is answered like a request, a fault says when to try again", async () => {
  let fails = false;
  await using metrics = await serveMetrics();
  await using api = await serveMetrics({
    append: (batch) =>
      fails
        ? Promise.reject(new FinchError("internal", "test/bug", "no", {}))
        : metrics.store.append(batch),
  });
  const listener = await openListener({
    name: "test",
    purpose: "the test",
    host: "127.0.0.1",
    port: 0,
    routes: api.api.otlp.receiverRoutes,
    grpc: api.api.otlp.grpcMethods,
    limits: DEFAULT_HTTP_LIMITS,
    clock: systemClock,
    log: silentLogger,
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() => listener.close(0));
  const session = connect(`http://127.0.0.1:${listener.port}`);
  stack.defer(() => session.destroy());
  const late = gauge("late", 1, NOW_MS + 3_600_000);
  const [status, reply] = await call(session, requestOf(gauge("by_grpc", 5), late));
  assert.equal(status, "0");
  assert.match(reply, /too far in the future/);
  assert.deepEqual(await metrics.query("by_grpc"), { '{__name__="by_grpc", job="cart"}': "5" });
  fails = true;
  assert.equal((await call(session, requestOf(gauge("by_grpc", 6))))[0], "14");
  fails = false;
  const http = await fetch(`http://127.0.0.1:${listener.port}/v1/metrics`, {
    method: "POST",
    headers: JSON_TYPE,
    body: JSON.stringify(requestOf(gauge("by_http", 7))),
  });
  assert.equal(await http.text(), "{}");
});

test("gRPC: with tenants on, metadata says whose the metrics are", async () => {
  await using metrics = await serveMetrics({ about: { multitenancy: true } });
  const [method] = metrics.api.otlp.grpcMethods;
  const send = (tenant: string | undefined) =>
    method!.handle({
      message: encodeOtlpJson(requestOf(gauge("whose", 1))),
      headers: { "x-scope-orgid": tenant },
      peer: "",
      signal: AbortSignal.timeout(10_000),
    });
  assert.equal((await send("one")).length, 0);
  await assert.rejects(send(undefined), { code: "server/no-tenant" });
  await assert.rejects(send("a/b"), { code: "server/bad-tenant" });
  for (const [tenant, count] of [
    ["one", 1],
    ["two", 0],
  ] as const) {
    const reply = await fetch(`http://127.0.0.1:${metrics.port}/api/v1/series?match[]=whose`, {
      headers: { "x-scope-orgid": tenant },
    });
    const { data } = (await reply.json()) as { data: object[] };
    assert.equal(data.length, count, tenant);
  }
});

/** The status of an Export call, and the bytes of its reply as text. */
function call(
  session: ClientHttp2Session,
  request: object,
): Promise<[status: string, reply: string]> {
  return new Promise((resolve, reject) => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
      "content-type": "application/grpc",
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
    const message = encodeOtlpJson(request);
    const head = Buffer.alloc(5);
    head.writeUInt32BE(message.length, 1);
    stream.end(Buffer.concat([head, message]));
  });
}

const SHARED = process.env["FINCH_SHARED"] ?? join(import.meta.dirname, "../../../../shared");
const CAPTURES = join(SHARED, "captures");
const skip = existsSync(CAPTURES)
  ? false
  : "no captures here: set FINCH_SHARED to the folder that has them";

test("what OpenTelemetry's SDKs sent is taken whole", { skip }, async () => {
  for (const folder of ["otlp", "otlp-sdk3"]) {
    const directory = join(CAPTURES, folder);
    for (const file of readdirSync(directory)) {
      if (!file.endsWith("POST-v1_metrics.body")) continue;
      const { rawHeaders, at } = JSON.parse(
        readFileSync(join(directory, file.replace(/body$/, "json")), "utf8"),
      ) as { rawHeaders: string[]; at: string };
      await using metrics = await serveMetrics({ nowMs: () => Date.parse(at) });
      const header = (name: string) => {
        const i = rawHeaders.findIndex((text, n) => n % 2 === 0 && text.toLowerCase() === name);
        return i < 0 ? undefined : rawHeaders[i + 1];
      };
      const coding = header("content-encoding");
      const answer = await metrics.post(
        "/otlp/v1/metrics",
        new Uint8Array(readFileSync(join(directory, file))),
        {
          "content-type": header("content-type")!,
          ...(coding !== undefined && { "content-encoding": coding }),
        },
      );
      assert.equal(answer.status, 200, `${folder}/${file}: ${answer.text}`);
      assert.ok(["", "{}"].includes(answer.text), `${folder}/${file}: ${answer.text}`);
      const { text } = await metrics.get("/api/v1/label/__name__/values");
      assert.match(text, /_total".*target_info/, `${folder}/${file}`);
    }
  }
});
