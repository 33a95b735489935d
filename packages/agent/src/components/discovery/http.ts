/** `discovery.http`: targets that an HTTP server lists. The targets of the last good answer stay when a later one fails. */
import { describeError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault } from "../../component.ts";
import { createHttpClient } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { listHttpTargets } from "../../http-targets.ts";
import type { Target } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  url: required("string", "Where the targets are listed."),
  refresh_interval: optional("duration", 60_000, "How often to ask.", { min: 1 }),
  ...HTTP_CLIENT_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface Exports {
  readonly targets: readonly Target[];
}

export const discoveryHttp = defineComponent<typeof ARGUMENTS, Exports>({
  name: "discovery.http",
  stability: "generally-available",
  summary: "Finds targets by asking an HTTP server for them.",
  arguments: ARGUMENTS,
  exports: { targets: "The targets listed, with `__meta_url`." },
  check: findFault,
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      using client = await createHttpClient(httpClientOptions(values));
      const failures = context.metrics.counter(
        "prometheus_sd_http_failures_total",
        "Number of HTTP service discovery refresh failures.",
      );
      while (!session.aborted) {
        try {
          const server = { url: values.url, intervalMs: values.refresh_interval };
          const targets = await listHttpTargets(client, server, session);
          context.setExports({ targets });
          context.setHealth("healthy", `${targets.length} targets`);
        } catch (error) {
          session.throwIfAborted();
          failures.add(1);
          context.setHealth("unhealthy", describeError(error));
        }
        await context.clock.sleep(values.refresh_interval, session);
      }
    }),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { protocol = "", host = "" } = URL.parse(values.url) ?? {};
  if (!/^https?:$/.test(protocol) || host === "")
    return { at: "url", message: `${JSON.stringify(values.url)} is not an http or https URL` };
  try {
    httpClientOptions(values);
    return undefined;
  } catch (error) {
    return { message: describeError(error) };
  }
}
