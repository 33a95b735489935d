/** Asks a running Finch over its HTTP API, for the query commands. */
import { parseDuration } from "@finch/model";
import { describeError, FinchError } from "@finch/runtime";

/** An API token; not a flag, for those are seen by everybody on the machine. */
const TOKEN_ENV = "FINCH_API_TOKEN";
const DEFAULT_URL = "http://127.0.0.1:3000";
const SIGN_IN = `this Finch asks who comes; put an API token with the permission to read into ${TOKEN_ENV} (make one in its settings)`;
/** A query that takes longer has been given up by the server as well. */
const ANSWER_MS_MAX = 130_000;

/** GETs `path` and returns the JSON; a fault says what to do when nobody answers, and repeats the server's message when it refuses. */
export function askFinch(
  url: string | undefined,
  path: string,
  parameters: Readonly<Record<string, string>>,
): Promise<unknown> {
  return callFinch(targetOf(url, path, parameters), { method: "GET" });
}

/** As {@link askFinch}, with any method, and a body that is sent as JSON. */
export async function callFinch(
  target: URL,
  { method, body }: { readonly method: string; readonly body?: unknown },
): Promise<unknown> {
  let reply: Response;
  let text: string;
  try {
    reply = await fetch(target, {
      method,
      headers: {
        ...tokenHeaders(),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    text = await reply.text();
  } catch (error) {
    throw new FinchError(
      "unavailable",
      "finch/no-answer",
      `no answer from ${target.origin}; start Finch with "finch up", or name its address with --url`,
      { cause: error },
    );
  }
  if (!reply.ok) {
    throw new FinchError(
      reply.status < 500 ? "invalid" : "unavailable",
      "finch/refused",
      reply.status === 401 ? SIGN_IN : messageOf(text, reply.status),
    );
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new FinchError(
      "internal",
      "finch/bad-answer",
      `${target.origin} does not answer as Finch does: ${describeError(error)}`,
    );
  }
}

/** What shows who asks, where Finch wants to know: the API token of the environment. */
export function tokenHeaders(): Readonly<Record<string, string>> {
  const token = process.env[TOKEN_ENV] ?? "";
  return token === "" ? {} : { authorization: `Bearer ${token}` };
}

export function targetOf(
  url: string | undefined,
  path: string,
  parameters: Readonly<Record<string, string>>,
): URL {
  let target: URL;
  try {
    target = new URL(path, url ?? DEFAULT_URL);
  } catch {
    throw new FinchError(
      "invalid",
      "finch/bad-url",
      `--url ${url ?? ""} is no address; give one such as ${DEFAULT_URL}`,
    );
  }
  for (const [name, value] of Object.entries(parameters)) target.searchParams.set(name, value);
  return target;
}

function messageOf(text: string, status: number): string {
  try {
    const { error } = JSON.parse(text) as { readonly error?: unknown };
    if (typeof error === "string") return error;
  } catch {
    // Loki's faults are plain text: the message itself.
  }
  return text.trim() === "" ? `answered ${status} without a reason` : text.trim();
}

/** Milliseconds of a flag. */
export function readDurationFlag(name: string, text: string): number {
  try {
    return parseDuration(text);
  } catch (error) {
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `${name} ${text}: write a duration such as 15m, 1h or 7d`,
      { cause: error },
    );
  }
}

export function readCountFlag(name: string, text: string): number {
  if (!/^[1-9]\d{0,6}$/.test(text)) {
    throw new FinchError(
      "invalid",
      "finch/bad-flag",
      `${name} ${text}: give a whole number above zero`,
    );
  }
  return Number(text);
}

/** Whether `--output` asks for JSON. */
export function wantsJson(output: string): boolean {
  if (output !== "table" && output !== "json") {
    throw new FinchError("invalid", "finch/bad-flag", `--output ${output}: table or json`);
  }
  return output === "json";
}
