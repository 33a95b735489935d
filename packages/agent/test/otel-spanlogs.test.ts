/** `otelcol.connector.spanlogs`: which lines there are, and what they say. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import { startFlow } from "./otel-harness.ts";

const text = (key: string, stringValue: string) => ({ key, value: { stringValue } });
const TRACES = encodeOtlpJson({
  resourceSpans: [
    {
      resource: { attributes: [text("service.name", "cart"), text("pod", "cart 0")] },
      scopeSpans: [
        {
          spans: [
            {
              traceId: "0102030405060708090a0b0c0d0e0f10",
              name: "GET /",
              startTimeUnixNano: "5",
              endTimeUnixNano: "1000005",
              status: { code: 2 },
              attributes: [
                text("http.method", "GET"),
                { key: "n", value: { intValue: "7" } },
                text("secret", "x"),
              ],
              events: [{ name: "e", attributes: [text("what", "retry")] }],
            },
            {
              traceId: "0102030405060708090a0b0c0d0e0f10",
              parentSpanId: "0102030405060708",
              name: "db",
            },
          ],
        },
      ],
    },
  ],
});
const TID = "0102030405060708090a0b0c0d0e0f10";

async function linesOf(options: string): Promise<readonly string[]> {
  await using flow = await startFlow(`
otelcol.receiver.test "r" { output { traces = [otelcol.connector.spanlogs.s.input] } }
otelcol.connector.spanlogs "s" {
	${options}
	output { logs = [otelcol.exporter.test.k.input] }
}
otelcol.exporter.test "k" { }
`);
  await flow.send(TelemetryBatch.ofRequest("traces", TRACES));
  return flow.kept.get("k")!.flatMap((batch) =>
    batch.signal !== "logs"
      ? []
      : batch.tree().resourceLogs.flatMap(({ scopeLogs }) =>
          scopeLogs.flatMap(({ logRecords }) =>
            logRecords.map(({ body, attributes }) => {
              const shown = Array.from(
                attributes,
                ([key, value]) => `${key}:${String(value as string)}`,
              );
              return `${body as string} | ${shown.join(" ")}`;
            }),
          ),
        ),
  );
}

const CASES: readonly (readonly [name: string, options: string, lines: readonly string[]])[] = [
  ["nothing unless it is asked for", "", []],
  [
    "spans, with attributes of both and labels",
    'spans = true\nspan_attributes = ["http.method", "n", "missing"]\nprocess_attributes = ["pod"]\nlabels = ["svc", "n"]',
    [
      `span="GET /" dur=1000000ns status=Error http.method=GET n=7 svc=cart pod="cart 0" tid=${TID} | traces:span n:7 svc:cart`,
      `span=db dur=0ns svc=cart pod="cart 0" tid=${TID} | traces:span svc:cart`,
    ],
  ],
  [
    "roots, under other keys",
    'roots = true\noverrides {\n\t\tspan_name_key = "op"\n\t\tlogs_instance_tag = "of"\n\t}',
    [`op="GET /" dur=1000000ns status=Error svc=cart tid=${TID} | of:root`],
  ],
  ["processes, once for a trace", "processes = true", [`svc=cart tid=${TID} | traces:process`]],
  [
    "events",
    'events = true\nevent_attributes = ["what"]',
    [`span="GET /" dur=1000000ns status=Error svc=cart tid=${TID} what=retry | traces:event`],
  ],
];
for (const [name, options, lines] of CASES)
  test(`otelcol.connector.spanlogs: ${name}`, async () => {
    assert.deepEqual(await linesOf(options), lines);
  });
