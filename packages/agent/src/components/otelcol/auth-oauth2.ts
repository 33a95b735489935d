/** `otelcol.auth.oauth2`: tokens of OAuth 2.0 client credentials for clients. */
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { createHttpClient, DEFAULT_HTTP_CLIENT_OPTIONS } from "../../http-client.ts";
import type { HttpClient } from "../../http-client.ts";
import { createTokenSource } from "../../http-oauth2.ts";
import type { TokenSource } from "../../http-oauth2.ts";
import { clientTlsFault, CLIENT_TLS_BLOCK, tlsOptionsOf } from "../../otel/client-tls.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import type { OtelHandler } from "../../otel/handler.ts";
import { maybe, notYet, optional, required } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { periodOrChange, unlessAborted, untilAborted } from "../../until-aborted.ts";

const ARGUMENTS = {
  client_id: optional("string", "", "Identifier of the client."),
  client_id_file: maybe("string", "File with the identifier; read when the arguments change."),
  client_secret: maybe("secret", "Secret of the client."),
  client_secret_file: maybe("string", "File with the secret; read for each token."),
  token_url: required("string", "Where tokens are asked for."),
  scopes: optional("list(string)", [], "Scopes to ask for."),
  endpoint_params: optional(
    "map(list(string))",
    {},
    "Parameters sent to the token URL besides; one that is there already is replaced.",
  ),
  timeout: optional("duration", 0, "How long the token server may take; 0: 30 s."),
  expiry_buffer: optional(
    "duration",
    0,
    "How long before its end a token is renewed; only 0 is taken: ten seconds.",
  ),
  grant_type: notYet("attribute", "Another grant than client_credentials."),
  audience: notYet("attribute", "Of the JWT bearer grant."),
  claims: notYet("attribute", "Of the JWT bearer grant."),
  iss: notYet("attribute", "Of the JWT bearer grant."),
  signature_algorithm: notYet("attribute", "Of the JWT bearer grant."),
  client_certificate_key: notYet("attribute", "Of the JWT bearer grant."),
  client_certificate_key_file: notYet("attribute", "Of the JWT bearer grant."),
  client_certificate_key_id: notYet("attribute", "Of the JWT bearer grant."),
  tls: CLIENT_TLS_BLOCK,
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly handler: OtelHandler }>;

const TIMEOUT_MS = 30_000;
/** Pause before a file that cannot be read is tried again. */
const RETRY_MS = 5000;
const ANSWER_BYTES_MAX = 1 << 20;

export const authOauth2 = defineComponent({
  name: "otelcol.auth.oauth2",
  stability: "generally-available",
  summary: "OAuth 2.0 tokens for OpenTelemetry's clients.",
  arguments: ARGUMENTS,
  exports: { handler: "For the auth of clients." },
  check: findFault,
  run: async (context: Context, signal) => {
    let tokens = Promise.withResolvers<TokenSource>();
    context.setExports({
      handler: {
        kind: "otel-handler",
        owner: context.id,
        dress: async (headers) => {
          const source = await unlessAborted(tokens.promise, signal);
          headers["authorization"] = await source.authorization();
        },
      },
    });
    await untilAborted(signal, async () => {
      const values = context.arguments();
      using client = await createHttpClient({
        ...DEFAULT_HTTP_CLIENT_OPTIONS,
        tls: tlsOptionsOf(values.tls),
      });
      try {
        tokens.resolve(await openTokens(values, client, signal));
        context.setHealth("healthy", "ready to ask for tokens");
      } catch (error) {
        context.setHealth("unhealthy", describeError(error));
        return periodOrChange(context, RETRY_MS, signal);
      }
      try {
        await context.nextArguments(signal);
      } finally {
        tokens = Promise.withResolvers();
      }
    });
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  if (values.expiry_buffer !== 0)
    return { at: "expiry_buffer", message: "not supported yet: expiry_buffer" };
  if ((values.client_id === "") === (values.client_id_file === undefined))
    return { at: "client_id", message: "give either client_id or client_id_file" };
  if ((values.client_secret === undefined) === (values.client_secret_file === undefined))
    return { at: "client_secret", message: "give either client_secret or client_secret_file" };
  if (URL.parse(values.token_url) === null)
    return { at: "token_url", message: `${JSON.stringify(values.token_url)} is not a URL` };
  const fault = clientTlsFault(values.tls);
  return fault === undefined ? debugMetricsFault(values) : { at: "tls", message: fault };
}

async function openTokens(
  values: Arguments,
  client: HttpClient,
  signal: AbortSignal,
): Promise<TokenSource> {
  const { client_id_file: idFile, client_secret_file: secretFile } = values;
  return createTokenSource(
    {
      tokenUrl: values.token_url,
      clientId: idFile === undefined ? values.client_id : await read(idFile),
      scopes: values.scopes,
      endpointParams: values.endpoint_params,
    },
    {
      readSecret: () =>
        secretFile === undefined
          ? Promise.resolve(values.client_secret?.reveal() ?? "")
          : read(secretFile),
      monotonicMs: () => performance.now(),
      post: async (request) => {
        const { status, body } = await client.request({
          ...request,
          method: "POST",
          timeoutMs: values.timeout || TIMEOUT_MS,
          signal,
          responseBytesMax: ANSWER_BYTES_MAX,
        });
        return { status, text: Buffer.from(body).toString("utf8") };
      },
    },
  );
}

async function read(path: string): Promise<string> {
  try {
    return (await readFile(path, "utf8")).trim();
  } catch (error) {
    throw new FinchError(
      "invalid",
      "agent/http-credential-file",
      `cannot read the credential file ${path}: ${describeError(error)}`,
    );
  }
}
