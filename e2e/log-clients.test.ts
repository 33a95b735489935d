/**
 * Real clients that send logs: OpenTelemetry's SDK for Node over HTTP and gRPC, winston-loki, pino-loki, Elasticsearch's client, and rsyslog as it sends to Elasticsearch. What each sent is answered by a query.
 * Skipped where a client is missing: `OTEL_SDK_DIRECTORY` and `LOKI_CLIENTS_DIRECTORY` name folders in whose `node_modules` they are installed.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort, freePorts, startFinch, writeIdleAgent } from "./finch-process.ts";
import type { FinchPorts, FinchProcess } from "./finch-process.ts";
import { runProgram } from "./real-programs.ts";

interface FoundLine {
  readonly line: string;
  readonly stream: Readonly<Record<string, string>>;
}

async function withFinch(
  run: (finch: FinchProcess, ports: FinchPorts & { readonly elastic: number }) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "finch-logs-"));
  try {
    await writeIdleAgent(join(directory, "finch"));
    const [otlpGrpc, otlpHttp] = await Promise.all([freePort(), freePort()]);
    const ports = { ...(await freePorts()), otlpGrpc, otlpHttp };
    const elastic = await freePort();
    const flags = [`--listen-elastic=127.0.0.1:${elastic}`];
    await using finch = await startFinch(join(directory, "finch"), ports, flags);
    await run(finch, { ...ports, elastic });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Lines of a selector, with labels and structured metadata together, sorted by line. */
async function linesOf(finch: FinchProcess, query: string): Promise<readonly FoundLine[]> {
  const parameters = new URLSearchParams({ query, limit: "1000" });
  const reply = await fetch(`${finch.lokiUrl}/loki/api/v1/query_range?${parameters.toString()}`);
  const { data } = (await reply.json()) as {
    data: { result: { stream: Record<string, string>; values: [string, string][] }[] };
  };
  return data.result
    .flatMap(({ stream, values }) => values.map(([, line]) => ({ line, stream })))
    .toSorted((a, b) => (a.line < b.line ? -1 : 1));
}

/** Runs a script as a module of the folder that has the client, and fails with what it printed. */
async function runScript(directory: string, script: string): Promise<void> {
  const anchor = JSON.stringify(join(directory, "package.json"));
  const prelude = `import { createRequire } from "node:module"; const require = createRequire(${anchor});`;
  const { code, stdout, stderr } = await runProgram(process.execPath, [
    "--input-type=module",
    "--eval",
    prelude + script,
  ]);
  assert.equal(code, 0, stdout + stderr);
}

function hasAll(directory: string, packages: readonly string[]): boolean {
  const { resolve } = createRequire(join(directory, "package.json"));
  try {
    for (const name of packages) resolve(name);
    return true;
  } catch {
    return false;
  }
}

const OTEL = process.env["OTEL_SDK_DIRECTORY"] ?? import.meta.dirname;
const skipOtel =
  !hasAll(OTEL, ["@opentelemetry/sdk-logs", "@opentelemetry/exporter-logs-otlp-grpc"]) &&
  "OpenTelemetry's SDK for logs is not installed: npm install it somewhere and set OTEL_SDK_DIRECTORY";

for (const protocol of ["http", "proto", "grpc"] as const) {
  void test(`OpenTelemetry's SDK, ${protocol}`, { skip: skipOtel }, async () => {
    await withFinch(async (finch, ports) => {
      const url =
        protocol === "grpc"
          ? `http://127.0.0.1:${ports.otlpGrpc}`
          : `http://127.0.0.1:${ports.otlpHttp}/v1/logs`;
      await runScript(
        OTEL,
        `
        const { LoggerProvider, BatchLogRecordProcessor } = require("@opentelemetry/sdk-logs");
        const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-${protocol}");
        const { resourceFromAttributes } = require("@opentelemetry/resources");
        const exporter = new OTLPLogExporter({ url: ${JSON.stringify(url)}, compression: "gzip" });
        const provider = new LoggerProvider({
          resource: resourceFromAttributes({ "service.name": "checkout", "service.version": "1.2.3" }),
          processors: [new BatchLogRecordProcessor({ exporter })],
        });
        const logger = provider.getLogger("lib", "2.0");
        logger.emit({ severityNumber: 17, severityText: "ERROR", body: "failed to pay", attributes: { "user.id": 7, nested: { a: [1, "x"] } } });
        logger.emit({ body: { structured: true, n: 1 } });
        await provider.forceFlush();
        await provider.shutdown();
        `,
      );
      const [failed, structured] = await linesOf(finch, '{service_name="checkout"}');
      assert.equal(failed!.line, "failed to pay");
      const { observed_timestamp: observed, ...stream } = failed!.stream;
      assert.match(observed!, /^\d{19}$/);
      assert.deepEqual(stream, {
        service_name: "checkout",
        service_version: "1.2.3",
        scope_name: "lib",
        scope_version: "2.0",
        severity_number: "17",
        severity_text: "ERROR",
        user_id: "7",
        nested_a: '[1,"x"]',
        detected_level: "ERROR".toLowerCase(),
      });
      assert.equal(structured!.line, '{"n":1,"structured":true}');
    });
  });
}

const CLIENTS = process.env["LOKI_CLIENTS_DIRECTORY"] ?? import.meta.dirname;
const skipOf = (packages: readonly string[]) =>
  !hasAll(CLIENTS, packages) &&
  `${packages.join(" and ")} are not installed: npm install them somewhere and set LOKI_CLIENTS_DIRECTORY`;

for (const json of [true, false]) {
  const name = `winston-loki, ${json ? "JSON" : "protobuf"}`;
  void test(name, { skip: skipOf(["winston", "winston-loki"]) }, async () => {
    await withFinch(async (finch) => {
      await runScript(
        CLIENTS,
        `
        const winston = require("winston");
        const LokiTransport = require("winston-loki");
        const transport = new LokiTransport({
          host: ${JSON.stringify(finch.lokiUrl)}, json: ${json}, labels: { job: "winston" }, interval: 1, replaceTimestamp: true,
          onConnectionError: (error) => { console.error(error); process.exitCode = 1; },
        });
        const logger = winston.createLogger({ transports: [transport], format: winston.format.json() });
        logger.info("first", { labels: { part: "a" } });
        logger.error("second ü");
        await transport.flush();
        await new Promise((resolve) => transport.on("finish", resolve).end());
        process.exit();
        `,
      );
      const found = await linesOf(finch, '{job="winston"}');
      assert.deepEqual(found.map(({ line }) => /first|second ü/.exec(line)?.[0] ?? "").toSorted(), [
        "first",
        "second ü",
      ]);
      const levels = found.map(({ stream }) => stream["detected_level"] ?? "").toSorted();
      assert.deepEqual(levels, ["error", "info"]);
    });
  });
}

void test("pino-loki", { skip: skipOf(["pino", "pino-loki"]) }, async () => {
  await withFinch(async (finch) => {
    await runScript(
      CLIENTS,
      `
      const pino = require("pino");
      const transport = pino.transport({
        target: require.resolve("pino-loki"),
        options: { host: ${JSON.stringify(finch.lokiUrl)}, labels: { job: "pino" }, batching: false, silenceErrors: false },
      });
      const logger = pino(transport);
      logger.info({ user: 7 }, "paid");
      logger.error("declined");
      // pino tells nobody when a transport is done: the lines are asked for.
      for (const end = Date.now() + 10_000; Date.now() < end; ) {
        const reply = await fetch(${JSON.stringify(finch.lokiUrl)} + '/loki/api/v1/query_range?query={job="pino"}');
        if ((await reply.text()).includes("declined")) process.exit();
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
      process.exit(1);
      `,
    );
    const found = await linesOf(finch, '{job="pino"}');
    assert.deepEqual(
      found.map(({ line }) => (JSON.parse(line) as { msg: string }).msg).toSorted(),
      ["declined", "paid"],
    );
  });
});

void test("Elasticsearch's client", { skip: skipOf(["@elastic/elasticsearch"]) }, async () => {
  await withFinch(async (finch, ports) => {
    await runScript(
      CLIENTS,
      `
      const { Client } = require("@elastic/elasticsearch");
      const client = new Client({ node: "http://127.0.0.1:${ports.elastic}", compression: true });
      await client.info();
      const result = await client.helpers.bulk({
        datasource: Array.from({ length: 1000 }, (_, i) => ({ "@timestamp": new Date(), message: "line " + i, service: { name: "es" } })),
        onDocument: () => ({ create: { _index: "logs-app" } }),
        flushBytes: 20_000,
      });
      if (result.failed !== 0 || result.successful !== 1000) throw new Error(JSON.stringify(result));
      `,
    );
    const found = await linesOf(finch, '{index="logs-app", service_name="es"}');
    assert.equal(found.length, 1000);
  });
});

/** Of the package rsyslog-elasticsearch, installed or unpacked somewhere. */
const OMELASTICSEARCH =
  process.env["RSYSLOG_OMELASTICSEARCH"] ?? "/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so";
const skipRsyslog =
  !(existsSync("/usr/sbin/rsyslogd") && existsSync(OMELASTICSEARCH)) &&
  "no rsyslogd with omelasticsearch: apt-get install rsyslog rsyslog-elasticsearch, or unpack the latter and set RSYSLOG_OMELASTICSEARCH";

void test("rsyslog's omelasticsearch", { skip: skipRsyslog }, async () => {
  await withFinch(async (finch, { elastic }) => {
    const directory = await mkdtemp(join(tmpdir(), "finch-rsyslog-"));
    const [input, config] = ["in.log", "rsyslog.conf"].map((name) => join(directory, name)) as [
      string,
      string,
    ];
    const count = 500;
    await writeFile(input, Array.from({ length: count }, (_, i) => `"over" HTTP ${i}\n`).join(""));
    await writeFile(
      config,
      `global(workDirectory="${directory}")
module(load="imfile" mode="polling" PollingInterval="1")
module(load="${OMELASTICSEARCH}")
template(name="document" type="list" option.jsonf="on") {
  property(outname="@timestamp" name="timereported" dateFormat="rfc3339" format="jsonf")
  property(outname="message" name="msg" format="jsonf")
  property(outname="severity" name="syslogseverity-text" format="jsonf")
}
input(type="imfile" File="${input}" Tag="shop" Severity="error")
action(type="omelasticsearch" server="127.0.0.1" serverport="${elastic}" bulkmode="on" searchIndex="rsyslog" searchType="_doc" template="document"
  queue.type="LinkedList" queue.dequeuebatchsize="100" action.resumeRetryCount="-1" action.resumeInterval="1")
`,
    );
    const child = spawn("/usr/sbin/rsyslogd", ["-n", "-f", config, "-i", join(directory, "pid")], {
      stdio: "ignore",
    });
    const exited = once(child, "exit");
    try {
      let found = await linesOf(finch, '{index="rsyslog"}');
      for (const end = Date.now() + 30_000; found.length < count && Date.now() < end;) {
        await sleep(100);
        found = await linesOf(finch, '{index="rsyslog"}');
      }
      assert.deepEqual(
        found
          .map(({ line }) => Number(/^"over" HTTP (\d+)$/.exec(line)?.[1] ?? `NaN ${line}`))
          .toSorted((a, b) => a - b),
        Array.from({ length: count }, (_, i) => i),
      );
      assert.equal(found[0]!.stream["detected_level"], "error");
    } finally {
      child.kill("SIGTERM");
      await exited;
      await rm(directory, { recursive: true, force: true });
    }
  });
});
