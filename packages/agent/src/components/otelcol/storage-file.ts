/** `otelcol.storage.file`: the directory in which sending queues are kept. They are on disk without it too, below the agent's own storage. */
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import type { OtelHandler } from "../../otel/handler.ts";
import { maybe, notYet, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";

const ARGUMENTS = {
  directory: maybe(
    "string",
    "Where queues are kept; the component's own directory unless it is written.",
  ),
  create_directory: optional("bool", true, "Whether it is made; only true is taken."),
  directory_permissions: notYet("attribute", "Rights of the directory that is made."),
  fsync: optional("bool", false, "Queues are synced to disk whether this is set or not."),
  timeout: optional("duration", 1000, "How long Alloy waits for its database; there is none here."),
  compaction: notYet("block", "When Alloy's database is made smaller."),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly handler: OtelHandler }>;

export const storageFile = defineComponent({
  name: "otelcol.storage.file",
  stability: "public-preview",
  summary: "A directory for the sending queues of OpenTelemetry's exporters.",
  arguments: ARGUMENTS,
  exports: { handler: "For the storage of sending queues." },
  check: findFault,
  run: async (context: Context, signal) => {
    context.setExports({
      handler: {
        kind: "otel-handler",
        owner: context.id,
        directory: () => context.arguments().directory ?? context.dataDirectory,
      },
    });
    await untilStopped(context, signal);
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (!values.create_directory)
    return { at: "create_directory", message: "not supported yet: create_directory = false" };
  return debugMetricsFault(values);
}
