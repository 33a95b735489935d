/** `otelcol.auth.headers`: headers of a client's requests, fixed or handed on from the request that the telemetry came with. */
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import type { OtelHandler } from "../../otel/handler.ts";
import type { ClientInfo } from "../../otel/telemetry-batch.ts";
import { block, maybe, notYet, oneOf, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";

const HEADER = {
  key: required("string", "Name of the header."),
  value: maybe("secret", "Its value."),
  from_context: maybe(
    "string",
    "Metadata of the client whose value it gets; receivers keep it with include_metadata.",
  ),
  from_attribute: notYet("attribute", "An attribute of who the client was found to be."),
  action: oneOf(
    ["insert", "update", "upsert", "delete"],
    "upsert",
    "Whether a header is added, changed, either, or taken away.",
  ),
};

const ARGUMENTS = {
  header: block(HEADER, { repeat: "many", doc: "A header." }),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Header = Arguments["header"][number];
type Context = ComponentContext<Arguments, { readonly handler: OtelHandler }>;

export const authHeaders = defineComponent({
  name: "otelcol.auth.headers",
  stability: "generally-available",
  summary: "Headers for OpenTelemetry's clients.",
  arguments: ARGUMENTS,
  exports: { handler: "For the auth of clients." },
  check: findFault,
  run: async (context: Context, signal) => {
    context.setExports({
      handler: {
        kind: "otel-handler",
        owner: context.id,
        dress: (headers, client) => {
          for (const one of context.arguments().header) apply(one, headers, client);
          return Promise.resolve();
        },
      },
    });
    await untilStopped(context, signal);
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.header.length === 0) return { message: 'missing required block "header"' };
  for (const [index, { action, value, from_context: context }] of values.header.entries()) {
    const at = `header[${index}]`;
    if (action !== "delete" && (value === undefined) === (context === undefined))
      return { at, message: "give either value or from_context" };
  }
  return debugMetricsFault(values);
}

function apply(header: Header, headers: Record<string, string>, { metadata }: ClientInfo): void {
  const name = header.key.toLowerCase();
  const isThere = Object.hasOwn(headers, name);
  if (header.action === "delete") {
    delete headers[name];
    return;
  }
  if ((header.action === "insert" && isThere) || (header.action === "update" && !isThere)) return;
  headers[name] =
    header.from_context === undefined
      ? (header.value?.reveal() ?? "")
      : (metadata.get(header.from_context.toLowerCase())?.[0] ?? "");
}
