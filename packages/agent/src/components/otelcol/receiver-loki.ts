/** `otelcol.receiver.loki`: entries of `loki.*` components as logs of OpenTelemetry. An entry is taken when all behind it have it. */
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { emit, OUTPUT_BLOCK } from "../../otel/output.ts";
import { TelemetryBatch } from "../../otel/telemetry-batch.ts";
import type { LogsReceiver } from "../../receivers.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";
import { logsOfEntries } from "./loki-to-otlp.ts";

const ARGUMENTS = { output: OUTPUT_BLOCK };

type Context = ComponentContext<ValuesOf<typeof ARGUMENTS>, { readonly receiver: LogsReceiver }>;

export const receiverLoki = defineComponent({
  name: "otelcol.receiver.loki",
  stability: "generally-available",
  summary: "Turns Loki entries into logs of OpenTelemetry and forwards them.",
  arguments: ARGUMENTS,
  exports: { receiver: "Takes entries." },
  run: async (context: Context, signal) => {
    context.setExports({
      receiver: {
        kind: "logs-receiver",
        owner: context.id,
        append: (entries, appendSignal) => {
          const logs = logsOfEntries(entries, context.clock.nowNs());
          return emit(context, TelemetryBatch.ofTree("logs", logs), appendSignal);
        },
      },
    });
    await untilStopped(context, signal);
  },
});
