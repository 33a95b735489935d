/** `otelcol.exporter.loki`: log records as entries for `loki.*` components. */
import { formatOtlpValue } from "@finch/wire";
import type { Attributes } from "@finch/wire";
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { createConsumer } from "../../otel/output.ts";
import type { AnyBatch } from "../../otel/telemetry-batch.ts";
import { untilStopped } from "../../until-aborted.ts";
import type { LogEntry, TelemetryConsumer } from "../../receivers.ts";
import { required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { forward } from "../loki/forward.ts";
import { lokiEntryOf } from "./otlp-to-loki.ts";

const ARGUMENTS = {
  forward_to: required("list(logs-receiver)", "Where the entries go."),
};

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, { readonly input: TelemetryConsumer }>;

export const exporterLoki = defineComponent({
  name: "otelcol.exporter.loki",
  stability: "generally-available",
  summary: "Turns logs of OpenTelemetry into Loki entries and forwards them.",
  arguments: ARGUMENTS,
  exports: { input: "Takes logs." },
  run: async (context: Context, signal) => {
    const input = createConsumer(context, ["logs"], (batch, consumeSignal) =>
      pass(context, batch, consumeSignal),
    );
    context.setExports({ input });
    await untilStopped(context, signal);
  },
});

async function pass(context: Context, batch: AnyBatch, signal: AbortSignal): Promise<void> {
  const entries: LogEntry[] = [];
  const faults: Fault[] = [];
  if (batch.signal === "logs") convert(context, batch, { entries, faults });
  count(context, { total: batch.items, failed: faults.length });
  if (faults.length > 0) tell(context, faults);
  await forward(context.arguments().forward_to, entries, signal);
}

interface Fault {
  readonly message: string;
  readonly resource: Attributes;
}

function convert(
  { clock }: Context,
  batch: Extract<AnyBatch, { readonly signal: "logs" }>,
  into: { readonly entries: LogEntry[]; readonly faults: Fault[] },
): void {
  const nowNs = clock.nowNs();
  for (const { resource, scopeLogs } of batch.tree().resourceLogs)
    for (const { scope, logRecords } of scopeLogs)
      for (const record of logRecords) {
        const entry = lokiEntryOf(record, { resource: resource.attributes, scope, nowNs });
        if (typeof entry !== "string") into.entries.push(entry);
        else into.faults.push({ message: entry, resource: resource.attributes });
      }
}

function count({ metrics }: Context, { total, failed }: { total: number; failed: number }): void {
  const name = "otelcol_exporter_loki_entries";
  metrics.counter(`${name}_total`, "Log records taken.").add(total);
  metrics.counter(`${name}_failed`, "Log records that no entry could be made of.").add(failed);
  metrics.counter(`${name}_processed`, "Entries made.").add(total - failed);
}

function tell({ drops, log }: Context, faults: readonly Fault[]): void {
  const [first] = faults;
  drops.count({ kind: "lines", reason: "loki.format" }, faults.length, () => [
    { labels: formatOtlpValue(first!.resource.get("service.name") ?? ""), text: first!.message },
  ]);
  log.error("log records are dropped: no entry can be made of them", {
    records: faults.length,
    error: first!.message,
  });
}
