/**
 * Answers the queries of a script over HTTP: samples go to a real store by remote write, each state of them under a tenant of its own, and
 * queries to `query` and `query_range`. The store's clock stands still some months after 1970, where the scripts' samples are.
 */
import { FinchError, systemClock } from "@finch/runtime";
import { encodeRemoteWrite2 } from "@finch/wire";
import { startMetricsServer } from "./metrics-server.ts";
import { answerFromJson } from "./promql-answer.ts";
import type { Answer, JsonAnswer } from "./promql-answer.ts";
import { SCRIPT_LANGUAGE } from "./promql.ts";
import type { ScriptBackend } from "./promql.ts";

const NOW_MS = 100 * 86_400_000;
const clock = {
  ...systemClock,
  nowMs: () => NOW_MS,
  nowNs: () => BigInt(NOW_MS) * 1_000_000n,
};
const PARAMETER_PREFIX = /^invalid parameter "[a-z]+": /;

/** `flush`: samples are in blocks before they are asked for, not in memory. */
export async function httpBackend({ flush }: { readonly flush: boolean }): Promise<ScriptBackend> {
  const server = await startMetricsServer({
    clock,
    language: SCRIPT_LANGUAGE,
    maxAgeMs: 2 * NOW_MS,
    multitenancy: true,
  });
  let tenants = 0;
  const headers = () => ({ "x-scope-orgid": `script-${tenants}` });
  const ask = async (
    path: string,
    parameters: Readonly<Record<string, string>>,
  ): Promise<Answer> => {
    const reply = await server.send(path, {
      body: new URLSearchParams(parameters).toString(),
      headers: { ...headers(), "content-type": "application/x-www-form-urlencoded" },
    });
    const json = JSON.parse(reply.text) as JsonAnswer & { readonly error?: string };
    if (reply.status === 200) return answerFromJson(json);
    const message = (json.error ?? reply.text).replace(PARAMETER_PREFIX, "");
    throw new FinchError("invalid", "conformance/http", message);
  };
  return {
    load: async (storage) => {
      tenants++;
      const filled = storage.series.filter(({ timestampsMs }) => timestampsMs.length > 0);
      const series = filled.map(({ histograms, ...rest }) => ({
        ...rest,
        histograms: new Map(
          (histograms ?? []).flatMap((histogram, i) =>
            histogram ? [[i, histogram] as const] : [],
          ),
        ),
      }));
      if (series.length === 0) return;
      const reply = await server.send("/api/v1/push", {
        body: encodeRemoteWrite2(series),
        headers: {
          ...headers(),
          "content-type": "application/x-protobuf;proto=io.prometheus.write.v2.Request",
          "content-encoding": "snappy",
        },
      });
      if (reply.status >= 300)
        throw new FinchError("invalid", "conformance/http", `a write was answered ${reply.text}`);
      if (!flush) return;
      const flushed = await server.send("/ingester/flush?wait=true", { method: "POST" });
      if (flushed.status >= 300)
        throw new FinchError("invalid", "conformance/http", `a flush was answered ${flushed.text}`);
    },
    instant: async (query, timeMs) =>
      await ask("/prometheus/api/v1/query", { query, time: String(timeMs / 1000) }),
    range: async (query, { startMs, endMs, stepMs }) =>
      await ask("/prometheus/api/v1/query_range", {
        query,
        start: String(startMs / 1000),
        end: String(endMs / 1000),
        step: String(stepMs / 1000),
      }),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
