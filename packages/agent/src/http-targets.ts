/**
 * Targets that an HTTP server lists, for `discovery.http` and for ScrapeConfigs of prometheus-operator.
 * @see https://prometheus.io/docs/prometheus/latest/http_sd/
 */
import { FinchError } from "@finch/runtime";
import type { HttpClient } from "./http-client.ts";
import type { Target } from "./receivers.ts";
import { toTargets } from "./target-groups.ts";

const ANSWER_BYTES_MAX = 64 << 20;
/** A refresh that takes longer would overlap the next; Prometheus waits as long as its interval. */
const TIMEOUT_MS_MAX = 60_000;
const JSON_TYPE = /^application\/json(;\s*charset="?utf-8"?)?$/i;

/** Rejects with `agent/discovery-http` or `agent/bad-target-groups` when the answer is not a list of targets. */
export async function listHttpTargets(
  client: HttpClient,
  server: { readonly url: string; readonly intervalMs: number },
  signal: AbortSignal,
): Promise<Target[]> {
  const { url, intervalMs } = server;
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
