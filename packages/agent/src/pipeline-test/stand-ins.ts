/**
 * What takes the place of components that a test must not run: sinks keep what they are sent, sources send what the test gives them, and everything
 * else exports what the test says. Declarations stay those of the real ones, so that arguments are checked as ever.
 */
import { Capsule } from "@finch/alloy-syntax";
import type { ObjectValue, Value } from "@finch/alloy-syntax";
import type { ComponentContext, ComponentDefinition } from "../component.ts";
import { COMPONENTS } from "../components/index.ts";
import type { ComponentLoader } from "../components/index.ts";
import type {
  LogEntry,
  LogsReceiver,
  MetricsReceiver,
  ProfilesReceiver,
  ForwardReceiver,
  SampleSet,
  TelemetryConsumer,
} from "../receivers.ts";
import type { OtelHandler } from "../otel/handler.ts";
import { CAPSULE_NAMES, RULES_CAPSULE } from "../runtime/decode-value.ts";
import type { BlockSchema, ValuesOf } from "../schema.ts";
import { untilAborted } from "../until-aborted.ts";

/** These run; they depend on nothing but what they are given and the clock. */
const PIPELINE_COMPONENTS: ReadonlySet<string> = new Set([
  "discovery.relabel",
  "loki.process",
  "loki.relabel",
  "otelcol.connector.spanlogs",
  "otelcol.exporter.loki",
  "otelcol.exporter.prometheus",
  "otelcol.processor.attributes",
  "otelcol.processor.batch",
  "otelcol.processor.filter",
  "otelcol.processor.transform",
  "otelcol.receiver.loki",
  "otelcol.receiver.prometheus",
  "prometheus.relabel",
]);

/** What a test gave to the stand-ins and what they got, by id of the component. */
export class Bench {
  readonly entries = new Map<string, LogEntry[]>();
  readonly samples = new Map<string, SampleSet[]>();
  /** Sources, with where they send to now. */
  readonly sources = new Map<string, () => readonly ForwardReceiver[]>();
  readonly #exports: ReadonlyMap<string, ObjectValue>;

  constructor(exports: ReadonlyMap<string, ObjectValue>) {
    this.#exports = exports;
  }

  /** All components, with stand-ins for those that do not run in a test. */
  components(): Readonly<Record<string, ComponentLoader>> {
    return Object.fromEntries(
      Object.entries(COMPONENTS).map(([name, load]) => [
        name,
        PIPELINE_COMPONENTS.has(name) ? load : async () => this.#standIn(await load()),
      ]),
    );
  }

  #standIn(definition: ComponentDefinition): ComponentDefinition {
    return {
      ...definition,
      run: async (context: ComponentContext<ValuesOf<BlockSchema>, object>, signal) => {
        if (Object.hasOwn(definition.arguments, "forward_to"))
          this.sources.set(context.id, () => {
            const { forward_to: to } = context.arguments() as {
              readonly forward_to?: readonly ForwardReceiver[];
            };
            return to ?? [];
          });
        const exports = this.#exportsOf(context.id, definition);
        if (exports.size > 0) context.setExports(exports);
        await untilAborted(signal, async () => void (await context.nextArguments(signal)));
      },
    };
  }

  #exportsOf(id: string, { name, exports: declared }: ComponentDefinition): Map<string, Value> {
    const exports = new Map<string, Value>();
    if (Object.hasOwn(declared, "receiver")) exports.set("receiver", this.#receiverOf(id, name));
    if (Object.hasOwn(declared, "input")) exports.set("input", telemetryConsumer(id));
    if (Object.hasOwn(declared, "handler")) exports.set("handler", handlerOf(id));
    if (Object.hasOwn(declared, "targets")) exports.set("targets", []);
    if (Object.hasOwn(declared, "rules")) exports.set("rules", new Capsule(RULES_CAPSULE, []));
    for (const [key, value] of this.#exports.get(id) ?? []) exports.set(key, value);
    return exports;
  }

  #receiverOf(id: string, name: string): Capsule {
    if (name.startsWith("loki.")) return this.logsReceiver(id);
    return name.startsWith("pyroscope.") ? profilesReceiver(id) : this.metricsReceiver(id);
  }

  /** Keeps entries under `id`. */
  logsReceiver(id: string): Capsule {
    const receiver: LogsReceiver = {
      kind: "logs-receiver",
      owner: id,
      append: (entries) => {
        this.entries.set(id, [...(this.entries.get(id) ?? []), ...entries]);
        return Promise.resolve();
      },
    };
    return new Capsule(CAPSULE_NAMES[receiver.kind], receiver);
  }

  /** Keeps samples under `id`. */
  metricsReceiver(id: string): Capsule {
    const receiver: MetricsReceiver = {
      kind: "metrics-receiver",
      owner: id,
      append: (samples) => {
        this.samples.set(id, [...(this.samples.get(id) ?? []), samples]);
        return Promise.resolve();
      },
    };
    return new Capsule(CAPSULE_NAMES[receiver.kind], receiver);
  }
}

/** Tests look at lines and samples; telemetry in OpenTelemetry's form ends here. */
function telemetryConsumer(id: string): Capsule {
  const consumer: TelemetryConsumer = {
    kind: "otel-consumer",
    owner: id,
    signals: ["traces", "metrics", "logs"],
    consume: () => Promise.resolve(),
  };
  return new Capsule(CAPSULE_NAMES[consumer.kind], consumer);
}

function handlerOf(id: string): Capsule {
  const handler: OtelHandler = { kind: "otel-handler", owner: id };
  return new Capsule(CAPSULE_NAMES[handler.kind], handler);
}

/** Tests send no profiles, so nothing arrives. */
function profilesReceiver(id: string): Capsule {
  const receiver: ProfilesReceiver = {
    kind: "profiles-receiver",
    owner: id,
    append: () => Promise.resolve(),
  };
  return new Capsule(CAPSULE_NAMES[receiver.kind], receiver);
}
