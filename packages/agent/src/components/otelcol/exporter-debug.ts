/**
 * `otelcol.exporter.debug`: telemetry to look at, in the agent's own log. `basic` tells how much came, `normal` one line for each item, `detailed` all
 * of it as OTLP/JSON.
 */
import { encodeOtlpTreeJson } from "@finch/wire";
import type { OtlpSignal, OtlpTrees } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { createConsumer, UNITS } from "../../otel/output.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import { shownItems } from "../../otel/telemetry-items.ts";
import type { TelemetryConsumer } from "../../receivers.ts";
import { oneOf, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";

const ARGUMENTS = {
  verbosity: oneOf(["basic", "normal", "detailed"], "basic", "How much is told."),
  sampling_initial: optional("number", 2, "Batches told in each second before they are sampled.", {
    min: 1,
  }),
  sampling_thereafter: optional("number", 1, "Of those that follow, every how-manieth is told.", {
    min: 1,
  }),
  use_internal_logger: optional("bool", true, "Write to the agent's log; only true is taken."),
  output_paths: optional(
    "list(string)",
    ["stdout"],
    "Where to, when it is not the agent's log; only the default is taken.",
  ),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly input: TelemetryConsumer }>;

/** What is told of one batch. */
const LINES_MAX = 1000;
const TEXT_MAX = 256 << 10;

export const exporterDebug = defineComponent({
  name: "otelcol.exporter.debug",
  stability: "experimental",
  summary: "Writes telemetry of OpenTelemetry to the log.",
  arguments: ARGUMENTS,
  exports: { input: "Takes traces, metrics and logs." },
  check: findFault,
  run: async (context: Context, signal) => {
    const sampling = new Sampling();
    const input = createConsumer(context, ["traces", "metrics", "logs"], (batch) => {
      const { sampling_initial: initial, sampling_thereafter: thereafter } = context.arguments();
      if (sampling.takes(context.clock.monotonicMs(), { initial, thereafter }))
        tell(context, batch);
      return Promise.resolve();
    });
    context.setExports({ input });
    await untilStopped(context, signal);
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (!values.use_internal_logger)
    return {
      at: "use_internal_logger",
      message: "not supported yet: use_internal_logger = false",
    };
  if (values.output_paths.join() !== "stdout")
    return { at: "output_paths", message: "not supported yet: output_paths" };
  return debugMetricsFault(values);
}

/** The first of each second, then every so many. */
class Sampling {
  #second = -1;
  #seen = 0;

  takes(nowMs: number, rate: { readonly initial: number; readonly thereafter: number }): boolean {
    const second = Math.floor(nowMs / 1000);
    if (second !== this.#second) this.#seen = 0;
    this.#second = second;
    const index = this.#seen++;
    return index < rate.initial || (index - rate.initial) % rate.thereafter === 0;
  }
}

function tell(context: Context, batch: AnyBatch): void {
  const { log } = context;
  const { verbosity } = context.arguments();
  const summary = { signal: batch.signal, [UNITS[batch.signal]]: batch.items };
  if (verbosity === "basic") return log.info("telemetry", summary);
  const text =
    verbosity === "detailed"
      ? detailed(batch.signal, batch.tree())
      : normal(batch.signal, batch.tree());
  log.info("telemetry", { ...summary, text });
}

function normal<Signal extends OtlpSignal>(signal: Signal, tree: OtlpTrees[Signal]): string {
  const items = shownItems(signal, tree);
  const lines = items.slice(0, LINES_MAX).map((show) => {
    const { labels, text, metadata } = show();
    return [text, labels, metadata].filter((part) => part !== "" && part !== "{}").join(" ");
  });
  if (items.length > LINES_MAX) lines.push(`and ${items.length - LINES_MAX} more`);
  return lines.join("\n");
}

function detailed<Signal extends OtlpSignal>(signal: Signal, tree: OtlpTrees[Signal]): string {
  const text = Buffer.from(encodeOtlpTreeJson(signal, tree)).toString("utf8");
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
}
