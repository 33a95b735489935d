/** What `pyroscope.write` can be told. */
import { describeError, FinchError } from "@finch/runtime";
import type { ArgumentFault } from "../../component.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { block, maybe, moot, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ENDPOINT = {
  url: required(
    "string",
    "Base address, such as http://127.0.0.1:4040; pushes go to push.v1.PusherService/Push below it, ingested profiles to ingest.",
  ),
  name: maybe("string", "Name in messages; the URL unless told otherwise."),
  remote_timeout: optional("duration", 10_000, "Time for a request.", { min: 1 }),
  headers: optional("map(string)", {}, "Headers of every request."),
  min_backoff_period: optional("duration", 500, "First pause after a failure.", { min: 1 }),
  max_backoff_period: optional("duration", 300_000, "Longest pause after a failure.", { min: 1 }),
  max_backoff_retries: optional(
    "number",
    10,
    "Retries after which profiles are dropped; 0: until the sender gives up.",
    { min: 0 },
  ),
  retry_on_http_429: optional("bool", true, "Whether 429 means later rather than never."),
  debug_info_upload_timeout: moot("duration", 120_000, "nothing here uploads debug information"),
  ...HTTP_CLIENT_ARGUMENTS,
};

export const ARGUMENTS = {
  endpoint: block(ENDPOINT, { repeat: "many", doc: "Where profiles are sent to." }),
  external_labels: optional("map(string)", {}, "Labels of every profile; they win."),
  tracing: block(
    {
      jaeger_propagator: moot("bool", true, "the agent has no traces of its own to tell of"),
      trace_context_propagator: moot("bool", true, "the agent has no traces of its own to tell of"),
    },
    { repeat: "optional", doc: "Headers that tell of the agent's own traces." },
  ),
};

export type Arguments = ValuesOf<typeof ARGUMENTS>;
/** What is wrong with arguments that are well typed one by one. */
export function findFault(values: Arguments): ArgumentFault | undefined {
  for (const [index, endpoint] of values.endpoint.entries()) {
    const at = `endpoint[${index}]`;
    const protocol = URL.parse(endpoint.url)?.protocol;
    if (protocol !== "http:" && protocol !== "https:")
      return {
        at: `${at}.url`,
        message: `${JSON.stringify(endpoint.url)} is not an http or https URL, such as http://127.0.0.1:4040`,
      };
    try {
      httpClientOptions(endpoint);
    } catch (error) {
      if (error instanceof FinchError) return { at, message: describeError(error) };
      throw error;
    }
  }
  return undefined;
}
