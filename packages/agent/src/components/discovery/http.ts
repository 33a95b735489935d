/** `discovery.http`: targets that an HTTP server lists. The targets of the last good answer stay when a later one fails. */
import { describeError, FinchError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault } from "../../component.ts";
import { createHttpClient } from "../../http-client.ts";
import type { HttpClient } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import type { Target } from "../../receivers.ts";
import { optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { toTargets } from "../../target-groups.ts";

const ARGUMENTS = {
  url: required("string", "Where the targets are listed."),
  refresh_interval: optional("duration", 60_000, "How often to ask.", { min: 1 }),
  ...HTTP_CLIENT_ARGUMENTS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface Exports {
  readonly targets: readonly Target[];
}

const ANSWER_BYTES_MAX = 64 << 20;
/** A refresh that takes longer would overlap the next; Prometheus waits as long as its interval. */
const TIMEOUT_MS_MAX = 60_000;
const JSON_TYPE = /^application\/json(;\s*charset="?utf-8"?)?$/i;

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
          const targets = await ask(client, values, session);
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

async function ask(client: HttpClient, values: Arguments, signal: AbortSignal): Promise<Target[]> {
  const { url, refresh_interval: intervalMs } = values;
  const response = await client.request({
    method: "GET",
    url,
    headers: {
      accept: "application/json",
      "accept-encoding": "gzip",
      "x-prometheus-refresh-interval-seconds": String(intervalMs / 1000),
    },
    timeoutMs: Math.min(TIMEOUT_MS_MAX, intervalMs),
    signal,
    responseBytesMax: ANSWER_BYTES_MAX,
  });
  if (response.status !== 200) throw badAnswer(`${url} answers with status ${response.status}`);
  const type = response.headers["content-type"] ?? "";
  if (!JSON_TYPE.test(type.trim()))
    throw badAnswer(
      `${url} answers with the content type ${JSON.stringify(type)}, not application/json`,
    );
  let content: unknown;
  try {
    content = JSON.parse(Buffer.from(response.body).toString());
  } catch (cause) {
    throw badAnswer(`${url} answers with something that is not JSON`, cause);
  }
  return toTargets(content, { __meta_url: url });
}

function badAnswer(message: string, cause?: unknown): FinchError {
  return new FinchError("invalid", "agent/discovery-http", message, { cause });
}
