/** For tests of `otelcol.*` components: telemetry to send, and an agent with a source, a processor and sinks of a test. */
import { nodeFileSystem, systemClock } from "@finch/runtime";
import type { OtlpTrees } from "@finch/wire";
import { encodeOtlpJson } from "../../../tools/otlp-encode.ts";
import { defineComponent } from "../src/component.ts";
import type { ComponentDefinition } from "../src/component.ts";
import { COMPONENTS } from "../src/components/index.ts";
import { createConsumer, emit, OUTPUT_BLOCK } from "../src/otel/output.ts";
import { TelemetryBatch } from "../src/otel/telemetry-batch.ts";
import type { AnyBatch } from "../src/otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../src/receivers.ts";
import { startAgent } from "../src/runtime/agent.ts";
import { untilStopped } from "../src/until-aborted.ts";
import { temporaryDirectory } from "./component-harness.ts";

export const spans = (...names: string[]) =>
  encodeOtlpJson({ resourceSpans: [{ scopeSpans: [{ spans: names.map((name) => ({ name })) }] }] });
export const traces = (...names: string[]) => TelemetryBatch.ofRequest("traces", spans(...names));
export const logs = (...lines: string[]) =>
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
export const namesIn = (tree: OtlpTrees["traces"]) =>
  tree.resourceSpans.flatMap(({ scopeSpans }) =>
    scopeSpans.flatMap((scope) => scope.spans.map(({ name }) => name)),
  );

/** Writes names of spans in capitals. */
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
    return untilStopped(context, signal);
  },
});

/** An agent with components of a test: a source, a processor that changes names, sinks that keep what comes. */
export async function startFlow(
  config: string,
  more: Readonly<Record<string, ComponentDefinition>> = {},
  /** Of the agent's storage; one of its own, removed at the end, where it is not given. */
  storagePath?: string,
) {
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
      return untilStopped(context, signal);
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
      return untilStopped(context, signal);
    },
  });
  const stop = new AbortController();
  const agent = await startAgent({
    source: { text: config, name: "test.alloy" },
    storagePath: storagePath ?? directory.path,
    clock: systemClock,
    fileSystem: nodeFileSystem,
    environment: { env: () => "", hostname: "box", os: "linux", arch: "amd64", version: "v1" },
    signal: stop.signal,
    stability: "experimental",
    logSink: () => {},
    components: {
      ...COMPONENTS,
      "otelcol.receiver.test": () => Promise.resolve(source),
      "otelcol.processor.test": () => Promise.resolve(upper),
      "otelcol.exporter.test": () => Promise.resolve(sink),
      ...Object.fromEntries(
        Object.entries(more).map(([name, definition]) => [name, () => Promise.resolve(definition)]),
      ),
    },
  });
  return {
    agent,
    kept,
    send: (batch: AnyBatch) => send!(batch),
    /** What the sinks refuse with from here on; undefined: they take again. */
    refuseWith: (error: Error | undefined) => void (refusal = error),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await agent.done;
      await directory[Symbol.asyncDispose]();
    },
  };
}
