/** Scopes of what is read, as a header of the request tells them, for tests; and answers without what differs from one time to another. */
import { parseSelector } from "@finch/logql";
import type { ReadScopeOf } from "../src/index.ts";

const SCOPE_HEADER = "x-test-scope";
/** The same where no header can be sent. */
export const SCOPE_PARAMETER = "test_scope";

/** What is readable inside; whatever is outside has the word {@link OUTSIDE} in all it has. */
export const INSIDE = '{host=~"web.*"}';
export const OUTSIDE = "outsider";

export const scopeOf: ReadScopeOf = (request) => {
  const key = request.header(SCOPE_HEADER) || (request.query.get(SCOPE_PARAMETER) ?? "");
  return key === "" ? undefined : { key, matchers: parseSelector(key) };
};

export interface Ask {
  readonly path: string;
  readonly parameters?: Readonly<Record<string, string>> | URLSearchParams;
  readonly body?: Uint8Array<ArrayBuffer>;
}

/** The status and the text of the answer, times taken out. */
export async function askScoped(
  port: number,
  { path, parameters, body }: Ask,
  scope: string,
): Promise<string> {
  const query = parameters === undefined ? "" : `?${new URLSearchParams(parameters).toString()}`;
  const reply = await fetch(`http://127.0.0.1:${port}${path}${query}`, {
    ...(body !== undefined && { method: "POST", body }),
    headers: { "accept-encoding": "identity", ...(scope !== "" && { [SCOPE_HEADER]: scope }) },
  });
  const text = Buffer.from(await reply.arrayBuffer()).toString("latin1");
  return `${reply.status} ${withoutTimes(text)}`;
}

/** Durations and rates of a query are another each time, and what is read of the disk depends on what is in memory already. */
function withoutTimes(text: string): string {
  return text.replaceAll(
    /"(?!minTime|maxTime)(\w*(?:Time|Seconds?|PerSecond|time|compressedBytes))":[\d.e+-]+/g,
    (_, name: string) => `"${name}":0`,
  );
}

/** The parameters of a request of which one is given several times. */
export function several(
  name: string,
  values: readonly string[],
  more: Record<string, string> = {},
) {
  const parameters = new URLSearchParams(more);
  for (const value of values) parameters.append(name, value);
  return parameters;
}
