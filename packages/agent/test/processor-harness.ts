/** For tests of `otelcol.processor.*`: an agent with one processor between a source and a sink of the test; OTLP/JSON in, trees out. */
import { nodeFileSystem, systemClock, type Clock } from "@finch/runtime";
import { decodeOtlpTreeJson, DEFAULT_OTLP_LIMITS } from "@finch/wire";
import type { OtlpSignal, OtlpTrees } from "@finch/wire";
import { defineComponent, type ComponentDefinition } from "../src/component.ts";
import { COMPONENTS } from "../src/components/index.ts";
import { createConsumer, emit, OUTPUT_BLOCK } from "../src/otel/output.ts";
import { TelemetryBatch, type AnyBatch, type ClientInfo } from "../src/otel/telemetry-batch.ts";
import type { TelemetryConsumer } from "../src/receivers.ts";
import { startAgent } from "../src/runtime/agent.ts";
import { untilStopped } from "../src/until-aborted.ts";
import { temporaryDirectory } from "./component-harness.ts";

const SIGNALS: readonly OtlpSignal[] = ["traces", "metrics", "logs"];

/** `{ stringValue: … }` and so on of plain values; bigints are ints. */
export function toAnyValue(value: unknown): object {
  if (typeof value === "string") return { stringValue: value };
  if (typeof value === "bigint") return { intValue: String(value) };
  if (typeof value === "number") return { doubleValue: value };
  if (typeof value === "boolean") return { boolValue: value };
  if (Array.isArray(value)) return { arrayValue: { values: value.map(toAnyValue) } };
  return { kvlistValue: { values: toKeyValues(value as Record<string, unknown>) } };
}

export function toKeyValues(values: Readonly<Record<string, unknown>>): object[] {
  return Object.entries(values).map(([key, value]) => ({ key, value: toAnyValue(value) }));
}

export function batchOf<Signal extends OtlpSignal>(
  signal: Signal,
  request: object,
  client?: ClientInfo,
): TelemetryBatch<Signal> {
  const body = Buffer.from(JSON.stringify(request));
  return TelemetryBatch.ofTree(
    signal,
    decodeOtlpTreeJson(signal, body, DEFAULT_OTLP_LIMITS),
    client,
  );
}

/** Sends what it is told to. */
function createSource() {
  const started = Promise.withResolvers<(batch: AnyBatch) => Promise<void>>();
  const definition = defineComponent({
    name: "otelcol.receiver.test",
    stability: "generally-available",
    summary: "Sends.",
    arguments: { output: OUTPUT_BLOCK },
    exports: {},
    run(context, signal) {
      started.resolve((batch) => emit(context, batch, signal));
      return untilStopped(context, signal);
    },
  });
  /** It starts when the processor has an input. */
  const send = async (batch: AnyBatch) => await (await started.promise)(batch);
  return { definition, send };
}

/** Keeps what comes. */
function createSink() {
  const arrived: AnyBatch[] = [];
  let waiting = Promise.withResolvers<void>();
  const definition = defineComponent<{}, { readonly input: TelemetryConsumer }>({
    name: "otelcol.exporter.test",
    stability: "generally-available",
    summary: "Keeps.",
    arguments: {},
    exports: { input: "Takes." },
    run(context, signal) {
      const input = createConsumer(context, SIGNALS, (batch) => {
        arrived.push(batch);
        waiting.resolve();
        waiting = Promise.withResolvers();
        return Promise.resolve();
      });
      context.setExports({ input });
      return untilStopped(context, signal);
    },
  });
  return { definition, arrived, more: () => waiting.promise };
}

export interface ProcessorWorld {
  readonly env?: Readonly<Record<string, string>>;
  readonly clock?: Clock;
  readonly hostname?: string;
  /** Components in place of the agent's own. */
  readonly components?: Readonly<Record<string, ComponentDefinition>>;
}

/** `component` is the whole component, labelled "p", with an output to `SINK` for each signal that is to come out. */
export async function startProcessor(component: string, world: ProcessorWorld = {}) {
  const { env = {}, clock = systemClock, hostname = "box", components = {} } = world;
  const own = Object.entries(components).map(([key, definition]) => [
    key,
    () => Promise.resolve(definition),
  ]);
  const directory = await temporaryDirectory();
  const source = createSource();
  const sink = createSink();
  const name = /otelcol\.processor\.\w+/.exec(component)![0];
  const outputs = SIGNALS.map((signal) => `${signal} = [${name}.p.input]`).join("\n");
  const wired = component.replaceAll("SINK", "[otelcol.exporter.test.end.input]");
  const lines: string[] = [];
  const stop = new AbortController();
  const agent = await startAgent({
    source: {
      name: "test.alloy",
      text: `otelcol.receiver.test "r" {\noutput {\n${outputs}\n}\n}\notelcol.exporter.test "end" { }\n${wired}`,
    },
    storagePath: directory.path,
    clock,
    fileSystem: nodeFileSystem,
    environment: {
      env: (key) => env[key] ?? "",
      hostname,
      os: "linux",
      arch: "amd64",
      version: "v1",
    },
    signal: stop.signal,
    logSink: (event) => lines.push(`${event.msg} ${JSON.stringify(event)}`),
    components: {
      ...COMPONENTS,
      ...(Object.fromEntries(own) as typeof COMPONENTS),
      "otelcol.receiver.test": () => Promise.resolve(source.definition),
      "otelcol.exporter.test": () => Promise.resolve(sink.definition),
    },
  });
  const take = () => sink.arrived.splice(0);
  return {
    agent,
    lines,
    /** Hands a request in; answers what came out of it at once. */
    async send<Signal extends OtlpSignal>(
      signal: Signal,
      request: object,
      client?: ClientInfo,
    ): Promise<OtlpTrees[Signal][]> {
      await source.send(batchOf(signal, request, client) as AnyBatch);
      return take().map((batch) => (batch as unknown as TelemetryBatch<Signal>).tree());
    },
    /** Waits until something has come out. */
    async next(): Promise<AnyBatch[]> {
      while (sink.arrived.length === 0) await sink.more();
      return take();
    },
    /** What has come out since. */
    arrived: take,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await agent.done;
      await directory[Symbol.asyncDispose]();
    },
  };
}
