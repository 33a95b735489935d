/**
 * OpenTelemetry's SDK for Node sends traces, metrics and logs to the agent of `finch up`, which hands them on in both ways: as samples and entries to
 * Prometheus' and Loki's addresses, and as OTLP. Everything is found by query; traces by a receiver of the test, for Finch stores none.
 * Skipped where the SDK is missing: `OTEL_SDK_DIRECTORY` names a folder in whose `node_modules` it is installed.
 */
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { gunzipSync } from "node:zlib";
import { decodeOtlpTree, DEFAULT_OTLP_LIMITS } from "../packages/wire/src/index.ts";
import { freePort, freePorts, startFinch } from "./finch-process.ts";
import { runProgram } from "./real-programs.ts";

const OTEL = process.env["OTEL_SDK_DIRECTORY"] ?? import.meta.dirname;
const NEEDED = ["sdk-logs", "sdk-metrics", "sdk-trace", "exporter-logs-otlp-grpc"].concat(
  ["http", "proto", "grpc"].flatMap((protocol) => [
    `exporter-metrics-otlp-${protocol}`,
    `exporter-trace-otlp-${protocol}`,
  ]),
);
const skip =
  !hasAll() &&
  "OpenTelemetry's SDK with its exporters for all signals is not installed: npm install it somewhere and set OTEL_SDK_DIRECTORY";

function hasAll(): boolean {
  const { resolve } = createRequire(join(OTEL, "package.json"));
  try {
    for (const name of NEEDED) resolve(`@opentelemetry/${name}`);
    return true;
  } catch {
    return false;
  }
}

/** A receiver of traces; keeps the names of spans. */
async function openTraces() {
  const names: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const tree = decodeOtlpTree("traces", gunzipSync(Buffer.concat(chunks)), DEFAULT_OTLP_LIMITS);
      for (const { resource, scopeSpans } of tree.resourceSpans)
        for (const { spans } of scopeSpans)
          for (const span of spans)
            names.push(`${resource.attributes.get("service.name") as string} ${span.name}`);
      response.writeHead(200, { "content-type": "application/x-protobuf" }).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { readonly port: number };
  return {
    names,
    port,
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

interface Places {
  readonly grpc: number;
  readonly http: number;
  readonly prometheus: number;
  readonly loki: number;
  readonly otlpHttp: number;
  readonly traces: number;
}

const configOf = ({ grpc, http, prometheus, loki, otlpHttp, traces }: Places) => `
otelcol.receiver.otlp "in" {
	grpc { endpoint = "127.0.0.1:${grpc}" }
	http { endpoint = "127.0.0.1:${http}" }
	output {
		metrics = [otelcol.processor.batch.b.input]
		logs    = [otelcol.processor.batch.b.input]
		traces  = [otelcol.processor.batch.b.input]
	}
}
otelcol.processor.batch "b" {
	timeout = "50ms"
	output {
		metrics = [otelcol.exporter.prometheus.p.input, otelcol.exporter.otlphttp.finch.input]
		logs    = [otelcol.exporter.loki.l.input, otelcol.exporter.otlphttp.finch.input]
		traces  = [otelcol.exporter.otlphttp.traces.input]
	}
}
otelcol.exporter.prometheus "p" { forward_to = [prometheus.remote_write.w.receiver] }
otelcol.exporter.loki "l" { forward_to = [loki.write.w.receiver] }
otelcol.exporter.otlphttp "finch" {
	client { endpoint = "http://127.0.0.1:${otlpHttp}" }
}
otelcol.exporter.otlphttp "traces" {
	client { endpoint = "http://127.0.0.1:${traces}" }
}
prometheus.remote_write "w" {
	endpoint {
		url = "http://127.0.0.1:${prometheus}/api/v1/write"
		queue_config { batch_send_deadline = "100ms" }
	}
}
loki.write "w" {
	endpoint {
		url        = "http://127.0.0.1:${loki}/loki/api/v1/push"
		batch_wait = "100ms"
	}
}
`;

/** What an application does: one log record, three requests counted, one span; over the protocol with gzip. */
const scriptOf = (protocol: string, url: (signal: string) => string) => `
const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-${protocol}");
const { MeterProvider, PeriodicExportingMetricReader } = require("@opentelemetry/sdk-metrics");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-${protocol}");
const { TracerProvider, BatchSpanProcessor } = require("@opentelemetry/sdk-trace");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-${protocol}");
const { resourceFromAttributes } = require("@opentelemetry/resources");
const { diag, DiagConsoleLogger, DiagLogLevel } = require("@opentelemetry/api");
diag.setLogger(new DiagConsoleLogger(), DiagLogLevel.WARN);
const resource = resourceFromAttributes({ "service.name": "checkout", "service.namespace": "shop" });
const at = (url) => ({ url, compression: "gzip" });
const logs = new LoggerProvider({
  resource,
  processors: [new BatchLogRecordProcessor({ exporter: new OTLPLogExporter(at(${JSON.stringify(url("logs"))})) })],
});
const metrics = new MeterProvider({
  resource,
  readers: [new PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(at(${JSON.stringify(url("metrics"))})), exportIntervalMillis: 60000,
  })],
});
const traces = new TracerProvider({
  resource,
  spanProcessors: [new BatchSpanProcessor({ exporter: new OTLPTraceExporter(at(${JSON.stringify(url("traces"))})) })],
});
logs.getLogger("lib", "2.0").emit({ severityNumber: 17, severityText: "ERROR", body: "failed to pay" });
metrics.getMeter("m", "1.0").createCounter("requests").add(3, { "http.route": "/pay" });
traces.getTracer("t").startSpan("pay").end();
for (const provider of [logs, metrics, traces]) {
  await provider.forceFlush();
  await provider.shutdown();
}
`;

async function run(script: string): Promise<void> {
  const anchor = JSON.stringify(join(OTEL, "package.json"));
  const prelude = `import { createRequire } from "node:module"; const require = createRequire(${anchor});`;
  const { code, stdout, stderr } = await runProgram(process.execPath, [
    "--input-type=module",
    "--eval",
    prelude + script,
  ]);
  assert.equal(code, 0, stdout + stderr);
  // The SDK tells of what it could not send, and ends well all the same.
  assert.equal(stdout + stderr, "");
}

/** Finch is healthy before its agent listens. */
async function untilListening(port: number): Promise<void> {
  await eventually(
    () =>
      new Promise<true | undefined>((resolve) => {
        const socket = connect(port, "127.0.0.1", () => {
          socket.destroy();
          resolve(true);
        });
        socket.on("error", () => resolve(undefined));
      }),
  );
}

/** Asks until there is an answer. */
async function eventually<Answer>(ask: () => Promise<Answer | undefined>): Promise<Answer> {
  for (let left = 600; ; left--) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    assert.ok(left > 0, "nothing was found in time");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function valueOf(url: string, query: string): Promise<string | undefined> {
  const reply = await fetch(`${url}/api/v1/query?${new URLSearchParams({ query }).toString()}`);
  const { data } = (await reply.json()) as {
    data: { result: { value: [number, string] }[] };
  };
  return data.result[0]?.value[1];
}

async function lineOf(url: string, query: string): Promise<string | undefined> {
  const reply = await fetch(
    `${url}/loki/api/v1/query_range?${new URLSearchParams({ query }).toString()}`,
  );
  const { data } = (await reply.json()) as {
    data: { result: { values: [string, string][] }[] };
  };
  return data.result[0]?.values[0]?.[1];
}

for (const protocol of ["http", "proto", "grpc"] as const)
  void test(`OpenTelemetry's SDK, ${protocol}, through the agent`, { skip }, async () => {
    const directory = await mkdtemp(join(tmpdir(), "finch-otel-"));
    try {
      await using traces = await openTraces();
      const [grpc, http, otlpHttp] = await Promise.all([freePort(), freePort(), freePort()]);
      const ports = { ...(await freePorts()), otlpHttp };
      await mkdir(join(directory, "agent"), { recursive: true });
      const places = { ...ports, grpc, http, traces: traces.port };
      await writeFile(join(directory, "agent", "config.alloy"), configOf(places));
      await using finch = await startFinch(directory, ports);
      await Promise.all([grpc, http].map(untilListening));
      const url = (signal: string) =>
        protocol === "grpc" ? `http://127.0.0.1:${grpc}` : `http://127.0.0.1:${http}/v1/${signal}`;
      await run(scriptOf(protocol, url));
      const requests = 'requests_total{http_route="/pay",job="shop/checkout"';
      const metric = (rest: string) =>
        eventually(() => valueOf(finch.prometheusUrl, `${requests},${rest}}`));
      assert.equal(await metric('otel_scope_name="m",otel_scope_version="1.0"'), "3");
      assert.equal(await metric('otel_scope_name=""'), "3");
      const line = (query: string) => eventually(() => lineOf(finch.lokiUrl, query));
      const entry = JSON.parse(
        await line('{exporter="OTLP",job="shop/checkout",level="ERROR"}'),
      ) as Record<string, unknown>;
      assert.deepEqual(
        [entry["body"], entry["severity"], entry["instrumentation_scope"]],
        ["failed to pay", "ERROR", { name: "lib", version: "2.0" }],
      );
      assert.equal(await line('{service_name="checkout"}'), "failed to pay");
      await eventually(() => Promise.resolve(traces.names[0]));
      assert.deepEqual(traces.names, ["checkout pay"]);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
