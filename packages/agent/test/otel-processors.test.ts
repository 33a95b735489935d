/** `otelcol.processor.batch`, `.memory_limiter`, `otelcol.connector.host_info` and `otelcol.exporter.debug`, in a running graph. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { createMemoryLimiter } from "../src/components/otelcol/processor-memory-limiter.ts";
import { splitBatch } from "../src/otel/split-batch.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import { startComponent, temporaryDirectory } from "./component-harness.ts";
import { logs, namesIn, startFlow, traces } from "./otel-harness.ts";
import { hostInfo } from "../src/components/otelcol/connector-host-info.ts";
import { exporterDebug } from "../src/components/otelcol/exporter-debug.ts";
import { FinchError, silentLogger } from "@finch/runtime";
import { valuesOf } from "./prometheus-harness.ts";

const namesOf = (batches: readonly AnyBatch[] | undefined) =>
  (batches ?? []).map((batch) => (batch.signal === "traces" ? namesIn(batch.tree()) : []));

async function until(condition: () => boolean): Promise<void> {
  for (let left = 4000; !condition(); left--) {
    assert.ok(left > 0, "it did not come in time");
    await new Promise((done) => setTimeout(done, 5));
  }
}

const batching = (options: string) => `
otelcol.receiver.test "r" {
	output {
		traces = [otelcol.processor.batch.b.input]
		logs   = [otelcol.processor.batch.b.input]
	}
}
otelcol.processor.batch "b" {
	${options}
	output {
		traces = [otelcol.exporter.test.k.input]
		logs   = [otelcol.exporter.test.k.input]
	}
}
otelcol.exporter.test "k" { }
`;

test("a batch goes when it is full, by signal, and larger ones are split", async () => {
  await using flow = await startFlow(
    batching('timeout = "1h"\nsend_batch_size = 4\nsend_batch_max_size = 5'),
  );
  const sent = [traces("a", "b"), logs("l"), traces("c"), traces("d", "e")];
  await Promise.all(sent.map((batch) => flow.send(batch)));
  await flow.send(traces("1", "2", "3", "4", "5", "6", "7"));
  const kept = flow.kept.get("k")!.filter(({ signal }) => signal === "traces");
  assert.deepEqual(namesOf(kept), [
    ["a", "b", "c", "d", "e"],
    ["1", "2", "3", "4", "5"],
    ["6", "7"],
  ]);
});

test("a sender is told when its batch is handed on, and need not wait out the time when nothing more comes", async () => {
  await using flow = await startFlow(batching('timeout = "1h"'));
  for (const name of ["a", "b"]) {
    await flow.send(traces(name));
    assert.deepEqual(namesOf(flow.kept.get("k")).flat().at(-1), name);
  }
});

test("a batch goes when its time is up", async () => {
  await using flow = await startFlow(batching('timeout = "20ms"'));
  await Promise.all([flow.send(traces("a")), flow.send(traces("b"))]);
  assert.deepEqual(namesOf(flow.kept.get("k")).flat(), ["a", "b"]);
});

test("what is held goes at a stop", async () => {
  const flow = await startFlow(batching('timeout = "1h"'));
  // The sender stops first, and may be told nothing.
  const sent = flow.send(traces("a")).catch(() => {});
  await flow[Symbol.asyncDispose]();
  await sent;
  assert.deepEqual(namesOf(flow.kept.get("k")), [["a"]]);
});

test("what is refused is offered again, and senders wait when enough is held", async () => {
  await using flow = await startFlow(
    batching('timeout = "1h"\nsend_batch_size = 1\nsend_batch_max_size = 1'),
  );
  flow.refuseWith(new Error("no room"));
  // One is being offered, two more are held.
  let taken = 0;
  const waiting = ["a", "b", "c", "d"].map((name) => flow.send(traces(name)).then(() => taken++));
  await new Promise((done) => setTimeout(done, 50));
  assert.equal(taken, 0);
  flow.refuseWith(undefined);
  await Promise.all(waiting);
  assert.deepEqual(namesOf(flow.kept.get("k")).flat(), ["a", "b", "c", "d"]);
});

test("what is refused for good is dropped and counted, and its sender told", async () => {
  await using flow = await startFlow(batching("send_batch_size = 1"));
  flow.refuseWith(new FinchError("invalid", "agent/test", "never"));
  await assert.rejects(flow.send(traces("a")), /never/);
  const [drop] = flow.agent.live.drops.all();
  assert.deepEqual([drop!.kind, drop!.reason, drop!.amount], ["spans", "refused", 1]);
});

test("metadata keeps batches apart, and only what they were kept apart by stays", async () => {
  await using flow = await startFlow(
    batching('timeout = "1h"\nsend_batch_size = 2\nmetadata_keys = ["X-Tenant"]'),
  );
  const from = (tenant: string, name: string) =>
    TelemetryBatch.ofRequest("traces", traces(name).bytes(), {
      client: {
        metadata: new Map([
          ["x-tenant", [tenant]],
          ["other", ["x"]],
        ]),
        address: "10.0.0.1",
      },
    });
  const sent = [from("one", "a"), from("two", "b"), from("one", "c"), from("two", "d")];
  await Promise.all(sent.map((batch) => flow.send(batch)));
  const kept = flow.kept.get("k")!.map((batch) => [...batch.client.metadata]);
  assert.deepEqual(kept, [[["x-tenant", ["one"]]], [["x-tenant", ["two"]]]]);
  assert.deepEqual(namesOf(flow.kept.get("k")), [
    ["a", "c"],
    ["b", "d"],
  ]);
});

test("metrics are split by data points", () => {
  const points = (count: number) => Array.from({ length: count }, (_, n) => ({ asInt: String(n) }));
  const bytes = encodeOtlpJson({
    resourceMetrics: [
      {
        resource: { attributes: [{ key: "r", value: { stringValue: "1" } }] },
        scopeMetrics: [
          {
            scope: { name: "s" },
            metrics: [
              { name: "a", gauge: { dataPoints: points(3) } },
              { name: "none" },
              { name: "b", sum: { dataPoints: points(2), aggregationTemporality: 2 } },
            ],
          },
        ],
      },
    ],
  });
  const parts = splitBatch(TelemetryBatch.ofRequest("metrics", bytes), 2);
  const shown = parts.map((part) =>
    part
      .tree()
      .resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
        scopeMetrics.flatMap(({ scope, metrics }) =>
          metrics.map(
            ({ name, gauge, sum }) =>
              `${resource.attributes.get("r") as string} ${scope.name} ${name} ${(gauge ?? sum)!.dataPoints.length} ${sum?.aggregationTemporality ?? ""}`,
          ),
        ),
      ),
  );
  assert.deepEqual(shown, [["1 s a 2 "], ["1 s a 1 ", "1 s b 1 2"], ["1 s b 1 2"]]);
  assert.deepEqual(
    parts.map(({ items }) => items),
    [2, 2, 1],
  );
});

test("otelcol.processor.memory_limiter refuses above the soft limit, collects first, and opens again", async () => {
  const memory = { used: 70, collected: 0 };
  const limiter = createMemoryLimiter({
    usedBytes: () => memory.used,
    totalBytes: () => 100,
    collect: () => void memory.collected++,
  });
  await using flow = await startFlow(
    `
otelcol.receiver.test "r" { output { traces = [otelcol.processor.memory_limiter.m.input] } }
otelcol.processor.memory_limiter "m" {
	check_interval         = "10ms"
	limit_percentage       = 80
	spike_limit_percentage = 5
	output { traces = [otelcol.exporter.test.k.input] }
}
otelcol.exporter.test "k" { }
`,
    { "otelcol.processor.memory_limiter": limiter },
  );
  await flow.send(traces("a"));
  memory.used = 76;
  const health = () => flow.agent.components().find(({ name }) => name.includes("limiter"))!.health;
  await until(() => health().state === "unhealthy");
  await assert.rejects(flow.send(traces("b")), /memory_limiter\.m takes nothing: the agent uses/);
  assert.equal(memory.collected, 1);
  memory.used = 75;
  await until(() => health().state === "healthy");
  await flow.send(traces("c"));
  assert.deepEqual(namesOf(flow.kept.get("k")), [["a"], ["c"]]);
});

test("otelcol.connector.host_info tells each host once an interval", async () => {
  await using directory = await temporaryDirectory();
  const told: AnyBatch[] = [];
  const sink = {
    kind: "otel-consumer",
    owner: "test",
    signals: ["metrics"],
    consume: (batch: AnyBatch) => Promise.resolve(void told.push(batch)),
  } as const;
  await using running = startComponent(
    hostInfo,
    valuesOf(hostInfo.arguments, {
      host_identifiers: ["k8s.node.name", "host.id"],
      metrics_flush_interval: 20,
      output: { metrics: [sink] },
    }),
    directory.path,
  );
  const host = (key: string, value: string) => ({
    resource: { attributes: [{ key, value: { stringValue: value } }] },
    scopeSpans: [{ spans: [{ name: "x" }] }],
  });
  const { input } = running.exports;
  const bytes = encodeOtlpJson({
    resourceSpans: [
      host("k8s.node.name", "n1"),
      host("host.id", "h2"),
      host("host.id", "h2"),
      host("os", "x"),
    ],
  });
  await input.consume(TelemetryBatch.ofRequest("traces", bytes), AbortSignal.timeout(1000));
  await until(() => told.length > 0);
  const [batch] = told;
  assert.ok(batch?.signal === "metrics");
  const [metric] = batch.tree().resourceMetrics[0]!.scopeMetrics[0]!.metrics;
  assert.equal(metric!.name, "traces_host_info");
  assert.deepEqual(
    metric!.gauge!.dataPoints.map(({ attributes, asInt }) => [...attributes, asInt]),
    [
      [["grafana.host.id", "n1"], 1n],
      [["grafana.host.id", "h2"], 1n],
    ],
  );
  assert.equal(told.length, 1);
});

for (const [verbosity, text] of [
  ["basic", undefined],
  ["normal", "0 ns"],
  ["detailed", '{"resourceSpans":'],
] as const)
  test(`otelcol.exporter.debug tells ${verbosity}`, async () => {
    const told: Record<string, unknown>[] = [];
    const stop = new AbortController();
    let send: ((batch: AnyBatch) => Promise<void>) | undefined;
    const running = exporterDebug.run(
      {
        id: "otelcol.exporter.debug.test",
        clock: { monotonicMs: () => 0 },
        arguments: () =>
          valuesOf(exporterDebug.arguments, {
            verbosity,
            sampling_initial: 1,
            sampling_thereafter: 2,
          }),
        log: {
          ...silentLogger,
          info: (msg: string, fields: object = {}) => void told.push({ msg, ...fields }),
        },
        setExports: ({
          input,
        }: {
          input: { consume: (batch: AnyBatch, signal: AbortSignal) => Promise<void> };
        }) => void (send = (batch) => input.consume(batch, stop.signal)),
        nextArguments: (signal: AbortSignal) =>
          new Promise((_, reject) => {
            signal.addEventListener("abort", () => reject(signal.reason as Error), { once: true });
          }),
      } as never,
      stop.signal,
    );
    for (const name of ["a", "b", "c", "d"]) await send!(traces(name));
    stop.abort();
    await running;
    // The first, then every second one.
    assert.equal(told.length, 3);
    assert.deepEqual(
      [told[0]!["msg"], told[0]!["signal"], told[0]!["spans"]],
      ["telemetry", "traces", 1],
    );
    if (text === undefined) assert.equal(told[0]!["text"], undefined);
    else assert.ok(String(told[0]!["text"]).includes(text));
  });
