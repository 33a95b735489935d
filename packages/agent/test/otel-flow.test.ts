/** How telemetry goes from one `otelcol.*` component to others: batches, their owners, fan-out, refusals, and what can be seen of it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { joinBatches, TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import { logs, namesIn, spans, startFlow, traces } from "./otel-harness.ts";

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
