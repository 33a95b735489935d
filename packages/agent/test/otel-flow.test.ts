/** How telemetry goes from one `otelcol.*` component to others: batches, their owners, fan-out, refusals, and what can be seen of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { nodeFileSystem, systemClock } from "@finch/runtime";
import type { OtlpTrees } from "@finch/wire";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { defineComponent } from "../src/component.ts";
import { COMPONENTS } from "../src/components/index.ts";
import { createConsumer, emit, OUTPUT_BLOCK } from "../src/otel/output.ts";
import { joinBatches, TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../src/receivers.ts";
import { startAgent } from "../src/runtime/agent.ts";
import { untilAborted } from "../src/until-aborted.ts";
import { temporaryDirectory } from "./component-harness.ts";

const spans = (...names: string[]) =>
  encodeOtlpJson({ resourceSpans: [{ scopeSpans: [{ spans: names.map((name) => ({ name })) }] }] });
const traces = (...names: string[]) => TelemetryBatch.ofRequest("traces", spans(...names));
const logs = (...lines: string[]) =>
  TelemetryBatch.ofRequest(
    "logs",
    encodeOtlpJson({
      resourceLogs: [
        {
          scopeLogs: [
            {
              logRecords: lines.map((line) => ({ body: { stringValue: line }, timeUnixNano: "1" })),
            },
          ],
        },
      ],
    }),
  );
const namesIn = (tree: OtlpTrees["traces"]) =>
  tree.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope) => scope.spans.map(({ name }) => name)),
  );

test("a batch keeps the bytes it came with until its tree is changed", () => {
  const bytes = spans("a", "b");
  const batch = TelemetryBatch.ofRequest("traces", bytes);
  assert.equal(batch.items, 2);
  assert.deepEqual(namesIn(batch.tree()), ["a", "b"]);
  assert.equal(batch.bytes(), bytes);
  const tree = batch.takeTree();
  tree.resourceSpans[0]!.scopeSpans[0]!.spans.pop();
  const changed = TelemetryBatch.ofTree("traces", tree, batch.client);
  assert.equal(changed.items, 1);
  assert.deepEqual(Buffer.from(changed.bytes()), Buffer.from(spans("a")));
  assert.throws(() => batch.bytes(), /not used again/);
});

test("a shared batch is changed by nobody: each takes a tree of its own", () => {
  const batch = traces("a");
  batch.share();
  const [one, other] = [batch.takeTree(), batch.takeTree()];
  one.resourceSpans[0]!.scopeSpans[0]!.spans[0]!.name = "changed";
  assert.deepEqual(
    [namesIn(one), namesIn(other), namesIn(batch.tree())],
    [["changed"], ["a"], ["a"]],
  );
});

test("batches are joined as they are", () => {
  const joined = joinBatches("traces", [traces("a"), traces("b", "c")]);
  assert.equal(joined.items, 3);
  assert.deepEqual(namesIn(joined.tree()), ["a", "b", "c"]);
});

test("a request that is not well formed makes no batch", () => {
  assert.throws(() => TelemetryBatch.ofRequest("traces", spans("a").subarray(0, 4)), /OTLP traces/);
});

/** An agent with components of a test: a source, a processor that changes names, sinks that keep what comes. */
async function startFlow(config: string) {
  const directory = await temporaryDirectory();
  const kept = new Map<string, AnyBatch[]>();
  let refusal: Error | undefined;
  let send: ((batch: AnyBatch) => Promise<void>) | undefined;
  const source = defineComponent({
    name: "otelcol.receiver.test",
    stability: "generally-available",
    summary: "Sends.",
    arguments: { output: OUTPUT_BLOCK },
    exports: {},
    run(context, signal) {
      send = (batch) => emit(context, batch, signal);
      return untilAborted(signal, async () => void (await context.nextArguments(signal)));
    },
  });
  const upper = defineComponent({
    name: "otelcol.processor.test",
    stability: "generally-available",
    summary: "Writes names of spans in capitals.",
    arguments: { output: OUTPUT_BLOCK },
    exports: { input: "Takes." },
    run(context, signal) {
      const input = createConsumer(context, ["traces"], (batch, consumeSignal) => {
        if (batch.signal !== "traces") return Promise.resolve();
        const tree = batch.takeTree();
        for (const { scopeSpans } of tree.resourceSpans)
          for (const scope of scopeSpans)
            for (const span of scope.spans) span.name = span.name.toUpperCase();
        return emit(context, TelemetryBatch.ofTree("traces", tree, batch.client), consumeSignal);
      });
      context.setExports({ input });
      return untilAborted(signal, async () => void (await context.nextArguments(signal)));
    },
  });
  const sink = defineComponent<{}, { readonly input: TelemetryConsumer }>({
    name: "otelcol.exporter.test",
    stability: "generally-available",
    summary: "Keeps.",
    arguments: {},
    exports: { input: "Takes." },
    run(context, signal) {
      kept.set(context.label, []);
      const input = createConsumer(context, ["traces", "logs", "metrics"], (batch) => {
        if (refusal !== undefined) return Promise.reject(refusal);
        kept.get(context.label)!.push(batch);
        return Promise.resolve();
      });
      context.setExports({ input });
      return untilAborted(signal, async () => void (await context.nextArguments(signal)));
    },
  });
  const stop = new AbortController();
  const agent = await startAgent({
    source: { text: config, name: "test.alloy" },
    storagePath: directory.path,
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: { env: () => "", hostname: "box", os: "linux", arch: "amd64", version: "v1" },
    signal: stop.signal,
    logSink: () => {},
    components: {
      ...COMPONENTS,
      "otelcol.receiver.test": () => Promise.resolve(source),
      "otelcol.processor.test": () => Promise.resolve(upper),
      "otelcol.exporter.test": () => Promise.resolve(sink),
    },
  });
  return {
    agent,
    kept,
    send: (batch: AnyBatch) => send!(batch),
    refuseWith: (error: Error) => void (refusal = error),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await agent.done;
      await directory[Symbol.asyncDispose]();
    },
  };
}

const CONFIG = `
livedebugging { enabled = true }
otelcol.receiver.test "r" {
	output {
		traces = [otelcol.processor.test.p.input, otelcol.exporter.test.raw.input]
		logs   = [otelcol.processor.test.p.input]
	}
}
otelcol.processor.test "p" {
	output { traces = [otelcol.exporter.test.end.input] }
}
otelcol.exporter.test "raw" { }
otelcol.exporter.test "end" { }
`;

test("what goes two ways is changed in one of them only, and each edge counts", async () => {
  await using flow = await startFlow(CONFIG);
  await flow.send(traces("a", "b"));
  const names = (label: string) =>
    flow.kept.get(label)!.map((batch) => (batch.signal === "traces" ? namesIn(batch.tree()) : []));
  assert.deepEqual([names("end"), names("raw")], [[["A", "B"]], [["a", "b"]]]);
  const edges = flow.agent.live.meters
    .all()
    .map(({ from, to, kind, signal, items }) => `${from}>${to} ${kind} ${signal} ${items}`);
  assert.deepEqual(edges.toSorted(), [
    "otelcol.processor.test.p>otelcol.exporter.test.end otlp traces 2",
    "otelcol.receiver.test.r>otelcol.exporter.test.raw otlp traces 2",
    "otelcol.receiver.test.r>otelcol.processor.test.p otlp traces 2",
  ]);
});

test("a fault of the last component is the sender's, and nothing is counted as taken", async () => {
  await using flow = await startFlow(CONFIG);
  flow.refuseWith(new Error("no room"));
  await assert.rejects(flow.send(traces("a")), /no room/);
  assert.ok(
    flow.agent.live.meters.all().every(({ items, refused }) => items === 0 && refused === 1),
  );
});

test("a component that takes another signal says which output names it", async () => {
  await using flow = await startFlow(CONFIG);
  await assert.rejects(
    flow.send(logs("a")),
    /otelcol\.processor\.test\.p takes traces, not logs: take it out of the output\.logs/,
  );
});

test("what no output takes is counted as dropped", async () => {
  await using flow = await startFlow(CONFIG.replace(/\tlogs .*\n/, "\n"));
  await flow.send(logs("a", "b"));
  const [drop] = flow.agent.live.drops.all();
  assert.deepEqual(
    [drop!.component, drop!.kind, drop!.reason, drop!.amount],
    ["otelcol.receiver.test.r", "lines", "output.logs is empty", 2],
  );
});

test("who watches sees spans with their resource", async () => {
  await using flow = await startFlow(CONFIG);
  const stop = new AbortController();
  const watching = flow.agent.live.watch("otelcol.processor.test.p", stop.signal);
  const first = watching.next();
  await flow.send(
    TelemetryBatch.ofRequest(
      "traces",
      encodeOtlpJson({
        resourceSpans: [
          {
            resource: { attributes: [{ key: "service.name", value: { stringValue: "cart" } }] },
            scopeSpans: [
              {
                spans: [
                  {
                    traceId: "0102030405060708090a0b0c0d0e0f10",
                    name: "pay",
                    startTimeUnixNano: "1000000000",
                    endTimeUnixNano: "1000000005",
                  },
                ],
              },
            ],
          },
        ],
      }),
    ),
  );
  const { value } = await first;
  stop.abort();
  assert.ok(value !== undefined && "items" in value);
  assert.deepEqual(value.items[0], {
    from: "otelcol.receiver.test.r",
    to: "otelcol.processor.test.p",
    kind: "span",
    labels: '{service.name="cart"}',
    text: "pay 5 ns, trace 0102030405060708090a0b0c0d0e0f10",
    time: "1970-01-01T00:00:01Z",
    metadata: "{}",
  });
});
