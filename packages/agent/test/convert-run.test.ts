/** Converted configurations, run: of Promtail, whose lines go on where it stopped, and of Prometheus, whose samples arrive with their labels. */
import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { decodeRemoteWrite, DEFAULT_REMOTE_WRITE_LIMITS } from "@finch/wire";
import { convertConfig } from "../src/convert/index.ts";
import type { ConversionFormat } from "../src/convert/index.ts";
import { machineEnvironment, startAgent } from "../src/index.ts";
import { temporaryDirectory } from "./component-harness.ts";
import { startLoki } from "./loki-server.ts";

function promtailConfig(directory: string, url: string): string {
  return `
positions:
  filename: ${directory}/positions.yaml
target_config:
  sync_period: 200ms
clients:
  - url: ${url}
    batchwait: 50ms
    tenant_id: team-a
    external_labels: { cluster: test }
scrape_configs:
  - job_name: app
    static_configs:
      - labels: { job: app, __path__: "${directory}/*.log", __path_exclude__: "${directory}/no*.log" }
    relabel_configs:
      - source_labels: [job]
        regex: (.+)
        replacement: $1-team
        target_label: team
    pipeline_stages:
      - json:
          expressions: { level: , text: msg }
      - labels:
          level:
      - drop: { source: level, value: debug }
      - output: { source: text }
      - labeldrop: [filename]
`;
}

async function runConverted(format: ConversionFormat, yaml: string, directory: string) {
  const options = { format, name: `${format}.yaml`, extraArgs: [], env: () => undefined };
  const { text, diagnostics } = await convertConfig(yaml, options);
  assert.deepEqual(diagnostics, []);
  return startAgent({
    source: { text: text!, name: options.name },
    storagePath: join(directory, "storage"),
    clock: systemClock,
    logSink: () => {},
    fileSystem: nodeFileSystem,
    environment: machineEnvironment(process.env, "v0"),
    signal: new AbortController().signal,
  });
}

test("a converted Promtail goes on where Promtail stopped", async () => {
  await using directory = await temporaryDirectory();
  await using loki = await startLoki(() => ({ status: 204 }));
  const old = '{"level":"info","msg":"sent by Promtail"}\n';
  const path = join(directory.path, "a.log");
  await writeFile(path, `${old}{"level":"warn","msg":"one"}\n{"level":"debug","msg":"two"}\n`);
  await writeFile(join(directory.path, "not.log"), '{"level":"info","msg":"excluded"}\n');
  await writeFile(
    join(directory.path, "positions.yaml"),
    `positions:\n  ${path}: "${old.length}"\n  cursor-journal: s=abc;i=1\n`,
  );
  await using _ = await runConverted(
    "promtail",
    promtailConfig(directory.path, loki.url),
    directory.path,
  );
  await loki.until(() => loki.received.length === 1);
  await appendFile(path, '{"level":"error","msg":"three"}\n');
  await writeFile(join(directory.path, "b.log"), '{"level":"info","msg":"four"}\n');
  await loki.until(() => loki.received.length === 3);
  const stream = (level: string) =>
    `{cluster="test", job="app", level="${level}", team="app-team"}`;
  assert.deepEqual(
    loki.received.toSorted((a, b) => (a.line < b.line ? -1 : 1)),
    [
      { stream: stream("info"), line: "four", tenant: "team-a" },
      { stream: stream("warn"), line: "one", tenant: "team-a" },
      { stream: stream("error"), line: "three", tenant: "team-a" },
    ],
  );
});

/** Serves metrics at `/probe`, takes remote writes elsewhere, and keeps the series that were written. */
async function startMetricsServer() {
  const series = new Set<string>();
  let arrived = Promise.withResolvers<void>();
  const server = createServer((request, response) => {
    if (request.url?.startsWith("/probe") === true) {
      response.setHeader("content-type", "text/plain; version=0.0.4");
      response.end(`asked{url="${request.url}"} 1\ngo_goroutines 1\n`);
      return;
    }
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const { batch } = decodeRemoteWrite(Buffer.concat(chunks), {
        limits: DEFAULT_REMOTE_WRITE_LIMITS,
      });
      for (let s = 0; s < batch.seriesCount; s++) series.add(batch.labelsOf(s).toString());
      response.writeHead(204).end();
      arrived.resolve();
      arrived = Promise.withResolvers();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    series,
    async until(condition: () => boolean) {
      while (!condition()) await arrived.promise;
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

test("a converted Prometheus scrapes, relabels and writes", async () => {
  await using directory = await temporaryDirectory();
  await using server = await startMetricsServer();
  const yaml = `
global:
  scrape_interval: 100ms
  external_labels: { cluster: test }
scrape_configs:
  - job_name: probe
    metrics_path: /probe
    params: { module: [a] }
    static_configs:
      - targets: ["${server.address}"]
        labels: { env: prod }
    relabel_configs:
      - { target_label: instance, replacement: here }
    metric_relabel_configs:
      - { source_labels: [__name__], regex: "go_.*", action: drop }
remote_write:
  - url: http://${server.address}/api/v1/write
    queue_config: { batch_send_deadline: 50ms }
    write_relabel_configs:
      - { source_labels: [__name__], regex: "up|asked|go_.*", action: keep }
`;
  await using _ = await runConverted("prometheus", yaml, directory.path);
  await server.until(() => server.series.size >= 2);
  const labels = 'cluster="test", env="prod", instance="here", job="probe"';
  assert.deepEqual([...server.series].toSorted(), [
    `{__name__="asked", ${labels}, url="/probe?module=a"}`,
    `{__name__="up", ${labels}}`,
  ]);
});
