/** `otelcol.auth.basic`: HTTP basic authentication, for clients and for servers. */
import { createHash, timingSafeEqual } from "node:crypto";
import { readFile } from "node:fs/promises";
import { describeError, FinchError } from "@finch/runtime";
import { defineComponent } from "../../component.ts";
import type { ArgumentFault, ComponentContext } from "../../component.ts";
import { debugMetricsFault, DEBUG_METRICS_BLOCKS } from "../../otel/debug-metrics.ts";
import { headerOf, unauthenticated } from "../../otel/handler.ts";
import type { OtelHandler } from "../../otel/handler.ts";
import { block, maybe, notYet, optional } from "../../schema.ts";
import type { ValuesOf } from "../../schema.ts";
import { untilStopped } from "../../until-aborted.ts";

const ARGUMENTS = {
  username: maybe("string", "User name, of clients and servers."),
  password: maybe("secret", "Password, of clients and servers."),
  client_auth: block(
    {
      username: optional("string", "", "User name that clients show."),
      password: maybe("secret", "Password that clients show."),
      username_file: optional("string", "", "File with the user name; read at each request."),
      password_file: optional("string", "", "File with the password; read at each request."),
    },
    { repeat: "optional", doc: "What clients show, in place of the arguments." },
  ),
  htpasswd: notYet("block", "A file of users for servers."),
  ...DEBUG_METRICS_BLOCKS,
};

type Arguments = ValuesOf<typeof ARGUMENTS>;
type Context = ComponentContext<Arguments, { readonly handler: OtelHandler }>;

export const authBasic = defineComponent({
  name: "otelcol.auth.basic",
  stability: "generally-available",
  summary: "User name and password for OpenTelemetry's clients and servers.",
  arguments: ARGUMENTS,
  exports: { handler: "For the auth of clients and servers." },
  check: findFault,
  run: async (context: Context, signal) => {
    context.setExports({
      handler: {
        kind: "otel-handler",
        owner: context.id,
        dress: async (headers) => {
          headers["authorization"] = `Basic ${await clientPair(context.arguments())}`;
        },
        admit: (headers) => admit(context.arguments(), headerOf(headers, "authorization")),
      },
    });
    await untilStopped(context, signal);
  },
});

function findFault(values: Arguments): ArgumentFault | undefined {
  const { client_auth: client } = values;
  const hasOwn = values.username !== undefined && values.password !== undefined;
  if (!hasOwn && client === undefined)
    return { message: "give username and password, or a client_auth block" };
  if (client?.username_file !== "" && client?.username !== "" && client !== undefined)
    return { at: "client_auth", message: "give either username or username_file" };
  if (client !== undefined && client.password_file !== "" && client.password !== undefined)
    return { at: "client_auth", message: "give either password or password_file" };
  return debugMetricsFault(values);
}

async function clientPair({ username, password, client_auth: client }: Arguments): Promise<string> {
  if (client === undefined) return pairOf(username ?? "", password?.reveal() ?? "");
  const name = client.username_file === "" ? client.username : await read(client.username_file);
  const word =
    client.password_file === ""
      ? (client.password?.reveal() ?? "")
      : await read(client.password_file);
  return pairOf(name, word);
}

function pairOf(username: string, password: string): string {
  return Buffer.from(`${username}:${password}`).toString("base64");
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

function admit({ username, password }: Arguments, shown: string): void {
  if (username === undefined || password === undefined)
    throw unauthenticated("no user may ask: otelcol.auth.basic has no username and password");
  const wanted = pairOf(username, password.reveal());
  const [scheme = "", pair = ""] = shown.split(" ", 2);
  if (scheme.toLowerCase() !== "basic" || !isSame(pair, wanted))
    throw unauthenticated("user name and password are asked for (basic authentication)");
}

/** Takes the same time whatever is shown. */
export function isSame(shown: string, wanted: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(shown), digest(wanted));
}
