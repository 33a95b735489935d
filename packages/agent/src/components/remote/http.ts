/** `remote.http`: exports the body of an answer, and asks again from time to time. The last good answer stays exported when a later one fails. */
import { Secret } from "@finch/alloy-syntax";
import { describeError, FinchError } from "@finch/runtime";
import { runSessions } from "../../argument-sessions.ts";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../../http-client.ts";
import type { HttpClient } from "../../http-client.ts";
import { HTTP_CLIENT_ARGUMENTS, httpClientOptions } from "../../http-client-schema.ts";
import { block, oneOf, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";

const ARGUMENTS = {
  url: required("string", "Where to ask."),
  method: oneOf(["GET", "POST", "PUT", "DELETE", "HEAD"], "GET", "HTTP method."),
  headers: optional("map(string)", {}, "Headers of the request."),
  body: optional("string", "", "Body of the request."),
  poll_frequency: optional("duration", 60_000, "How often to ask."),
  poll_timeout: optional("duration", 10_000, "How long the server has to answer."),
  is_secret: optional("bool", false, "Whether the answer is a secret."),
  client: block(HTTP_CLIENT_ARGUMENTS, { repeat: "optional", doc: "How to connect." }),
};

type Arguments = ValuesOf<typeof ARGUMENTS>;

interface Exports {
  readonly content: string | Secret;
}

/** Configuration is small; this much of it would not be read by anyone. */
const CONTENT_BYTES_MAX = 16 << 20;

export const remoteHttp = defineComponent<typeof ARGUMENTS, Exports>({
  name: "remote.http",
  stability: "generally-available",
  summary: "Exports what an HTTP server answers.",
  arguments: ARGUMENTS,
  exports: { content: "The answer, without blanks around it; a secret with `is_secret`." },
  check: findFault,
  run: (context, signal) =>
    runSessions(context, signal, async (values, session) => {
      using client = await createHttpClient(
        values.client === undefined
          ? DEFAULT_HTTP_CLIENT_OPTIONS
          : httpClientOptions(values.client),
      );
      while (!session.aborted) {
        await ask(context, client, values, session);
        await context.clock.sleep(values.poll_frequency, session);
      }
    }),
});

function findFault(values: Arguments): ArgumentFault | undefined {
  for (const at of ["poll_frequency", "poll_timeout"] as const)
    if (values[at] <= 0) return { at, message: `${at} must be greater than 0` };
  if (values.poll_timeout >= values.poll_frequency)
    return { at: "poll_timeout", message: "poll_timeout must be less than poll_frequency" };
  if (!/^https?:$/.test(URL.parse(values.url)?.protocol ?? ""))
    return { at: "url", message: `${JSON.stringify(values.url)} is not an http or https URL` };
  try {
    if (values.client !== undefined) httpClientOptions(values.client);
    return undefined;
  } catch (error) {
    return { at: "client", message: describeError(error) };
  }
}

async function ask(
  context: ComponentContext<Arguments, Exports>,
  client: HttpClient,
  values: Arguments,
  signal: AbortSignal,
): Promise<void> {
  try {
    const response = await client.request({
      method: values.method,
      url: values.url,
      headers: values.headers,
      ...(values.body !== "" && { body: Buffer.from(values.body) }),
      timeoutMs: values.poll_timeout,
      signal,
      responseBytesMax: CONTENT_BYTES_MAX,
    });
    if (response.status !== 200)
      throw new FinchError(
        "unavailable",
        "agent/remote-http-status",
        `${values.url} answers with status ${response.status}`,
      );
    const text = Buffer.from(response.body).toString().trim();
    context.setExports({ content: values.is_secret ? new Secret(text) : text });
    context.setHealth("healthy", "polled endpoint");
  } catch (error) {
    signal.throwIfAborted();
    context.setHealth("unhealthy", `polling failed: ${describeError(error)}`);
  }
}
