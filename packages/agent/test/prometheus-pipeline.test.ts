import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import { decodeRemoteWrite, DEFAULT_REMOTE_WRITE_LIMITS } from "@finch/wire";
import { machineEnvironment, startAgent } from "../src/index.ts";

void test(
  "a configuration from the machine to a receiver: exporter, relabelling, scrape, remote write",
  { timeout: 30_000 },
  async () => {
    const series = new Set<string>();
    const arrived = Promise.withResolvers<void>();
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const { batch } = decodeRemoteWrite(Buffer.concat(chunks), {
          limits: DEFAULT_REMOTE_WRITE_LIMITS,
        });
        for (let s = 0; s < batch.seriesCount; s++) series.add(batch.labelsOf(s).toString());
        response.writeHead(204).end();
        if ([...series].some((labels) => labels.includes('"up"'))) arrived.resolve();
      });
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const storagePath = await mkdtemp(join(tmpdir(), "finch-pipeline-"));
    const stop = new AbortController();
    const text = `
    prometheus.exporter.unix "local" {
      set_collectors           = ["loadavg", "meminfo", "filesystem"]
      include_exporter_metrics = true
      filesystem { mount_timeout = "1s" }
    }
    prometheus.scrape "local" {
      targets         = prometheus.exporter.unix.local.targets
      forward_to      = [prometheus.relabel.local.receiver]
      scrape_interval = "50ms"
      scrape_timeout  = "50ms"
    }
    prometheus.relabel "local" {
      forward_to = [prometheus.remote_write.local.receiver]
      rule {
        source_labels = ["__name__"]
        regex         = "node_memory_.*"
        action        = "drop"
      }
    }
    prometheus.remote_write "local" {
      external_labels = { host = "h" }
      endpoint {
        url = "http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/write"
        queue_config { batch_send_deadline = "10ms" }
      }
      wal {
        truncate_frequency = "2h"
        max_keepalive_time = "8h"
      }
    }`;
    const agent = await startAgent({
      source: { text, name: "config.alloy" },
      storagePath,
      clock: systemClock,
      logSink: () => {},
      fileSystem: nodeFileSystem,
      environment: machineEnvironment({}, "0"),
      signal: stop.signal,
    });
    await arrived.promise;
    assert.ok(
      agent.internalHandlers.has("/api/v0/component/prometheus.exporter.unix.local/metrics"),
    );
    for (const component of agent.components())
      assert.equal(component.health.state, "healthy", component.id);
    stop.abort();
    await agent.done;
    server.closeAllConnections();
    server.close();
    await rm(storagePath, { recursive: true, force: true });

    const names = new Set([...series].map((labels) => /__name__="([^"]+)"/.exec(labels)![1]!));
    for (const name of [
      "up",
      "node_load1",
      "node_filesystem_size_bytes",
      "process_cpu_seconds_total",
      "scrape_series_added",
    ]) {
      assert.ok(names.has(name), `${name} is missing among ${[...names].join(", ")}`);
    }
    assert.ok(![...names].some((name) => name.startsWith("node_memory_")));
    assert.ok(
      [...series].every(
        (labels) => labels.includes('host="h"') && labels.includes('job="integrations/unix"'),
      ),
    );
  },
);
