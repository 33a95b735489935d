import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { parseExposition, DEFAULT_EXPOSITION_LIMITS } from "@finch/wire";
import { machineEnvironment, startAgent } from "../src/index.ts";
import { temporaryDirectory } from "./component-harness.ts";

void test("prometheus.exporter.self shows the agent's own metrics under the names of Alloy's dashboards", async () => {
  await using directory = await temporaryDirectory();
  const stop = new AbortController();
  await using agent = await startAgent({
    source: {
      name: "config.alloy",
      text: 'prometheus.exporter.self "own" { }',
    },
    storagePath: directory.path,
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: machineEnvironment({}, "v1.2.3"),
    signal: stop.signal,
    logSink: () => {},
  });
  const scrape = agent.internalHandlers.get(
    "/api/v0/component/prometheus.exporter.self.own/metrics",
  );
  const text = await scrape!({
    query: new URLSearchParams(),
    timeoutMs: 1000,
    signal: stop.signal,
  });
  const { count } = parseExposition(Buffer.from(text), {
    contentType: "text/plain; version=0.0.4",
    limits: DEFAULT_EXPOSITION_LIMITS,
    cache: new Map(),
  });
  assert.ok(count > 15, text);
  assert.match(text, /^alloy_build_info\{goarch="\w+",goos="\w+",version="v1\.2\.3"\} 1$/m);
  assert.match(text, /^alloy_config_hash\{sha256="[0-9a-f]{64}"\} 1$/m);
  assert.match(text, /^alloy_config_last_load_successful 1$/m);
  assert.match(text, /^alloy_config_load_failures_total 0$/m);
  assert.match(text, /^alloy_resources_process_resident_memory_bytes [1-9]\d+$/m);
  assert.match(text, /^alloy_component_controller_running_components\{health_type="healthy"\} /m);
  const info = agent.component("prometheus.exporter.self.own");
  assert.match(JSON.stringify(info?.exports), /integrations\/self/);
});
