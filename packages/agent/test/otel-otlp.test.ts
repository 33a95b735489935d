/** OTLP in and out over real connections: `otelcol.exporter.otlp` and `.otlphttp` into `otelcol.receiver.otlp`, with their queues, and `otelcol.auth.*`. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer } from "node:net";
import { test } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import { FinchError } from "@finch/runtime";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { GrpcClient } from "../src/otel/grpc-client.ts";
import { readPartialSuccess, readRetryDelayMs } from "../src/otel/otlp-transport.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import { encodeOtlpResponse, encodeRpcStatus } from "@finch/wire";
import { hasOpenssl, makeCertificates } from "./certificates.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { logs, namesIn, startFlow, traces } from "./otel-harness.ts";

const metrics = () =>
  TelemetryBatch.ofRequest(
    "metrics",
    encodeOtlpJson({
      resourceMetrics: [
        { scopeMetrics: [{ metrics: [{ name: "up", gauge: { dataPoints: [{ asInt: "1" }] } }] }] },
      ],
    }),
  );

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

async function until(condition: () => boolean, what = "it"): Promise<void> {
  for (let left = 4000; !condition(); left--) {
    assert.ok(left > 0, `${what} did not come in time`);
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** Until every receiver has opened its ports. */
async function listening(flow: Awaited<ReturnType<typeof startFlow>>): Promise<void> {
  const receivers = () =>
    flow.agent.components().filter(({ name }) => name === "otelcol.receiver.otlp");
  await until(() => receivers().every(({ health }) => health.message.startsWith("listening")));
}

const ALL = (to: string) => `output {
		traces  = [${to}]
		metrics = [${to}]
		logs    = [${to}]
	}`;

/** A receiver that hands to a sink of the test. */
const receiver = (blocks: string) => `
otelcol.receiver.otlp "in" {
	${blocks}
	${ALL("otelcol.exporter.test.k.input")}
}
otelcol.exporter.test "k" { }
`;
const source = (exporter: string) => `
otelcol.receiver.test "r" {
	${ALL(`otelcol.exporter.${exporter}.out.input`)}
}
`;

const kinds = (batches: readonly AnyBatch[]) =>
  batches.map(({ signal, items }) => `${signal} ${items}`);

const HTTP_WAYS: readonly (readonly [name: string, client: string, more: string])[] = [
  ["protobuf and gzip", "", ""],
  ["JSON and gzip", "", 'encoding = "json"'],
  ["zstd", 'compression = "zstd"', ""],
  ["deflate", 'compression = "deflate"', ""],
  ["nothing compressed", 'compression = "none"', ""],
];
for (const [name, client, more] of HTTP_WAYS)
  test(`OTLP over HTTP, ${name}: all signals arrive as they were sent`, async () => {
    const port = await freePort();
    await using flow = await startFlow(
      `${receiver(`http { endpoint = "127.0.0.1:${port}" }`)}${source("otlphttp")}
otelcol.exporter.otlphttp "out" {
	${more}
	client {
		endpoint = "http://127.0.0.1:${port}/"
		${client}
	}
}`,
    );
    await sendAll(flow);
  });

for (const compression of ["gzip", "none"])
  test(`OTLP over gRPC, ${compression}: all signals arrive as they were sent`, async () => {
    const port = await freePort();
    await using flow = await startFlow(
      `${receiver(`grpc { endpoint = "127.0.0.1:${port}" }`)}${source("otlp")}
otelcol.exporter.otlp "out" {
	client {
		endpoint    = "127.0.0.1:${port}"
		compression = "${compression}"
		tls { insecure = true }
	}
}`,
    );
    await sendAll(flow);
  });

async function sendAll(flow: Awaited<ReturnType<typeof startFlow>>): Promise<void> {
  const sent: readonly AnyBatch[] = [traces("a", "b"), metrics(), logs("l1", "l2", "l3")];
  const wanted = new Map(sent.map((batch) => [batch.signal, structuredClone(batch.tree())]));
  for (const batch of sent) await flow.send(batch);
  await until(() => flow.kept.get("k")!.length === 3);
  const kept = flow.kept.get("k")!;
  assert.deepEqual(kinds(kept).toSorted(), ["logs 3", "metrics 1", "traces 2"]);
  for (const batch of kept) assert.deepEqual(batch.tree(), wanted.get(batch.signal), batch.signal);
}

test("the receiver refuses what it cannot read, with the status that senders understand", async () => {
  const port = await freePort();
  await using flow = await startFlow(
    receiver(`http {
		endpoint              = "127.0.0.1:${port}"
		max_request_body_size = "1KiB"
	}`),
  );
  await listening(flow);
  const post = async (body: Uint8Array | string, headers: Record<string, string>) => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/traces`, {
      method: "POST",
      body: body as Uint8Array<ArrayBuffer>,
      headers,
    });
    return [response.status, response.headers.get("content-type"), await response.text()] as const;
  };
  const protobuf = { "content-type": "application/x-protobuf" };
  const json = { "content-type": "application/json" };
  assert.deepEqual(await post("{}", json), [200, "application/json", "{}"]);
  const cases: readonly (readonly [Uint8Array | string, Record<string, string>, number, RegExp])[] =
    [
      ["no protobuf", protobuf, 400, /cannot read the OTLP traces/],
      ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"xyz"}]}]}]}', json, 400, /traceId/],
      ["a=b", { "content-type": "text/plain" }, 415, /unsupported content type: text\/plain/],
      ["x", { ...protobuf, "content-encoding": "br" }, 415, /unsupported Content-Encoding: br/],
      [new Uint8Array(2000), protobuf, 413, /limit 1024/],
      [
        gzipSync(new Uint8Array(5000)),
        { ...protobuf, "content-encoding": "gzip" },
        413,
        /1024 bytes/,
      ],
    ];
  for (const [body, headers, status, text] of cases) {
    const [answered, , told] = await post(body, headers);
    assert.equal(answered, status, told);
    assert.match(told, text);
  }
  assert.deepEqual(flow.kept.get("k"), []);
});

test("what is not taken for now is 503 with a time, what never can be taken is 400", async () => {
  const [http, grpc] = [await freePort(), await freePort()];
  await using flow = await startFlow(
    receiver(`http { endpoint = "127.0.0.1:${http}" }
	grpc { endpoint = "127.0.0.1:${grpc}" }`),
  );
  await listening(flow);
  using client = new GrpcClient({
    url: `http://127.0.0.1:${grpc}`,
    tls: {},
    authority: undefined,
    compresses: true,
  });
  const ask = async () => {
    const response = await fetch(`http://127.0.0.1:${http}/v1/traces`, {
      method: "POST",
      body: traces("a").bytes() as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/x-protobuf" },
    });
    await response.arrayBuffer();
    const answer = await client.call({
      path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      headers: {},
      message: traces("a").bytes(),
      timeoutMs: 5000,
      signal: AbortSignal.timeout(5000),
    });
    return [
      response.status,
      response.headers.get("retry-after"),
      answer.status,
      readRetryDelayMs(answer.details),
    ];
  };
  assert.deepEqual(await ask(), [200, null, 0, undefined]);
  flow.refuseWith(new Error("no room"));
  assert.deepEqual(await ask(), [503, "5", 14, 5000]);
  flow.refuseWith(new FinchError("invalid", "agent/test", "never"));
  assert.deepEqual(await ask(), [400, null, 3, undefined]);
  const unknown = await client.call({
    path: "/some.Service/Call",
    headers: {},
    message: new Uint8Array(0),
    timeoutMs: 5000,
    signal: AbortSignal.timeout(5000),
  });
  assert.equal(unknown.status, 12);
});

const AUTH = `
otelcol.auth.basic "a" {
	username = "me"
	password = "pass"
}
otelcol.auth.bearer "b" { token = "secret-token" }
otelcol.auth.headers "h" {
	header {
		key          = "X-Tenant"
		from_context = "x-tenant"
	}
	header {
		key    = "x-gone"
		action = "delete"
	}
	header {
		key   = "X-Fixed"
		value = "yes"
	}
}
`;

for (const [handler, wrong] of [
  ["otelcol.auth.basic.a.handler", "Basic bWU6bm8="],
  ["otelcol.auth.bearer.b.handler", "Bearer secret"],
] as const)
  test(`${handler} shows who sends and asks for it, over HTTP and gRPC`, async () => {
    const [http, grpc] = [await freePort(), await freePort()];
    await using flow = await startFlow(`${AUTH}${receiver(`http {
		endpoint = "127.0.0.1:${http}"
		auth     = ${handler}
	}
	grpc {
		endpoint = "127.0.0.1:${grpc}"
		auth     = ${handler}
	}`)}
otelcol.receiver.test "r" {
	output {
		traces = [otelcol.exporter.otlphttp.http.input, otelcol.exporter.otlp.grpc.input]
	}
}
otelcol.exporter.otlphttp "http" {
	client {
		endpoint = "http://127.0.0.1:${http}"
		auth     = ${handler}
	}
}
otelcol.exporter.otlp "grpc" {
	client {
		endpoint = "http://127.0.0.1:${grpc}"
		auth     = ${handler}
	}
}
`);
    await listening(flow);
    await flow.send(traces("a"));
    await until(() => flow.kept.get("k")!.length === 2);
    const answer = await fetch(`http://127.0.0.1:${http}/v1/traces`, {
      method: "POST",
      body: traces("a").bytes() as Uint8Array<ArrayBuffer>,
      headers: { "content-type": "application/x-protobuf", authorization: wrong },
    });
    await answer.arrayBuffer();
    assert.equal(answer.status, 401);
    using client = new GrpcClient({
      url: `http://127.0.0.1:${grpc}`,
      tls: {},
      authority: undefined,
      compresses: false,
    });
    const call = await client.call({
      path: "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
      headers: { authorization: wrong },
      message: traces("a").bytes(),
      timeoutMs: 5000,
      signal: AbortSignal.timeout(5000),
    });
    assert.equal(call.status, 16);
    assert.equal(flow.kept.get("k")!.length, 2);
  });

test("headers of a request go on to the next one, through the queue, where that is asked for", async () => {
  const [first, second] = [await freePort(), await freePort()];
  await using flow = await startFlow(`${AUTH}
otelcol.receiver.otlp "edge" {
	http {
		endpoint         = "127.0.0.1:${first}"
		include_metadata = true
	}
	output { traces = [otelcol.exporter.otlphttp.on.input] }
}
otelcol.exporter.otlphttp "on" {
	client {
		endpoint = "http://127.0.0.1:${second}"
		headers  = { "X-Gone" = "1", "X-Kept" = "2" }
		auth     = otelcol.auth.headers.h.handler
	}
}
${receiver(`http {
		endpoint         = "127.0.0.1:${second}"
		include_metadata = true
	}`)}`);
  await listening(flow);
  const response = await fetch(`http://127.0.0.1:${first}/v1/traces`, {
    method: "POST",
    body: traces("a").bytes() as Uint8Array<ArrayBuffer>,
    headers: { "content-type": "application/x-protobuf", "x-tenant": "one" },
  });
  assert.equal(response.status, 200);
  await until(() => flow.kept.get("k")!.length === 1);
  const { metadata, address } = flow.kept.get("k")![0]!.client;
  assert.deepEqual(
    ["x-tenant", "x-fixed", "x-gone", "x-kept"].map((name) => metadata.get(name)),
    [["one"], ["yes"], undefined, ["2"]],
  );
  assert.match(address, /127\.0\.0\.1/);
});

test(
  "TLS with certificates of both sides, over HTTP and gRPC",
  { skip: !hasOpenssl() && "no openssl" },
  async () => {
    await using directory = await temporaryDirectory();
    makeCertificates(directory.path);
    const [http, grpc] = [await freePort(), await freePort()];
    const file = (name: string) => JSON.stringify(`${directory.path}/${name}`);
    const server = `tls {
			cert_file      = ${file("server.pem")}
			key_file       = ${file("server.key")}
			client_ca_file = ${file("ca.pem")}
		}`;
    const client = `tls {
			ca_file   = ${file("ca.pem")}
			cert_file = ${file("client.pem")}
			key_file  = ${file("client.key")}
		}`;
    await using flow = await startFlow(`${receiver(`http {
		endpoint = "127.0.0.1:${http}"
		${server}
	}
	grpc {
		endpoint = "127.0.0.1:${grpc}"
		${server}
	}`)}
otelcol.receiver.test "r" {
	output {
		traces = [otelcol.exporter.otlphttp.http.input, otelcol.exporter.otlp.grpc.input]
	}
}
otelcol.exporter.otlphttp "http" {
	client {
		endpoint = "https://localhost:${http}"
		${client}
	}
}
otelcol.exporter.otlp "grpc" {
	client {
		endpoint = "localhost:${grpc}"
		${client}
	}
}
`);
    await flow.send(traces("a"));
    await until(() => flow.kept.get("k")!.length === 2);
    await assert.rejects(fetch(`https://localhost:${http}/v1/traces`, { method: "POST" }));
  },
);

const queued = (port: number, exporter: "otlp" | "otlphttp", more = "") => `${source(exporter)}
otelcol.exporter.${exporter} "out" {
	client {
		endpoint = "http://127.0.0.1:${port}"
	}
	retry_on_failure {
		initial_interval = "20ms"
		max_interval     = "50ms"
		${more.startsWith("max_elapsed") ? more : ""}
	}
	${more.startsWith("max_elapsed") ? "" : more}
}
`;

for (const exporter of ["otlp", "otlphttp"] as const)
  test(`otelcol.exporter.${exporter}: what is queued waits for a receiver, over a restart, and comes once`, async () => {
    await using directory = await temporaryDirectory();
    const port = await freePort();
    const names = ["a", "b", "c"];
    {
      await using flow = await startFlow(queued(port, exporter), {}, directory.path);
      for (const name of names) await flow.send(traces(name));
      const health = () =>
        flow.agent.components().find(({ name }) => name.includes("exporter.otlp"))!.health;
      await until(() => health().state === "unhealthy", "bad health");
      assert.match(health().message, /cannot reach|refused/i);
    }
    const protocol = exporter === "otlp" ? "grpc" : "http";
    await using flow = await startFlow(
      queued(port, exporter) + receiver(`${protocol} { endpoint = "127.0.0.1:${port}" }`),
      {},
      directory.path,
    );
    await until(() => flow.kept.get("k")!.length >= 3);
    await flow.send(traces("d"));
    await until(() => flow.kept.get("k")!.length >= 4);
    const arrived = flow.kept
      .get("k")!
      .flatMap((batch) => (batch.signal === "traces" ? namesIn(batch.tree()) : []));
    assert.deepEqual(arrived.toSorted(), ["a", "b", "c", "d"]);
  });

test("a full queue tells senders to come again, or makes them wait", async () => {
  const port = await freePort();
  await using flow = await startFlow(queued(port, "otlphttp", "sending_queue { queue_size = 2 }"));
  await flow.send(traces("a"));
  await flow.send(traces("b"));
  await assert.rejects(flow.send(traces("c")), /sending queue .* is full: 2 requests wait/);
  await using waiting = await startFlow(
    queued(
      port,
      "otlphttp",
      'sending_queue {\n\t\tqueue_size = 3\n\t\tsizer = "items"\n\t\tblock_on_overflow = true\n\t}',
    ),
  );
  await waiting.send(traces("a", "b", "c"));
  let isTaken = false;
  void waiting.send(traces("d")).then(
    () => (isTaken = true),
    () => {},
  );
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(isTaken, false);
});

test("what the receiver refuses for good is dropped and counted; with a limit of time, too, what it does not take", async () => {
  const port = await freePort();
  await using flow = await startFlow(
    queued(port, "otlphttp", 'max_elapsed_time = "30ms"') +
      receiver(`http { endpoint = "127.0.0.1:${port}" }`),
  );
  flow.refuseWith(new FinchError("invalid", "agent/test", "never"));
  await flow.send(traces("a"));
  const drops = () =>
    flow.agent.live.drops.all().filter(({ component }) => component.includes("otlphttp"));
  await until(() => drops().length === 1 && drops()[0]!.amount === 1);
  flow.refuseWith(new Error("later"));
  await flow.send(traces("b", "c"));
  await until(() => drops()[0]!.amount === 3);
  assert.equal(drops()[0]!.reason, "refused by the receiver");
});

for (const [exporter, block] of [
  ["otlphttp", 'http {\n\t\tmax_request_body_size = "400B"'],
  ["otlp", 'grpc {\n\t\tmax_recv_msg_size = "400B"'],
] as const)
  test(`otelcol.exporter.${exporter}: what is too large for the receiver goes in parts`, async () => {
    const port = await freePort();
    await using flow = await startFlow(
      queued(port, exporter) + receiver(`${block}\n\t\tendpoint = "127.0.0.1:${port}"\n\t}`),
    );
    const names = Array.from({ length: 20 }, (_, n) => `${n}-${"x".repeat(100)}`);
    await flow.send(traces(...names));
    const arrived = () =>
      flow.kept
        .get("k")!
        .flatMap((batch) => (batch.signal === "traces" ? namesIn(batch.tree()) : []));
    await until(() => arrived().length === 20);
    assert.deepEqual(arrived(), names);
  });

test("without a queue a sender waits until the receiver has it, and hears of a refusal", async () => {
  const port = await freePort();
  await using flow = await startFlow(
    queued(port, "otlphttp", "sending_queue { enabled = false }") +
      receiver(`http { endpoint = "127.0.0.1:${port}" }`),
  );
  await flow.send(traces("a"));
  assert.equal(flow.kept.get("k")!.length, 1);
  flow.refuseWith(new FinchError("invalid", "agent/test", "never"));
  await assert.rejects(flow.send(traces("b")), /the receiver refused it/);
});

test("queued requests are joined and split as the batch block says", async () => {
  const port = await freePort();
  await using flow = await startFlow(
    queued(
      port,
      "otlphttp",
      'sending_queue {\n\t\tbatch {\n\t\t\tflush_timeout = "1h"\n\t\t\tmin_size = 5\n\t\t\tmax_size = 5\n\t\t}\n\t}',
    ) + receiver(`http { endpoint = "127.0.0.1:${port}" }`),
  );
  for (const name of ["a", "b", "c", "d", "e"]) await flow.send(traces(name));
  await until(() => flow.kept.get("k")!.length === 1);
  assert.deepEqual(kinds(flow.kept.get("k")!), ["traces 5"]);
});

test("answers tell what was rejected, and when to come again", () => {
  const partial = encodeOtlpResponse("protobuf", {
    rejectedName: "rejectedSpans",
    rejected: 300,
    message: "too old",
  }) as Uint8Array;
  assert.deepEqual(readPartialSuccess(partial), { rejected: 300, message: "too old" });
  assert.deepEqual(readPartialSuccess(new Uint8Array(0)), { rejected: 0, message: "" });
  assert.deepEqual(readPartialSuccess(Uint8Array.of(10, 99)), { rejected: 0, message: "" });
  const status = encodeRpcStatus("protobuf", { code: 8, message: "slow", retryAfterSeconds: 7 });
  assert.equal(readRetryDelayMs(status as Uint8Array), 7000);
  assert.equal(readRetryDelayMs(Uint8Array.of(1, 2, 3)), undefined);
});

test("otelcol.auth.oauth2 asks for a token with its own parameters, and shares it among requests", async () => {
  await using directory = await temporaryDirectory();
  await writeFile(`${directory.path}/secret`, "from-file\n");
  const asked: URLSearchParams[] = [];
  const tokens = createHttpServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      asked.push(new URLSearchParams(body));
      response.setHeader("content-type", "application/json");
      response.end('{"access_token":"tok-1","token_type":"bearer","expires_in":3600}');
    });
  });
  await new Promise<void>((resolve) => tokens.listen(0, "127.0.0.1", resolve));
  const tokenPort = (tokens.address() as { readonly port: number }).port;
  const port = await freePort();
  await using flow = await startFlow(`${receiver(`http {
		endpoint         = "127.0.0.1:${port}"
		include_metadata = true
	}`)}${source("otlphttp")}
otelcol.auth.oauth2 "o" {
	client_id          = "agent"
	client_secret_file = "${directory.path}/secret"
	token_url          = "http://127.0.0.1:${tokenPort}/token"
	scopes             = ["a", "b"]
	endpoint_params    = {
		"grant_type" = ["client_credentials"],
		"resource"   = ["one", "two"],
	}
}
otelcol.exporter.otlphttp "out" {
	client {
		endpoint = "http://127.0.0.1:${port}"
		auth     = otelcol.auth.oauth2.o.handler
	}
}
`);
  for (const name of ["a", "b"]) await flow.send(traces(name));
  await until(() => flow.kept.get("k")!.length === 2);
  tokens.close();
  for (const { client } of flow.kept.get("k")!)
    assert.deepEqual(client.metadata.get("authorization"), ["Bearer tok-1"]);
  assert.equal(asked.length, 1);
  const [form] = asked;
  assert.deepEqual(
    [form!.getAll("grant_type"), form!.getAll("resource"), form!.get("scope")],
    [["client_credentials"], ["one", "two"], "a b"],
  );
});

test("otelcol.storage.file is where the queue stands, whatever the agent's own storage", async () => {
  await using directory = await temporaryDirectory();
  const port = await freePort();
  const config = (more: string) =>
    `otelcol.storage.file "s" { directory = "${directory.path}/queues" }
${queued(port, "otlphttp", "sending_queue { storage = otelcol.storage.file.s.handler }")}${more}`;
  {
    await using flow = await startFlow(config(""));
    await flow.send(traces("a"));
  }
  await using flow = await startFlow(config(receiver(`http { endpoint = "127.0.0.1:${port}" }`)));
  await until(() => flow.kept.get("k")!.length === 1);
});

test("a handler that is for something else is refused with what it is for", async () => {
  await using directory = await temporaryDirectory();
  const port = await freePort();
  await using flow = await startFlow(
    `${source("otlphttp")}
otelcol.storage.file "s" { directory = "${directory.path}" }
otelcol.exporter.otlphttp "out" {
	client {
		endpoint = "http://127.0.0.1:${port}"
		auth     = otelcol.storage.file.s.handler
	}
}`,
  );
  await flow.send(traces("a"));
  const health = () =>
    flow.agent.components().find(({ name }) => name.includes("otlphttp"))!.health;
  await until(() => health().message.includes("otelcol.storage.file.s cannot be used by clients"));
});

test("a stop lets a request under way end, and what waits is sent once by the next start", async () => {
  await using directory = await temporaryDirectory();
  const got: string[][] = [];
  const held = Promise.withResolvers<void>();
  let isHeld = true;
  const server = createHttpServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const batch = TelemetryBatch.ofRequest("traces", gunzipSync(Buffer.concat(chunks)));
      got.push(namesIn(batch.tree()));
      void (isHeld ? held.promise : Promise.resolve()).then(() =>
        response.writeHead(200, { "content-type": "application/x-protobuf" }).end(),
      );
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  const config = queued(port, "otlphttp", "sending_queue { num_consumers = 1 }");
  const first = await startFlow(config, {}, directory.path);
  await first.send(traces("a"));
  await until(() => got.length === 1);
  for (const name of ["b", "c"]) await first.send(traces(name));
  const stopping = first[Symbol.asyncDispose]();
  setTimeout(() => held.resolve(), 100);
  await stopping;
  isHeld = false;
  assert.deepEqual(got, [["a"]]);
  await using second = await startFlow(config, {}, directory.path);
  await second.send(traces("d"));
  await until(() => got.length >= 4);
  server.close();
  server.closeAllConnections();
  assert.deepEqual(got, [["a"], ["b"], ["c"], ["d"]]);
});
