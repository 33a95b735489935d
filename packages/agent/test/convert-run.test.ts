/** A configuration of Promtail, converted and run: lines arrive with their labels, and those that Promtail read already do not. */
import assert from "node:assert/strict";
import { appendFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { convertConfig, machineEnvironment, startAgent } from "../src/index.ts";
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
  const { text, diagnostics } = await convertConfig(promtailConfig(directory.path, loki.url), {
    format: "promtail",
    name: "promtail.yaml",
    extraArgs: [],
  });
  assert.deepEqual(diagnostics, []);
  await using _ = await startAgent({
    source: { text: text!, name: "promtail.yaml" },
    storagePath: join(directory.path, "storage"),
    clock: systemClock,
    logSink: () => {},
    fileSystem: nodeFileSystem,
    environment: machineEnvironment(process.env, "v0"),
    signal: new AbortController().signal,
  });
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
