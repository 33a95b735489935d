/** Headers of an exporter's requests: those of the configuration, then what its handler makes of them. */
import { wrongHandler } from "./handler.ts";
import type { OtelHandler } from "./handler.ts";
import type { ClientInfo } from "./telemetry-batch.ts";

export async function clientHeaders(
  values: {
    readonly headers: Readonly<Record<string, string>>;
    readonly auth: OtelHandler | undefined;
  },
  client: ClientInfo,
): Promise<Record<string, string>> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(values.headers)) headers[name.toLowerCase()] = value;
  if (values.auth === undefined) return headers;
  if (values.auth.dress === undefined) throw wrongHandler(values.auth, "by clients");
  await values.auth.dress(headers, client);
  return headers;
}
