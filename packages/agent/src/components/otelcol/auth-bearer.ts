/** `otelcol.auth.bearer`: a token in a header, for clients and for servers. */
import { defineComponent } from "../../component.ts";
import type { ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { headerOf, unauthenticated } from "../../otel/handler.ts";
import type { OtelHandler } from "../../otel/handler.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";
import { isSame } from "./auth-basic.ts";

const ARGUMENTS = {
  token: required("secret", "The token."),
  scheme: optional("string", "Bearer", "What stands before the token."),
  header: optional("string", "Authorization", "The header that has it."),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly handler: OtelHandler }>;

export const authBearer = defineComponent({
  name: "otelcol.auth.bearer",
  stability: "generally-available",
  summary: "A token for OpenTelemetry's clients and servers.",
  arguments: ARGUMENTS,
  exports: { handler: "For the auth of clients and servers." },
  check: debugMetricsFault,
  run: async (context: Context, signal) => {
    context.setExports({
      handler: {
        kind: "otel-handler",
        owner: context.id,
        dress: (headers) => {
          const values = context.arguments();
          headers[values.header.toLowerCase()] = valueOf(values);
          return Promise.resolve();
        },
        admit: (headers) => {
          const values = context.arguments();
          if (!isSame(headerOf(headers, values.header), valueOf(values)))
            throw unauthenticated(`the token is asked for in the header ${values.header}`);
        },
      },
    });
    await untilStopped(context, signal);
  },
});

function valueOf({ scheme, token }: Arguments): string {
  return scheme === "" ? token.reveal() : `${scheme} ${token.reveal()}`;
}
