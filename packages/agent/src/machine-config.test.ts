import assert from "node:assert/strict";
import { test } from "node:test";
import { formatDiagnosticLine } from "@finch/alloy-syntax";
import { nodeFileSystem } from "@finch/runtime";
import { generateMachineConfig, MACHINE_LOG_FILES } from "./machine-config.ts";
import { graphConfig } from "./graph-view/config-graph.ts";
import { formatConfig, validateConfig } from "./runtime/validate.ts";

const BASE = {
  hostname: 'we"ird $1 host',
  metricsUrl: "http://127.0.0.1:9090/api/v1/write",
  logsUrl: "http://127.0.0.1:3100/loki/api/v1/push",
  scrapeInterval: "5s",
};

for (const hasJournal of [true, false]) {
  for (const logFiles of [MACHINE_LOG_FILES, []]) {
    test(`the machine's configuration is valid and formatted: journal ${hasJournal}, ${logFiles.length} patterns`, async () => {
      const text = generateMachineConfig({ ...BASE, hasJournal, logFiles });
      assert.deepEqual((await validateConfig(text, "machine.alloy")).map(formatDiagnosticLine), []);
      assert.equal(formatConfig(text), text);
      const { nodes } = await graphConfig({ text, name: "config.alloy" }, nodeFileSystem);
      assert.equal(
        nodes.some((node) => node.name === "loki.source.journal"),
        hasJournal,
      );
      assert.equal(
        nodes.some((node) => node.name === "loki.source.file"),
        logFiles.length > 0,
      );
      assert.equal(
        nodes.some((node) => node.name === "loki.write"),
        hasJournal || logFiles.length > 0,
      );
    });
  }
}

test("without a name the machine's own is used", async () => {
  const { metricsUrl, logsUrl } = BASE;
  const text = generateMachineConfig({ metricsUrl, logsUrl, hasJournal: true });
  assert.deepEqual((await validateConfig(text, "machine.alloy")).map(formatDiagnosticLine), []);
  assert.match(text, /replacement {2}= constants\.hostname/);
});
